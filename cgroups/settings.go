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
		if none, ok := unlimited[key]; ok && !found {
			settings = append(settings, none)
		}
	}
	return settings, nil
}

// unlimited are the values that are no limit.
var unlimited = map[string]plan.Setting{
	"memory": {File: "memory.max", Value: "max"}, "memory_high": {File: "memory.high", Value: "max"}, "memory_swap": {File: "memory.swap.max", Value: "max"},
	"oom": {File: "memory.oom.group", Value: "0"}, "cpus": {File: "cpu.max", Value: "max " + strconv.Itoa(period)}, "cpu_weight": {File: "cpu.weight", Value: "100"},
	"cpuset": {File: "cpuset.cpus", Value: "\n"}, "pids": {File: "pids.max", Value: "max"}, "io_weight": {File: "io.weight", Value: "default 100"},
}
