"""Asks a portal, inside: the arguments are the interface, the method, and the
arguments of that as text of GVariant. It prints the answer."""

import sys

from gi.repository import Gio, GLib

interface, method, arguments = sys.argv[1:]
bus = Gio.bus_get_sync(Gio.BusType.SESSION)
loop = GLib.MainLoop()


def answered(connection, sender, path, interface, signal, results):
    print("answer", results.print_(False))
    loop.quit()


bus.signal_subscribe(None, "org.freedesktop.portal.Request", "Response", None, None, Gio.DBusSignalFlags.NONE, answered)
bus.call_sync(
    "org.freedesktop.portal.Desktop", "/org/freedesktop/portal/desktop", "org.freedesktop.portal." + interface, method,
    GLib.Variant.parse(None, arguments, None, None), None, Gio.DBusCallFlags.NONE, 20000, None,
)
GLib.timeout_add_seconds(120, lambda: sys.exit("no answer"))
loop.run()
