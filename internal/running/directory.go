package running

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// candidates are the directories that records may be in, the best one first.
// Each is made below one that is there. A $XDG_RUNTIME_DIR of one's own choice is
// a world of its own; the usual one may come and go with a login.
func candidates() []string {
	uid := strconv.Itoa(os.Geteuid())
	usual := "/run/user/" + uid
	if dir := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) && filepath.Clean(dir) != usual && mine(dir) {
		return []string{filepath.Join(dir, "snug")}
	}
	return []string{usual + "/snug", "/tmp/snug-" + uid}
}

// mine reports whether a directory is the caller's.
func mine(dir string) bool {
	var st unix.Stat_t
	return unix.Stat(dir, &st) == nil && st.Uid == uint32(os.Geteuid())
}

// directory returns the one that this user's records are written to, which it
// makes if it has to.
func directory() (string, error) {
	for _, dir := range candidates() {
		if safe(dir) || unix.Mkdir(dir, 0o700) == nil && safe(dir) {
			return dir, nil
		}
	}
	if dir := Distrusted(); dir != "" {
		return "", fmt.Errorf("others may write to %s, which is $XDG_RUNTIME_DIR; chmod go-w mends that", dir)
	}
	return "", errors.New("there is no directory for it: neither $XDG_RUNTIME_DIR nor /run/user nor /tmp has room for one that is the caller's alone")
}

// Distrusted returns the $XDG_RUNTIME_DIR of the caller's own choice where others
// may write, so that no record is kept there; "" is none.
func Distrusted() string {
	dir := filepath.Dir(candidates()[0])
	if !mine(dir) || closed(dir) {
		return ""
	}
	return dir
}

// known are the directories that hold records of this user.
func known() []string {
	var list []string
	for _, dir := range candidates() {
		if safe(dir) {
			list = append(list, dir)
		}
	}
	return list
}

// safe reports whether nobody but the caller can change what is in dir, or put
// another directory in its place: it is the caller's, for the caller alone, and
// so is the one above, or that keeps what is in it from others (the sticky bit).
func safe(dir string) bool {
	return private(dir) && closed(filepath.Dir(dir))
}

// closed reports whether only the caller and root can replace what is in dir.
func closed(dir string) bool {
	var st unix.Stat_t
	if unix.Stat(dir, &st) != nil {
		return false
	}
	trusted := st.Uid == 0 || st.Uid == uint32(os.Geteuid())
	return trusted && (st.Mode&0o022 == 0 || st.Mode&unix.S_ISVTX != 0)
}

func private(dir string) bool {
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	return owned(fd, unix.S_IFDIR)
}

// owned reports whether an open file is of that type and the caller's alone.
func owned(fd int, kind uint32) bool {
	var st unix.Stat_t
	return unix.Fstat(fd, &st) == nil && st.Mode&unix.S_IFMT == kind && st.Uid == uint32(os.Geteuid()) && st.Mode&0o077 == 0
}
