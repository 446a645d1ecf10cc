package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/alecthomas/kong"
)

type statsVerb struct {
	names       []string
	watch, json bool
}

func statsNode() *kong.Node {
	v := &statsVerb{}
	n := node("stats", "Show what running sandboxes use", `
CPU is in percent of one CPU. PRESSURE is the share of the last ten seconds in
which some process waited for a CPU, memory or a disk. READ and WRITE are from
and to disks, a second. "-" is not known, or no limit: what counts these things
are control groups, which a sandbox has when it has limits that need one, or with
snug run --account.

With --watch, a terminal shows a table that is drawn anew every second, with the
last minute of CPU and memory as a graph, until q or Ctrl-C is typed; anywhere
else, lines or objects follow each other.

  snug stats
  snug stats --watch build
  snug stats --json | jq '.[].memory'
`, v)
	n.Flags = []*kong.Flag{
		mark("watch/w", "Go on until interrupted.", &v.watch),
		mark("json", "Print JSON: a list of objects, with --watch one list a line.", &v.json),
		helpOption(),
	}
	n.Positional = []*kong.Positional{nameArguments(&v.names, false)}
	return n
}

// interval is the time between two looks, pause that of a single one.
const (
	interval = time.Second
	pause    = 300 * time.Millisecond
)

// statistics is what a sandbox used between two looks, for programs too.
type statistics struct {
	Name        string   `json:"name"`
	State       string   `json:"state"`
	CPU         float64  `json:"cpu_percent"` // of one CPU
	CPUTime     int64    `json:"cpu_ns"`
	Memory      int64    `json:"memory"` // bytes
	MemoryLimit *int64   `json:"memory_limit"`
	Tasks       int64    `json:"pids"`
	TasksLimit  *int64   `json:"pids_limit"`
	Read        int64    `json:"read_bytes"`  // so far
	Written     int64    `json:"write_bytes"` // so far
	ReadRate    float64  `json:"read_bytes_per_second"`
	WriteRate   float64  `json:"write_bytes_per_second"`
	Pressure    pressure `json:"pressure_avg10"` // percent; below 0 is not known
}

// meter remembers the last look at each sandbox.
type meter struct {
	names   []string
	last    map[string]reading
	history map[string]*history
}

func newMeter(names []string) *meter {
	return &meter{names, map[string]reading{}, map[string]*history{}}
}

// look returns what the sandboxes used since the last look. Of those that were
// named, the ones that have ended are left out, but for the first time.
func (m *meter) look() ([]statistics, error) {
	all := allLive()
	if len(m.names) > 0 {
		named, err := findAll(m.names)
		if err != nil && len(m.last) == 0 {
			return nil, err
		}
		all = named
	}
	list := []statistics{}
	for i := range all {
		l := &all[i]
		u := l.read()
		before, seen := m.last[l.Name]
		if !seen {
			before = u
		}
		m.last[l.Name] = u
		s := during(before, u)
		s.Name, s.State = l.Name, l.state()
		list = append(list, s)
		if m.history[l.Name] == nil {
			m.history[l.Name] = &history{}
		}
		if seen {
			m.history[l.Name].add(s.CPU, float64(s.Memory))
		}
	}
	return list, nil
}

func during(a, b reading) statistics {
	s := statistics{CPUTime: int64(b.cpu), Memory: b.memory, MemoryLimit: limited(b.most), Tasks: b.tasks, TasksLimit: limited(b.limit),
		Read: b.read, Written: b.written, Pressure: b.pressure}
	seconds := b.at.Sub(a.at).Seconds()
	if seconds <= 0 {
		return s
	}
	s.CPU = max(0, 100*(b.cpu-a.cpu).Seconds()/seconds)
	s.ReadRate, s.WriteRate = max(0, float64(b.read-a.read)/seconds), max(0, float64(b.written-a.written)/seconds)
	return s
}

// limited is a limit for JSON: null is none.
func limited(n int64) *int64 {
	if n < 0 {
		return nil
	}
	return &n
}

func (v *statsVerb) do(std streams) error {
	m := newMeter(v.names)
	if _, err := m.look(); err != nil {
		return err
	}
	if v.watch && !v.json && isTerminal(std.out) {
		return watchScreen(m, std)
	}
	for wait := pause; ; wait = interval {
		time.Sleep(wait)
		list, err := m.look()
		if err != nil {
			return err
		}
		if err := v.print(std.out, list); err != nil || !v.watch {
			return err
		}
	}
}

func (v *statsVerb) print(out *os.File, list []statistics) error {
	switch {
	case v.json && v.watch:
		return writeLine(out, list)
	case v.json:
		return writeJSON(out, list)
	}
	width := 0
	if isTerminal(out) {
		width, _ = screen(out)
	}
	_, err := io.WriteString(out, layout(statsTable(list, nil, nil), width))
	return err
}

// statsTable shows statistics, with graphs of what went before where marks are
// given to draw them with.
func statsTable(list []statistics, past map[string]*history, marks []string) [][]string {
	title := []string{"NAME", "STATE", "CPU", "MEMORY / LIMIT", "PIDS / LIMIT", "READ", "WRITE", "PRESSURE cpu mem io"}
	if marks != nil {
		title = append(title, "CPU, MEMORY OF THE LAST MINUTE")
	}
	t := [][]string{title}
	for _, s := range list {
		row := []string{s.Name, s.State, fmt.Sprintf("%.0f%%", s.CPU), bytesText(s.Memory) + " / " + orNone(s.MemoryLimit, bytesText),
			fmt.Sprintf("%d / %s", s.Tasks, orNone(s.TasksLimit, func(n int64) string { return fmt.Sprint(n) })),
			rateText(s.Read, s.ReadRate), rateText(s.Written, s.WriteRate),
			strings.Join([]string{shareText(s.Pressure.CPU), shareText(s.Pressure.Memory), shareText(s.Pressure.IO)}, " ")}
		if marks != nil {
			row = append(row, past[s.Name].graphs(s.MemoryLimit, marks))
		}
		t = append(t, row)
	}
	return t
}

func orNone(limit *int64, text func(int64) string) string {
	if limit == nil {
		return "-"
	}
	return text(*limit)
}

func rateText(total int64, rate float64) string {
	if total < 0 {
		return "-"
	}
	return bytesText(int64(rate)) + "/s"
}

func shareText(share float64) string {
	if share < 0 {
		return "-"
	}
	return fmt.Sprintf("%.0f%%", share)
}
