package cgroups

import (
	"strconv"

	"github.com/snug-sandbox/snug/internal/host"
	"github.com/snug-sandbox/snug/internal/plan"
	"github.com/snug-sandbox/snug/internal/problem"
)

// period is the span of cpu.max in microseconds, the kernel's default.
const period = 100000

// Validate reports limits that make no sense on any machine.
func (c Config) Validate() error {
	var list problem.List
	bad := func(key, why string) { list = append(list, &problem.Problem{What: "limits." + key, Why: why}) }
	if c.Memory < 0 {
		bad("memory", "less than nothing")
	}
	if c.CPUs < 0 || c.CPUs != c.CPUs || c.CPUs > 1e6 || c.CPUs > 0 && c.CPUs < 0.01 {
		bad("cpus", "a number of CPUs from 0.01 up, such as 1.5")
	}
	if c.PIDs < 0 {
		bad("pids", "less than nothing")
	}
	return list.Err()
}

// Plan adds a control group with the limits to the plan. A limit that nothing
// would hold is an error.
func (c Config) Plan(f host.Facts, p *plan.Builder) error {
	if c.Empty() {
		return nil
	}
	if f.CgroupDir == "" {
		return &problem.Problem{What: "limits." + c.first(), Why: "nothing on this host can hold it: " + f.CgroupWhy,
			Fix: "run below a cgroup v2 subtree that is yours: systemd-run --user --scope -p Delegate=yes snug …\nor leave the limit out"}
	}
	p.Cgroup.Dir = f.CgroupDir
	add := func(file, value string) {
		p.Cgroup.Values = append(p.Cgroup.Values, plan.Setting{File: file, Value: value})
	}
	if c.Memory > 0 {
		add("memory.max", strconv.FormatInt(int64(c.Memory), 10))
		add("memory.swap.max", "0")
	}
	if c.CPUs > 0 {
		add("cpu.max", strconv.FormatInt(int64(c.CPUs*period), 10)+" "+strconv.Itoa(period))
	}
	if c.PIDs > 0 {
		// The process that stays counts too.
		add("pids.max", strconv.FormatInt(c.PIDs+1, 10))
	}
	return nil
}

func (c Config) first() string {
	switch {
	case c.Memory > 0:
		return "memory"
	case c.CPUs > 0:
		return "cpus"
	}
	return "pids"
}
