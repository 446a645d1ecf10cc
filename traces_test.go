package snug_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// traces are what a sandbox could leave in and around the process that made it.
type traces struct {
	descriptors []string // what /proc/self/fd shows
	memory      int      // mappings that are shared with nothing but a child
	mounts      []string // of what tests and sandboxes have; others of the machine come and go
	children    []string // processes, orphans and zombies among them: we are their subreaper
}

func takeTraces(t testing.TB) traces {
	t.Helper()
	mounts, err1 := os.ReadFile("/proc/self/mountinfo")
	maps, err2 := os.ReadFile("/proc/self/maps")
	fds, err3 := os.ReadDir("/proc/self/fd")
	lists, err4 := filepath.Glob("/proc/self/task/*/children")
	if err1 != nil || err2 != nil || err3 != nil || err4 != nil || len(lists) == 0 {
		t.Fatal(err1, err2, err3, err4, len(lists))
	}
	found := traces{memory: strings.Count(string(maps), "/dev/zero (deleted)")}
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, os.TempDir()+"/") || strings.Contains(line, "fuse-overlayfs") {
			found.mounts = append(found.mounts, line)
		}
	}
	for _, fd := range fds {
		if link, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil {
			found.descriptors = append(found.descriptors, fd.Name()+" "+link)
		}
	}
	for _, list := range lists {
		text, _ := os.ReadFile(list) // a thread may have ended
		found.children = append(found.children, strings.Fields(string(text))...)
	}
	return found
}

// leaves says what is there that was not there before.
func (before traces) leaves(now traces) string {
	var b strings.Builder
	for _, fd := range now.descriptors {
		if !slices.Contains(before.descriptors, fd) {
			fmt.Fprintln(&b, "the descriptor", fd)
		}
	}
	for _, pid := range now.children {
		if !slices.Contains(before.children, pid) {
			status, _ := os.ReadFile("/proc/" + pid + "/stat")
			fmt.Fprintf(&b, "the process %s: %s\n", pid, status)
		}
	}
	if now.memory > before.memory {
		fmt.Fprintln(&b, now.memory-before.memory, "mappings")
	}
	for _, line := range now.mounts {
		if !slices.Contains(before.mounts, line) {
			fmt.Fprint(&b, "the mount ", line)
		}
	}
	return b.String()
}

// leavesNothing fails the test when it, or what it started, leaves anything behind.
func leavesNothing(t testing.TB) {
	t.Helper()
	before := takeTraces(t)
	t.Cleanup(func() {
		if left := settle(t, before); left != "" {
			t.Errorf("this was left behind:\n%s", left)
		}
	})
}

// settle gives the ends of processes and goroutines that nothing waits for a
// moment to be complete.
func settle(t testing.TB, before traces) string {
	left := before.leaves(takeTraces(t))
	for end := time.Now().Add(patience); left != "" && time.Now().Before(end); left = before.leaves(takeTraces(t)) {
		time.Sleep(5 * time.Millisecond)
	}
	return left
}
