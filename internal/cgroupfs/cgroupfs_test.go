package cgroupfs

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func TestWhatIsReadBackHolds(t *testing.T) {
	for _, c := range []struct {
		written, got string
		want         bool
	}{
		{"4096", "4096", true}, {"5000", "4096", true}, {"4096", "8192", false}, {"4096", "max", false}, {"4096", "", false},
		{"150000 100000", "150000 100000", true}, {"150000 100000", "max 100000", false}, {"0-3", "0-3", true}, {"0-3", "0-1", false}, {"0", "0", true},
	} {
		if holds(c.written, c.got) != c.want {
			t.Errorf("%q and %q", c.written, c.got)
		}
	}
}

func TestControllers(t *testing.T) {
	got := controllers([]Setting{{"memory.max", "1"}, {"memory.high", "1"}, {"cpuset.cpus", "0"}, {"cpu.max", "1 1"}}, nil)
	if want := []string{"memory", "cpuset", "cpu"}; !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
}

// subtree is a directory with the files of a control group in it. It is none:
// what the kernel does with them is tried where there is a cgroup v2.
func subtree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestEnable(t *testing.T) {
	dir := subtree(t, map[string]string{"cgroup.controllers": "cpu memory pids\n", "cgroup.subtree_control": "pids\n"})
	if err := enable(dir, []string{"pids"}); err != nil || read(dir, "cgroup.subtree_control") != "pids" {
		t.Errorf("what is enabled is enabled again: %v", err)
	}
	if err := enable(dir, []string{"memory", "pids", "cpu"}); err != nil || read(dir, "cgroup.subtree_control") != "+memory +cpu" {
		t.Errorf("%q, %v", read(dir, "cgroup.subtree_control"), err)
	}
	if err := enable(dir, []string{"io"}); !errors.Is(err, ErrNotDelegated) {
		t.Errorf("%v", err)
	}
	if _, err := Make(dir, []Setting{{"memory.max", "1"}}); err == nil {
		t.Error("a directory without the kernel's files is a control group")
	}
	if list := groups(dir); len(list) != 0 {
		t.Errorf("left behind: %v", list)
	}
}

func TestUsage(t *testing.T) {
	g := &Group{path: subtree(t, map[string]string{
		"memory.peak": "4096\n", "memory.events": "low 0\nhigh 1\nmax 2\noom 3\noom_kill 4\n", "pids.peak": "9\n", "pids.events": "max 5\n",
		"cpu.stat": "usage_usec 7000\nuser_usec 1\nthrottled_usec 3000\n",
	})}
	want := Usage{MemoryPeak: 4096, MemoryMax: 2, OOMKills: 4, PIDsPeak: 9, PIDsRefused: 5, CPU: 7 * time.Millisecond, Throttled: 3 * time.Millisecond}
	if got := g.Usage(); *got != want {
		t.Errorf("%+v", got)
	}
	var none *Group
	if none.Usage() != nil || none.FD() != 0 {
		t.Error("no group counts something")
	}
	none.Remove()
}
