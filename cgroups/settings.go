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
		for _, u := range unlimited {
			if u.key == key && !found {
				settings = append(settings, u.none)
			}
		}
	}
	return settings, nil
}

// unlimited are the values that are no limit, by key. (A map would be made at every
// start of the program.)
var unlimited = [...]struct {
	key  string
	none plan.Setting
}{
	{"memory", plan.Setting{File: "memory.max", Value: "max"}},
	{"memory_high", plan.Setting{File: "memory.high", Value: "max"}},
	{"memory_swap", plan.Setting{File: "memory.swap.max", Value: "max"}},
	{"oom", plan.Setting{File: "memory.oom.group", Value: "0"}},
	{"cpus", plan.Setting{File: "cpu.max", Value: "max " + strconv.Itoa(period)}},
	{"cpu_weight", plan.Setting{File: "cpu.weight", Value: "100"}},
	{"cpuset", plan.Setting{File: "cpuset.cpus", Value: "\n"}},
	{"pids", plan.Setting{File: "pids.max", Value: "max"}},
	{"io_weight", plan.Setting{File: "io.weight", Value: "default 100"}},
}
