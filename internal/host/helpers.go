package host

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// systemPath is where helpers live that are not for everybody's PATH: Debian
// keeps /usr/sbin out of an ordinary user's.
const systemPath = "/usr/bin:/usr/sbin:/usr/local/bin:/bin:/sbin"

// FindHelper returns the path of a program in PATH or one of the system's
// directories, empty when there is none. Relative entries of PATH are passed
// over: what they name changes with the working directory.
func FindHelper(name string) string { return findHelper("/", name) }

func findHelper(root, name string) string {
	for _, list := range [...]string{os.Getenv("PATH"), systemPath} {
		for len(list) > 0 {
			var dir string
			dir, list, _ = strings.Cut(list, ":")
			if !strings.HasPrefix(dir, "/") {
				continue
			}
			if file := filepath.Join(root, dir, name); isProgram(file) {
				return file
			}
		}
	}
	return ""
}

func isProgram(file string) bool {
	var stat unix.Stat_t
	if unix.Stat(file, &stat) != nil || stat.Mode&unix.S_IFMT != unix.S_IFREG {
		return false
	}
	return unix.Access(file, unix.X_OK) == nil
}

// Privilege is how a helper gets the rights that its caller lacks.
type Privilege string

// The values of Privilege.
const (
	Setuid   Privilege = "setuid"            // owned by root, with the set-user-ID bit
	FileCaps Privilege = "file capabilities" // capabilities(7), as Fedora and Arch do it
	Plain    Privilege = ""                  // none
	Nosuid   Privilege = "nosuid"            // either of them, on a file system mounted nosuid: without effect
)

// HelperPrivilege tells how file gets CAP_SETUID or CAP_SETGID; capability is
// one of unix.CAP_SETUID and unix.CAP_SETGID.
func HelperPrivilege(file string, capability uint) Privilege {
	how := Plain
	var stat unix.Stat_t
	if unix.Stat(file, &stat) == nil && stat.Mode&unix.S_ISUID != 0 && stat.Uid == 0 {
		how = Setuid
	} else if hasFileCap(file, capability) {
		how = FileCaps
	}
	var fs unix.Statfs_t
	if how != Plain && unix.Statfs(file, &fs) == nil && fs.Flags&unix.ST_NOSUID != 0 {
		return Nosuid
	}
	return how
}

// hasFileCap reads struct vfs_cap_data: a magic number, then the lower half of
// the permitted set, little-endian.
func hasFileCap(file string, capability uint) bool {
	data := make([]byte, 32)
	n, err := unix.Getxattr(file, "security.capability", data)
	if err != nil || n < 8 {
		return false
	}
	return binary.LittleEndian.Uint32(data[4:])&(1<<capability) != 0
}
