package cgroupfs

import (
	"errors"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Path is the group's directory, or "".
func (g *Group) Path() string {
	if g == nil {
		return ""
	}
	return g.path
}

// At is the group of a sandbox that somebody else runs. It is neither locked
// nor removed.
func At(path string) *Group { return &Group{base: filepath.Dir(path), path: path} }

// Kill kills every process of the group, frozen ones too (Linux 5.14).
func (g *Group) Kill() error { return write(filepath.Join(g.path, "cgroup.kill"), "1") }

// Read returns the text of one of the group's files, "" when it has none.
func (g *Group) Read(file string) string { return read(g.path, file) }

// Frozen reports whether the group was told to stand still.
func (g *Group) Frozen() bool { return g != nil && read(g.path, "cgroup.freeze") == "1" }

// Thaw lets the group go on, if it stands still.
func (g *Group) Thaw() error {
	if !g.Frozen() {
		return nil
	}
	return write(filepath.Join(g.path, "cgroup.freeze"), "0")
}

// patience is how long the processes of a group may take to stand still. One
// that waits for a disk, or a file system that another process serves, does so
// when it is done.
const patience = 5 * time.Second

// ErrBusy is what Freeze says when the processes took too long.
var ErrBusy = errors.New("its processes do not come to a stand within 5s: one waits for a disk or a network file system")

// Freeze stops every process of the group where it is, and returns when all
// stand. What takes too long goes on.
func (g *Group) Freeze() error {
	if err := write(filepath.Join(g.path, "cgroup.freeze"), "1"); err != nil {
		return err
	}
	for wait, end := time.Millisecond, time.Now().Add(patience); ; wait = min(2*wait, 50*time.Millisecond) {
		if strings.Contains(read(g.path, "cgroup.events"), "frozen 1") {
			return nil
		}
		if time.Now().After(end) {
			g.Thaw()
			return ErrBusy
		}
		time.Sleep(wait)
	}
}

// Change is what became of a setting of a running group.
type Change struct {
	File, Before, After string
}

// Update sets a value while the group is in use, enables the controller that it
// needs where that is possible, and reads the value back.
func (g *Group) Update(s Setting) (Change, error) {
	c := Change{File: s.File, Before: read(g.path, s.File)}
	if unix.Access(filepath.Join(g.path, s.File), unix.F_OK) != nil {
		unlock, err := lock(g.base)
		if err != nil {
			return c, &Error{"lock " + g.base, err}
		}
		err = enable(g.base, controllers([]Setting{s}))
		unlock()
		if err != nil {
			return c, err
		}
		c.Before = read(g.path, s.File)
	}
	if err := g.set(s); err != nil {
		return c, err
	}
	c.After = read(g.path, s.File)
	return c, nil
}
