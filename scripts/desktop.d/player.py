"""A player with an icon in the tray, inside: its arguments are names that it
takes on the bus. It ends when it is told to pause."""

import os
import sys

import dbus
import dbus.mainloop.glib
import dbus.service
from gi.repository import GLib

loop = GLib.MainLoop()


class Item(dbus.service.Object):
    @dbus.service.method("org.freedesktop.DBus.Properties", in_signature="ss", out_signature="v")
    def Get(self, interface, name):
        return "a player"


class Player(dbus.service.Object):
    @dbus.service.method("org.mpris.MediaPlayer2.Player")
    def Pause(self):
        print("paused")
        GLib.idle_add(loop.quit)


dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
bus = dbus.SessionBus()
item = f"org.kde.StatusNotifierItem-{os.getpid()}-1"
names = [dbus.service.BusName(name, bus) for name in [item, *sys.argv[1:]]]
Item(bus, "/StatusNotifierItem")
Player(bus, "/org/mpris/MediaPlayer2")
bus.get_object("org.kde.StatusNotifierWatcher", "/StatusNotifierWatcher", introspect=False).RegisterStatusNotifierItem(
    item, dbus_interface="org.kde.StatusNotifierWatcher"
)
loop.run()
