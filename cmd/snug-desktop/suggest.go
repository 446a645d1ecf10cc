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
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/snug-sandbox/snug/desktop"
	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/internal/units"
)

// suggest reads what was noted of a run, and proposes a profile. Its arguments
// are the log of the proxy of the session bus, that of strace(1), the profile
// that was used, and the program.
func suggest(args []string) error {
	if len(args) != 4 {
		return fmt.Errorf("usage: snug-desktop suggest BUSLOG TRACE PROFILE PROGRAM")
	}
	sockets := desktop.Facts{UID: os.Getuid(), Env: map[string]string{"XDG_RUNTIME_DIR": os.Getenv("XDG_RUNTIME_DIR")}}.InsideDir()
	missed := newMisses(os.Getenv("HOME"), sockets)
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
	home, sockets string // directories

	keys  map[string]string // of [desktop], with their values
	names map[string]int    // on the session bus, and how often
	owned map[string]int    // that it wanted to take
	files map[string]int    // that there are, outside
	net   int
}

func newMisses(home, sockets string) *misses {
	return &misses{home: home, sockets: sockets, keys: map[string]string{}, names: map[string]int{}, owned: map[string]int{}, files: map[string]int{}}
}

// Lines of xdg-dbus-proxy --log: a message, and what became of it.
var (
	callLine    = regexp.MustCompile(`-> (\S+) call (\S+) at (\S+)`)
	refusedLine = regexp.MustCompile(`\*(HIDDEN|DENIED|SKIPPED)\*|REQUEST DENIED`)
	filterLine  = regexp.MustCompile(`Filtering message due to arg0 (\S+?), policy: \d+ \(required (\d+)\)`)
)

// policyOwn is what the log calls the right to take a name.
const policyOwn = "3"

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
			if c[2] == policyOwn {
				m.own(c[1])
			} else {
				m.name(c[1])
			}
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

func (m *misses) own(name string) {
	if player, ok := strings.CutPrefix(name, "org.mpris.MediaPlayer2."); ok && desktop.CheckBusName(name) == "" {
		m.keys["mpris"] = strconv.Quote(player)
		return
	}
	m.owned[name]++
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
			m.path(unescaped(c[2]))
		}
	}
}

// unescaped undoes what strace(1) does to letters that are not ASCII, and to those
// that C's strings cannot hold.
func unescaped(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		digits := 0
		for digits < 3 && i+digits < len(s) && s[i+digits] >= '0' && s[i+digits] <= '7' {
			digits++
		}
		if n, err := strconv.ParseUint(s[i:i+digits], 8, 8); err == nil {
			b.WriteByte(byte(n))
			i += digits - 1
		} else if at := strings.IndexByte("abfnrtv", s[i]); at >= 0 {
			b.WriteByte("\a\b\f\n\r\t\v"[at])
		} else {
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

func (m *misses) path(path string) {
	sockets := m.sockets + "/"
	switch {
	case !filepath.IsAbs(path):
		return
	case strings.HasPrefix(path, "/tmp/.X11-unix/"):
		m.keys["x11"] = `"fallback"`
	case strings.HasPrefix(path, sockets+"wayland-"):
		m.keys["wayland"] = `"auto"`
	case strings.HasPrefix(path, sockets+"pulse"), strings.HasPrefix(path, sockets+"pipewire"):
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

// proposes leaves out what every program looks for, what holds the files of all
// programs, and what nothing should have.
func (m *misses) proposes(path string) bool {
	below := func(dir string) bool { return path == dir || strings.HasPrefix(path, dir+"/") }
	rel, inHome := strings.CutPrefix(path, m.home+"/")
	if !inHome {
		return path != m.home && path != "/" && !slices.ContainsFunc([]string{m.sockets, "/proc", "/sys", "/dev", "/run/user", "/var/lib", "/usr", "/etc", "/tmp"}, below)
	}
	secret := []string{m.home + "/.ssh", m.home + "/.gnupg", m.home + "/.local/share/keyrings", m.home + "/.local/share/snug"}
	return !slices.Contains([]string{".config", ".cache", ".local", ".local/share", ".local/state", ".local/bin"}, rel) && !slices.ContainsFunc(secret, below)
}

// write proposes a profile, as TOML.
func (m *misses) write(w io.Writer, profile, program string) {
	p := func(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }
	p("# For %s: proposed from what it asked for in a sandbox. Read each line before you keep it.", oneLine(program))
	p("version = 1")
	p("extends = %s", units.TOML(profile))
	if m.net > 0 {
		p("\n# Without a network it tried to connect %s.\n[network]\nmode = \"private\"", times(m.net))
	}
	if len(m.keys)+len(m.names)+len(m.owned) > 0 {
		p("\n[desktop]")
	}
	for _, key := range sorted(m.keys) {
		p("%s = %s", key, m.keys[key])
	}
	writeNames(p, "talk", m.names)
	writeNames(p, "own", m.owned)
	for _, path := range sorted(m.files) {
		if rest, ok := strings.CutPrefix(path, m.home+"/"); ok {
			path, m.files["~/"+rest] = "~/"+rest, m.files[path]
		}
		if !utf8.ValidString(path) {
			p("\n# It asked for %q, a name that a profile cannot hold.", path)
			continue
		}
		p("\n# asked for %s\n[[mounts]]\nsource = %s\noptional = true", times(m.files[path]), units.TOML(strings.ReplaceAll(path, "${", "$${")))
	}
}

// writeNames proposes names for one list of dbus.session.
func writeNames(p func(string, ...any), list string, names map[string]int) {
	var lines []string
	for _, name := range sorted(names) {
		if slices.ContainsFunc(never, func(n string) bool { return strings.HasPrefix(name, n) }) {
			p("# It asked for %s %s, which is a way out of the sandbox: not proposed.", name, times(names[name]))
		} else if desktop.CheckBusName(name) == "" {
			lines = append(lines, fmt.Sprintf("  %q,  # %s", name, times(names[name])))
		}
	}
	if lines != nil {
		p("dbus.session.%s = [\n%s\n]", list, strings.Join(lines, "\n"))
	}
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return strconv.Itoa(n) + " times"
}

func oneLine(s string) string {
	return problem.Printable(strings.NewReplacer("\n", " ", "\r", " ").Replace(s))
}

func sorted[V any](m map[string]V) []string {
	list := make([]string, 0, len(m))
	for name := range m {
		list = append(list, name)
	}
	sort.Strings(list)
	return list
}
