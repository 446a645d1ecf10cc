package host

import (
	"os"
	"path/filepath"
	"strings"
)

// mountEntry is a line of /proc/self/mountinfo (proc_pid_mountinfo(5)).
type mountEntry struct {
	id      string
	parent  string // id of the mount it is mounted on
	root    string // the directory of the file system that is shown
	point   string // where
	options string // of this mount: "ro,nosuid"
	fstype  string
	source  string // what is mounted: "/dev/sda1", "tmpfs"
	super   string // options of the file system: "rw,memory"
}

func (m mountEntry) has(option string) bool { return hasWord(m.options, option) }

func hasWord(list, word string) bool {
	for list != "" {
		var first string
		if first, list, _ = strings.Cut(list, ","); first == word {
			return true
		}
	}
	return false
}

// readMounts returns the mounts that the caller sees, in the kernel's order;
// nil when they cannot be read.
func readMounts(root string) []mountEntry {
	file, err := os.Open(filepath.Join(root, "proc/self/mountinfo"))
	if err != nil {
		return nil
	}
	defer file.Close()
	var mounts []mountEntry
	eachLine(file, func(line string) bool {
		if m, ok := parseMount(line); ok {
			mounts = append(mounts, m)
		}
		return true
	})
	return mounts
}

// parseMount reads a line such as
//
//	36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
//
// where the fields before the dash vary in number.
func parseMount(line string) (mountEntry, bool) {
	front, back, ok := strings.Cut(line, " - ")
	left, right := strings.Fields(front), strings.Fields(back)
	if !ok || len(left) < 6 || len(right) < 2 {
		return mountEntry{}, false
	}
	return mountEntry{
		id:      left[0],
		parent:  left[1],
		root:    unescape(left[3]),
		point:   unescape(left[4]),
		options: left[5],
		fstype:  right[0],
		source:  unescape(right[1]),
		super:   right[len(right)-1],
	}, true
}

// unescape undoes the kernel's \ooo for blanks, newlines and backslashes.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) && isOctal(s[i+1:i+4]) {
			b.WriteByte((s[i+1]-'0')<<6 | (s[i+2]-'0')<<3 | (s[i+3] - '0'))
			i += 3
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func isOctal(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '7' {
			return false
		}
	}
	return true
}

// below returns what is left of name under dir: "" for dir itself, "a/b" for
// dir/a/b.
func below(name, dir string) (string, bool) {
	if dir == "/" {
		return strings.TrimPrefix(name, "/"), strings.HasPrefix(name, "/")
	}
	rest, ok := strings.CutPrefix(name, dir)
	if !ok || rest != "" && rest[0] != '/' {
		return "", false
	}
	return strings.TrimPrefix(rest, "/"), true
}
