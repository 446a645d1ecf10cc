package cgroupfs

import (
	"strconv"
	"strings"
	"time"
)

// Usage is what a group counted. What this kernel does not count, or what
// belongs to a controller that the group does not have, is 0.
type Usage struct {
	Controllers []string `json:"controllers"` // that counted

	MemoryPeak  int64 `json:"memory_peak"`  // bytes (Linux 5.19)
	SwapPeak    int64 `json:"swap_peak"`    // bytes (Linux 6.5)
	MemoryLimit int64 `json:"memory_limit"` // bytes, memory.max at the end; 0: none
	MemoryMax   int64 `json:"memory_max"`   // times that memory.max was reached
	OOMs        int64 `json:"ooms"`         // times that nothing could be taken back then
	OOMKills    int64 `json:"oom_kills"`    // processes killed for memory, also that of a group above

	PIDsPeak    int64 `json:"pids_peak"`    // processes and threads at a time (Linux 6.1)
	PIDsLimit   int64 `json:"pids_limit"`   // pids.max at the end; 0: none
	PIDsRefused int64 `json:"pids_refused"` // forks that pids.max refused

	CPU          time.Duration `json:"cpu_ns"`            // of all processes
	User         time.Duration `json:"cpu_user_ns"`       // the part of it in programs
	System       time.Duration `json:"cpu_system_ns"`     // the part of it in the kernel
	Throttled    time.Duration `json:"throttled_ns"`      // time that cpu.max held them back
	Throttlings  int64         `json:"throttled_periods"` // periods in which it did so
	CPUPeriods   int64         `json:"cpu_periods"`       // periods in which they wanted to run
	ReadBytes    int64         `json:"read_bytes"`        // from block devices
	WrittenBytes int64         `json:"written_bytes"`
	Reads        int64         `json:"reads"`
	Writes       int64         `json:"writes"`

	// Time in which work waited for something (PSI); nil where the kernel was
	// built or started without it.
	CPUPressure    *Pressure `json:"cpu_pressure,omitempty"`
	MemoryPressure *Pressure `json:"memory_pressure,omitempty"`
	IOPressure     *Pressure `json:"io_pressure,omitempty"`
}

// Pressure is time in which processes were held up.
type Pressure struct {
	Some time.Duration `json:"some_ns"` // at least one was
	Full time.Duration `json:"full_ns"` // all were that had work to do
}

// Usage reads the group's counters.
func (g *Group) Usage() *Usage {
	if g == nil {
		return nil
	}
	u := &Usage{
		Controllers: strings.Fields(read(g.path, "cgroup.controllers")),
		MemoryPeak:  number(read(g.path, "memory.peak")), SwapPeak: number(read(g.path, "memory.swap.peak")), PIDsPeak: number(read(g.path, "pids.peak")),
		MemoryLimit: number(read(g.path, "memory.max")), PIDsLimit: number(read(g.path, "pids.max")),
		CPUPressure: g.pressure("cpu"), MemoryPressure: g.pressure("memory"), IOPressure: g.pressure("io"),
	}
	memory, pids, cpu := fields(read(g.path, "memory.events")), fields(read(g.path, "pids.events")), fields(read(g.path, "cpu.stat"))
	u.MemoryMax, u.OOMs, u.OOMKills, u.PIDsRefused = memory["max"], memory["oom"], memory["oom_kill"], pids["max"]
	u.CPU, u.User, u.System, u.Throttled = micro(cpu["usage_usec"]), micro(cpu["user_usec"]), micro(cpu["system_usec"]), micro(cpu["throttled_usec"])
	u.Throttlings, u.CPUPeriods = cpu["nr_throttled"], cpu["nr_periods"]
	for line := range strings.Lines(read(g.path, "io.stat")) {
		io := pairs(line)
		u.ReadBytes, u.WrittenBytes = u.ReadBytes+io["rbytes"], u.WrittenBytes+io["wbytes"]
		u.Reads, u.Writes = u.Reads+io["rios"], u.Writes+io["wios"]
	}
	return u
}

// CPU is the CPU time of all processes so far.
func (g *Group) CPU() time.Duration { return micro(fields(read(g.path, "cpu.stat"))["usage_usec"]) }

// pressure reads two lines such as "some avg10=0.00 avg60=0.00 avg300=0.00
// total=1234".
func (g *Group) pressure(of string) *Pressure {
	text := read(g.path, of+".pressure")
	if text == "" {
		return nil
	}
	p := new(Pressure)
	for line := range strings.Lines(text) {
		total := micro(pairs(line)["total"])
		switch {
		case strings.HasPrefix(line, "some "):
			p.Some = total
		case strings.HasPrefix(line, "full "):
			p.Full = total
		}
	}
	return p
}

func micro(n int64) time.Duration { return time.Duration(n) * time.Microsecond }

// fields reads a file of lines "name number".
func fields(text string) map[string]int64 {
	m := map[string]int64{}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		m[name] = number(value)
	}
	return m
}

// pairs reads a line of words "name=number".
func pairs(line string) map[string]int64 {
	m := map[string]int64{}
	for _, word := range strings.Fields(line) {
		name, value, _ := strings.Cut(word, "=")
		m[name] = number(value)
	}
	return m
}

func number(text string) int64 {
	n, _ := strconv.ParseInt(text, 10, 64)
	return n
}
