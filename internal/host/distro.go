package host

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/snug-sandbox/snug/internal/units"
)

// Distro is a distribution as os-release(5) names it.
type Distro struct {
	ID   string   `json:"id"`                // "debian", "ubuntu", "fedora", "arch"
	Like []string `json:"id_like,omitempty"` // those it descends from, the closest first
	Name string   `json:"name"`              // "Debian GNU/Linux 12 (bookworm)"
}

// ReadDistro reads root's /etc/os-release, or else /usr/lib/os-release.
func ReadDistro(root string) Distro {
	for _, name := range [...]string{"etc/os-release", "usr/lib/os-release"} {
		file, err := os.Open(filepath.Join(root, name))
		if err != nil {
			continue
		}
		defer file.Close()
		var d Distro
		eachLine(file, func(line string) bool { d.set(line); return true })
		return d
	}
	return Distro{}
}

func (d *Distro) set(line string) {
	key, value, _ := strings.Cut(line, "=")
	value = unquote(value)
	switch key {
	case "ID":
		d.ID = strings.ToLower(value)
	case "ID_LIKE":
		d.Like = strings.Fields(strings.ToLower(value))
	case "PRETTY_NAME":
		d.Name = value
	}
}

// unquote undoes the shell's quoting, as far as os-release(5) allows it.
func unquote(s string) string {
	s = strings.TrimSpace(s)
	if len(s) < 2 || s[0] != '"' && s[0] != '\'' || s[len(s)-1] != s[0] {
		return s
	}
	double := s[0] == '"'
	s = s[1 : len(s)-1]
	if !double {
		return s
	}
	return units.Unescape(s)
}

// Is reports whether d is the distribution id or descends from it.
func (d Distro) Is(id string) bool { return d.ID == id || slices.Contains(d.Like, id) }

// Install returns the command that installs program, or words to that effect
// where the distribution's packages are not known.
func (d Distro) Install(program string) string {
	switch {
	case d.Is("debian"), d.Is("ubuntu"):
		return "sudo apt install " + packageOf(program, "uidmap")
	case d.Is("fedora"), d.Is("rhel"):
		return "sudo dnf install " + packageOf(program, "shadow-utils")
	case d.Is("arch"):
		return "sudo pacman -S " + packageOf(program, "shadow")
	case d.Is("suse"), d.Is("opensuse"):
		return "sudo zypper install " + packageOf(program, "shadow")
	case d.Is("alpine"):
		return "sudo apk add " + packageOf(program, "shadow-uidmap")
	}
	return "install the program " + program + " (package " + packageOf(program, "uidmap, shadow or shadow-utils") + ")"
}

// packageOf names the package of a helper; the distributions agree on all but
// that of newuidmap.
func packageOf(program, idmap string) string {
	switch program {
	case "newuidmap", "newgidmap":
		return idmap
	case "pasta":
		return "passt"
	}
	return program
}
