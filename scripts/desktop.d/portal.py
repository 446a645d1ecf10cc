"""A backend of xdg-desktop-portal that says yes to everything, always chooses
the file in $CHOSEN, and notes in $NOTES what was asked for whom."""

import os

import dbus
import dbus.mainloop.glib
import dbus.service
from gi.repository import GLib


def note(*words):
    with open(os.environ["NOTES"], "a") as notes:
        print(*words, file=notes)


def answer(results={}):
    return dbus.UInt32(0), dbus.Dictionary(results, signature="sv")


class Backend(dbus.service.Object):
    @dbus.service.method("org.freedesktop.impl.portal.FileChooser", in_signature="osssa{sv}", out_signature="ua{sv}")
    def OpenFile(self, handle, app, parent, title, options):
        note("OpenFile", app)
        return answer({"uris": dbus.Array(["file://" + os.environ["CHOSEN"]], signature="s"), "writable": True})

    @dbus.service.method("org.freedesktop.impl.portal.AppChooser", in_signature="ossasa{sv}", out_signature="ua{sv}")
    def ChooseApplication(self, handle, app, parent, choices, options):
        note("ChooseApplication", app)
        return dbus.UInt32(1), dbus.Dictionary({}, signature="sv")

    @dbus.service.method("org.freedesktop.impl.portal.Access", in_signature="osssssa{sv}", out_signature="ua{sv}")
    def AccessDialog(self, handle, app, parent, title, subtitle, body, options):
        note("AccessDialog", app)
        return answer()

    @dbus.service.method("org.freedesktop.impl.portal.Notification", in_signature="ssa{sv}")
    def AddNotification(self, app, name, notification):
        note("AddNotification", app, notification["title"])

    @dbus.service.method("org.freedesktop.impl.portal.Settings", in_signature="as", out_signature="a{sa{sv}}")
    def ReadAll(self, namespaces):
        return {"org.freedesktop.appearance": {"color-scheme": dbus.UInt32(1)}}

    @dbus.service.method("org.freedesktop.impl.portal.Settings", in_signature="ss", out_signature="v")
    def Read(self, namespace, key):
        return dbus.UInt32(1)

    @dbus.service.method("org.freedesktop.impl.portal.ScreenCast", in_signature="oosa{sv}", out_signature="ua{sv}")
    def CreateSession(self, handle, session, app, options):
        note("CreateSession", app)
        return answer({"session_id": "1"})


dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
bus = dbus.SessionBus()
name = dbus.service.BusName("org.freedesktop.impl.portal.desktop.fake", bus)
Backend(bus, "/org/freedesktop/portal/desktop")
print("ready", flush=True)
GLib.MainLoop().run()
