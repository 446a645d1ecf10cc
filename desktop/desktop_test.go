package desktop

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/snug-sandbox/snug/mounts"
)

// world is a made-up machine with these files; names that end in a slash are
// directories, "a -> b" is a link.
func world(t *testing.T, files ...string) Facts {
	t.Helper()
	root := t.TempDir()
	for _, name := range files {
		name, to, link := strings.Cut(name, " -> ")
		at := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		switch {
		case link:
			err = os.Symlink(filepath.Join(root, to), at)
		case strings.HasSuffix(name, "/"):
			err = os.MkdirAll(at, 0o755)
		default:
			name, content, _ := strings.Cut(name, "=")
			err = os.WriteFile(filepath.Join(root, name), []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return Facts{
		UID: 1000, Home: "/home/ann", Root: root,
		Env:      map[string]string{"XDG_RUNTIME_DIR": "/run/user/1000"},
		Programs: map[string]string{"xdg-dbus-proxy": "/usr/bin/xdg-dbus-proxy"},
	}
}

var run = Run{Name: "viewer", ID: "42", Dir: "/run/user/1000/snug-desktop/42"}

// part returns what a key opens, nil when it opens nothing.
func part(l Layout, key string) *Part {
	for i := range l.Parts {
		if l.Parts[i].Key == "desktop."+key {
			return &l.Parts[i]
		}
	}
	return nil
}

func (p *Part) source(target string) string {
	if p != nil {
		for _, m := range p.Mounts {
			if m.Target == target {
				return m.Source
			}
		}
	}
	return ""
}

func laidOut(t *testing.T, c Config, f Facts) Layout {
	t.Helper()
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	l, err := c.Layout(f, run)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func refused(t *testing.T, c Config, f Facts, want string) {
	t.Helper()
	if _, err := c.Layout(f, run); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%+v: %v, want %q", c, err, want)
	}
}

func TestTheZeroConfigIsEmpty(t *testing.T) {
	if !(Config{}).Empty() || (Config{GPU: true}).Empty() || (Config{DBus: DBus{System: Bus{See: []string{"a.b"}}}}).Empty() {
		t.Error("what is empty")
	}
}

func TestWaylandGoesThroughAContextWhereThereIsOne(t *testing.T) {
	f := world(t, "/run/user/1000/wayland-1")
	f.Env["WAYLAND_DISPLAY"] = "wayland-1"
	f.Context = true
	l := laidOut(t, Config{Wayland: Auto}, f)
	p := part(l, "wayland")
	if p.source("/run/user/1000/wayland-0") != run.Dir+"/wayland" || p.Note != "" || p.Risk != "" || p.Env["WAYLAND_DISPLAY"] != "wayland-0" {
		t.Errorf("%+v", p)
	}
	if l.Work.Context == nil || l.Work.Context.Server != "/run/user/1000/wayland-1" {
		t.Errorf("%+v", l.Work)
	}
	l = laidOut(t, Config{Wayland: Plain}, f)
	if l.Work.Context != nil || part(l, "wayland").Risk == "" {
		t.Errorf("plain: %+v", l)
	}
	f.Context = false
	l = laidOut(t, Config{Wayland: Auto}, f)
	if p := part(l, "wayland"); p.source("/run/user/1000/wayland-0") != "/run/user/1000/wayland-1" || !strings.Contains(p.Note, "no security contexts") {
		t.Errorf("without contexts: %+v", p)
	}
	refused(t, Config{Wayland: Context}, f, "no security contexts")
}

// A compositor that does not say what it has may have security contexts: nothing
// that would go around them is shown instead.
func TestACompositorThatDoesNotAnswerIsNoPlainOne(t *testing.T) {
	f := world(t, "/tmp/.X11-unix/X3", "/run/user/1000/wayland-1")
	f.Env["WAYLAND_DISPLAY"], f.Env["DISPLAY"] = "wayland-1", ":3"
	f.Programs["Xwayland"], f.Programs["Xephyr"] = "/usr/bin/Xwayland", "/usr/bin/Xephyr"
	f.Silent = "i/o timeout"
	for _, c := range []Config{{Wayland: Auto}, {Wayland: Context}, {Wayland: Auto, X11: Fallback}, {X11: Fallback}, {X11: Xwayland}} {
		refused(t, c, f, "wayland-1 cannot be asked for security contexts: i/o timeout")
	}
	laidOut(t, Config{X11: Plain}, f)
	f.Silent, f.Dead = "", true
	refused(t, Config{Wayland: Auto}, f, "no compositor listens at")
	if l := laidOut(t, Config{Wayland: Auto, X11: Fallback}, f); l.Work.Server == nil || l.Work.Server.Kind != "Xephyr" {
		t.Errorf("a socket that a crash left: %+v", l.Work)
	}
	f.DeadX = true
	refused(t, Config{X11: Plain}, f, "no X server listens at /tmp/.X11-unix/X3")
}

func TestDisplaysThatAreNotThereAreNamed(t *testing.T) {
	f := world(t, "/tmp/.X11-unix/X3")
	refused(t, Config{Wayland: Auto}, f, "WAYLAND_DISPLAY is not set")
	refused(t, Config{Wayland: Auto, X11: Fallback}, f, "neither WAYLAND_DISPLAY nor DISPLAY is set")
	refused(t, Config{X11: Plain}, f, "DISPLAY is not set")
	f.Env["WAYLAND_DISPLAY"] = "wayland-9"
	refused(t, Config{Wayland: Auto}, f, "no compositor listens at /run/user/1000/wayland-9")
	f.Env["DISPLAY"] = ":5"
	refused(t, Config{X11: Plain}, f, "no X server listens at /tmp/.X11-unix/X5")
	f.Env["DISPLAY"] = "host:0"
	refused(t, Config{X11: Plain}, f, "another machine")
	f.Env["DISPLAY"] = "nonsense"
	refused(t, Config{X11: Plain}, f, "names no display")
	refused(t, Config{X11: Xwayland}, world(t), "no compositor")
	refused(t, Config{X11: Xephyr}, f, "Xephyr is not installed")
	delete(f.Env, "XDG_RUNTIME_DIR")
	refused(t, Config{Wayland: Auto}, f, "XDG_RUNTIME_DIR is not set")
	refused(t, Config{DBus: DBus{Session: Bus{Talk: []string{"org.example.App"}}}}, world(t), "DBUS_SESSION_BUS_ADDRESS is not set")
	none := world(t)
	none.Programs = nil
	refused(t, Config{Notifications: true}, none, "xdg-dbus-proxy, which filters a bus, is not installed")
}

func TestX11IsItsOwnServerBeforeTheCallers(t *testing.T) {
	f := world(t, "/tmp/.X11-unix/X3", "/run/user/1000/wayland-1")
	f.Env["DISPLAY"] = ":3.1"
	f.Env["WAYLAND_DISPLAY"] = "wayland-1"
	l := laidOut(t, Config{Wayland: Auto, X11: Fallback}, f)
	if part(l, "x11") != nil {
		t.Error("X11 beside Wayland")
	}
	f.Programs["Xwayland"], f.Programs["Xephyr"] = "/usr/bin/Xwayland", "/usr/bin/Xephyr"
	f.Context = true
	l = laidOut(t, Config{X11: Fallback}, f)
	if s := l.Work.Server; s == nil || s.Kind != "Xwayland" || s.Wayland != run.Dir+"/wayland" || l.Work.Context == nil {
		t.Errorf("%+v", l.Work)
	}
	if part(l, "x11").source("/run/user/1000/wayland-0") != "" {
		t.Error("the program has the compositor's socket, too")
	}
	delete(f.Env, "WAYLAND_DISPLAY")
	l = laidOut(t, Config{X11: Fallback}, f)
	if s := l.Work.Server; s == nil || s.Kind != "Xephyr" || s.Display != "3" || s.Number != "0" || part(l, "x11").source("/tmp/.X11-unix/X3") != "" {
		t.Errorf("%+v", l.Work)
	}
	f.Programs = nil
	l = laidOut(t, Config{X11: Fallback}, f)
	p := part(l, "x11")
	if p.source("/tmp/.X11-unix/X3") != "/tmp/.X11-unix/X3" || p.Risk == "" || p.Note == "" || l.Work.Cookie.Display != "3" || p.Env["DISPLAY"] != ":3" {
		t.Errorf("%+v", p)
	}
	if p.Mounts[0].Type != mounts.Tmpfs || p.Mounts[0].Target != "/tmp/.X11-unix" {
		t.Error("a shared /tmp would have the sockets of all servers")
	}
}

func TestDisplaysAreParsed(t *testing.T) {
	for text, want := range map[string]Display{
		":0": {"", "0"}, ":12.3": {"", "12"}, "unix:1": {"", "1"}, "unix/host:2.0": {"", "2"}, "host:0": {"host", "0"}, "[::1]:0": {"[::1]", "0"}, "localhost:10.0": {"localhost", "10"},
	} {
		if got, ok := ParseDisplay(text); !ok || got != want {
			t.Errorf("%q is %+v, %v", text, got, ok)
		}
	}
	for _, text := range []string{"", "0", ":", ":x", ":-1", ":../../etc", ":0/1", ":99999999", ": 0", ":00", ":+1"} {
		if got, ok := ParseDisplay(text); ok {
			t.Errorf("%q is %+v", text, got)
		}
	}
}

func TestNamesOfTheBusAreChecked(t *testing.T) {
	for _, name := range []string{"org.example.App", "org.example.*", "a.b-c", "org.mpris.MediaPlayer2.vlc.*"} {
		if why := CheckBusName(name); why != "" {
			t.Errorf("%s: %s", name, why)
		}
	}
	for _, name := range []string{"", "*", "org.*", "com.*", ":1.5", "org", "org.*.x", "org..x", "org.1x", "org.x*", "org.x --own=y", "org.x\n", strings.Repeat("a.b", 200)} {
		if CheckBusName(name) == "" {
			t.Errorf("%q is a name", name)
		}
	}
	for _, rule := range []string{"org.a.b=*", "org.a.b=org.x.Y.*@/a/b", "org.a.b=org.x.Y.Method@/a/*", "org.a.b=@/x", "org.a.*=org.x.*"} {
		if why := CheckBusRule(rule); why != "" {
			t.Errorf("%s: %s", rule, why)
		}
	}
	for _, rule := range []string{"", "org.a.b", "=x", "org.a.b=a b", "org.a.b=*@x", "org.a.b=*@/a//b", "org.a.b=*@/a b"} {
		if CheckBusRule(rule) == "" {
			t.Errorf("%q is a rule", rule)
		}
	}
	for id, ok := range map[string]bool{"org.example.App": true, "a.b": true, "org.example.my-app": true, "App": false, "org.my-x.App": false, "org..a": false, "org.1a": false, "org.a/b": false, "org.a\nname=b": false} {
		if (CheckAppID(id) == "") != ok {
			t.Errorf("%q: %q", id, CheckAppID(id))
		}
	}
	for _, name := range []string{"", "9 lives", "x/y", "ü", strings.Repeat("long", 100)} {
		if id := (Config{}).ID(name); CheckAppID(id) != "" {
			t.Errorf("%q becomes %q: %s", name, id, CheckAppID(id))
		}
	}
}

// rules are the options of the filter before the session bus.
func rules(t *testing.T, c Config, env ...string) []string {
	t.Helper()
	f := world(t)
	f.Env["DBUS_SESSION_BUS_ADDRESS"] = "unix:path=/tmp/bus"
	for _, kv := range env {
		name, value, _ := strings.Cut(kv, "=")
		f.Env[name] = value
	}
	f.A11y = "unix:path=/tmp/a11y"
	var list []string
	for _, p := range laidOut(t, c, f).Work.Proxies {
		list = append(list, p.Rules...)
	}
	return list
}

func TestRulesOfTheBusAreWellFormedAndNarrow(t *testing.T) {
	all := Config{
		Portals: []string{"all"}, Notifications: true, Tray: true, MPRIS: Auto, Keyring: Portal, Camera: Portal, Printing: Portal, InputMethod: Auto, A11y: true, OpenLinks: true,
	}
	list := rules(t, all, "GTK_IM_MODULE=ibus")
	for _, option := range list {
		kind, rule, _ := strings.Cut(option, "=")
		why := ""
		switch kind {
		case "--call", "--broadcast":
			why = CheckBusRule(rule)
		case "--talk", "--own", "--see":
			why = CheckBusName(rule)
		case "--sloppy-names":
		default:
			why = "not an option"
		}
		if why != "" {
			t.Errorf("%s: %s", option, why)
		}
		for _, bad := range []string{"systemd1", "org.freedesktop.Flatpak", "ca.desrt.dconf", "org.freedesktop.secrets", "RemoteDesktop", "DynamicLauncher", "Background", "Keystroke@", "RegisterKeystroke", "org.gnome.Shell"} {
			if strings.Contains(option, bad) {
				t.Errorf("%s lets the program out", option)
			}
		}
	}
	for _, want := range []string{
		"--call=org.freedesktop.portal.Desktop=org.freedesktop.portal.FileChooser.*@/org/freedesktop/portal/desktop",
		"--broadcast=org.freedesktop.portal.Desktop=*@/org/freedesktop/portal/desktop/*",
		"--call=org.freedesktop.Notifications=org.freedesktop.Notifications.*@/org/freedesktop/Notifications",
		"--own=org.mpris.MediaPlayer2.org.snug_sandbox.viewer.*", "--own=org.snug_sandbox.viewer.*", "--talk=org.freedesktop.portal.IBus.*",
	} {
		if !slices.Contains(list, want) {
			t.Errorf("%s is missing", want)
		}
	}
	if list := rules(t, Config{Portals: []string{"settings"}}); slices.ContainsFunc(list, func(r string) bool { return strings.Contains(r, "FileChooser") }) {
		t.Error("one portal gives another")
	}
	if !slices.Contains(rules(t, Config{Keyring: Service}), "--talk=org.freedesktop.secrets") {
		t.Error("the keyring")
	}
}

// Programs of GTK end when they may not take their name, and players are known by
// theirs.
func TestAProgramOwnsTheNamesThatAreIts(t *testing.T) {
	f := world(t)
	f.Env["DBUS_SESSION_BUS_ADDRESS"] = "unix:path=/tmp/bus"
	f.Own, f.Installed = []string{"org.videolan.VLC", "org.kde.okular"}, true
	l, err := Config{MPRIS: Auto}.Layout(f, Run{Name: "media-player.vlc", Program: "/usr/bin/vlc", ID: "1", Dir: "/d"})
	if err != nil {
		t.Fatal(err)
	}
	rules := l.Work.Proxies[0].Rules
	for _, want := range []string{
		"--own=org.videolan.VLC.*", "--own=org.vlc.*", "--own=org.gnome.vlc.*", "--own=org.kde.okular.*", "--own=org.kde.okular-2", "--own=org.mpris.MediaPlayer2.vlc.*",
		"--own=org.mpris.MediaPlayer2.org.snug_sandbox.media_player_vlc.*", "--own=org.snug_sandbox.media_player_vlc.*",
	} {
		if !slices.Contains(rules, want) {
			t.Errorf("%s is missing in %q", want, rules)
		}
	}
	if slices.Contains(rules, "--own=org.videolan.VLC-2") {
		t.Error("a pid in a name that has none")
	}
	f.Own, f.Installed = nil, false
	if l, err = (Config{MPRIS: Auto}).Layout(f, Run{Name: "x", Program: "/home/me/kwalletd6", ID: "1", Dir: "/d"}); err != nil || slices.ContainsFunc(l.Work.Proxies[0].Rules, func(r string) bool { return strings.Contains(r, "org.kde") }) {
		t.Errorf("a program that anybody named: %v, %q", err, l.Work.Proxies[0].Rules)
	}
	for _, many := range []string{"gnome", "KDE", "python3", "freedesktop", "a b", "", ".", "*"} {
		if names := namesOf(many); names != nil {
			t.Errorf("%q: %q", many, names)
		}
	}
	odd, err := Config{MPRIS: Auto}.Layout(f, Run{Name: "x", Program: "/opt/a player.sh", ID: "1", Dir: "/d"})
	if err != nil || slices.ContainsFunc(odd.Work.Proxies[0].Rules, func(r string) bool { return strings.Contains(r, "a player") }) {
		t.Errorf("%+v, %v", odd, err)
	}
}

func TestALSAIsTheDevicesThatThereAre(t *testing.T) {
	p := part(laidOut(t, Config{Audio: []string{ALSA}}, world(t, "/dev/snd/pcmC0D0p", "/dev/snd/controlC0")), "audio")
	if p.source("/dev/snd/pcmC0D0p") == "" || p.source("/dev/snd/controlC0") == "" || p.Risk == "" {
		t.Errorf("%+v", p)
	}
	if p := part(laidOut(t, Config{Audio: []string{ALSA}}, world(t)), "audio"); p.Risk != "" || !strings.Contains(p.Opens, "no sound card") {
		t.Errorf("without one: %+v", p)
	}
}

func TestPortalsKnowTheProgram(t *testing.T) {
	f := world(t)
	f.Env["DBUS_SESSION_BUS_ADDRESS"] = "unix:path=/tmp/bus"
	f.Documents = "/run/user/1000/doc"
	l := laidOut(t, Config{Portals: []string{"file_chooser"}}, f)
	if l.Work.Info != "[Application]\nname=org.snug_sandbox.viewer\n\n[Instance]\ninstance-id=42\n\n[Context]\n" {
		t.Errorf("%q", l.Work.Info)
	}
	if part(l, "portals").source("/run/user/1000/doc") != "/run/user/1000/doc/by-app/org.snug_sandbox.viewer" {
		t.Error("the document portal is not bound, or as a whole")
	}
}

func TestThePulseServerIsFound(t *testing.T) {
	for _, c := range []struct {
		files []string
		env   string
		want  string
	}{
		{[]string{"/run/user/1000/pulse/native"}, "", "/run/user/1000/pulse/native"},
		{[]string{"/run/pulse/native"}, "", "/run/pulse/native"},
		{[]string{"/srv/native"}, "PULSE_SERVER={abc}unix:/srv/native tcp:host", "/srv/native"},
		{[]string{"/home/ann/.config/pulse/client.conf=# x\ndefault-server = unix:/srv/n\n"}, "", "/srv/n"},
		{nil, "PULSE_SERVER=tcp:host", ""},
		{nil, "", ""},
	} {
		f := world(t, c.files...)
		if name, value, ok := strings.Cut(c.env, "="); ok {
			f.Env[name] = value
		}
		if got := f.pulseSocket(); got != c.want {
			t.Errorf("%v %s: %q, want %q", c.files, c.env, got, c.want)
		}
	}
	f := world(t, "/run/user/1000/pulse/native", "/run/user/1000/pipewire-0", "/run/user/1000/pipewire-0-manager")
	l := laidOut(t, Config{Audio: []string{Auto}}, f)
	if l.Work.Pulse == nil || l.Work.Pulse.Record || part(l, "audio").source("/run/user/1000/pulse/native") != run.Dir+"/pulse" {
		t.Errorf("%+v", l)
	}
	f.Env["PIPEWIRE_REMOTE"] = "pipewire-0-manager"
	if p := part(laidOut(t, Config{Audio: []string{PipeWire}}, f), "audio"); p.source("/run/user/1000/pipewire-0") != "/run/user/1000/pipewire-0" {
		t.Errorf("the socket of managers: %+v", p)
	}
	refused(t, Config{Audio: []string{Pulse}}, world(t), "no PulseAudio")
	laidOut(t, Config{Audio: []string{Auto}}, world(t))
}

func TestTheGPUIsWhatSysfsSays(t *testing.T) {
	f := world(t, "/dev/dri/card0", "/dev/dri/renderD128", "/dev/nvidiactl", "/dev/nvidia0", "/sys/devices/pci0000:00/0000:00:02.0/drm/card0/",
		"/sys/module/nvidia/", "/sys/module/nvidia_uvm/", "/sys/devices/system/cpu/",
		"/sys/class/drm/card0 -> /sys/devices/pci0000:00/0000:00:02.0/drm/card0", "/sys/devices/pci0000:00/0000:00:02.0/drm/card0/device -> /sys/devices/pci0000:00/0000:00:02.0",
		"/sys/dev/char/226:0 -> /sys/devices/pci0000:00/0000:00:02.0/drm/card0")
	p := part(laidOut(t, Config{GPU: true}, f), "gpu")
	for _, target := range []string{"/dev/dri/renderD128", "/dev/nvidiactl", "/dev/nvidia0", "/sys/devices/pci0000:00/0000:00:02.0", "/sys/module/nvidia", "/sys/module/nvidia_uvm"} {
		if p.source(target) != target {
			t.Errorf("%s is missing", target)
		}
	}
	if p.source("/sys/dev/char/226:0") != "/sys/devices/pci0000:00/0000:00:02.0/drm/card0" {
		t.Error("the link of the device's number")
	}
	if p := part(laidOut(t, Config{GPU: true}, world(t)), "gpu"); p.Env["LIBGL_ALWAYS_SOFTWARE"] != "1" || p.Mounts != nil {
		t.Errorf("without one: %+v", p)
	}
}

func TestAJoystickIsNoKeyboard(t *testing.T) {
	const dir = "/sys/devices/usb1/input/input7"
	f := world(t, dir+"/js0/", dir+"/event5/", "/sys/class/input/js0 -> "+dir+"/js0", dir+"/js0/device -> "+dir,
		"/dev/input/js0", "/dev/input/event5", "/dev/input/event0")
	p := part(laidOut(t, Config{Joystick: true}, f), "joystick")
	if p.source("/dev/input/js0") == "" || p.source("/dev/input/event5") == "" || p.source("/dev/input/event0") != "" {
		t.Errorf("%+v", p.Mounts)
	}
}

func TestHomes(t *testing.T) {
	f := world(t, "/home/ann/.config/user-dirs.dirs=XDG_DOWNLOAD_DIR=\"$HOME/Laden\"\n")
	l := laidOut(t, Config{Home: Private, Downloads: "rw"}, f)
	if part(l, "home").source("/home/ann") != "/home/ann/.local/share/snug/homes/viewer" || part(l, "downloads").source("/home/ann/Laden") == "" {
		t.Errorf("%+v", l)
	}
	if p := part(laidOut(t, Config{Home: Overlay}, f), "home"); p.Risk == "" || p.Mounts[0].Upper != "" || p.Mounts[0].Lower[0] != "/home/ann" {
		t.Errorf("%+v", p)
	}
	if p := part(laidOut(t, Config{Home: Ephemeral}, f), "home"); p.Mounts[0].Type != mounts.Tmpfs {
		t.Errorf("%+v", p)
	}
	for text, want := range map[string]string{
		`"$HOME/Down \$x \"q\" \\y"`: `/home/ann/Down $x "q" \y`, `"/srv/é/"`: "/srv/é", `"$HOMELESS"`: "/home/ann/Downloads", `"relative"`: "/home/ann/Downloads", `/srv`: "/home/ann/Downloads", `"`: "/home/ann/Downloads",
	} {
		l := laidOut(t, Config{Downloads: "rw"}, world(t, "/home/ann/.config/user-dirs.dirs=XDG_DOWNLOAD_DIR="+text+"\n"))
		if part(l, "downloads").source(want) != want {
			t.Errorf("%s: %+v", text, part(l, "downloads").Mounts)
		}
	}
	for _, dir := range []string{"$HOME", "$HOME/", "/", "/home"} {
		refused(t, Config{Downloads: "rw"}, world(t, "/home/ann/.config/user-dirs.dirs=XDG_DOWNLOAD_DIR=\""+dir+"\"\n"), "is your home directory, or above it")
	}
}

func TestWordsThatAreNoneAreRefused(t *testing.T) {
	for _, c := range []Config{{Wayland: "yes"}, {Record: true}, {X11: "xorg"}, {Home: "mine"}, {Portals: []string{"everything"}}, {Audio: []string{"jack"}}, {AppID: "x"}, {DBus: DBus{Session: Bus{Talk: []string{"org.*"}}}}} {
		if c.Validate() == nil {
			t.Errorf("%+v is fine", c)
		}
	}
}

func FuzzBusRule(f *testing.F) {
	f.Add("org.a.b=org.x.Y.*@/a/b")
	f.Fuzz(func(t *testing.T, rule string) {
		if CheckBusRule(rule) == "" && strings.ContainsAny(rule, " \n\x00;") {
			t.Errorf("%q is a rule", rule)
		}
		ParseDisplay(rule)
	})
}

// What two programs are called is never the same, and nor is where their homes are.
func TestElementsTellProgramsApart(t *testing.T) {
	long := strings.Repeat("x", 70)
	seen := map[string]string{}
	for _, name := range []string{"pdf-reader", "gtk.gedit", "日本", "中国", "caf\xc3\xa9", "caf\xc3\xa8", "a+b", "a/b", long + "1", long + "2", "", "1", "\xff", "\xfe"} {
		got := Element(name)
		if CheckAppID(appIDPrefix+got) != "" || len(got) > 64 {
			t.Errorf("%q becomes %q", name, got)
		}
		if other, ok := seen[got]; ok {
			t.Errorf("%q and %q are both %q", name, other, got)
		}
		seen[got] = name
	}
	for name, want := range map[string]string{"pdf-reader": "pdf_reader", "gtk.gedit": "gtk_gedit", "My App": "My_App", "7zip": "_7zip"} {
		if got := Element(name); got != want {
			t.Errorf("%q becomes %q, want %q", name, got, want)
		}
	}
}

// A home is a program's own, whoever starts it.
func TestAnInterpreterIsNotTheProgram(t *testing.T) {
	for command, want := range map[string]string{
		"/usr/bin/gedit a": "gedit", "": "", "env": "env", "env A=1 B=2 /opt/x/tool --a": "tool", "env -u A -i tool": "tool", "env -u A": "env",
		"python3.11 /usr/share/app/main.py x": "app-main.py", "python3 -m app.gui": "app.gui", "env A=1 python3 -O /a.py": "a.py", "python3 -c code": "python3",
		"sh -c tool": "sh", "bash -lc tool": "bash", "sh ./run.sh": "run.sh", "java -jar /opt/ide/ide.jar": "ide-ide.jar", "node -e code": "node",
		"electron25 /usr/lib/chat/app.asar": "chat-app.asar", "python3": "python3", "env -C": "env",
	} {
		if got := Started(strings.Fields(command)); got != want {
			t.Errorf("%q is %q, want %q", command, got, want)
		}
	}
	Started([]string{"env", ""})
	Started([]string{"sh", ""})
}

// What is shown is the same each time.
func TestTheOrderIsAlwaysTheSame(t *testing.T) {
	c := Config{Camera: Portal, Printing: Portal, Keyring: Portal, OpenLinks: true, DBus: DBus{Session: Bus{Own: []string{"a"}}, System: Bus{Own: []string{"b"}}}}
	words, wrong := strings.Join((&builder{Config: c}).portalWords(), " "), c.Validate().Error()
	for range 20 {
		if again := strings.Join((&builder{Config: c}).portalWords(), " "); again != words {
			t.Fatalf("%s, then %s", words, again)
		}
		if again := c.Validate().Error(); again != wrong {
			t.Fatalf("%s, then %s", wrong, again)
		}
	}
}
