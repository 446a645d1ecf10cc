package desktop

import (
	"os"
	"path"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/internal/units"
	"github.com/snug-sandbox/snug/mounts"
)

// Facts is what is known of the caller's session.
type Facts struct {
	UID  int               `json:"uid"`
	Home string            `json:"home"`
	Env  map[string]string `json:"env"` // the caller's environment
	Root string            `json:"-"`   // put before every path that is looked at; for tests

	Context   bool              `json:"context"`   // the compositor has wp_security_context_v1
	Dead      bool              `json:"dead"`      // nobody listens at the compositor's socket, which a crash left
	DeadX     bool              `json:"dead_x"`    // the same of the X server's
	Silent    string            `json:"silent"`    // why the compositor does not say what it has; "" when it does
	Documents string            `json:"documents"` // where the document portal's files are; "" when there is none
	A11y      string            `json:"a11y"`      // address of the accessibility bus; "" when there is none
	Programs  map[string]string `json:"programs"`  // helpers of others that are installed, by name
	Installed bool              `json:"installed"` // the program is root's: its name was not chosen by who wrote it
	Own       []string          `json:"own"`       // names on the session bus that are the program's, by its desktop entries
}

// Run is one start of a program.
type Run struct {
	Name    string `json:"name"`     // of the profile
	Program string `json:"program"`  // that is started
	ID      string `json:"id"`       // of this run, digits
	Dir     string `json:"dir"`      // what the helpers make lies here
	HostNet bool   `json:"host_net"` // the sandbox has the host's network
}

// Part is what one key opens.
type Part struct {
	Key    string            `json:"key"`   // "desktop.wayland"
	Opens  string            `json:"opens"` // in words
	Risk   string            `json:"risk,omitempty"`
	Note   string            `json:"note,omitempty"` // to be told at each run
	Mounts []mounts.Mount    `json:"mounts,omitempty"`
	Env    map[string]string `json:"env,omitempty"`
}

// Work is what has to run beside the sandbox.
type Work struct {
	Make      []string  `json:"make,omitempty"`    // directories, for the caller alone
	Home      string    `json:"home,omitempty"`    // one of them, for one run at a time
	Context   *Listener `json:"context,omitempty"` // a security context of the compositor
	Cookie    *Cookie   `json:"cookie,omitempty"`
	Server    *Server   `json:"server,omitempty"` // an X server
	Pulse     *Listener `json:"pulse,omitempty"`  // a filter before the sound server
	Proxies   []Proxy   `json:"proxies,omitempty"`
	Info      string    `json:"info,omitempty"` // /.flatpak-info
	AppID     string    `json:"app_id"`
	Documents bool      `json:"documents,omitempty"` // files of the command line are handed over
}

// Listener is a socket at Path that stands before the one at Server.
type Listener struct {
	Path, Server string
	Record       bool // of a sound server: recording is let through
}

// Cookie is a file that opens the display Display and no other.
type Cookie struct {
	Path, From, Display string
}

// Server is an X server of the sandbox's own.
type Server struct {
	Kind    string // Xwayland or Xephyr
	Program string
	Dir     string // its sockets, as /tmp/.X11-unix
	Cookie  string // file to write
	Wayland string // socket that it shows itself on
	Display string // of the caller's, for Xephyr
	Outer   string // file with the cookie of that
	Number  string // of the display that it makes
	GPU     bool
}

// Proxy is a filter before a bus.
type Proxy struct {
	Bus           string // "session", "system", "a11y"
	Address, Path string
	Rules         []string // options of xdg-dbus-proxy(1)
}

// Layout is everything that a Config comes to in a session.
type Layout struct {
	Parts []Part `json:"parts"`
	Work  Work   `json:"work"`
}

// Layout works out what c opens. An error is a problem.List.
func (c Config) Layout(f Facts, r Run) (Layout, error) {
	b := &builder{Config: c, f: f, r: r}
	b.work.AppID = c.ID(r.Name)
	b.runtime()
	b.home()
	b.downloads()
	b.displays()
	b.gpu()
	b.audio()
	b.locale()
	b.fonts()
	b.theme()
	b.camera()
	b.joystick()
	b.printing()
	b.buses()
	return Layout{b.parts, b.work}, b.wrong.Err()
}

// builder gathers parts.
type builder struct {
	Config
	f     Facts
	r     Run
	parts []Part
	work  Work
	wrong problem.List
}

// add appends a part. The caller fills in the rest.
func (b *builder) add(key, opens string) *Part {
	b.parts = append(b.parts, Part{Key: "desktop." + key, Opens: opens, Env: map[string]string{}})
	return &b.parts[len(b.parts)-1]
}

func (b *builder) bad(key, why, fix string) {
	b.wrong = append(b.wrong, &problem.Problem{What: "desktop." + key, Why: why, Fix: fix})
}

// bind shows a path of the host at the same place, where it is.
func (p *Part) bind(paths ...string) {
	for _, name := range paths {
		p.Mounts = append(p.Mounts, mounts.Mount{Type: mounts.Bind, Source: name, Target: name, Optional: true})
	}
}

// socket shows a socket at another place. To connect, read-only is enough.
func (p *Part) socket(source, target string) {
	p.Mounts = append(p.Mounts, mounts.Mount{Type: mounts.Bind, Source: source, Target: target})
}

func (p *Part) device(name string) {
	p.Mounts = append(p.Mounts, mounts.Mount{Type: mounts.DevBind, Source: name, Target: name, Writable: true, Optional: true})
}

// keep passes variables of the caller's on.
func (p *Part) keep(f Facts, names ...string) {
	for _, name := range names {
		if v, ok := f.Env[name]; ok && v != "" {
			p.Env[name] = v
		}
	}
}

func perm(bits units.FileMode) *units.FileMode { return &bits }

// RuntimeDir is the user's directory of sockets (basedir specification); "" when
// there is none that can be used.
func (f Facts) RuntimeDir() string {
	dir := f.Env["XDG_RUNTIME_DIR"]
	if !path.IsAbs(dir) {
		return ""
	}
	return path.Clean(dir)
}

// InsideDir is where the sandbox has its own: at the same place, because portals
// name files below it.
func (f Facts) InsideDir() string {
	if dir := f.RuntimeDir(); dir != "" {
		return dir
	}
	return "/run/user/" + strconv.Itoa(f.UID)
}

// dataHome and its like are the directories of the basedir specification.
func (f Facts) dataHome() string { return f.xdg("XDG_DATA_HOME", ".local/share") }

func (f Facts) configHome() string { return f.xdg("XDG_CONFIG_HOME", ".config") }

func (f Facts) xdg(name, usual string) string {
	if dir := f.Env[name]; path.IsAbs(dir) {
		return path.Clean(dir)
	}
	return path.Join(f.Home, usual)
}

// exists looks at a path of the host.
func (f Facts) exists(name string) bool {
	_, err := os.Stat(f.Root + name)
	return err == nil
}

// glob returns the paths of the host that fit, in order.
func (f Facts) glob(pattern string) []string {
	list, _ := filepath.Glob(f.Root + pattern)
	for i := range list {
		list[i] = strings.TrimPrefix(list[i], f.Root)
	}
	sort.Strings(list)
	return list
}

// real follows symbolic links.
func (f Facts) real(name string) string {
	got, err := filepath.EvalSymlinks(f.Root + name)
	if err != nil {
		return name
	}
	return strings.TrimPrefix(got, f.Root)
}

func (f Facts) read(name string) string {
	text, _ := os.ReadFile(f.Root + name)
	return string(text)
}

// runtime makes the directory of sockets of the sandbox's own.
func (b *builder) runtime() {
	if b.f.RuntimeDir() == "" && b.needsSession() {
		b.wrong = append(b.wrong, &problem.Problem{What: "desktop", Why: "XDG_RUNTIME_DIR is not set: the sockets of your session are not to be found",
			Fix: "log in by a session that sets it (pam_systemd does), or: export XDG_RUNTIME_DIR=/run/user/$(id -u)\nand for a user without a session: sudo loginctl enable-linger $USER"})
	}
	dir := b.f.InsideDir()
	p := b.add("runtime", "a directory "+dir+" of its own for sockets")
	p.Mounts = append(p.Mounts, mounts.Mount{Type: mounts.Tmpfs, Target: dir, Mode: perm(0o700)})
	p.Env["XDG_RUNTIME_DIR"] = dir
	if id := b.f.read("/etc/machine-id"); id != "" {
		p.Mounts = append(p.Mounts, mounts.Mount{Type: mounts.File, Target: "/etc/machine-id", Content: pseudoID(strings.TrimSpace(id), b.work.AppID) + "\n"})
	}
	for _, name := range []string{"XDG_CURRENT_DESKTOP", "XDG_SESSION_DESKTOP", "DESKTOP_SESSION"} {
		p.keep(b.f, name)
	}
}

// needsSession reports whether something lies in the caller's directory of
// sockets.
func (b *builder) needsSession() bool {
	return on(b.Wayland) || b.X11 == Xwayland || len(b.Audio) > 0 || b.talks()
}
