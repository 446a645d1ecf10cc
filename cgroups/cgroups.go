// Package cgroups is the sandbox's share of the machine: limits that control
// groups hold (cgroups(7)).
package cgroups

import "github.com/snug-sandbox/snug/internal/units"

// Config is the part of the table [limits] that a cgroup v2 subtree holds.
type Config struct {
	// Memory is the most memory that all processes of the sandbox use
	// together (memory.max).
	Memory units.Bytes `toml:"memory"`
	// MemoryHigh is the amount of memory above which the kernel slows the
	// sandbox down and takes memory back (memory.high).
	MemoryHigh units.Bytes `toml:"memory_high"`
	// MemorySwap is the most swap space beside Memory (memory.swap.max).
	// Default: none where Memory is set, else no limit.
	MemorySwap *units.Limit `toml:"memory_swap"`
	// CPUs is the most CPU time, in CPUs, that all processes use together
	// (cpu.max): 1.5 is one and a half CPUs.
	CPUs float64 `toml:"cpus"`
	// CPUWeight is the share of CPU time when others want it too, from 1 to
	// 10000 (cpu.weight). Default 100.
	CPUWeight int64 `toml:"cpu_weight"`
	// CPUSet are the CPUs that may be used, "0-3,8" (cpuset.cpus).
	CPUSet string `toml:"cpuset"`
	// PIDs is the most processes and threads at a time (pids.max).
	PIDs int64 `toml:"pids"`
	// Account gives the sandbox a control group also where no limit needs one:
	// what it uses is counted there, and it can be paused and given limits while
	// it runs.
	Account bool `toml:"account"`
}

// Empty reports whether no control group is asked for.
func (c Config) Empty() bool { return c == Config{} }
