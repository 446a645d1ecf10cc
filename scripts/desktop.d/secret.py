"""Asks the portal for the program's own secret, inside, and prints it."""

import os
import sys

from gi.repository import Gio, GLib

bus = Gio.bus_get_sync(Gio.BusType.SESSION)
loop = GLib.MainLoop()
read, write = os.pipe()


def answered(connection, sender, path, interface, signal, arguments):
    code, results = arguments.unpack()
    if code != 0:
        sys.exit(f"the portal answered {code}")
    os.close(write)
    print("secret", os.read(read, 1000).hex())
    loop.quit()


bus.signal_subscribe(None, "org.freedesktop.portal.Request", "Response", None, None, Gio.DBusSignalFlags.NONE, answered)
bus.call_with_unix_fd_list_sync(
    "org.freedesktop.portal.Desktop", "/org/freedesktop/portal/desktop", "org.freedesktop.portal.Secret", "RetrieveSecret",
    GLib.Variant("(ha{sv})", (0, {})), None, Gio.DBusCallFlags.NONE, 20000, Gio.UnixFDList.new_from_array([os.dup(write)]), None,
)
GLib.timeout_add_seconds(120, lambda: sys.exit("no answer"))
loop.run()
