"""Asks the portal for a file, as a program in the sandbox, and reads and changes
what it gets."""

import sys
import urllib.parse

from gi.repository import Gio, GLib

bus = Gio.bus_get_sync(Gio.BusType.SESSION)
loop = GLib.MainLoop()


def answered(connection, sender, path, interface, signal, arguments):
    code, results = arguments.unpack()
    if code != 0:
        sys.exit(f"the portal answered {code}")
    path = urllib.parse.unquote(results["uris"][0].removeprefix("file://"))
    print("path", path)
    with open(path) as f:
        print("read", f.read().strip())
    with open(path, "a") as f:
        f.write("changed inside\n")
    loop.quit()


bus.signal_subscribe(None, "org.freedesktop.portal.Request", "Response", None, None, Gio.DBusSignalFlags.NONE, answered)
bus.call_sync(
    "org.freedesktop.portal.Desktop", "/org/freedesktop/portal/desktop", "org.freedesktop.portal.FileChooser", "OpenFile",
    GLib.Variant("(ssa{sv})", ("", "pick", {})), None, Gio.DBusCallFlags.NONE, 20000, None,
)
GLib.timeout_add_seconds(120, lambda: sys.exit("no answer"))
loop.run()
