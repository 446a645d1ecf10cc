package cgroups

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/snug-sandbox/snug/internal/cgroupfs"
	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/internal/units"
)

// Validate reports limits that make no sense on any machine.
func (c Config) Validate() error {
	var list problem.List
	bad := func(key, why string) { list = append(list, &problem.Problem{What: "limits." + key, Why: why}) }
	if c.Memory < -10000 {
		bad("memory", "more than all of the machine's memory")
	}
	if c.MemoryHigh < -10000 {
		bad("memory_high", "more than all of the machine's memory")
	}
	if c.MemorySwap != nil && *c.MemorySwap < 0 {
		bad("memory_swap", "less than nothing")
	}
	if c.OOM != "" && c.OOM != OOMProcess && c.OOM != OOMGroup {
		bad("oom", strconv.Quote(c.OOM)+" is not one of process, group")
	}
	if c.CPUs < 0 || c.CPUs != c.CPUs || c.CPUs > 1e6 || c.CPUs > 0 && c.CPUs < 0.01 {
		bad("cpus", "a number of CPUs from 0.01 up, such as 1.5")
	}
	if c.CPUWeight < 0 || c.CPUWeight > 10000 {
		bad("cpu_weight", "a number from 1 to 10000")
	}
	if _, err := cgroupfs.ParseCPUSet(c.CPUSet); c.CPUSet != "" && err != nil {
		bad("cpuset", err.Error())
	}
	if c.PIDs < 0 {
		bad("pids", "less than nothing")
	}
	if c.IOWeight < 0 || c.IOWeight > 10000 {
		bad("io_weight", "a number from 1 to 10000")
	}
	for i, io := range c.IO {
		if why := io.mistake(); why != "" {
			bad(fmt.Sprintf("io[%d]", i), why)
		}
	}
	for _, size := range slices.Sorted(maps.Keys(c.Hugetlb)) {
		if why := hugetlbMistake(size, c.Hugetlb[size]); why != "" {
			bad("hugetlb."+size, why)
		}
	}
	if c.Enforce != "" && c.Enforce != Strict && c.Enforce != BestEffort {
		bad("enforce", strconv.Quote(c.Enforce)+" is not one of strict, best-effort")
	}
	return list.Err()
}

// mistake says what is wrong with the limits of a device; "" when nothing is.
func (io IO) mistake() string {
	switch {
	case io.Path == "" && io.Device == "":
		return "neither a path nor a device says what is limited"
	case io.Path != "" && io.Device != "":
		return "a path and a device: one of them says what is limited"
	case io.Path != "" && !path.IsAbs(io.Path):
		return strconv.Quote(io.Path) + " is not an absolute path"
	case io.Device != "" && !IsDevice(io.Device):
		return strconv.Quote(io.Device) + " is not a device such as /dev/vda or 8:0"
	case io.Read < 0 || io.Write < 0 || io.ReadIOPS < 0 || io.WriteIOPS < 0:
		return "less than nothing"
	case io.Weight < 0 || io.Weight > 10000:
		return "a weight is a number from 1 to 10000"
	case io == IO{Path: io.Path, Device: io.Device}:
		return "nothing is limited; say read, write, read_iops, write_iops or weight"
	}
	return ""
}

// IsDevice reports whether s is the absolute path of a device file, or a
// device's number "MAJOR:MINOR".
func IsDevice(s string) bool {
	major, minor, ok := strings.Cut(s, ":")
	_, err1 := strconv.ParseUint(major, 10, 12)
	_, err2 := strconv.ParseUint(minor, 10, 20)
	return ok && err1 == nil && err2 == nil || path.IsAbs(s) && path.Clean(s) != "/"
}

func hugetlbMistake(size string, most units.Bytes) string {
	pages, err := units.ParseBytes(size)
	switch {
	case err != nil || pages.String() != size || pages < 4096 || pages&(pages-1) != 0:
		return strconv.Quote(size) + " is not the size of a huge page such as 2MiB or 1GiB"
	case most < 0:
		return "less than nothing"
	}
	return ""
}
