package cgroups

import (
	"strconv"
	"strings"

	"github.com/snug-sandbox/snug/internal/host"
	"github.com/snug-sandbox/snug/internal/plan"
	"github.com/snug-sandbox/snug/internal/problem"
)

// Settings are the values that hold those of the limits whose keys are given, for
// a group that is in use. Of such a limit that is not set it is the value that is
// none; of one for each device or size of page, nothing.
func (c Config) Settings(f host.Facts, keys []string) ([]plan.Setting, error) {
	var settings []plan.Setting
	for _, key := range keys {
		found := false
		for _, l := range c.list(f) {
			if l.key != key && !strings.HasPrefix(l.key, key+".") && !strings.HasPrefix(l.key, key+"[") {
				continue
			}
			if l.why != "" {
				return nil, &problem.Problem{What: "limits." + l.key, Why: l.why, Fix: "name the disk itself, such as /dev/vda; lsblk lists them"}
			}
			settings, found = append(settings, l.Setting), true
		}
		if none, ok := unlimited(key); ok && !found {
			settings = append(settings, none)
		}
	}
	return settings, nil
}

// unlimited is the setting of a key that is no limit. (A map would be made at every
// start of the program.)
func unlimited(key string) (s plan.Setting, ok bool) {
	switch key {
	case "memory":
		return plan.Setting{File: "memory.max", Value: "max"}, true
	case "memory_high":
		return plan.Setting{File: "memory.high", Value: "max"}, true
	case "memory_swap":
		return plan.Setting{File: "memory.swap.max", Value: "max"}, true
	case "oom":
		return plan.Setting{File: "memory.oom.group", Value: "0"}, true
	case "cpus":
		return plan.Setting{File: "cpu.max", Value: "max " + strconv.Itoa(period)}, true
	case "cpu_weight":
		return plan.Setting{File: "cpu.weight", Value: "100"}, true
	case "cpuset":
		return plan.Setting{File: "cpuset.cpus", Value: "\n"}, true
	case "pids":
		return plan.Setting{File: "pids.max", Value: "max"}, true
	case "io_weight":
		return plan.Setting{File: "io.weight", Value: "default 100"}, true
	}
	return s, false
}
