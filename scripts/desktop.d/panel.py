"""A panel with a tray and notifications, outside: it asks each item that
registers for its title, and notes that in $NOTES, and what it is to notify of."""

import os

import dbus
import dbus.mainloop.glib
import dbus.service
from gi.repository import GLib


class Watcher(dbus.service.Object):
    @dbus.service.method("org.kde.StatusNotifierWatcher", in_signature="s", sender_keyword="sender")
    def RegisterStatusNotifierItem(self, item, sender):
        def noted(title):
            with open(os.environ["NOTES"], "a") as notes:
                print("item", title, file=notes)

        properties = dbus.Interface(bus.get_object(sender, "/StatusNotifierItem", introspect=False), "org.freedesktop.DBus.Properties")
        properties.Get("org.kde.StatusNotifierItem", "Title", reply_handler=noted, error_handler=noted)


class Notifications(dbus.service.Object):
    @dbus.service.method("org.freedesktop.Notifications", in_signature="susssasa{sv}i", out_signature="u")
    def Notify(self, app, replaces, icon, summary, body, actions, hints, timeout):
        with open(os.environ["NOTES"], "a") as notes:
            print("notify", summary, file=notes)
        return 1


class Other(dbus.service.Object):
    @dbus.service.method("org.example.Other", out_signature="s")
    def Secret(self):
        return "another object of the panel's"


dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
bus = dbus.SessionBus()
names = [dbus.service.BusName(name, bus) for name in ("org.freedesktop.Notifications", "org.kde.StatusNotifierWatcher")]
Notifications(bus, "/org/freedesktop/Notifications")
Watcher(bus, "/StatusNotifierWatcher")
Other(bus, "/Other")
GLib.MainLoop().run()
