package cgroups

import (
	"fmt"
	"strings"

	"github.com/snug-sandbox/snug/internal/host"
	"github.com/snug-sandbox/snug/internal/plan"
	"github.com/snug-sandbox/snug/internal/units"
)

// ioLimits are the settings for the devices. Two entries for one device, such as
// two paths on it, hold both: the lower value counts.
func (c Config) ioLimits(f host.Facts) (list []limit) {
	merged := map[string]*limit{}
	at := map[string]IO{}
	for i, io := range c.IO {
		key := fmt.Sprintf("io[%d]", i)
		device := f.Devices[io.Name()]
		if device.Why != "" {
			list = append(list, limit{key: key, Setting: plan.Setting{File: "io.max"}, why: device.Why})
			continue
		}
		before, seen := at[device.Number]
		if seen {
			io = io.and(before)
		} else {
			merged[device.Number] = &limit{key: key}
		}
		at[device.Number] = io
	}
	for _, io := range c.IO {
		number := f.Devices[io.Name()].Number
		first := merged[number]
		if first == nil {
			continue
		}
		delete(merged, number)
		if most := at[number].most(); most != "" {
			list = append(list, limit{key: first.key, Setting: plan.Setting{File: "io.max", Value: number + most, For: "limits." + first.key}})
		}
		if weight := at[number].Weight; weight > 0 {
			list = append(list, limit{key: first.key, Setting: plan.Setting{File: "io.weight", Value: fmt.Sprintf("%s %d", number, weight), For: "limits." + first.key}})
		}
	}
	return list
}

// and is what holds when both are asked for the same device.
func (io IO) and(other IO) IO {
	return IO{
		Read: tighter(io.Read, other.Read), Write: tighter(io.Write, other.Write), ReadIOPS: tighter(io.ReadIOPS, other.ReadIOPS),
		WriteIOPS: tighter(io.WriteIOPS, other.WriteIOPS), Weight: tighter(io.Weight, other.Weight),
	}
}

// tighter is the lower of two limits, where 0 is none.
func tighter[N ~int64](a, b N) N {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// most are the words of a line of io.max.
func (io IO) most() string {
	var words strings.Builder
	for _, w := range []struct {
		name  string
		value int64
	}{{"rbps", int64(io.Read)}, {"wbps", int64(io.Write)}, {"riops", io.ReadIOPS}, {"wiops", io.WriteIOPS}} {
		if w.value > 0 {
			fmt.Fprintf(&words, " %s=%d", w.name, w.value)
		}
	}
	return words.String()
}

// hugetlbFile is the kernel's name of a page size's limit: "2MiB" is
// hugetlb.2MB.max.
func hugetlbFile(size, file string) string {
	b, _ := units.ParseBytes(size)
	name := ""
	switch {
	case b >= 1<<30:
		name = fmt.Sprintf("%dGB", b>>30)
	case b >= 1<<20:
		name = fmt.Sprintf("%dMB", b>>20)
	default:
		name = fmt.Sprintf("%dKB", b>>10)
	}
	return "hugetlb." + name + "." + file
}
