package main

import (
	"errors"
	"math"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/snug-sandbox/snug/cgroups"
	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/internal/units"
	"github.com/snug-sandbox/snug/process"
	"github.com/snug-sandbox/snug/profiles"
	"github.com/snug-sandbox/snug/spec"
)

func (b *box) limitOptions() []*kong.Flag { return append(b.groupOptions(), b.runOptions()...) }

// groupOptions are the limits that a control group holds.
func (b *box) groupOptions() []*kong.Flag {
	return []*kong.Flag{
		b.limit("memory", "BYTES", "Memory of all processes together: 512MiB, 2G, 50%.", func(c *changing, v string) error {
			return memory(&c.Limits.Memory, "memory", v)
		}),
		b.limit("memory-high", "BYTES", "Memory above which the sandbox is slowed down.", func(c *changing, v string) error {
			return memory(&c.Limits.MemoryHigh, "memory-high", v)
		}),
		b.limit("memory-swap", "BYTES", "Swap space beside --memory. Default: 0.", func(c *changing, v string) error {
			n, err := units.ParseLimit(v)
			if err != nil {
				return badValueTry("--memory-swap 1GiB", "%v", err)
			}
			c.Limits.MemorySwap = &n
			return nil
		}),
		b.choice("oom", "process|group", "What is killed at --memory: the largest process (default), or the whole sandbox.",
			func(c *changing, v string) { c.Limits.OOM = v }),
		b.limit("cpus", "NUMBER", "CPUs' worth of time: 1.5, 150%.", func(c *changing, v string) error {
			n, err := units.ParseCPUs(v)
			if err != nil {
				return badValueTry("--cpus 1.5", "%q is not a number of CPUs", v)
			}
			c.Limits.CPUs = n
			return positive("cpus", v, n)
		}),
		b.limit("cpu-weight", "NUMBER", "Share of the CPUs when others want them too, 1 to 10000. Default 100.", func(c *changing, v string) error {
			return between(&c.Limits.CPUWeight, "cpu-weight", v, 10000)
		}),
		b.limit("cpuset", "LIST", "CPUs that may be used: 0-3,8.", func(c *changing, v string) error {
			c.Limits.CPUSet = v
			return asInProfiles("limits.cpuset", v)
		}),
		b.limit("pids", "NUMBER", "Processes and threads at a time.", func(c *changing, v string) error {
			n, err := strconv.ParseInt(v, 10, 64)
			if err != nil {
				return badValueTry("--pids 100", "%q is not a number of processes", v)
			}
			c.Limits.PIDs = n
			return positive("pids", v, float64(n))
		}),
		b.limit("io", "PATH:KEY=N,...", "Traffic with the disk of PATH, or with a device: read=10MB/s, write=, read_iops=, write_iops=, weight=.", ioLimit),
		b.limit("io-weight", "NUMBER", "Share of all disks when others want them too, 1 to 10000. Default 100.", func(c *changing, v string) error {
			return between(&c.Limits.IOWeight, "io-weight", v, 10000)
		}),
		b.limit("hugetlb", "SIZE=BYTES", "Memory in huge pages of a size: 2MiB=64MiB.", hugetlb),
	}
}

// runOptions are the limits that a run begins with.
func (b *box) runOptions() []*kong.Flag {
	return []*kong.Flag{
		b.toggle("account", "Count what is used in a control group, also without a limit; it can be paused then.",
			func(c *changing) *bool { return &c.Limits.Account }),
		b.limit("rlimit", "NAME=SOFT[:HARD]", "A limit of setrlimit(2): "+strings.Join(process.Rlimits(), ", ")+".", rlimit),
		b.limit("cpu-time", "TIME", "End the command after this CPU time of all processes: 10m. The exit code is then 124.", func(c *changing, v string) error {
			return duration(&c.Limits.CPUTime, "cpu-time", v)
		}),
		b.limit("timeout", "TIME", "End the command after this time: 90s, 1h30m. The exit code is then 124.", func(c *changing, v string) error {
			return duration(&c.Limits.Timeout, "timeout", v)
		}),
		b.limit("grace", "TIME", "Time between SIGTERM and SIGKILL at a limit of time. Default 10s.", func(c *changing, v string) error {
			return duration(&c.Limits.Grace, "grace", v)
		}),
		b.choice("enforce", "strict|best-effort", "Refuse limits that cannot be held here (default), or hold what the process itself can carry, and say what is not held.",
			func(c *changing, v string) { c.Limits.Enforce = v }),
	}
}

// limit returns an option for a limit, for which "none" lifts the profile's.
func (b *box) limit(name, placeholder, help string, make func(*changing, string) error) *kong.Flag {
	return b.option(name, placeholder, help, func(c *changing, v string) error {
		if v != "none" {
			return make(c, v)
		}
		lift(&c.Limits, name)
		return nil
	})
}

func lift(l *spec.Limits, limit string) {
	switch limit {
	case "memory":
		l.Memory, l.OOM = 0, ""
	case "memory-high":
		l.MemoryHigh = 0
	case "memory-swap":
		unlimited := units.Unlimited
		l.MemorySwap = &unlimited
	case "cpus":
		l.CPUs = 0
	case "cpu-weight":
		l.CPUWeight = 0
	case "cpuset":
		l.CPUSet = ""
	case "pids":
		l.PIDs = 0
	case "io":
		l.IO = nil
	case "io-weight":
		l.IOWeight = 0
	case "hugetlb":
		l.Hugetlb = nil
	case "rlimit":
		for _, name := range process.Rlimits() {
			*l.Rlimit(name) = nil
		}
	case "cpu-time":
		l.CPUTime = 0
	case "timeout":
		l.Timeout = 0
	case "grace":
		l.Grace = 0
	}
}

// positive refuses a limit that is not above zero: in a Spec, zero means that
// there is no limit.
func positive(option, text string, n float64) error {
	if n <= 0 {
		return badValueTry("--"+option+" none, to lift the profile's limit", "%q is not more than 0", text)
	}
	return nil
}

func memory(to *units.Memory, option, text string) error {
	n, err := units.ParseMemory(text)
	if err != nil {
		return badValueTry("--"+option+" 512MiB", "%v", err)
	}
	*to = n
	return positive(option, text, math.Abs(float64(n)))
}

// between reads a whole number from 1 to most.
func between(to *int64, option, text string, most int64) error {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 || n > most {
		return badValueTry("--"+option+" 50", "%q is not a number from 1 to %d", text, most)
	}
	*to = n
	return nil
}

func duration(to *units.Duration, option, text string) error {
	d, err := units.ParseDuration(text)
	if err == nil {
		*to = d
		return positive(option, text, float64(d))
	}
	fix := "--" + option + " 90s"
	if _, bare := strconv.ParseFloat(text, 64); bare == nil {
		seconds, secondsErr := units.ParseDuration(text + "s")
		switch {
		case secondsErr == nil && seconds <= 0:
			return positive(option, text, 0)
		case secondsErr == nil:
			fix = "--" + option + " " + text + "s"
		case errors.Is(secondsErr, units.ErrRange):
			err = secondsErr
		}
	}
	if errors.Is(err, units.ErrRange) {
		fix = "--" + option + " none, to lift the profile's limit"
	}
	return badValueTry(fix, "%v", err)
}

// ioLimit reads PATH:KEY=VALUE,... The last colon in front of a key ends the
// path, which may hold others; "none" behind it lifts the profile's limits.
func ioLimit(c *changing, v string) error {
	const try = "--io /srv:read=10MB/s,write_iops=100"
	cut := strings.LastIndexByte(v, ':')
	if cut <= 0 {
		return badValueTry(try, "%q does not say what is limited", v)
	}
	io, words := cgroups.IO{}, v[cut+1:]
	if name := v[:cut]; strings.HasPrefix(name, "/dev/") || !strings.Contains(name, "/") && cgroups.IsDevice(name) {
		io.Device = name
	} else {
		path, err := hostPath(name, c.home)
		if err != nil {
			return err
		}
		io.Path = path
	}
	c.Limits.IO = withoutIO(c.Limits.IO, io.Name())
	if words == "none" {
		return nil
	}
	for _, word := range strings.Split(words, ",") {
		if err := ioWord(&io, word); err != nil {
			return err
		}
	}
	c.Limits.IO = append(c.Limits.IO, io)
	return nil
}

// withoutIO returns list less the entry of a path or device, in memory of its
// own.
func withoutIO(list []cgroups.IO, name string) []cgroups.IO {
	var kept []cgroups.IO
	for _, io := range list {
		if io.Name() != name {
			kept = append(kept, io)
		}
	}
	return kept
}

func ioWord(io *cgroups.IO, word string) error {
	key, text, _ := strings.Cut(word, "=")
	switch key {
	case "read":
		return ioRate(&io.Read, text)
	case "write":
		return ioRate(&io.Write, text)
	case "read_iops":
		return between(&io.ReadIOPS, "io /srv:read_iops=100 or", text, math.MaxInt64)
	case "write_iops":
		return between(&io.WriteIOPS, "io /srv:write_iops=100 or", text, math.MaxInt64)
	case "weight":
		return between(&io.Weight, "io /srv:weight=50 or", text, 10000)
	}
	keys := []string{"read", "write", "read_iops", "write_iops", "weight"}
	return badValueTry(nearest(key, keys), "%q is not one of %s", key, strings.Join(keys, ", "))
}

func ioRate(to *units.Rate, text string) error {
	n, err := units.ParseRate(text)
	switch {
	case err != nil:
		return badValueTry("read=10MB/s", "%v", err)
	case n == 0:
		return badValue("%q is not more than 0", text)
	}
	*to = n
	return nil
}

// hugetlb reads SIZE=BYTES.
func hugetlb(c *changing, v string) error {
	const try = "--hugetlb 2MiB=64MiB"
	name, text, ok := strings.Cut(v, "=")
	size, near := profiles.PageSize(name)
	switch {
	case !ok:
		return badValueTry(try, "%q has no amount", v)
	case size == "" && near != "":
		return badValueTry("--hugetlb "+near+"="+text, "%q is not the size of a huge page", name)
	case size == "":
		return badValueTry(try, "%q is not the size of a huge page", name)
	}
	most, err := units.ParseBytes(text)
	if err != nil {
		return badValueTry(try, "%v", err)
	}
	all := map[string]units.Bytes{size: most}
	for other, n := range c.Limits.Hugetlb {
		if other != size {
			all[other] = n
		}
	}
	c.Limits.Hugetlb = all
	return nil
}

// rlimit reads NAME=SOFT[:HARD]; "none" lifts the profile's.
func rlimit(c *changing, v string) error {
	const try = "--rlimit nofile=1024:4096"
	name, text, ok := strings.Cut(v, "=")
	name = strings.TrimPrefix(strings.ToLower(name), "rlimit_")
	field := c.Limits.Rlimit(name)
	switch {
	case name == "cpu":
		return badValueTry("--cpu-time 10m", "the limit of CPU time is an option of its own")
	case field == nil:
		if why := profiles.IgnoredLimit(name); why != "" {
			return badValue("%s", why)
		}
		names := process.Rlimits()
		return badValueTry(nearest(name, names), "%q is not one of %s", name, strings.Join(names, ", "))
	case !ok:
		return badValueTry(try, "%q has no value", v)
	case text == "none":
		*field = nil
		return nil
	}
	parse := units.ParseRlimit
	if name == "rttime" {
		parse = units.ParseTimeRlimit
	}
	l, err := parse(text)
	if err != nil {
		return badValueTry(try, "%v", err)
	}
	*field = &l
	if p := new(problem.Problem); errors.As(c.Limits.Limits.Validate(), &p) {
		return badValueTry(try, "%s", p.Why)
	}
	return nil
}
