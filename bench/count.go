package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// adopt makes this process the parent of every process below it whose own
// parent ends, so that none that a sandbox leaves behind gets away uncounted;
// or ends that.
func adopt(on bool) error {
	var flag uintptr
	if on {
		flag = 1
	}
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, flag, 0, 0, 0); err != nil {
		return fmt.Errorf("become the reaper of what is left: %w", err)
	}
	return nil
}

// reap waits for what has ended and came to this process: it is what runs leave to
// process 1, or to whoever stands in for it.
func reap() {
	for {
		if pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); pid <= 0 && err != unix.EINTR {
			return
		}
	}
}

// tally counts what a sandbox could leave behind. Namespaces are not in it:
// they cannot be counted from here, so they get a ceiling instead.
type tally struct {
	processes, mounts, fds int
}

func (t tally) String() string {
	return fmt.Sprintf("%d processes, %d mounts, %d descriptors", t.processes, t.mounts, t.fds)
}

// over is how much of t was not there before.
func (t tally) over(before tally) int {
	return max(t.processes-before.processes, 0) + max(t.mounts-before.mounts, 0) + max(t.fds-before.fds, 0)
}

// count looks at this process: what it started, its mounts and descriptors.
func count() (t tally, err error) {
	table, err1 := os.ReadFile("/proc/self/mountinfo")
	fds, err2 := os.ReadDir("/proc/self/fd")
	family, err3 := descendants(os.Getpid())
	return tally{
		processes: len(family) - 1,
		mounts:    bytes.Count(table, []byte("\n")),
		fds:       len(fds),
	}, errors.Join(err1, err2, err3)
}

// settled counts again until nothing is left or five seconds are over: the
// kernel takes a process away a little after it was waited for.
func settled(before tally) (after tally, err error) {
	for range 100 {
		reap()
		after, err = count()
		if err != nil || after.over(before) == 0 {
			return after, err
		}
		time.Sleep(50 * time.Millisecond)
	}
	return after, nil
}
