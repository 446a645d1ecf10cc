// Package cgroups is the sandbox's share of the machine: limits that control
// groups hold (cgroups(7), and the kernel's Documentation/admin-guide/cgroup-v2).
package cgroups

import "github.com/snug-sandbox/snug/internal/units"

// Config is the part of the table [limits] that a cgroup v2 subtree holds.
type Config struct {
	// Memory is the most memory that all processes of the sandbox use together
	// (memory.max): an amount, or a share of the machine's such as "50%".
	Memory units.Memory `toml:"memory"`
	// MemoryHigh is the amount of memory above which the kernel slows the
	// sandbox down and takes memory back (memory.high).
	MemoryHigh units.Memory `toml:"memory_high"`
	// MemorySwap is the most swap space beside Memory (memory.swap.max).
	// Default: none where Memory is set, else no limit.
	MemorySwap *units.Limit `toml:"memory_swap"`
	// OOM says what the kernel kills when Memory is reached and nothing can be
	// taken back: "process" is the largest process, so that a shell or a build
	// tool sees one of its children end by SIGKILL and can say so; "group" is the
	// whole sandbox at once (memory.oom.group). Default "process".
	OOM string `toml:"oom"`
	// CPUs is the most CPU time, in CPUs, that all processes use together
	// (cpu.max): 1.5 or "150%" is one and a half CPUs.
	CPUs float64 `toml:"cpus"`
	// CPUWeight is the share of CPU time when others want it too, from 1 to
	// 10000 (cpu.weight). Default 100.
	CPUWeight int64 `toml:"cpu_weight"`
	// CPUSet are the CPUs that may be used, "0-3,8" (cpuset.cpus).
	CPUSet string `toml:"cpuset"`
	// PIDs is the most processes and threads at a time (pids.max).
	PIDs int64 `toml:"pids"`
	// IO are limits on the traffic with block devices (io.max).
	IO []IO `toml:"io"`
	// IOWeight is the share of every block device when others want it too, from
	// 1 to 10000 (io.weight). It counts where the device has the scheduler BFQ or
	// the kernel's cost model (io.cost.qos) is on. Default 100.
	IOWeight int64 `toml:"io_weight"`
	// Hugetlb is the most memory in huge pages of each size, "2MiB" = "64MiB"
	// (hugetlb.2MB.max, and the same for reservations).
	Hugetlb map[string]units.Bytes `toml:"hugetlb"`
	// Enforce is "strict" (default): a limit that nothing here can hold is an
	// error; or "best-effort": what the process itself can carry stands in for it
	// where there is such a thing, and a note says what is not held.
	Enforce string `toml:"enforce"`

	// Account gives the sandbox a control group also where no limit needs one:
	// what it uses is counted there, and it can be paused and given limits while
	// it runs.
	Account bool `toml:"account"`
	// Count is Account where that is possible, and a note where it is not.
	Count bool `toml:"-"`
}

// IO limits the traffic with one block device. Traffic that the page cache takes
// up is counted when it reaches the device.
type IO struct {
	// Path is a file or directory on the device. A partition counts as its whole
	// disk, for which the kernel keeps the limit.
	Path string `toml:"path"`
	// Device is the device itself: "/dev/vda", or its number "8:0".
	Device string `toml:"device"`
	// Read is the most bytes a second that are read: "10MB/s".
	Read units.Rate `toml:"read"`
	// Write is the most bytes a second that are written.
	Write units.Rate `toml:"write"`
	// ReadIOPS is the most reads a second.
	ReadIOPS int64 `toml:"read_iops"`
	// WriteIOPS is the most writes a second.
	WriteIOPS int64 `toml:"write_iops"`
	// Weight is the share of this device when others want it too, from 1 to 10000.
	Weight int64 `toml:"weight"`
}

// Values of Config.OOM and Config.Enforce.
const (
	OOMProcess = "process"
	OOMGroup   = "group"
	Strict     = "strict"
	BestEffort = "best-effort"
)

// Limited reports whether a limit is asked for.
func (c Config) Limited() bool {
	return c.Memory != 0 || c.MemoryHigh != 0 || c.MemorySwap != nil || c.OOM == OOMGroup || c.CPUs != 0 || c.CPUWeight != 0 ||
		c.CPUSet != "" || c.PIDs != 0 || len(c.IO) > 0 || c.IOWeight != 0 || len(c.Hugetlb) > 0
}

// Empty reports whether no control group is asked for.
func (c Config) Empty() bool { return !c.Limited() && !c.Account && !c.Count }

// Name is what a limit of a device is about, as it was written.
func (io IO) Name() string {
	if io.Device != "" {
		return io.Device
	}
	return io.Path
}

// Devices are the paths and devices that have limits.
func (c Config) Devices() []string {
	var names []string
	for _, io := range c.IO {
		names = append(names, io.Name())
	}
	return names
}
