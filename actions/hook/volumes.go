package hook

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/mounts"
)

// Where the runner's directories are inside.
const (
	insideWork = "/__w"
	insideTemp = "/__w/_temp"
)

// place turns the volumes of a container into mounts. What the runner asks for
// is what Docker would need: a hook that gives it all gives the runner away.
//
//	docker.sock and other sockets   nothing
//	_work                           the directory of this repository
//	_work/_temp                     a directory of the job's own; a step's files are copied
//	_work/_actions, externals       read-only
//	_work/_tool                     what is written stays in the job
//	a path of the host              nothing, but in the repository's directory
//	a name                          a directory of the job's own
type place struct {
	host host
	dir  string // of the job's own files
	warn func(format string, args ...any)
}

func (p place) mounts(c *container) []mounts.Mount {
	var list []mounts.Mount
	for _, v := range c.SystemMountVolumes {
		list = append(list, p.system(v)...)
	}
	for _, v := range c.UserMountVolumes {
		list = append(list, p.user(v)...)
	}
	return list
}

// system is a volume that the runner itself asks for.
func (p place) system(v volume) []mounts.Mount {
	target := path.Clean("/" + v.Target)
	if target == "/" || isSocket(v.Source) {
		return nil
	}
	source := p.host.resolve(v.Source)
	name := path.Base(target)
	switch {
	case source == p.host.work:
		return p.repository(target)
	case source == p.host.temp:
		return p.own("temp", target, v)
	case name == "_actions" || target == "/__e" || target == "/github/workflow" || target == "/github/file_commands":
		return p.show(source, target, false)
	case name == "_tool" || target == "/__t":
		return p.layered(source, target)
	case source == "/" || within(p.host.work, source):
		p.warn("the mount of %s is left out", v.Source)
		return nil
	}
	return p.show(source, target, !v.ReadOnly)
}

// repository shows the directories of this repository, of all that a runner has
// worked on.
func (p place) repository(target string) []mounts.Mount {
	rel, err := filepath.Rel(p.host.work, p.host.workspace)
	if p.host.workspace == "" || err != nil || !filepath.IsLocal(rel) || rel == "." {
		return []mounts.Mount{{Type: mounts.Dir, Target: target}}
	}
	p.make(p.host.workspace)
	top, _, _ := strings.Cut(rel, "/")
	return p.show(filepath.Join(p.host.work, top), path.Join(target, top), true)
}

// show mounts a directory or file of the host. Docker makes sources that are not
// there, and the runner counts on it.
func (p place) show(source, target string, writable bool) []mounts.Mount {
	m := mounts.Mount{Type: mounts.Bind, Source: source, Target: target, Writable: writable}
	p.make(source)
	if within(source, p.host.work) {
		id, err := p.host.identify(source)
		if err != nil {
			p.warn("the mount of %s is left out: a job may have put a symbolic link there (%s)", source, bare(err))
			return nil
		}
		m.Same = &id
	}
	return []mounts.Mount{m}
}

// make makes a directory that is not there, through no link out of _work.
func (p place) make(dir string) {
	if !within(dir, p.host.work) {
		if _, err := os.Lstat(dir); err != nil {
			os.MkdirAll(dir, 0o755)
		}
		return
	}
	if work, err := os.OpenRoot(p.host.work); err == nil {
		if rel, err := filepath.Rel(p.host.work, dir); err == nil {
			work.MkdirAll(rel, 0o755)
		}
		work.Close()
	}
}

// identify says which file is at a path below _work. It has to be this one that is
// mounted, whatever a job puts there meanwhile.
func (h host) identify(path string) (id mounts.FileID, err error) {
	f, err := h.open(path)
	if err != nil {
		return id, err
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return id, err
	}
	return mounts.FileID{Major: unix.Major(uint64(st.Dev)), Minor: unix.Minor(uint64(st.Dev)), Inode: st.Ino}, nil
}

// layered shows a directory that can be written to for this job alone.
func (p place) layered(source, target string) []mounts.Mount {
	p.make(source)
	return []mounts.Mount{{Type: mounts.Overlay, Lower: []string{source}, Target: target, Writable: true}}
}

// own is a directory of the job's own.
func (p place) own(name, target string, v volume) []mounts.Mount {
	dir := filepath.Join(p.dir, name)
	os.MkdirAll(dir, 0o755)
	return []mounts.Mount{{Type: mounts.Bind, Source: dir, Target: target, Writable: !v.ReadOnly}}
}

// user is a volume of the workflow.
func (p place) user(v volume) []mounts.Mount {
	target := path.Clean("/" + v.Target)
	switch {
	case isSocket(v.Source) || isSocket(v.Target):
		p.warn("the mount of %s is left out: it would be as good as the host", v.Source)
		return nil
	case target == "/" || within(target, "/proc") || within(target, "/sys") || within(target, "/dev"):
		p.warn("the mount at %s is left out", v.Target)
		return nil
	case !strings.HasPrefix(v.Source, "/"):
		name := strings.Map(func(r rune) rune {
			if plainHost(string(r)) {
				return r
			}
			return '_'
		}, v.Source)
		if name == "" {
			name = "anonymous-" + strings.ReplaceAll(strings.Trim(target, "/"), "/", "_")
		}
		return p.own(filepath.Join("volumes", "v-"+name), target, v)
	}
	source := p.host.resolve(v.Source)
	if p.host.workspace != "" && within(source, filepath.Dir(p.host.workspace)) && filepath.Dir(p.host.workspace) != "/" {
		return p.show(source, target, !v.ReadOnly)
	}
	p.warn("the mount of %s is left out: of the host's files a workflow gets those of its repository", v.Source)
	return nil
}

// sockets are names of what would give a container the host, whether it is there
// or not.
var sockets = []string{"docker.sock", "containerd.sock", "podman.sock", "crio.sock", "buildkitd.sock", "snapd.socket", "system_bus_socket"}

func isSocket(name string) bool {
	for _, s := range sockets {
		if path.Base(name) == s {
			return true
		}
	}
	info, err := os.Stat(name)
	return err == nil && info.Mode()&(fs.ModeSocket|fs.ModeDevice|fs.ModeNamedPipe) != 0
}

// within reports whether path is dir or below it.
func within(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}

// hosts is the file that has the names of a job's containers. They all share one
// loopback.
func hosts(names []string, more [][2]string) string {
	var b strings.Builder
	b.WriteString("127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n")
	for _, name := range names {
		if plainHost(name) {
			fmt.Fprintf(&b, "127.0.0.1 %s\n", name)
		}
	}
	for _, h := range more {
		fmt.Fprintf(&b, "%s %s\n", h[1], h[0])
	}
	return b.String()
}
