package cgroups

import (
	"maps"
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

// maxPIDs is the most that the kernel takes (PID_MAX_LIMIT).
const maxPIDs = 4 << 20

// accounting are the controllers that count something.
var accounting = []string{"cpu", "io", "memory", "pids"}

// Plan adds a control group with the limits to the plan, and says in it what
// holds each of them. A limit that nothing would hold is an error, or where the
// best effort was asked for, a note.
func (c Config) Plan(f host.Facts, p *plan.Builder) error {
	var refused problem.List
	var less reasons
	instead := c.Instead(f)
	for _, l := range c.list(f) {
		key := "limits." + l.key
		why := l.lacking(f)
		switch {
		case why == nil:
			p.Cgroup.Values = append(p.Cgroup.Values, l.Setting)
			p.Hold(key, l.File+" of the control group")
		case c.Enforce == BestEffort:
			by := instead.by(l.key)
			if by == "" {
				by = "nothing"
			}
			if p.Hold(key, by) {
				less.add(why.Why, key+" by "+by)
			}
		case len(refused) == 0 || refused[len(refused)-1].Why != why.Why:
			why.What = key
			refused = append(refused, why)
		}
		if why != nil && f.CgroupDir == "" && c.Enforce != BestEffort {
			break // it is the same for all
		}
	}
	for _, l := range less {
		p.Notes = append(p.Notes, l.why+"; what holds instead: "+strings.Join(l.keys, "; "))
	}
	if len(p.Cgroup.Values) > 0 || c.Account || c.Count {
		p.Cgroup.Dir = f.CgroupDir
	}
	if c.Account || c.Count {
		switch {
		case f.CgroupDir != "" || len(refused) > 0:
		case c.Account && c.Enforce != BestEffort:
			refused = append(refused, &problem.Problem{What: "limits.account", Why: "there is no control group to count in: " + f.CgroupWhy, Fix: noSubtree(f)})
		default:
			p.Notes = append(p.Notes, "what the sandbox uses is not counted as a whole: "+f.CgroupWhy)
		}
		for _, name := range accounting {
			if slices.Contains(f.CgroupControllers, name) {
				p.Cgroup.Count = append(p.Cgroup.Count, name)
			}
		}
	}
	return refused.Err()
}

// reasons are what is not held, by the reason.
type reasons []struct {
	why  string
	keys []string
}

func (r *reasons) add(why, key string) {
	for i := range *r {
		if (*r)[i].why == why {
			(*r)[i].keys = append((*r)[i].keys, key)
			return
		}
	}
	*r = append(*r, struct {
		why  string
		keys []string
	}{why, []string{key}})
}

// limit is a key with the file that holds it.
type limit struct {
	key string
	plan.Setting
	why string // it cannot be held here, whatever was delegated
}

// controller is what a file belongs to: "memory" for memory.max.
func controller(file string) string {
	name, _, _ := strings.Cut(file, ".")
	return name
}

// lacking is why no control group holds a limit; nil: one does.
func (l limit) lacking(f host.Facts) *problem.Problem {
	name := controller(l.File)
	switch {
	case l.why != "":
		return &problem.Problem{Why: l.why, Fix: "name the disk itself, such as device = \"/dev/vda\"; lsblk lists them"}
	case f.CgroupDir == "":
		return &problem.Problem{Why: "nothing on this host can hold it: " + f.CgroupWhy, Fix: noSubtree(f)}
	case !slices.Contains(f.CgroupControllers, name):
		return &problem.Problem{
			Why: "the controller " + name + " is not delegated: " + f.CgroupDir + " has " + strings.Join(f.CgroupControllers, " "), Fix: noController(f, name),
		}
	}
	return nil
}

const otherwise = "or say enforce = \"best-effort\" (--enforce best-effort), which holds what it can; or leave the limit out"

func noSubtree(f host.Facts) string {
	if strings.HasPrefix(f.CgroupWhy, "cgroup v1") {
		return "boot with cgroup v2: systemd.unified_cgroup_hierarchy=1 on the kernel's command line\n" + otherwise
	}
	return "run below a cgroup v2 subtree that is yours: systemd-run --user --scope -p Delegate=yes snug …\n" + otherwise
}

// noController says how to have a controller delegated.
func noController(f host.Facts, name string) string {
	switch {
	case name == "hugetlb": // which systemd leaves alone
		var files []string
		for dir := f.CgroupDir; strings.HasPrefix(dir, "/sys/fs/cgroup/"); {
			dir = dir[:strings.LastIndexByte(dir, '/')]
			files = append(files, dir+"/cgroup.subtree_control")
		}
		slices.Reverse(files)
		return "as root: for f in " + strings.Join(files, " ") + "; do echo +hugetlb > $f; done\n" + otherwise
	case strings.Contains(f.CgroupDir, "/user@"):
		return Dropin + "\n" + otherwise
	}
	return "give it to the unit or container that this runs in: Delegate=cpu cpuset io memory pids in its [Service]\n" + otherwise
}

// Dropin has systemd hand all controllers to users; by default they get memory
// and pids, and cpu since version 252.
const Dropin = "have root write /etc/systemd/system/user@.service.d/delegate.conf with\n" +
	"[Service]\nDelegate=cpu cpuset io memory pids\nthen: systemctl daemon-reload, and log in again"

// list are the limits that are set, in the order in which they are written.
func (c Config) list(f host.Facts) []limit {
	var list []limit
	add := func(key, file, value string) {
		list = append(list, limit{key: key, Setting: plan.Setting{File: file, Value: value, For: "limits." + key}})
	}
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	if c.MemoryHigh != 0 {
		add("memory_high", "memory.high", number(int64(c.MemoryHigh.Of(f.Memory))))
	}
	if c.Memory != 0 {
		add("memory", "memory.max", number(int64(c.Memory.Of(f.Memory))))
	}
	switch {
	case c.MemorySwap != nil && *c.MemorySwap != units.Unlimited:
		add("memory_swap", "memory.swap.max", number(int64(*c.MemorySwap)))
	case c.MemorySwap == nil && c.Memory != 0:
		// A kernel that cannot count swap has no such file.
		list = append(list, limit{key: "memory", Setting: plan.Setting{File: "memory.swap.max", Value: "0", For: "limits.memory", Optional: true}})
	}
	if c.OOM == OOMGroup {
		add("oom", "memory.oom.group", "1")
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
		add("pids", "pids.max", number(min(c.PIDs, maxPIDs-1)+1))
	}
	list = append(list, c.ioLimits(f)...)
	if c.IOWeight > 0 {
		add("io_weight", "io.weight", "default "+number(c.IOWeight))
	}
	for _, size := range slices.Sorted(maps.Keys(c.Hugetlb)) {
		// A page beyond the first is a SIGBUS, one beyond the second an error of
		// mmap(2).
		for _, file := range []string{"max", "rsvd.max"} {
			add("hugetlb."+size, hugetlbFile(size, file), number(int64(c.Hugetlb[size])))
		}
	}
	return list
}

// Controllers are the controllers that the limits need.
func (c Config) Controllers() []string {
	var list []string
	if c.Account {
		list = append(list, "memory", "pids") // which every delegation has
	}
	for _, l := range c.list(host.Facts{}) {
		list = append(list, controller(l.File))
	}
	return list
}
