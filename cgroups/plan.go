package cgroups

import (
	"slices"
	"strconv"
	"strings"

	"github.com/snug-sandbox/snug/internal/host"
	"github.com/snug-sandbox/snug/internal/plan"
	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/internal/units"
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
	if c.MemoryHigh < 0 {
		bad("memory_high", "less than nothing")
	}
	if c.MemorySwap != nil && *c.MemorySwap < 0 {
		bad("memory_swap", "less than nothing")
	}
	if c.CPUWeight < 0 || c.CPUWeight > 10000 {
		bad("cpu_weight", "a number from 1 to 10000")
	}
	if c.CPUSet != "" && !isCPUSet(c.CPUSet) {
		bad("cpuset", strconv.Quote(c.CPUSet)+" is not a list of CPUs such as 0-3,8")
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
	if c.Account {
		p.Cgroup.Count = slices.DeleteFunc(slices.Clone(counters), func(name string) bool { return !slices.Contains(f.CgroupControllers, name) })
	}
	for _, l := range c.list() {
		p.Cgroup.Values = append(p.Cgroup.Values, l.Setting)
	}
	return nil
}

// limit is a key with the file that holds it.
type limit struct {
	key string
	plan.Setting
}

// list are the limits that are set, in the order in which they are written.
func (c Config) list() []limit {
	var list []limit
	add := func(key, file, value string) { list = append(list, limit{key, plan.Setting{File: file, Value: value}}) }
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	if c.MemoryHigh > 0 {
		add("memory_high", "memory.high", number(int64(c.MemoryHigh)))
	}
	if c.Memory > 0 {
		add("memory", "memory.max", number(int64(c.Memory)))
	}
	switch {
	case c.MemorySwap != nil && *c.MemorySwap != units.Unlimited:
		add("memory_swap", "memory.swap.max", number(int64(*c.MemorySwap)))
	case c.MemorySwap == nil && c.Memory > 0:
		add("memory", "memory.swap.max", "0")
	}
	if c.CPUs > 0 {
		add("cpus", "cpu.max", number(int64(c.CPUs*period))+" "+strconv.Itoa(period))
	}
	if c.CPUWeight > 0 {
		add("cpu_weight", "cpu.weight", number(c.CPUWeight))
	}
	if c.CPUSet != "" {
		add("cpuset", "cpuset.cpus", c.CPUSet)
	}
	if c.PIDs > 0 {
		// The process that stays counts too.
		add("pids", "pids.max", number(c.PIDs+1))
	}
	return list
}

// counters are the controllers that count what a sandbox uses.
var counters = []string{"memory", "pids", "cpu", "io"}

// Controllers are the controllers that the limits need.
func (c Config) Controllers() []string {
	var list []string
	if c.Account {
		list = append(list, counters[:2]...) // which every delegation has
	}
	for _, l := range c.list() {
		name, _, _ := strings.Cut(l.File, ".")
		list = append(list, name)
	}
	return list
}

// Key is the key of [limits] that a control group's file holds.
func (c Config) Key(file string) string {
	for _, l := range c.list() {
		if l.File == file {
			return l.key
		}
	}
	return ""
}

func (c Config) first() string {
	if list := c.list(); len(list) > 0 {
		return list[0].key
	}
	if c.Account {
		return "account"
	}
	return "memory_swap"
}

// Settings are the values of a running group that hold those of the limits whose
// keys are given; of such a limit that is not set, the value that is none.
func (c Config) Settings(keys []string) []plan.Setting {
	var settings []plan.Setting
	for _, key := range keys {
		found := false
		for _, l := range c.list() {
			if l.key == key {
				settings, found = append(settings, l.Setting), true
			}
		}
		if file := files[key]; !found && file != "" {
			settings = append(settings, plan.Setting{File: file, Value: unlimited(file)})
		}
	}
	return settings
}

// files hold the limits of the keys.
var files = map[string]string{
	"memory": "memory.max", "memory_high": "memory.high", "memory_swap": "memory.swap.max", "cpus": "cpu.max", "cpu_weight": "cpu.weight",
	"cpuset": "cpuset.cpus", "pids": "pids.max",
}

// unlimited is the value of a file that is no limit.
func unlimited(file string) string {
	switch file {
	case "cpu.max":
		return "max " + strconv.Itoa(period)
	case "cpu.weight":
		return "100"
	case "cpuset.cpus":
		return "\n"
	}
	return "max"
}

// isCPUSet reports whether s is a list of CPUs and ranges (cpuset(7), "List
// format").
func isCPUSet(s string) bool {
	for part := range strings.SplitSeq(s, ",") {
		low, high, ranged := strings.Cut(part, "-")
		a, err := strconv.ParseUint(low, 10, 16)
		b := a
		if ranged && err == nil {
			b, err = strconv.ParseUint(high, 10, 16)
		}
		if err != nil || b < a {
			return false
		}
	}
	return true
}
