package host

import (
	"os"
	"path"
	"strconv"
	"strings"
	"syscall"
)

// workdir is os.Getwd, but that a PWD which is not in its shortest form ("/a/../b")
// is not believed: mounting it by that name would go wrong. A directory that
// was deleted, or lies outside the caller's root, gives "".
func workdir() string {
	pwd := os.Getenv("PWD")
	if path.IsAbs(pwd) && path.Clean(pwd) == pwd {
		dir, err := os.Getwd()
		if err != nil {
			return ""
		}
		return dir
	}
	dir, err := syscall.Getwd()
	if err != nil {
		return ""
	}
	return dir
}

// identity finds the caller's login name and home directory: the environment's
// first, as every program does, then those of /etc/passwd. A uid without a
// name, as in a container that was started with a number, is its own name; a
// caller without a home lives in /.
func identity(getenv func(string) string, root string, uid int) (user, home string) {
	if user = getenv("USER"); !isLogin(user) {
		user = getenv("LOGNAME")
	}
	home = getenv("HOME")
	if isLogin(user) && path.IsAbs(home) {
		return user, path.Clean(home)
	}
	entry, _ := passwdByUID(root, uid)
	if !isLogin(user) {
		user = entry.name
	}
	if !isLogin(user) {
		user = strconv.Itoa(uid)
	}
	if !path.IsAbs(home) {
		home = entry.home
	}
	if !path.IsAbs(home) {
		home = "/"
	}
	return user, path.Clean(home)
}

// isLogin refuses what would break a line of /etc/passwd or a path that is made
// of it.
func isLogin(name string) bool {
	if name == "" || name == "." || name == ".." || len(name) > 256 {
		return false
	}
	return !strings.ContainsFunc(name, func(r rune) bool {
		return r <= ' ' || r == 0x7f || r == ':' || r == '/' || r == '\uFFFD'
	})
}
