package desktop

import (
	"path"
	"strconv"
	"strings"

	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/mounts"
)

// talks reports whether the program reaches a bus.
func (b *builder) talks() bool {
	return !b.DBus.Session.Empty() || !b.DBus.System.Empty() || len(b.portalWords()) > 0 || b.Notifications || b.Tray || on(b.MPRIS) ||
		b.Keyring == Service || b.A11y || b.method() != ""
}

// portalWords are the portals that the keys ask for.
func (b *builder) portalWords() (words []string) {
	add := func(list ...string) {
		for _, w := range list {
			if !contains(words, w) {
				words = append(words, w)
			}
		}
	}
	for _, w := range b.Portals {
		if w == "all" {
			add(allPortals()...)
		} else {
			add(w)
		}
	}
	for _, of := range []struct {
		word   string
		wanted bool
	}{{"camera", b.Camera == Portal}, {"print", b.Printing == Portal}, {"secret", b.Keyring == Portal}, {"open_uri", b.OpenLinks}} {
		if of.wanted {
			add(of.word)
		}
	}
	return words
}

// method is the input method that is asked for, "" when none is.
func (b *builder) method() string {
	if b.InputMethod != Auto {
		if on(b.InputMethod) {
			return b.InputMethod
		}
		return ""
	}
	for _, name := range []string{"GTK_IM_MODULE", "QT_IM_MODULE", "XMODIFIERS"} {
		for _, method := range []string{"ibus", "fcitx"} {
			if strings.Contains(b.f.Env[name], method) {
				return method
			}
		}
	}
	return ""
}

// options writes the lists of a Bus as options of xdg-dbus-proxy(1).
func (b Bus) options() (list []string) {
	for _, of := range []struct {
		option string
		words  []string
	}{{"see", b.See}, {"talk", b.Talk}, {"own", b.Own}, {"call", b.Call}, {"broadcast", b.Broadcast}} {
		for _, w := range of.words {
			list = append(list, "--"+of.option+"="+w)
		}
	}
	return list
}

// SessionAddress is the caller's bus, "" when there is none.
func (f Facts) SessionAddress() string {
	if address := f.Env["DBUS_SESSION_BUS_ADDRESS"]; address != "" {
		return address
	}
	if dir := f.RuntimeDir(); dir != "" && f.exists(dir+"/bus") {
		return "unix:path=" + dir + "/bus"
	}
	return ""
}

func (b *builder) buses() {
	if !b.talks() {
		return
	}
	if b.f.Programs["xdg-dbus-proxy"] == "" {
		b.wrong = append(b.wrong, &problem.Problem{What: "desktop.dbus", Why: "the program xdg-dbus-proxy, which filters a bus, is not installed",
			Fix: "sudo apt-get install xdg-dbus-proxy, or your distribution's package of it"})
		return
	}
	session := b.session()
	if len(session) > 0 || !b.DBus.Session.Empty() {
		b.sessionBus(session)
	}
	if !b.DBus.System.Empty() {
		b.systemBus()
	}
	if b.A11y {
		b.accessibility()
	}
}

// session gathers the rules for the session bus, with a part for each key.
func (b *builder) session() (rules []string) {
	words := b.portalWords()
	if len(words) > 0 {
		b.portals(words)
	}
	rules = portalRules(words)
	if b.Notifications {
		b.add("notifications", "notifications")
		rules = append(rules, "--call=org.freedesktop.Notifications=org.freedesktop.Notifications.*@/org/freedesktop/Notifications",
			"--broadcast=org.freedesktop.Notifications=*@/org/freedesktop/Notifications")
	}
	if b.Tray {
		p := b.add("tray", "an icon in the tray")
		p.Risk = "what its menu does is started outside"
		rules = append(rules, "--call=org.kde.StatusNotifierWatcher=*@/StatusNotifierWatcher", "--broadcast=org.kde.StatusNotifierWatcher=*@/StatusNotifierWatcher")
		for pid := firstPID; pid < lastPID; pid++ {
			for _, prefix := range []string{"org.kde", "org.freedesktop"} {
				rules = append(rules, "--own="+prefix+".StatusNotifierItem-"+strconv.Itoa(pid)+"-1")
			}
		}
	}
	if on(b.MPRIS) {
		names := b.players()
		b.add("mpris", "control of what it plays, as "+strings.Join(names, ", "))
		for _, name := range names {
			rules = append(rules, "--own="+name+".*")
		}
	}
	if b.Keyring == Service {
		p := b.add("keyring", "the keyring of your session")
		p.Risk = "it can read all passwords that are kept there, and change them"
		rules = append(rules, "--talk=org.freedesktop.secrets", "--talk=org.kde.kwalletd5", "--talk=org.kde.kwalletd6")
	}
	rules = append(rules, b.inputMethod()...)
	if len(rules) > 0 || !b.DBus.Session.Empty() {
		rules = append(rules, "--own="+b.work.AppID+".*")
		rules = append(rules, b.ownNames()...)
	}
	if !b.DBus.Session.Empty() {
		b.add("dbus.session", "on the session bus: "+strings.ReplaceAll(strings.Join(b.DBus.Session.options(), " "), "--", ""))
		rules = append(rules, b.DBus.Session.options()...)
	}
	return rules
}

// players are the names of a media player on the bus. Players take that of their
// program (MPRIS specification, "Bus Name Policy").
func (b *builder) players() (names []string) {
	const prefix = "org.mpris.MediaPlayer2."
	if b.MPRIS != Auto {
		return []string{prefix + b.MPRIS}
	}
	if program := path.Base(b.r.Program); isElement(program, true) {
		names = append(names, prefix+program)
	}
	return append(names, prefix+b.work.AppID)
}

// ownNames lets a program take the names that are its own: those of its desktop
// entries, and those that are made of its name. Programs of GTK end when they may
// not, others take it that they run already, and those of KDE add their pid.
func (b *builder) ownNames() (rules []string) {
	names := b.f.Own
	if b.f.Installed {
		for _, name := range namesOf(path.Base(b.r.Program)) {
			if !contains(names, name) {
				names = append(names, name)
			}
		}
	}
	if len(names) > 0 {
		b.add("dbus.session", "names of its own on the session bus: "+strings.Join(names, ", "))
	}
	for _, name := range names {
		rules = append(rules, "--own="+name+".*")
		for pid := firstPID; strings.HasPrefix(name, "org.kde.") && pid < lastPID; pid++ {
			rules = append(rules, "--own="+name+"-"+strconv.Itoa(pid))
		}
	}
	return rules
}

// vendors are what names of programs on a bus begin with, beside domains of the
// program's own.
var vendors = [...]string{"org.", "com.", "net.", "io.", "org.gnome.", "org.kde.", "org.xfce.", "org.mate.", "org.lxqt."}

// namesOf are the names that a program of this name may take without any entry
// that says so. Those who stand for many programs have none.
func namesOf(program string) (names []string) {
	const many = "freedesktop gnome kde xfce mate lxqt gtk qt mpris a11y bluez snug_sandbox python perl bash sh"
	if !isElement(program, true) || contains(strings.Fields(many), strings.ToLower(strings.TrimRight(program, "0123456789"))) {
		return nil
	}
	for _, vendor := range vendors {
		names = append(names, vendor+program)
	}
	return names
}

// firstPID and lastPID are around what pid a program has that was just started in
// a sandbox: names hold it, and rules have no patterns for that.
const (
	firstPID = 2
	lastPID  = 10
)

func (b *builder) inputMethod() []string {
	method := b.method()
	if method == "" {
		return nil
	}
	p := b.add("input_method", "the input method "+method)
	if !(on(b.Wayland) && b.f.WaylandSocket() != "") {
		p.keep(b.f, "GTK_IM_MODULE", "QT_IM_MODULE", "XMODIFIERS")
	}
	if method == "ibus" {
		p.Env["IBUS_USE_PORTAL"] = "1"
		return []string{"--talk=org.freedesktop.portal.IBus.*"}
	}
	return []string{"--talk=org.freedesktop.portal.Fcitx.*"}
}

// proxied has a bus filtered, and shown at the path target.
func (b *builder) proxied(p *Part, bus, address string, rules []string, target string) {
	socket := b.made(bus)
	b.work.Proxies = append(b.work.Proxies, Proxy{bus, address, socket, rules})
	p.socket(socket, target)
}

func (b *builder) sessionBus(rules []string) {
	address := b.f.SessionAddress()
	if address == "" {
		b.bad("dbus.session", "there is no session bus: DBUS_SESSION_BUS_ADDRESS is not set", "start it from a desktop session, or by: dbus-run-session -- snug run …")
		return
	}
	p := b.add("dbus", "the session bus, through a filter (xdg-dbus-proxy)")
	b.proxied(p, "session", address, rules, b.inside("bus"))
	p.Env["DBUS_SESSION_BUS_ADDRESS"] = "unix:path=" + b.inside("bus")
}

const systemSocket = "/run/dbus/system_bus_socket"

func (b *builder) systemBus() {
	address := b.f.Env["DBUS_SYSTEM_BUS_ADDRESS"]
	if address == "" {
		address = "unix:path=" + systemSocket
		if !b.f.exists(systemSocket) {
			b.bad("dbus.system", "there is no system bus at "+systemSocket, "start dbus, or leave it out")
			return
		}
	}
	rules := b.DBus.System.options()
	p := b.add("dbus.system", "on the system bus: "+strings.ReplaceAll(strings.Join(rules, " "), "--", ""))
	b.proxied(p, "system", address, rules, systemSocket)
	p.Env["DBUS_SYSTEM_BUS_ADDRESS"] = "unix:path=" + systemSocket
}

// accessibility lets a program be read by the user's aids, and nothing be
// learnt of others: no listening to keys.
func (b *builder) accessibility() {
	if b.f.A11y == "" {
		b.add("a11y", "nothing: there is no accessibility bus")
		return
	}
	const registry = "org.a11y.atspi.Registry="
	p := b.add("a11y", "the accessibility bus: it can be read, and cannot watch the keyboard")
	b.proxied(p, "a11y", b.f.A11y, []string{"--sloppy-names",
		"--broadcast=" + registry + "org.a11y.atspi.Registry.EventListenerRegistered@/org/a11y/atspi/registry",
		"--broadcast=" + registry + "org.a11y.atspi.Registry.EventListenerDeregistered@/org/a11y/atspi/registry",
		"--call=" + registry + "org.a11y.atspi.Socket.Embed@/org/a11y/atspi/accessible/root",
		"--call=" + registry + "org.a11y.atspi.Socket.Unembed@/org/a11y/atspi/accessible/root",
		"--call=" + registry + "org.a11y.atspi.Registry.GetRegisteredEvents@/org/a11y/atspi/registry",
		"--call=" + registry + "org.a11y.atspi.DeviceEventController.GetKeystrokeListeners@/org/a11y/atspi/registry/deviceeventcontroller",
		"--call=" + registry + "org.a11y.atspi.DeviceEventController.GetDeviceEventListeners@/org/a11y/atspi/registry/deviceeventcontroller",
		"--call=" + registry + "org.a11y.atspi.DeviceEventController.NotifyListenersSync@/org/a11y/atspi/registry/deviceeventcontroller",
		"--call=" + registry + "org.a11y.atspi.DeviceEventController.NotifyListenersAsync@/org/a11y/atspi/registry/deviceeventcontroller",
	}, b.inside("at-spi-bus"))
	p.Env["AT_SPI_BUS_ADDRESS"] = "unix:path=" + b.inside("at-spi-bus")
}

// portals makes the program known to the portals, which ask the root of whoever
// calls for /.flatpak-info; toolkits ask their own.
func (b *builder) portals(words []string) {
	p := b.add("portals", "the portals "+strings.Join(words, ", ")+", as "+b.work.AppID)
	b.work.Info = b.info()
	p.Mounts = append(p.Mounts, mounts.Mount{Type: mounts.File, Target: "/.flatpak-info", Content: b.work.Info})
	p.Env["GTK_USE_PORTAL"] = "1"
	if contains(words, "file_chooser") {
		p.Env["QT_QPA_PLATFORMTHEME"] = "xdgdesktopportal"
	}
	p.Env["GSETTINGS_BACKEND"] = "keyfile"
	if b.f.Documents != "" {
		b.work.Documents = true
		p.socket(b.f.Documents+"/by-app/"+b.work.AppID, b.inside("doc"))
		last := &p.Mounts[len(p.Mounts)-1]
		last.Writable, last.Optional = true, false
	}
	if b.OpenLinks {
		b.openLinks()
	}
}

// info is what portals read of a sandboxed program (flatpak-metadata(5)).
func (b *builder) info() string {
	text := "[Application]\nname=" + b.work.AppID + "\n\n[Instance]\ninstance-id=" + b.r.ID + "\n\n[Context]\n"
	if b.r.HostNet {
		text += "shared=network;\n"
	}
	return text
}

// openLinks puts a program of ours in the place of xdg-open(1). It is in the
// directory of sockets where the system has none.
func (b *builder) openLinks() {
	program := b.f.Programs[Helper]
	if program == "" {
		return
	}
	target := "/usr/bin/xdg-open"
	if !b.f.exists(target) {
		target = b.inside("bin/xdg-open")
	}
	p := b.add("open_links", "links and files that it opens by xdg-open are opened outside, by the portal")
	p.socket(program, target)
	p.Env["BROWSER"] = target
}

// Helper is the name of the program that does what Work says.
const Helper = "snug-desktop"

// UsesSession reports whether the program reaches the session bus.
func (c Config) UsesSession() bool {
	return c.UsesPortals() || c.Notifications || c.Tray || on(c.MPRIS) || c.Keyring == Service || on(c.InputMethod) || !c.DBus.Session.Empty()
}

// UsesPortals reports whether a portal is asked for.
func (c Config) UsesPortals() bool { return len((&builder{Config: c}).portalWords()) > 0 }
