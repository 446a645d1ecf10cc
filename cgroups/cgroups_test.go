package cgroups

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/snug-sandbox/snug/internal/host"
	"github.com/snug-sandbox/snug/internal/plan"
	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/internal/units"
)

func TestValidate(t *testing.T) {
	for _, c := range []struct {
		config Config
		says   string
	}{
		{Config{}, ""}, {Config{Memory: 1, CPUs: 0.01, PIDs: 1}, ""}, {Config{Memory: math.MaxInt64, CPUs: 1e6, PIDs: 1 << 40}, ""},
		{Config{MemoryHigh: -10001}, "limits.memory_high"}, {Config{MemoryHigh: -10000, Memory: -5000}, ""}, {Config{MemorySwap: swap(-1)}, "limits.memory_swap"},
		{Config{CPUWeight: 10001}, "limits.cpu_weight"}, {Config{CPUWeight: -1}, "limits.cpu_weight"}, {Config{CPUWeight: 10000}, ""},
		{Config{CPUSet: "0-3,8,10-10"}, ""}, {Config{CPUSet: "3-0"}, "limits.cpuset"}, {Config{CPUSet: "0,"}, "limits.cpuset"}, {Config{CPUSet: "a"}, "limits.cpuset"}, {Config{CPUSet: "0 1"}, "limits.cpuset"},
		{Config{Memory: -10001}, "limits.memory"}, {Config{PIDs: -1}, "limits.pids"},
		{Config{Memory: 1, OOM: "group"}, ""}, {Config{OOM: "group"}, ""}, {Config{Memory: 1, OOM: "all"}, "limits.oom"},
		{Config{Enforce: "strict"}, ""}, {Config{Enforce: "hard"}, "limits.enforce"}, {Config{IOWeight: 10001}, "limits.io_weight"},
		{Config{IO: []IO{{Path: "/", Read: 1}, {Device: "8:0", Weight: 1}}}, ""}, {Config{IO: []IO{{Path: "/"}}}, "limits.io[0]: nothing is limited"},
		{Config{IO: []IO{{Read: 1}}}, "limits.io[0]: neither"}, {Config{IO: []IO{{Path: "/", Device: "8:0", Read: 1}}}, "limits.io[0]: a path and a device"},
		{Config{IO: []IO{{Path: "/", Read: 1}, {Path: "x", Read: 1}}}, "limits.io[1]: \"x\" is not an absolute path"},
		{Config{IO: []IO{{Device: "vda", Read: 1}}}, "limits.io[0]"}, {Config{IO: []IO{{Path: "/", Read: -1}}}, "limits.io[0]"}, {Config{IO: []IO{{Path: "/", Weight: 10001}}}, "limits.io[0]"},
		{Config{Hugetlb: map[string]units.Bytes{"2MiB": 0, "1GiB": 1 << 30}}, ""}, {Config{Hugetlb: map[string]units.Bytes{"2MB": 1}}, "limits.hugetlb.2MB"},
		{Config{Hugetlb: map[string]units.Bytes{"2048KiB": 1}}, "limits.hugetlb.2048KiB"}, {Config{Hugetlb: map[string]units.Bytes{"2MiB": -1}}, "less than nothing"},
		{Config{CPUs: -1}, "limits.cpus"}, {Config{CPUs: 0.001}, "limits.cpus"}, {Config{CPUs: 2e6}, "limits.cpus"},
		{Config{CPUs: math.NaN()}, "limits.cpus"}, {Config{CPUs: math.Inf(1)}, "limits.cpus"},
	} {
		err := c.config.Validate()
		if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%+v: %v, want %q", c.config, err, c.says)
		}
	}
}

func swap(n units.Limit) *units.Limit { return &n }

var delegated = host.Facts{
	CgroupDir: "/sys/fs/cgroup/x", CgroupControllers: []string{"cpu", "cpuset", "io", "memory", "pids"}, Memory: 8 << 30, UID: 1000,
	Kernel:  host.Version{Major: 6, Minor: 1},
	Devices: map[string]host.Device{"/": {Number: "8:0"}, "/srv": {Number: "8:0"}, "/dev/sdb": {Number: "8:16"}, "/tmp": {Why: "/tmp is on a tmpfs"}},
}

func settings(b *plan.Builder) string {
	var lines []string
	for _, s := range b.Cgroup.Values {
		lines = append(lines, s.File+"="+s.Value)
	}
	return strings.Join(lines, "; ")
}

func TestPlan(t *testing.T) {
	for _, c := range []struct {
		config Config
		want   string
	}{
		{Config{}, ""}, {Config{Enforce: Strict, OOM: OOMProcess}, ""},
		{Config{Memory: 1 << 30}, "memory.max=1073741824; memory.swap.max=0"},
		{Config{Memory: -2500, MemoryHigh: -1}, "memory.high=858993; memory.max=2147482500; memory.swap.max=0"},
		{Config{Memory: 4096, OOM: OOMGroup}, "memory.max=4096; memory.swap.max=0; memory.oom.group=1"},
		{Config{CPUs: 1.5}, "cpu.max=150000 100000"},
		{Config{Memory: 4096, MemoryHigh: 2048, MemorySwap: swap(8192)}, "memory.high=2048; memory.max=4096; memory.swap.max=8192"},
		{Config{Memory: 4096, MemorySwap: swap(units.Unlimited)}, "memory.max=4096"},
		{Config{MemorySwap: swap(0)}, "memory.swap.max=0"},
		{Config{CPUWeight: 50, CPUSet: "0-1"}, "cpu.weight=50; cpuset.cpus=0-1"},
		{Config{PIDs: 10}, "pids.max=11"}, {Config{PIDs: 1 << 40}, "pids.max=4194304"},
		{Config{IOWeight: 50}, "io.weight=default 50"},
		{Config{IO: []IO{{Path: "/", Read: 1000, WriteIOPS: 7}}}, "io.max=8:0 rbps=1000 wiops=7"},
		{Config{IO: []IO{{Path: "/", Read: 1000, WriteIOPS: 7}, {Path: "/srv", Read: 500, Write: 9, Weight: 60}, {Device: "/dev/sdb", ReadIOPS: 3}}},
			"io.max=8:0 rbps=500 wbps=9 wiops=7; io.weight=8:0 60; io.max=8:16 riops=3"},
	} {
		b := plan.NewBuilder([]int{0})
		if err := c.config.Plan(delegated, b); err != nil || settings(b) != c.want {
			t.Errorf("%+v: %q, %v", c.config, settings(b), err)
		}
		if (b.Cgroup.Dir != "") != (c.want != "") || c.config.Limited() != (c.want != "") {
			t.Errorf("%+v: in %q", c.config, b.Cgroup.Dir)
		}
	}
	huge := delegated
	huge.CgroupControllers = []string{"hugetlb"}
	b := plan.NewBuilder([]int{0})
	err := Config{Hugetlb: map[string]units.Bytes{"2MiB": 4 << 20, "64KiB": 0, "1GiB": 1 << 30}}.Plan(huge, b)
	if want := "hugetlb.1GB.max=1073741824; hugetlb.1GB.rsvd.max=1073741824; hugetlb.2MB.max=4194304; hugetlb.2MB.rsvd.max=4194304; hugetlb.64KB.max=0; hugetlb.64KB.rsvd.max=0"; err != nil || settings(b) != want {
		t.Errorf("%q, %v", settings(b), err)
	}
}

func TestAccount(t *testing.T) {
	b := plan.NewBuilder([]int{0})
	if err := (Config{Account: true}).Plan(delegated, b); err != nil || b.Cgroup.Dir == "" || strings.Join(b.Cgroup.Count, " ") != "cpu io memory pids" {
		t.Errorf("%+v, %v", b.Cgroup, err)
	}
	nowhere := host.Facts{CgroupWhy: "no cgroup v2"}
	for _, c := range []Config{{Count: true}, {Account: true, Enforce: BestEffort}} {
		b = plan.NewBuilder([]int{0})
		if err := c.Plan(nowhere, b); err != nil || b.Cgroup.Dir != "" || len(b.Notes) != 1 || !strings.Contains(b.Notes[0], "no cgroup v2") {
			t.Errorf("%+v, %v", b.Notes, err)
		}
	}
	p := new(problem.Problem)
	if err := (Config{Account: true}).Plan(nowhere, plan.NewBuilder([]int{0})); !errors.As(err, &p) || p.What != "limits.account" || !strings.Contains(p.Why, "no cgroup v2") || p.Fix == "" {
		t.Errorf("%v", err)
	}
}

func TestALimitThatNothingHoldsIsAnError(t *testing.T) {
	v1, plain := host.Facts{CgroupWhy: "cgroup v1 host: no"}, host.Facts{CgroupWhy: "no delegation: x"}
	some := host.Facts{CgroupDir: "/sys/fs/cgroup/user.slice/user@1.service/x.scope", CgroupControllers: []string{"memory"}}
	unit := host.Facts{CgroupDir: "/sys/fs/cgroup/system.slice/x.service", CgroupControllers: []string{"memory"}}
	for _, c := range []struct {
		facts          host.Facts
		config         Config
		what, why, fix string
	}{
		{v1, Config{Memory: 1, PIDs: 1}, "limits.memory", "cgroup v1 host", "systemd.unified_cgroup_hierarchy=1"},
		{plain, Config{CPUs: 1, PIDs: 1}, "limits.cpus", "no delegation", "systemd-run --user"},
		{plain, Config{PIDs: 1}, "limits.pids", "no delegation", "--enforce best-effort"},
		{some, Config{Memory: 1, CPUs: 1}, "limits.cpus", "the controller cpu is not delegated", "Delegate=cpu cpuset io memory pids"},
		{some, Config{CPUSet: "0"}, "limits.cpuset", "the controller cpuset is not delegated", "user@.service.d/delegate.conf"},
		{unit, Config{IOWeight: 5}, "limits.io_weight", "the controller io is not delegated", "the unit or container"},
		{unit, Config{Hugetlb: map[string]units.Bytes{"2MiB": 0}}, "limits.hugetlb.2MiB", "hugetlb is not", "for f in /sys/fs/cgroup/cgroup.subtree_control /sys/fs/cgroup/system.slice/cgroup.subtree_control; do echo +hugetlb"},
		{delegated, Config{IO: []IO{{Path: "/", Read: 1}, {Path: "/tmp", Read: 1}}}, "limits.io[1]", "/tmp is on a tmpfs", "/dev/vda"},
	} {
		err := c.config.Plan(c.facts, plan.NewBuilder([]int{0}))
		var list problem.List
		if !errors.As(err, &list) || len(list) != 1 || list[0].What != c.what || !strings.Contains(list[0].Why, c.why) || !strings.Contains(list[0].Fix, c.fix) {
			t.Errorf("%+v: %v", c.config, err)
		}
	}
	var list problem.List
	if err := (Config{CPUs: 1, CPUWeight: 5, PIDs: 1}).Plan(some, plan.NewBuilder([]int{0})); !errors.As(err, &list) || len(list) != 2 {
		t.Errorf("each missing controller once: %v", err)
	}
}

func TestBestEffort(t *testing.T) {
	all := Config{
		Memory: 64 << 20, MemoryHigh: 1 << 20, OOM: OOMGroup, CPUs: 1, CPUWeight: 10, CPUSet: "1,0", PIDs: 9, IO: []IO{{Path: "/tmp", Read: 1}, {Path: "/", Read: 1}},
		IOWeight: 5, Enforce: BestEffort,
	}
	none := host.Facts{CgroupWhy: "cgroup v1 host", Kernel: host.Version{Major: 6, Minor: 1}, UID: 1000, Devices: delegated.Devices}
	b := plan.NewBuilder([]int{0})
	if err := all.Plan(none, b); err != nil || b.Cgroup.Dir != "" || len(b.Notes) != 2 {
		t.Errorf("%v, %+v", err, b.Plan)
	}
	i := all.Instead(none)
	if i.Data == nil || *i.Data != 64<<20 || i.Nproc == nil || *i.Nproc != 10 || len(i.CPUs) != 2 || i.Nice == nil || *i.Nice != 10 {
		t.Errorf("%+v", i)
	}
	for key, by := range map[string]string{
		"memory": "RLIMIT_DATA", "memory_high": "nothing", "oom": "nothing", "cpus": "nothing", "cpu_weight": "the nice value", "cpuset": "sched_setaffinity",
		"pids": "RLIMIT_NPROC", "io[0]": "nothing", "io[1]": "nothing", "io_weight": "nothing",
	} {
		if !strings.HasPrefix(b.Held["limits."+key], by) {
			t.Errorf("%s is held by %q", key, b.Held["limits."+key])
		}
	}
	// What can be held is held.
	b = plan.NewBuilder([]int{0})
	if err := all.Plan(delegated, b); err != nil || len(b.Notes) != 1 || !strings.Contains(b.Notes[0], "/tmp is on a tmpfs; what holds instead: limits.io[0] by nothing") {
		t.Errorf("%v, %q", err, b.Notes)
	}
	if i := all.Instead(delegated); i.Data != nil || i.Nproc != nil || i.CPUs != nil || i.Nice != nil {
		t.Errorf("%+v", i)
	}
	old, root := none, none
	old.Kernel, root.UID = host.Version{Major: 5, Minor: 13}, 0
	for _, f := range []host.Facts{old, root} {
		if i := all.Instead(f); i.Nproc != nil {
			t.Errorf("%+v", i)
		}
	}
	all.Enforce = ""
	if i := all.Instead(none); i.Data != nil || i.Nproc != nil || i.CPUs != nil || i.Nice != nil {
		t.Errorf("strict: %+v", i)
	}
}
