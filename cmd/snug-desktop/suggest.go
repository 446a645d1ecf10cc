package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strings"
)

// suggest reads what was noted of a run, and proposes a profile. Its arguments
// are the log of the proxy of the session bus, that of strace(1), the profile
// that was used, and the program.
func suggest(args []string) error {
	if len(args) != 4 {
		return fmt.Errorf("usage: snug-desktop suggest BUSLOG TRACE PROFILE PROGRAM")
	}
	missed := misses{home: os.Getenv("HOME"), keys: map[string]string{}, names: map[string]int{}, files: map[string]int{}}
	if f, err := os.Open(args[0]); err == nil {
		missed.bus(f)
		f.Close()
	}
	if f, err := os.Open(args[1]); err == nil {
		missed.trace(f)
		f.Close()
	}
	missed.write(os.Stdout, args[2], args[3])
	return nil
}

// misses is what a program asked for and did not get.
type misses struct {
	home  string
	keys  map[string]string // of [desktop], with their values
	names map[string]int    // on the session bus, and how often
	files map[string]int    // that there are, outside
	net   int
}

// Lines of xdg-dbus-proxy --log: a message, and what became of it.
var (
	callLine    = regexp.MustCompile(`-> (\S+) call (\S+) at (\S+)`)
	refusedLine = regexp.MustCompile(`\*(HIDDEN|DENIED|SKIPPED)\*|REQUEST DENIED`)
	filterLine  = regexp.MustCompile(`Filtering message due to arg0 (\S+?),`)
)

// bus counts the names that were called in vain.
func (m *misses) bus(r io.Reader) {
	last := ""
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		if c := callLine.FindStringSubmatch(line); c != nil {
			last = c[1]
			if refusedLine.MatchString(line) {
				m.name(last)
			}
			continue
		}
		if c := filterLine.FindStringSubmatch(line); c != nil {
			m.name(c[1])
		} else if refusedLine.MatchString(line) {
			m.name(last)
		}
	}
}

// knownNames are names that a key of [desktop] is there for.
var knownNames = map[string][2]string{
	"org.freedesktop.Notifications":    {"notifications", "true"},
	"org.kde.StatusNotifierWatcher":    {"tray", "true"},
	"org.freedesktop.secrets":          {"keyring", `"portal"`},
	"org.a11y.Bus":                     {"a11y", "true"},
	"org.freedesktop.portal.Desktop":   {"portals", "true"},
	"org.freedesktop.portal.IBus":      {"input_method", `"ibus"`},
	"org.freedesktop.portal.Fcitx":     {"input_method", `"fcitx"`},
	"org.freedesktop.FileManager1":     {"open_links", "true"},
	"org.freedesktop.portal.Documents": {"portals", "true"},
}

// never are names that let a program out: they are told of, and not proposed.
var never = []string{"org.freedesktop.systemd1", "org.freedesktop.Flatpak", "org.gnome.Shell", "ca.desrt.dconf", "org.freedesktop.impl."}

func (m *misses) name(name string) {
	if name == "" || name == "(null)" || strings.HasPrefix(name, ":") || name == "org.freedesktop.DBus" {
		return
	}
	if key, ok := knownNames[name]; ok {
		m.keys[key[0]] = key[1]
		return
	}
	m.names[name]++
}

// failed is a line of strace(1) about a path that was not there, or not open.
var failed = regexp.MustCompile(`^\d*\s*(\w+)\(.*?"((?:[^"\\]|\\.)*)".*= -1 (ENOENT|EACCES|EPERM|ECONNREFUSED|EROFS|ENETUNREACH)\b`)

// trace looks for files that are there outside, and were missed.
func (m *misses) trace(r io.Reader) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		if strings.Contains(line, "connect(") && strings.Contains(line, "sa_family=AF_INET") && strings.Contains(line, "ENETUNREACH") {
			m.net++
		}
		if c := failed.FindStringSubmatch(line); c != nil {
			m.path(c[2])
		}
	}
}

func (m *misses) path(path string) {
	uid := fmt.Sprintf("/run/user/%d/", os.Getuid())
	switch {
	case !filepath.IsAbs(path):
		return
	case strings.HasPrefix(path, "/tmp/.X11-unix/"):
		m.keys["x11"] = `"fallback"`
	case strings.HasPrefix(path, uid+"wayland-"):
		m.keys["wayland"] = `"auto"`
	case strings.HasPrefix(path, uid+"pulse"), strings.HasPrefix(path, uid+"pipewire"):
		m.keys["audio"] = "true"
	case strings.HasPrefix(path, "/dev/dri"), strings.HasPrefix(path, "/dev/nvidia"):
		m.keys["gpu"] = "true"
	case strings.HasPrefix(path, "/dev/video"):
		m.keys["camera"] = `"portal"`
	case strings.HasPrefix(path, "/dev/input/js"):
		m.keys["joystick"] = "true"
	case strings.HasPrefix(path, "/run/cups"):
		m.keys["printing"] = `"portal"`
	default:
		path = filepath.Clean(path)
		if _, err := os.Stat(path); err == nil && m.proposes(path) {
			m.files[path]++
		}
	}
}

// proposes leaves out what every program looks for, or nothing should have.
func (m *misses) proposes(path string) bool {
	for _, dir := range []string{"/proc", "/sys", "/dev", "/run/user", "/var/lib", "/usr", "/etc", "/tmp", m.home + "/.ssh", m.home + "/.gnupg"} {
		if path == dir || strings.HasPrefix(path, dir+"/") {
			return false
		}
	}
	return path != m.home && path != "/"
}

// write proposes a profile, as TOML.
func (m *misses) write(w io.Writer, profile, program string) {
	p := func(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }
	p("# For %s: proposed from what it asked for in a sandbox. Read each line before you keep it.", oneLine(program))
	p("version = 1")
	p("extends = %q", profile)
	if m.net > 0 {
		p("\n# %d connections found no network.\n[network]\nmode = \"host\"", m.net)
	}
	var talk, refused []string
	for _, name := range sorted(m.names) {
		if slices.ContainsFunc(never, func(n string) bool { return strings.HasPrefix(name, n) }) {
			refused = append(refused, name)
		} else {
			talk = append(talk, name)
		}
	}
	if len(m.keys)+len(talk)+len(refused) > 0 {
		p("\n[desktop]")
	}
	for _, key := range sorted(m.keys) {
		p("%s = %s", key, m.keys[key])
	}
	for _, name := range refused {
		p("# It called %s %d times, which is a way out of the sandbox: not proposed.", name, m.names[name])
	}
	if len(talk) > 0 {
		p("dbus.session.talk = [")
		for _, name := range talk {
			p("  %q,  # %d times", name, m.names[name])
		}
		p("]")
	}
	for _, path := range sorted(m.files) {
		if rest, ok := strings.CutPrefix(path, m.home+"/"); ok {
			path, m.files["~/"+rest] = "~/"+rest, m.files[path]
		}
		p("\n# asked for %d times\n[[mounts]]\nsource = %q\noptional = true", m.files[path], path)
	}
}

func oneLine(s string) string { return strings.NewReplacer("\n", " ", "\r", " ").Replace(s) }

func sorted[V any](m map[string]V) []string {
	list := make([]string, 0, len(m))
	for name := range m {
		list = append(list, name)
	}
	sort.Strings(list)
	return list
}
