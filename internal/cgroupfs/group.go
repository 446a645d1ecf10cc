// Package cgroupfs makes and removes control groups in a cgroup v2 subtree that
// the caller may write (cgroups(7)), and reads what they counted.
package cgroupfs

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Setting is a value of a control group's file.
type Setting struct {
	File, Value string
	For         string // whose wish it is, for errors
	Optional    bool   // a kernel without the file does without the setting
}

// Outside is the group in a subtree that its own processes are moved to while
// it is divided. Who is there is in the subtree.
const Outside = "snug-outside"

const prefix = "snug-" // of the groups of runs

// Group is a control group made for one run; nil is none.
type Group struct {
	base string
	path string
	dir  *os.File // holds a shared lock: this group is in use
}

// Make makes a group in the subtree base with the settings, and reads each one
// back: a limit that was written is held. The controllers of count are there
// beside those of the settings. What a killed process left there before is
// removed.
func Make(base string, settings []Setting, count []string) (*Group, error) {
	unlock, err := lock(base)
	if err != nil {
		return nil, &Error{"lock " + base, err}
	}
	defer unlock()
	collect(base)
	if err := enable(base, append(controllers(settings), count...)); err != nil {
		return nil, err
	}
	path, err := os.MkdirTemp(base, prefix)
	if err != nil {
		return nil, &Error{"make a control group", err}
	}
	g := &Group{base: base, path: path}
	if g.dir, err = os.Open(path); err == nil {
		err = unix.Flock(int(g.dir.Fd()), unix.LOCK_SH)
	}
	if err != nil {
		unix.Rmdir(path)
		return nil, &Error{"open the control group", err}
	}
	for _, s := range settings {
		if err := g.set(s); err != nil {
			g.remove()
			return nil, err
		}
	}
	return g, nil
}

// Error is something that could not be done with a control group.
type Error struct {
	What string
	Err  error
}

// Error returns what failed, and why.
func (e *Error) Error() string { return e.What + ": " + e.Err.Error() }

// SettingError is a setting that does not hold.
type SettingError struct {
	Setting
	Err error
}

// Error returns what failed, and why.
func (e *SettingError) Error() string {
	return "set " + e.File + " to " + e.Value + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *SettingError) Unwrap() error { return e.Err }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// ErrNotDelegated is the cause when the subtree has not the controller that a
// setting needs.
var ErrNotDelegated = errors.New("the controller is not delegated")

// FD is the group's directory, or 0.
func (g *Group) FD() int {
	if g == nil {
		return 0
	}
	return int(g.dir.Fd())
}

// Remove kills what is left in the group and removes it, and gives the subtree
// back as it was when nothing else needs it.
func (g *Group) Remove() {
	if g == nil {
		return
	}
	// What is killed takes its time: others need not wait for that.
	write(filepath.Join(g.path, "cgroup.kill"), "1")
	removeTree(g.path)
	if unlock, err := lock(g.base); err == nil {
		g.remove()
		unlock()
	}
}

// remove is Remove for who holds the subtree's lock.
func (g *Group) remove() {
	removeTree(g.path)
	g.dir.Close()
	restore(g.base)
}

// removeTree removes a group with those in it. Processes that were killed need
// a moment to be gone.
func removeTree(path string) {
	entries, _ := os.ReadDir(path)
	for _, e := range entries {
		if e.IsDir() {
			removeTree(filepath.Join(path, e.Name()))
		}
	}
	for wait := 100 * time.Microsecond; unix.Rmdir(path) == unix.EBUSY && wait < time.Second; wait *= 2 {
		time.Sleep(wait)
	}
}

// lock keeps others who make and remove groups in the same subtree out.
func lock(base string) (unlock func(), err error) {
	dir, err := os.Open(base)
	if err != nil {
		return nil, err
	}
	for {
		if err = unix.Flock(int(dir.Fd()), unix.LOCK_EX); err != unix.EINTR {
			break
		}
	}
	if err != nil {
		dir.Close()
		return nil, err
	}
	return func() { dir.Close() }, nil
}

// groups are the groups of runs in a subtree.
func groups(base string) []string {
	entries, _ := os.ReadDir(base)
	var list []string
	for _, e := range entries {
		if e.IsDir() && strings.HasPrefix(e.Name(), prefix) && e.Name() != Outside {
			list = append(list, filepath.Join(base, e.Name()))
		}
	}
	return list
}

// Collect removes the groups beside the one at path whose maker is gone, with the
// processes in them: one that stands still does not end by itself. What is not in
// a cgroup file system is left alone, whoever names it.
func Collect(path string) {
	base := filepath.Dir(path)
	var fs unix.Statfs_t
	if !strings.HasPrefix(filepath.Base(path), prefix) || unix.Statfs(base, &fs) != nil || fs.Type != unix.CGROUP2_SUPER_MAGIC {
		return
	}
	unlock, err := lock(base)
	if err != nil {
		return
	}
	defer unlock()
	collect(base)
	restore(base)
}

// collect removes groups whose maker is gone: nobody holds their lock.
func collect(base string) {
	for _, path := range groups(base) {
		dir, err := os.Open(path)
		if err != nil {
			continue
		}
		if unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
			write(filepath.Join(path, "cgroup.kill"), "1")
			removeTree(path)
		}
		dir.Close()
	}
}

func read(dir, file string) string {
	text, _ := os.ReadFile(filepath.Join(dir, file))
	return strings.TrimSpace(string(text))
}

// write writes in one call; a cgroup file is never made.
func write(path, value string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(cause(err), f.Close())
}

// cause is the kernel's error without the path that it is about.
func cause(err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return err
}
