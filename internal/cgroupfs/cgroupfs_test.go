package cgroupfs

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestWhatIsReadBackHolds(t *testing.T) {
	for _, c := range []struct {
		file, written, got string
		want               bool
	}{
		{"memory.max", "4096", "4096", true}, {"memory.max", "5000", "4096", true}, {"memory.max", "4096", "8192", false},
		{"memory.max", "4096", "max", false}, {"memory.max", "4096", "", false}, {"pids.max", "0", "0", true},
		{"cpu.max", "150000 100000", "150000 100000", true}, {"cpu.max", "150000 100000", "max 100000", false},
		{"cpuset.cpus", "0-3", "0-3", true}, {"cpuset.cpus", "0-3", "0-1", false}, {"cpuset.cpus", "3,0,1,2", "0-3", true}, {"cpuset.cpus", "0", "", false},
		{"io.max", "8:0 rbps=1000 wiops=5", "8:0 rbps=1000 wbps=max riops=max wiops=5", true},
		{"io.max", "8:0 rbps=1000 wiops=5", "7:0 rbps=1000 wbps=max riops=max wiops=5\n8:0 rbps=1000 wbps=max riops=max wiops=6", false},
		{"io.max", "8:0 rbps=1000", "", false}, {"io.max", "8:0 rbps=1000", "18:0 rbps=1000", false},
		{"io.weight", "default 50", "default 50\n8:0 60", true}, {"io.weight", "8:0 60", "default 50\n8:0 60", true}, {"io.weight", "8:0 60", "default 60", false},
	} {
		if holds(c.file, c.written, c.got) != c.want {
			t.Errorf("%s: %q and %q", c.file, c.written, c.got)
		}
	}
}

func TestControllers(t *testing.T) {
	got := controllers([]Setting{{File: "memory.max"}, {File: "memory.high"}, {File: "cpuset.cpus"}, {File: "cpu.max"}})
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
	if _, err := Make(dir, []Setting{{File: "memory.max", Value: "1"}}, nil); err == nil {
		t.Error("a directory without the kernel's files is a control group")
	}
	if list := groups(dir); len(list) != 0 {
		t.Errorf("left behind: %v", list)
	}
}

func TestUsage(t *testing.T) {
	g := &Group{path: subtree(t, map[string]string{
		"memory.peak": "4096\n", "memory.events": "low 0\nhigh 1\nmax 2\noom 3\noom_kill 4\n", "pids.peak": "9\n", "pids.events": "max 5\n",
		"cpu.stat":           "usage_usec 7000\nuser_usec 4000\nsystem_usec 3000\nnr_periods 6\nnr_throttled 2\nthrottled_usec 3000\n",
		"cgroup.controllers": "cpu io memory pids\n", "memory.swap.peak": "8192\n",
		"io.stat":      "8:0 rbytes=100 wbytes=20 rios=3 wios=4 dbytes=0 dios=0\n253:0 rbytes=1 wbytes=2 rios=1 wios=1 dbytes=0 dios=0\n",
		"cpu.pressure": "some avg10=1.50 avg60=0.00 avg300=0.00 total=2000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=1000\n",
	})}
	want := &Usage{
		Controllers: []string{"cpu", "io", "memory", "pids"}, MemoryPeak: 4096, SwapPeak: 8192, MemoryMax: 2, OOMs: 3, OOMKills: 4, PIDsPeak: 9, PIDsRefused: 5,
		CPU: 7 * time.Millisecond, User: 4 * time.Millisecond, System: 3 * time.Millisecond, Throttled: 3 * time.Millisecond, Throttlings: 2, CPUPeriods: 6,
		ReadBytes: 101, WrittenBytes: 22, Reads: 4, Writes: 5, CPUPressure: &Pressure{Some: 2 * time.Millisecond, Full: time.Millisecond},
	}
	if got := g.Usage(); !reflect.DeepEqual(got, want) || g.CPU() != want.CPU {
		t.Errorf("%+v", got)
	}
	if got := (&Group{path: t.TempDir()}).Usage(); got.CPUPressure != nil || got.MemoryPeak != 0 {
		t.Errorf("of nothing: %+v", got)
	}
	var none *Group
	if none.Usage() != nil || none.FD() != 0 {
		t.Error("no group counts something")
	}
	none.Remove()
}

func TestSettings(t *testing.T) {
	for _, c := range []struct {
		files   map[string]string
		setting Setting
		file    string // where the value is then; empty: it is refused
		value   string
		says    string
	}{
		{map[string]string{"io.weight": ""}, Setting{File: "io.weight", Value: "default 50"}, "io.weight", "default 50", ""},
		{map[string]string{"io.bfq.weight": ""}, Setting{File: "io.weight", Value: "default 50"}, "io.bfq.weight", "default 50", ""},
		{map[string]string{"io.bfq.weight": ""}, Setting{File: "io.weight", Value: "8:0 10000"}, "io.bfq.weight", "8:0 1000", ""},
		{map[string]string{"io.bfq.weight": ""}, Setting{File: "io.weight", Value: "default 1000"}, "io.bfq.weight", "default 181", ""},
		{nil, Setting{File: "io.weight", Value: "default 50"}, "", "", "neither the cost model"},
		{nil, Setting{File: "io.max", Value: "8:0 rbps=1"}, "", "", "CONFIG_BLK_DEV_THROTTLING"},
		{nil, Setting{File: "memory.swap.max", Value: "0"}, "", "", "no such file"},
		{nil, Setting{File: "memory.swap.max", Value: "0", Optional: true}, "memory.swap.max", "", ""},
		{map[string]string{"cpuset.cpus": "", "cpuset.cpus.effective": "0-3"}, Setting{File: "cpuset.cpus", Value: "9"}, "", "", "only 0-3"},
		{map[string]string{"cpuset.cpus": "", "cpuset.cpus.effective": "1"}, Setting{File: "cpuset.cpus", Value: "0-1"}, "cpuset.cpus", "0-1", ""},
	} {
		g := &Group{path: subtree(t, c.files)}
		err := g.set(c.setting)
		if (err == nil) != (c.file != "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: %v", c.setting, err)
		}
		if c.file != "" && read(g.path, c.file) != c.value {
			t.Errorf("%+v: %s is %q", c.setting, c.file, read(g.path, c.file))
		}
		if bad := new(SettingError); err != nil && (!errors.As(err, &bad) || bad.File != c.setting.File) {
			t.Errorf("%+v: %#v", c.setting, err)
		}
	}
}
