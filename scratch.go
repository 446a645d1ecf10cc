package snug

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/mounts"
)

// scratch is the directory for temporary files of a sandbox without namespaces,
// which has no /tmp of its own. Its lock is held as long as it is in use.
type scratch struct {
	lock *os.File
	once sync.Once
}

const scratchPrefix = "snug-tmp-"

// useScratch makes the directory, and points the command to it.
func (c *Cmd) useScratch() error {
	if _, set := c.Spec.Env.Set["TMPDIR"]; set || !c.Spec.Namespaces.None || c.enter != nil {
		return nil
	}
	base := os.TempDir()
	sweepScratch(base)
	dir, err := os.MkdirTemp(base, scratchPrefix)
	if err != nil {
		return scratchProblem(err)
	}
	lock, err := os.Open(dir)
	if err == nil {
		err = unix.Flock(int(lock.Fd()), unix.LOCK_SH)
	}
	if err != nil {
		os.Remove(dir)
		return scratchProblem(err)
	}
	c.parents = append(c.parents, &scratch{lock: lock})
	c.Spec.Mounts = append(slices.Clip(c.Spec.Mounts), mounts.Mount{Source: dir, Target: dir, Writable: true})
	c.Spec.Env.Set = maps.Clone(c.Spec.Env.Set)
	if c.Spec.Env.Set == nil {
		c.Spec.Env.Set = map[string]string{}
	}
	c.Spec.Env.Set["TMPDIR"] = dir
	return nil
}

func scratchProblem(err error) error {
	return &problem.Problem{What: "make a directory for temporary files", Why: bareError(err), Err: err, Fix: "set TMPDIR to a directory that can be written to"}
}

// bareError is what an error says, without the path.
func bareError(err error) string {
	if path := new(os.PathError); errors.As(err, &path) {
		return path.Path + ": " + path.Err.Error()
	}
	return err.Error()
}

// Close removes the directory.
func (s *scratch) Close() (err error) {
	s.once.Do(func() {
		err = removeTree(s.lock.Name())
		s.lock.Close()
	})
	return err
}

// removeTree removes a directory, also where the command took rights away from
// what it left in it.
func removeTree(dir string) error {
	if os.RemoveAll(dir) == nil {
		return nil
	}
	os.Chmod(dir, 0o700)
	if root, err := os.OpenRoot(dir); err == nil {
		fs.WalkDir(root.FS(), ".", func(path string, d fs.DirEntry, _ error) error {
			if d != nil && d.IsDir() {
				root.Chmod(path, 0o700) // before it is read
			}
			return nil
		})
		root.Close()
	}
	return os.RemoveAll(dir)
}

// sweepScratch removes what runs left that were killed. One that was just made
// may not be locked yet.
func sweepScratch(base string) {
	left, _ := filepath.Glob(filepath.Join(base, scratchPrefix+"*"))
	for _, dir := range left {
		f, err := os.OpenFile(dir, unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
		if err != nil {
			continue
		}
		if abandoned(f) {
			removeTree(dir)
		}
		f.Close()
	}
}

func abandoned(f *os.File) bool {
	const young = time.Minute
	var st unix.Stat_t
	return unix.Fstat(int(f.Fd()), &st) == nil && int(st.Uid) == os.Geteuid() && time.Since(time.Unix(st.Mtim.Unix())) > young &&
		unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil
}
