package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/snug-sandbox/snug/cgroups"
	"github.com/snug-sandbox/snug/internal/host"
	"github.com/snug-sandbox/snug/internal/units"
	"github.com/snug-sandbox/snug/process"
	"github.com/snug-sandbox/snug/spec"
)

// limits returns the limits that are set, by the names of the profile's keys.
func limits(l spec.Limits) map[string]string {
	set := map[string]string{}
	add := func(key string, is bool, value fmt.Stringer) {
		if is {
			set[key] = value.String()
		}
	}
	add("memory", l.Memory != 0, l.Memory)
	add("memory_high", l.MemoryHigh != 0, l.MemoryHigh)
	if l.MemorySwap != nil {
		set["memory_swap"] = sizeText(*l.MemorySwap)
	}
	add("oom", l.OOM != "", word(l.OOM))
	add("cpus", l.CPUs != 0, word(strconv.FormatFloat(l.CPUs, 'g', -1, 64)))
	add("cpu_weight", l.CPUWeight != 0, number(l.CPUWeight))
	add("cpuset", l.CPUSet != "", word(l.CPUSet))
	add("pids", l.PIDs != 0, number(l.PIDs))
	for _, io := range l.IO {
		set["io "+io.Name()] = ioText(io)
	}
	add("io_weight", l.IOWeight != 0, number(l.IOWeight))
	for size, most := range l.Hugetlb {
		set["hugetlb "+size] = most.String()
	}
	add("account", l.Account, word("true"))
	add("enforce", l.Enforce != "", word(l.Enforce))
	add("timeout", l.Timeout != 0, l.Timeout)
	add("cpu_time", l.CPUTime != 0, l.CPUTime)
	for _, name := range process.Rlimits() {
		if r := *l.Rlimit(name); r != nil {
			set[name] = rlimitText(name, *r)
		}
	}
	return set
}

// word and number are values that are shown as they are.
type word string

func (w word) String() string { return string(w) }

type number int64

func (n number) String() string { return strconv.FormatInt(int64(n), 10) }

func ioText(io cgroups.IO) string {
	var words []string
	add := func(name string, n int64, value fmt.Stringer) {
		if n > 0 {
			words = append(words, name+" "+value.String())
		}
	}
	add("read", int64(io.Read), io.Read)
	add("write", int64(io.Write), io.Write)
	add("read_iops", io.ReadIOPS, number(io.ReadIOPS))
	add("write_iops", io.WriteIOPS, number(io.WriteIOPS))
	add("weight", io.Weight, number(io.Weight))
	return strings.Join(words, " ")
}

func rlimitText(name string, r units.Rlimit) string {
	show := sizeText
	switch name {
	case "nofile", "nproc", "sigpending", "rtprio", "nice":
		show = units.Limit.String
	case "rttime":
		show = func(l units.Limit) string {
			if l == units.Unlimited {
				return l.String()
			}
			return l.String() + "us"
		}
	}
	if r.Soft == r.Hard {
		return show(r.Soft)
	}
	return show(r.Soft) + ":" + show(r.Hard)
}

func sizeText(l units.Limit) string {
	if l == units.Unlimited {
		return l.String()
	}
	return units.Bytes(l).String()
}

// delegation says where the limits would be held, and by what.
type delegation struct {
	Dir         string            `json:"dir,omitempty"`         // of the subtree
	From        string            `json:"from,omitempty"`        // how the caller comes by it
	Controllers []string          `json:"controllers,omitempty"` // that it has
	Why         string            `json:"why,omitempty"`         // there is none
	Held        map[string]string `json:"held,omitempty"`        // what holds each limit
}

// delegationOf is nil where nothing asks for a control group.
func delegationOf(l spec.Limits, f host.Facts, held map[string]string) *delegation {
	if l.Empty() && l.CPUTime == 0 {
		return nil
	}
	return &delegation{f.CgroupDir, f.CgroupFrom, f.CgroupControllers, f.CgroupWhy, held}
}

// delegation tells a person where limits are held.
func (t teller) delegation(d *delegation) {
	if d == nil {
		return
	}
	if d.Dir == "" {
		t.line("Delegation   none: %s", d.Why)
	} else {
		t.line("Delegation   %s: %s, with %s", d.From, d.Dir, strings.Join(d.Controllers, " "))
	}
	title := "Held by"
	for _, key := range slices.Sorted(maps.Keys(d.Held)) {
		t.line("%-12s %s: %s", title, strings.TrimPrefix(key, "limits."), d.Held[key])
		title = ""
	}
}
