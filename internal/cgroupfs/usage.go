package cgroupfs

import (
	"strconv"
	"strings"
	"time"
)

// Usage is what a group counted. What this kernel does not count is 0.
type Usage struct {
	MemoryPeak int64 `json:"memory_peak"` // bytes (Linux 5.19)
	MemoryMax  int64 `json:"memory_max"`  // times that memory.max was reached
	OOMKills   int64 `json:"oom_kills"`   // processes killed for memory

	PIDsPeak    int64 `json:"pids_peak"`    // processes and threads at a time (Linux 6.1)
	PIDsRefused int64 `json:"pids_refused"` // forks that pids.max refused

	CPU       time.Duration `json:"cpu_ns"`       // of all processes
	Throttled time.Duration `json:"throttled_ns"` // time that cpu.max held them back
}

// Usage reads the group's counters.
func (g *Group) Usage() *Usage {
	if g == nil {
		return nil
	}
	u := &Usage{
		MemoryPeak: number(read(g.path, "memory.peak")), PIDsPeak: number(read(g.path, "pids.peak")),
	}
	memory, pids, cpu := fields(read(g.path, "memory.events")), fields(read(g.path, "pids.events")), fields(read(g.path, "cpu.stat"))
	u.MemoryMax, u.OOMKills, u.PIDsRefused = memory["max"], memory["oom_kill"], pids["max"]
	u.CPU, u.Throttled = time.Duration(cpu["usage_usec"])*time.Microsecond, time.Duration(cpu["throttled_usec"])*time.Microsecond
	return u
}

// fields reads a file of lines "name number".
func fields(text string) map[string]int64 {
	m := map[string]int64{}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		m[name] = number(value)
	}
	return m
}

func number(text string) int64 {
	n, _ := strconv.ParseInt(text, 10, 64)
	return n
}
