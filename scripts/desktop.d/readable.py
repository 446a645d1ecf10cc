"""Reads the accessibility bus, outside, as a screen reader does: it prints the
names of the programs there, and of what their windows hold, down to a depth."""

import sys

from gi.repository import Gio, GLib

session = Gio.bus_get_sync(Gio.BusType.SESSION)
(address,) = session.call_sync("org.a11y.Bus", "/org/a11y/bus", "org.a11y.Bus", "GetAddress", None, None, 0, -1, None).unpack()
bus = Gio.DBusConnection.new_for_address_sync(
    address, Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION, None, None
)


def call(name, path, interface, method, arguments=None):
    return bus.call_sync(name, path, interface, method, arguments, None, 0, 5000, None).unpack()[0]


def show(name, path, depth):
    print(call(name, path, "org.freedesktop.DBus.Properties", "Get", GLib.Variant("(ss)", ("org.a11y.atspi.Accessible", "Name"))))
    if depth > 0:
        for child in call(name, path, "org.a11y.atspi.Accessible", "GetChildren"):
            show(*child, depth - 1)


show("org.a11y.atspi.Registry", "/org/a11y/atspi/accessible/root", int(sys.argv[1]))
