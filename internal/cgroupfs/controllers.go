package cgroupfs

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// controllers are those that the settings' files belong to, each once.
func controllers(settings []Setting) []string {
	var list []string
	for _, s := range settings {
		name, _, _ := strings.Cut(s.File, ".")
		if !slices.Contains(list, name) {
			list = append(list, name)
		}
	}
	return list
}

// enable gives the subtree's groups the controllers. A group that gives them to
// others may hold no process itself (cgroups(7), "no internal processes"): those
// that are there move aside.
func enable(base string, names []string) error {
	for wait := time.Millisecond; ; wait *= 2 {
		err := vacate(base)
		if err == nil {
			err = enableVacated(base, names)
		}
		// Whoever has just started a process here, or gives the subtree back, is quicker.
		if !errors.Is(err, unix.EBUSY) || wait > 250*time.Millisecond {
			return err
		}
		time.Sleep(wait)
	}
}

func enableVacated(base string, names []string) error {
	have, possible := strings.Fields(read(base, "cgroup.subtree_control")), strings.Fields(read(base, "cgroup.controllers"))
	var on []string
	for _, name := range names {
		switch {
		case slices.Contains(have, name):
		case !slices.Contains(possible, name):
			return &Error{"the controller " + name + " in " + base, ErrNotDelegated}
		default:
			on = append(on, "+"+name)
		}
	}
	if len(on) == 0 {
		return nil
	}
	if err := write(filepath.Join(base, "cgroup.subtree_control"), strings.Join(on, " ")); err != nil {
		return &Error{"enable " + strings.Join(names, ", ") + " below " + base, err}
	}
	return nil
}

// vacate moves the processes of a group aside, new ones too that are made
// meanwhile. The root of all groups, which has no type, may keep its own.
func vacate(base string) error {
	if read(base, "cgroup.type") == "" {
		return nil
	}
	for tries := 0; read(base, "cgroup.procs") != ""; tries++ {
		err := moveAll(base, filepath.Join(base, Outside))
		if tries == 20 && err == nil {
			err = unix.EBUSY
		}
		if err != nil {
			return &Error{"move the processes in " + base + " aside", err}
		}
	}
	return nil
}

// moveAll moves every process of a group to another one, which is made.
func moveAll(from, to string) error {
	if err := os.Mkdir(to, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return cause(err)
	}
	for _, pid := range strings.Fields(read(from, "cgroup.procs")) {
		// One that has ended meanwhile, or that the kernel keeps there, is no reason
		// to give up; what it means is seen in the next try.
		write(filepath.Join(to, "cgroup.procs"), pid)
	}
	return nil
}

// restore gives the subtree back as it was: when no run needs it any more, its
// processes go back to where they were.
func restore(base string) {
	aside := filepath.Join(base, Outside)
	if _, err := os.Stat(aside); err != nil || len(groups(base)) > 0 {
		return
	}
	entries, _ := os.ReadDir(base)
	for _, e := range entries {
		if e.IsDir() && e.Name() != Outside {
			return // somebody else's, who may rely on the controllers
		}
	}
	var off []string
	for _, name := range strings.Fields(read(base, "cgroup.subtree_control")) {
		off = append(off, "-"+name)
	}
	if write(filepath.Join(base, "cgroup.subtree_control"), strings.Join(off, " ")) != nil {
		return
	}
	moveAll(aside, base)
	unix.Rmdir(aside)
}
