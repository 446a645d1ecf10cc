package desktop

import (
	"path"
	"strconv"
	"strings"

	"github.com/snug-sandbox/snug/mounts"
)

// WaylandSocket is the compositor's, "" when the caller has none
// (wl_display_connect(3)).
func (f Facts) WaylandSocket() string {
	name := f.Env["WAYLAND_DISPLAY"]
	switch {
	case name == "":
		return ""
	case path.IsAbs(name):
		return path.Clean(name)
	case f.RuntimeDir() == "":
		return ""
	}
	return path.Join(f.RuntimeDir(), name)
}

// displays opens Wayland and X11: each by itself, but one of them has to be
// there when one is asked for.
func (b *builder) displays() {
	socket, hasX := b.compositor(), b.f.Env["DISPLAY"] != ""
	switch named := b.f.WaylandSocket(); {
	case socket == "" && named != "" && on(b.Wayland) && (b.Wayland != Auto || !on(b.X11) || !hasX):
		b.bad("wayland", "no compositor listens at "+named+", which WAYLAND_DISPLAY names", "start one, or unset WAYLAND_DISPLAY")
		return
	case socket != "" && b.f.Silent != "" && (on(b.Wayland) || b.X11 == Xwayland || b.X11 == Fallback):
		// It may have security contexts: its plain socket is not shown instead.
		b.bad("wayland", "the compositor at "+socket+" cannot be asked for security contexts: "+b.f.Silent, "try again; or correct WAYLAND_DISPLAY")
		return
	}
	switch {
	case on(b.Wayland) && socket != "":
		b.wayland(socket)
	case (b.Wayland == Context || b.Wayland == Plain) && !(on(b.X11) && hasX):
		b.bad("wayland", "there is no compositor: WAYLAND_DISPLAY is not set", noDisplay)
		return
	case b.Wayland == Auto && !on(b.X11):
		b.bad("wayland", "there is no compositor: WAYLAND_DISPLAY is not set", noDisplay+"\nor, to use X11: x11 = \"fallback\"")
		return
	case b.Wayland == Auto && !hasX:
		b.bad("wayland", "there is no display: neither WAYLAND_DISPLAY nor DISPLAY is set", noDisplay)
		return
	}
	switch b.X11 {
	case Fallback:
		if on(b.Wayland) && socket != "" {
			return
		}
		b.fallback()
	case Xwayland:
		b.xwayland(socket)
	case Xephyr:
		b.xephyr()
	case Plain:
		b.plainX11()
	}
}

// compositor is the socket of the caller's, "" where nobody listens.
func (b *builder) compositor() string {
	if socket := b.f.WaylandSocket(); socket != "" && !b.f.Dead && b.f.exists(socket) {
		return socket
	}
	return ""
}

const noDisplay = "start it from a desktop session; or, for a program that shows no windows: snug run --display none"

func (b *builder) inside(name string) string { return path.Join(b.f.InsideDir(), name) }

func (b *builder) made(name string) string { return path.Join(b.r.Dir, name) }

func (b *builder) wayland(socket string) {
	const key = "wayland"
	var p *Part
	switch {
	case b.Wayland != Plain && b.f.Context:
		p = b.add(key, "windows on Wayland, by a security context: no pictures of the screen, no keys or clipboard of others")
		b.context(socket)
		socket = b.made("wayland")
	case b.Wayland == Context:
		b.bad(key, "the compositor has no security contexts (wp_security_context_v1)", "use one that has: sway 1.9, labwc, KWin 6; or wayland = \"auto\", which then shows the plain socket")
		return
	default:
		p = b.add(key, "windows on Wayland, by the compositor's own socket")
		p.Risk = "what the compositor offers to every program, such as pictures of the whole screen, is offered to this one"
		if b.Wayland == Auto {
			p.Note = "the compositor has no security contexts (wp_security_context_v1): the program has its plain socket, and every extension there is"
		}
	}
	p.socket(socket, b.inside("wayland-0"))
	for name, value := range map[string]string{
		"WAYLAND_DISPLAY": "wayland-0", "XDG_SESSION_TYPE": key, "MOZ_ENABLE_WAYLAND": "1",
		"ELECTRON_OZONE_PLATFORM_HINT": Auto, "QT_QPA_PLATFORM": "wayland;xcb",
	} {
		p.Env[name] = value
	}
}

// context has a security context made, once.
func (b *builder) context(server string) {
	b.work.Context = &Listener{Path: b.made("wayland"), Server: server}
}

// Display is what the variable DISPLAY says (X(7)).
type Display struct {
	Host   string // "" is this machine
	Number string
}

// ParseDisplay reads [HOST]:NUMBER[.SCREEN]. The last colon counts: a host may
// be an IPv6 address.
func ParseDisplay(text string) (Display, bool) {
	i := strings.LastIndexByte(text, ':')
	if i < 0 {
		return Display{}, false
	}
	d := Display{Host: text[:i]}
	d.Number, _, _ = strings.Cut(text[i+1:], ".")
	if n, err := strconv.ParseUint(d.Number, 10, 16); err != nil || strconv.FormatUint(n, 10) != d.Number {
		return Display{}, false
	}
	if d.Host == "unix" || strings.HasPrefix(d.Host, "unix/") {
		d.Host = ""
	}
	return d, true
}

const socketsOfX = "/tmp/.X11-unix"

// Socket is where a server on this machine listens.
func (d Display) Socket() string { return socketsOfX + "/X" + d.Number }

// display is the caller's X server, on this machine.
func (b *builder) display() (Display, bool) {
	text := b.f.Env["DISPLAY"]
	d, ok := ParseDisplay(text)
	socket := d.Socket()
	switch {
	case text == "":
		b.bad("x11", "there is no X server: DISPLAY is not set", noDisplay)
	case !ok:
		b.bad("x11", "DISPLAY is "+strconv.Quote(text)+", which names no display", "one such as :0")
	case d.Host != "":
		b.bad("x11", "DISPLAY is "+strconv.Quote(text)+", on another machine or by TCP", "start it where the X server runs")
	case b.f.DeadX || !b.f.exists(socket):
		b.bad("x11", "no X server listens at "+socket+", which DISPLAY names", "start one, or correct DISPLAY")
	default:
		return d, true
	}
	return d, false
}

// xauthority is the caller's file of cookies (Xsecurity(7)).
func (f Facts) xauthority() string {
	if name := f.Env["XAUTHORITY"]; name != "" {
		return name
	}
	return path.Join(f.Home, ".Xauthority")
}

func (b *builder) fallback() {
	socket := b.compositor()
	switch {
	case socket != "" && b.f.Programs["Xwayland"] != "":
		b.xwayland(socket)
		return
	case b.f.Programs["Xephyr"] != "":
		b.xephyr()
		return
	}
	b.plainX11()
	if n := len(b.parts); n > 0 && b.parts[n-1].Key == "desktop.x11" {
		b.parts[n-1].Note = "the program has the plain socket of the X server, and can read the keys and windows of all others: install xserver-xephyr for a server of its own"
	}
}

func (b *builder) plainX11() {
	d, ok := b.display()
	if !ok {
		return
	}
	p := b.add("x11", "windows on X11, by the caller's server "+b.f.Env["DISPLAY"])
	p.Risk = "every program on an X server can read the keys and windows of all others, and type into them"
	b.work.Cookie = &Cookie{Path: b.made("Xauthority"), From: b.f.xauthority(), Display: d.Number}
	p.socket(d.Socket(), d.Socket())
	b.onDisplay(p, d.Number)
}

// onDisplay lets the program find a server whose socket is there. The sockets'
// directory is always of its own: a shared /tmp has those of all servers.
func (b *builder) onDisplay(p *Part, number string) {
	p.Mounts = append([]mounts.Mount{{Type: mounts.Tmpfs, Target: socketsOfX, Mode: perm(0o755)}}, p.Mounts...)
	p.socket(b.made("Xauthority"), b.inside("Xauthority"))
	p.Env["DISPLAY"] = ":" + number
	p.Env["XAUTHORITY"] = b.inside("Xauthority")
	if p.Env["XDG_SESSION_TYPE"] == "" && b.work.Context == nil {
		p.Env["XDG_SESSION_TYPE"] = "x11"
	}
	if b.r.HostNet {
		// libxcb asks for the abstract socket first, and gives up when it is
		// refused in any other way than by there being none.
		p.Risk = join(p.Risk, "with the host's network, abstract sockets are reachable, an X server's among them")
		p.Note = join(p.Note, "X11 with the host's network: abstract sockets of the host are reachable")
	}
}

func join(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}

func (b *builder) xwayland(socket string) {
	program := b.f.Programs["Xwayland"]
	switch {
	case socket == "":
		b.bad("x11", "there is no compositor for Xwayland to show itself on", noDisplay+"\nor x11 = \"xephyr\"")
		return
	case program == "":
		b.bad("x11", "the program Xwayland is not installed", "sudo apt-get install xwayland, or your distribution's package of it")
		return
	}
	p := b.add("x11", "windows on X11, by an X server of its own (Xwayland)")
	s := &Server{Kind: "Xwayland", Program: program, Dir: b.made("x11"), Cookie: b.made("Xauthority"), Wayland: socket}
	if b.f.Context && b.Wayland != Plain {
		b.context(socket)
		s.Wayland = b.made("wayland")
	}
	b.server(p, s)
}

func (b *builder) xephyr() {
	program := b.f.Programs["Xephyr"]
	if program == "" {
		b.bad("x11", "the program Xephyr is not installed", "sudo apt-get install xserver-xephyr, or your distribution's package of it")
		return
	}
	d, ok := b.display()
	if !ok {
		return
	}
	p := b.add("x11", "windows on X11, by an X server of its own in a window (Xephyr)")
	b.work.Cookie = &Cookie{Path: b.made("Xauthority.outer"), From: b.f.xauthority(), Display: d.Number}
	b.server(p, &Server{Kind: "Xephyr", Program: program, Dir: b.made("x11"), Cookie: b.made("Xauthority"), Display: d.Number, Outer: b.made("Xauthority.outer")})
}

func (b *builder) server(p *Part, s *Server) {
	// It is the only one in its mount namespace, but for the one that it shows
	// itself on.
	s.Number = "0"
	if s.Display == s.Number {
		s.Number = "1"
	}
	s.GPU = b.GPU
	b.work.Server = s
	p.socket(path.Join(s.Dir, "X"+s.Number), socketsOfX+"/X"+s.Number)
	b.onDisplay(p, s.Number)
}
