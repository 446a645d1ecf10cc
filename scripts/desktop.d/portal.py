"""A backend of xdg-desktop-portal that always answers with the file in
$CHOSEN, and notes in $NOTES for whom."""

import os

import dbus
import dbus.mainloop.glib
import dbus.service
from gi.repository import GLib


class Chooser(dbus.service.Object):
    @dbus.service.method("org.freedesktop.impl.portal.FileChooser", in_signature="osssa{sv}", out_signature="ua{sv}")
    def OpenFile(self, handle, app, parent, title, options):
        with open(os.environ["NOTES"], "a") as notes:
            print("OpenFile", app, file=notes)
        uris = dbus.Array(["file://" + os.environ["CHOSEN"]], signature="s")
        return dbus.UInt32(0), dbus.Dictionary({"uris": uris, "writable": True}, signature="sv")

    @dbus.service.method("org.freedesktop.impl.portal.AppChooser", in_signature="ossasa{sv}", out_signature="ua{sv}")
    def ChooseApplication(self, handle, app, parent, choices, options):
        with open(os.environ["NOTES"], "a") as notes:
            print("ChooseApplication", app, file=notes)
        return dbus.UInt32(1), dbus.Dictionary({}, signature="sv")

    @dbus.service.method("org.freedesktop.impl.portal.Access", in_signature="osssssa{sv}", out_signature="ua{sv}")
    def AccessDialog(self, handle, app, parent, title, subtitle, body, options):
        with open(os.environ["NOTES"], "a") as notes:
            print("AccessDialog", app, file=notes)
        return dbus.UInt32(0), dbus.Dictionary({}, signature="sv")


dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
bus = dbus.SessionBus()
name = dbus.service.BusName("org.freedesktop.impl.portal.desktop.fake", bus)
Chooser(bus, "/org/freedesktop/portal/desktop")
print("ready", flush=True)
GLib.MainLoop().run()
