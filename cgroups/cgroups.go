// Package cgroups is the sandbox's share of the machine: limits that control
// groups hold (cgroups(7)).
package cgroups

import "github.com/snug-sandbox/snug/internal/units"

// Config is the part of the table [limits] that a cgroup v2 subtree holds.
type Config struct {
	// Memory is the most memory that all processes of the sandbox use
	// together (memory.max).
	Memory units.Bytes `toml:"memory"`
	// CPUs is the most CPU time, in CPUs, that all processes use together
	// (cpu.max): 1.5 is one and a half CPUs.
	CPUs float64 `toml:"cpus"`
	// PIDs is the most processes and threads at a time (pids.max).
	PIDs int64 `toml:"pids"`
}

// Empty reports whether no limit is asked for.
func (c Config) Empty() bool { return c == Config{} }
