package cgroups

import (
	"math"

	"github.com/snug-sandbox/snug/internal/cgroupfs"
	"github.com/snug-sandbox/snug/internal/host"
	"github.com/snug-sandbox/snug/internal/units"
)

// Instead is what the command's process can carry itself, where the best effort
// was asked for and no control group holds a limit.
type Instead struct {
	// Data is private memory of each process in bytes (RLIMIT_DATA). It counts
	// what a program made writable, where RLIMIT_AS counts what it reserved: a
	// runtime such as Java's or JavaScript's reserves gigabytes that it never uses,
	// and would not even start.
	Data *units.Limit
	// Nproc is processes of the user in its user namespace (RLIMIT_NPROC).
	Nproc *units.Limit
	CPUs  []int // that it may run on (sched_setaffinity(2)); nil: all
	Nice  *int  // its nice value
}

// Instead returns what stands in for the limits that no control group holds.
func (c Config) Instead(f host.Facts) (i Instead) {
	if c.Enforce != BestEffort {
		return i
	}
	unheld := map[string]bool{}
	for _, l := range c.list(f) {
		unheld[l.key] = unheld[l.key] || l.lacking(f) != nil
	}
	if unheld["memory"] {
		n := units.Limit(c.Memory.Of(f.Memory))
		i.Data = &n
	}
	// Before Linux 5.14 it counts all processes of the user, and it never counts
	// those of root.
	if unheld["pids"] && f.UID != 0 && f.Kernel.AtLeast(5, 14) {
		n := units.Limit(c.PIDs + 1)
		i.Nproc = &n
	}
	if unheld["cpuset"] {
		i.CPUs, _ = cgroupfs.ParseCPUSet(c.CPUSet)
	}
	if unheld["cpu_weight"] && c.CPUWeight < 100 {
		n := niceOf(c.CPUWeight)
		i.Nice = &n
	}
	return i
}

// niceOf is the nice value with the share of a weight: each step is a factor of
// 1.25 (sched(7)).
func niceOf(weight int64) int {
	return min(19, int(math.Round(math.Log(100/float64(weight))/math.Log(1.25))))
}

// by says what stands in for a key; "" when nothing does.
func (i Instead) by(key string) string {
	switch {
	case key == "memory" && i.Data != nil:
		return "RLIMIT_DATA, for each process alone and without shared memory"
	case key == "pids" && i.Nproc != nil:
		return "RLIMIT_NPROC, for each user inside"
	case key == "cpuset" && i.CPUs != nil:
		return "sched_setaffinity(2), which the command can undo"
	case key == "cpu_weight" && i.Nice != nil:
		return "the nice value, for each process alone"
	}
	return ""
}
