"""WebKit renders a page in a sandboxed process. Printed is what the page's
script made of it, and what that process is allowed, as seen from outside."""

import glob
import os
import sys

import gi

gi.require_version("Gtk", "3.0")
gi.require_version("WebKit2", "4.1")
from gi.repository import GLib, Gtk, WebKit2

PAGE = """<body><script>
document.title = "sum " + [1, 2, 3].reduce((a, b) => a + b) + ", width " + document.body.clientWidth
</script>"""


def sandboxed():
    """The web process: of this user and in another mount namespace."""
    for directory in glob.glob("/proc/[0-9]*"):
        try:
            with open(directory + "/cmdline", "rb") as f:
                program = f.read().split(b"\0")[0]
            if program.endswith(b"/WebKitWebProcess") and os.stat(directory).st_uid == os.getuid():
                return directory
        except OSError:
            pass  # it has ended
    sys.exit("there is no web process")


def status(directory):
    wanted = ("Uid", "Gid", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", "Seccomp_filters")
    with open(directory + "/status") as f:
        return [line.strip() for line in f if line.split(":")[0] in wanted]


def namespaces(directory):
    for kind in sorted(os.listdir("/proc/self/ns")):
        new = os.readlink(directory + "/ns/" + kind) != os.readlink("/proc/self/ns/" + kind)
        yield kind + (" new" if new else " shared")


def mounts(directory):
    """The mounts to be seen, with what they forbid. Left out is what Snug does
    beyond bubblewrap: noexec on devices, and /dev/shm being a mount."""
    seen = {}
    with open(directory + "/mountinfo") as f:
        for line in f:
            fields = line.split()
            forbidden = [o for o in fields[5].split(",") if o in ("ro", "nosuid", "nodev")]
            seen[fields[4]] = ",".join(forbidden)
    seen.pop("/dev/shm", None)
    return ["%s %s" % m for m in sorted(seen.items())]


def titled(view, _):
    print(view.get_title())
    directory = sandboxed()
    for line in [*status(directory), *namespaces(directory), *mounts(directory)]:
        print(line)
    Gtk.main_quit()


def failed(why):
    print(why, file=sys.stderr, flush=True)
    os._exit(1)


context = WebKit2.WebContext()
context.set_sandbox_enabled(True)
view = WebKit2.WebView.new_with_context(context)
view.connect("notify::title", titled)
view.connect("web-process-terminated", lambda *_: failed("the web process ended"))
window = Gtk.OffscreenWindow()
window.set_default_size(300, 200)
window.add(view)
window.show_all()
view.load_html(PAGE, None)
GLib.timeout_add_seconds(200, lambda: failed("no title within 200 seconds"))
Gtk.main()
