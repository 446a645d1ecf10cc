package actions

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/snug-sandbox/snug"
	"github.com/snug-sandbox/snug/internal/cgroupfs"
	"github.com/snug-sandbox/snug/internal/running"
)

// Sample is how much memory a step had in use at a time.
type Sample struct {
	At    time.Duration `json:"at_ns"` // since the step's beginning
	Bytes int64         `json:"bytes"`
}

// maxSamples is how many are kept. Where a step goes on for longer, they are
// taken half as often.
const maxSamples = 60

// sampleEvery is how often they are taken at first. A step that is over sooner
// costs nothing.
const sampleEvery = 100 * time.Millisecond

// samples are taken of a sandbox, at equal distances.
type samples struct {
	list  []Sample
	every time.Duration
}

func (s *samples) add(at time.Duration, bytes int64) {
	s.list = append(s.list, Sample{at, bytes})
	if len(s.list) == maxSamples {
		s.seldom()
	}
}

// seldom has samples taken half as often from now on.
func (s *samples) seldom() {
	n := len(s.list) / 2
	for i := range n {
		s.list[i] = s.list[2*i+1]
	}
	s.list, s.every = s.list[:n], 2*s.every
}

// watch takes samples of the sandbox that a process runs, until the function that
// it returns is called, which returns them. It waits for nothing.
func watch(supervisor int) (stop func() []Sample) {
	var mu sync.Mutex
	s := samples{every: sampleEvery}
	end := make(chan struct{})
	go func() {
		began, every := time.Now(), sampleEvery
		for i := (*snug.Instance)(nil); ; {
			select {
			case <-end:
				return
			case <-time.After(every):
			}
			if i == nil {
				i = sandboxOf(supervisor)
			}
			if i == nil {
				continue
			}
			before := time.Now()
			bytes := inUse(i)
			mu.Lock()
			if bytes > 0 {
				s.add(before.Sub(began), bytes)
			}
			if time.Since(before)*10 > s.every { // a tenth of a processor, no more
				s.seldom()
			}
			every = s.every
			mu.Unlock()
		}
	}()
	return func() []Sample {
		close(end)
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(s.list)
	}
}

func sandboxOf(supervisor int) *snug.Instance {
	for _, r := range running.List() {
		var i snug.Instance
		if r.Supervisor == supervisor && json.Unmarshal(r.Instance, &i) == nil {
			return &i
		}
	}
	return nil
}

// inUse is what a sandbox has in use: as its control group counts it, where it has
// one, else as its processes do.
func inUse(i *snug.Instance) int64 {
	if i.Cgroup != "" {
		if n, err := strconv.ParseInt(strings.TrimSpace(cgroupfs.At(i.Cgroup).Read("memory.current")), 10, 64); err == nil {
			return n
		}
	}
	return running.Use(i.Processes()).Memory
}

// memoryChart draws them.
func (r *runner) memoryChart(b *strings.Builder) {
	list := r.report.Memory
	if len(list) < 2 {
		return
	}
	var points []string
	most := int64(0)
	for _, s := range list {
		points = append(points, fmt.Sprintf("%.1f", float64(s.Bytes)/(1<<20)))
		most = max(most, s.Bytes)
	}
	fmt.Fprintf(b, "\n```mermaid\nxychart-beta\n  title \"Memory in use\"\n  x-axis \"seconds\" %.1f --> %.1f\n  y-axis \"MiB\" 0 --> %d\n  line [%s]\n```\n",
		list[0].At.Seconds(), list[len(list)-1].At.Seconds(), most>>20+1, strings.Join(points, ", "))
}
