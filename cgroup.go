package snug

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/snug-sandbox/snug/internal/plan"
	"github.com/snug-sandbox/snug/internal/problem"
)

// cgroup is a control group made for one run; nil is none.
type cgroup struct {
	dir *os.File
}

// makeCgroup makes the control group of a plan and reads every value back: a
// limit that is written is held.
func makeCgroup(c plan.Cgroup) (*cgroup, error) {
	if c.Dir == "" {
		return nil, nil
	}
	path, err := os.MkdirTemp(c.Dir, "snug-")
	if err != nil {
		return nil, limitProblem("make a control group", err)
	}
	for _, s := range c.Values {
		if err := set(filepath.Join(path, s.File), s.Value); err != nil {
			os.Remove(path)
			return nil, limitProblem("set "+s.File, err)
		}
	}
	dir, err := os.Open(path)
	if err != nil {
		os.Remove(path)
		return nil, limitProblem("open the control group", err)
	}
	return &cgroup{dir}, nil
}

func set(file, value string) error {
	if err := os.WriteFile(file, []byte(value), 0); err != nil {
		return err
	}
	got, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if strings.TrimSpace(string(got)) == "max" {
		return fmt.Errorf("%s was written and is not held", value)
	}
	return nil
}

func limitProblem(what string, err error) error {
	return &problem.Problem{What: what, Err: err,
		Fix: "have the controllers delegated: systemd-run --user --scope -p Delegate=yes snug …\nor leave the limit out"}
}

func (g *cgroup) fd() int {
	if g == nil {
		return 0
	}
	return int(g.dir.Fd())
}

// remove kills what is left in the group and removes it.
func (g *cgroup) remove() {
	if g == nil {
		return
	}
	os.WriteFile(filepath.Join(g.dir.Name(), "cgroup.kill"), []byte("1"), 0)
	for range 100 {
		if err := syscall.Rmdir(g.dir.Name()); err != syscall.EBUSY {
			break
		}
	}
	g.dir.Close()
}
