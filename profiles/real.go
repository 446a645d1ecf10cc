package profiles

import (
	"path"
	"strings"
	"syscall"
)

// realPath returns the absolute path name without symbolic links, as far as it
// exists and can be read. It asks the kernel once for each part of the path;
// filepath.EvalSymlinks asks twice for links, and every run pays for it.
func realPath(name string) string {
	var link [4096]byte
	done, rest := "/", name
	for links := 0; rest != ""; {
		var part string
		part, rest, _ = strings.Cut(rest, "/")
		if part == "" || part == "." {
			continue
		}
		next := path.Join(done, part) // ".." is right: done holds no links
		n, err := syscall.Readlink(next, link[:])
		if err != nil || part == ".." {
			done = next
			continue
		}
		if links++; links > 40 { // as many as the kernel follows
			return path.Clean(name)
		}
		text := string(link[:n])
		if strings.HasPrefix(text, "/") {
			done = "/"
		}
		rest = text + "/" + rest
	}
	return done
}
