package cgroups

import (
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/snug-sandbox/snug/internal/host"
	"github.com/snug-sandbox/snug/internal/plan"
	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/internal/units"
)

func TestValidate(t *testing.T) {
	for _, c := range []struct {
		config Config
		says   string
	}{
		{Config{}, ""}, {Config{Memory: 1, CPUs: 0.01, PIDs: 1}, ""}, {Config{Memory: math.MaxInt64, CPUs: 1e6, PIDs: 1 << 40}, ""},
		{Config{MemoryHigh: -1}, "limits.memory_high"}, {Config{MemorySwap: swap(-1)}, "limits.memory_swap"},
		{Config{CPUWeight: 10001}, "limits.cpu_weight"}, {Config{CPUWeight: -1}, "limits.cpu_weight"}, {Config{CPUWeight: 10000}, ""},
		{Config{CPUSet: "0-3,8,10-10"}, ""}, {Config{CPUSet: "3-0"}, "limits.cpuset"}, {Config{CPUSet: "0,"}, "limits.cpuset"}, {Config{CPUSet: "a"}, "limits.cpuset"}, {Config{CPUSet: "0 1"}, "limits.cpuset"},
		{Config{Memory: -1}, "limits.memory"}, {Config{PIDs: -1}, "limits.pids"},
		{Config{CPUs: -1}, "limits.cpus"}, {Config{CPUs: 0.001}, "limits.cpus"}, {Config{CPUs: 2e6}, "limits.cpus"},
		{Config{CPUs: math.NaN()}, "limits.cpus"}, {Config{CPUs: math.Inf(1)}, "limits.cpus"},
	} {
		err := c.config.Validate()
		if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%+v: %v, want %q", c.config, err, c.says)
		}
	}
}

func swap(n units.Limit) *units.Limit { return &n }

var delegated = host.Facts{CgroupDir: "/sys/fs/cgroup/x", CgroupControllers: []string{"cpu", "memory", "pids"}}

func TestPlan(t *testing.T) {
	for _, c := range []struct {
		config Config
		want   []plan.Setting
	}{
		{Config{}, nil},
		{Config{Memory: 1 << 30}, []plan.Setting{{File: "memory.max", Value: "1073741824"}, {File: "memory.swap.max", Value: "0"}}},
		{Config{CPUs: 1.5}, []plan.Setting{{File: "cpu.max", Value: "150000 100000"}}},
		{Config{Memory: 4096, MemoryHigh: 2048, MemorySwap: swap(8192)}, []plan.Setting{
			{File: "memory.high", Value: "2048"}, {File: "memory.max", Value: "4096"}, {File: "memory.swap.max", Value: "8192"}}},
		{Config{Memory: 4096, MemorySwap: swap(units.Unlimited)}, []plan.Setting{{File: "memory.max", Value: "4096"}}},
		{Config{MemorySwap: swap(0)}, []plan.Setting{{File: "memory.swap.max", Value: "0"}}},
		{Config{CPUWeight: 50, CPUSet: "0-1"}, []plan.Setting{{File: "cpu.weight", Value: "50"}, {File: "cpuset.cpus", Value: "0-1"}}},
		{Config{PIDs: 10}, []plan.Setting{{File: "pids.max", Value: "11"}}},
	} {
		b := plan.NewBuilder([]int{0})
		if err := c.config.Plan(delegated, b); err != nil || !reflect.DeepEqual(b.Cgroup.Values, c.want) {
			t.Errorf("%+v: %v, %v", c.config, b.Cgroup, err)
		}
		if (b.Cgroup.Dir != "") != (c.want != nil) {
			t.Errorf("%+v: in %q", c.config, b.Cgroup.Dir)
		}
	}
}

func TestALimitThatNothingHoldsIsAnError(t *testing.T) {
	for key, config := range map[string]Config{"limits.memory": {Memory: 1, PIDs: 1}, "limits.cpus": {CPUs: 1, PIDs: 1}, "limits.pids": {PIDs: 1}} {
		err := config.Plan(host.Facts{CgroupWhy: "no cgroup v2 is mounted"}, plan.NewBuilder([]int{0}))
		p := new(problem.Problem)
		if !errors.As(err, &p) || p.What != key || !strings.Contains(p.Why, "no cgroup v2 is mounted") || p.Fix == "" {
			t.Errorf("%s: %v", key, err)
		}
	}
}
