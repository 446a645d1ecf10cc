package spec

import (
	"time"

	"github.com/snug-sandbox/snug/internal/units"
)

// limits plans the control group, and has the command's process carry what none
// holds.
func (c *compiler) limits() error {
	if err := c.Limits.Config.Plan(c.facts, c.p); err != nil {
		return err
	}
	c.cpuTime()
	instead, own := c.Limits.Instead(c.facts), &c.setup.Limits
	own.Data, own.Nproc = atMost(own.Data, instead.Data), atMost(own.Nproc, instead.Nproc)
	c.setup.CPUs, c.setup.NiceAtLeast = instead.CPUs, instead.Nice
	return nil
}

// cpuTime has the parent watch the CPU time of all processes where there is a
// control group. Without one the kernel counts each process alone.
func (c *compiler) cpuTime() {
	limit := time.Duration(c.Limits.CPUTime)
	if limit == 0 {
		return
	}
	const key = "limits.cpu_time"
	if c.facts.CgroupDir == "" {
		const by = "RLIMIT_CPU, for each process alone"
		c.p.Hold(key, by)
		c.p.Notes = append(c.p.Notes, key+" is held by "+by+": "+c.facts.CgroupWhy)
		return
	}
	c.p.Hold(key, "the supervisor, which reads cpu.stat of the control group")
	c.p.Cgroup.Dir, c.p.Cgroup.CPUTime = c.facts.CgroupDir, limit
	c.setup.Limits.CPUTime = 0
}

// atMost is a limit that is not above another.
func atMost(limit *units.Rlimit, most *units.Limit) *units.Rlimit {
	switch {
	case most == nil:
		return limit
	case limit == nil:
		return units.SameRlimit(*most)
	}
	return &units.Rlimit{Soft: min(limit.Soft, *most), Hard: min(limit.Hard, *most)}
}
