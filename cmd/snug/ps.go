package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/alecthomas/kong"

	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/internal/running"
)

type psVerb struct {
	json, quiet bool
}

func psNode() *kong.Node {
	v := &psVerb{}
	n := node("ps", "List running sandboxes", `
Shows the sandboxes that the calling user's snug run has started and that have
not ended. Memory and CPU time are those of all processes of the sandbox, as its
control group counts them, or summed up over its processes where it has none.
PID is the process that ends with the sandbox.

  snug ps
  snug ps --json
  snug kill $(snug ps -q)
`, v)
	n.Flags = []*kong.Flag{
		mark("json", "Print JSON: a list of objects.", &v.json),
		mark("quiet/q", "Print names only.", &v.quiet),
		helpOption(),
	}
	return n
}

// psRow is a sandbox for a program that reads JSON.
type psRow struct {
	Name       string    `json:"name"`
	Profile    string    `json:"profile"`
	PID        int       `json:"pid"`
	Supervisor int       `json:"supervisor_pid"`
	Started    time.Time `json:"started"`
	Uptime     int64     `json:"uptime_ns"`
	Memory     int64     `json:"memory"` // bytes
	CPU        int64     `json:"cpu_ns"`
	State      string    `json:"state"`
	Cgroup     string    `json:"cgroup,omitempty"`
	Published  []string  `json:"published,omitempty"` // "127.0.0.1:8080 -> 80/tcp"
	Command    []string  `json:"command"`
}

func (v *psVerb) do(std streams) error {
	all := allLive()
	if dir := running.Distrusted(); dir != "" {
		fmt.Fprintf(std.err, "snug: note: sandboxes of this $XDG_RUNTIME_DIR are not listed: others may write to %s\n  try: chmod go-w %s\n", problem.Printable(dir), shellWord(dir))
	}
	switch {
	case v.quiet:
		for _, l := range all {
			fmt.Fprintln(std.out, l.Name)
		}
		return nil
	case v.json:
		return psJSON(std.out, all)
	}
	t := [][]string{{"NAME", "PROFILE", "PID", "UPTIME", "MEMORY", "CPU", "STATE", "COMMAND"}}
	for i := range all {
		l := &all[i]
		u := l.read()
		t = append(t, []string{l.Name, oneLine(l.Profile), strconv.Itoa(l.instance.PID), ageText(l.uptime()),
			bytesText(u.memory), cpuText(u.cpu), l.state(), l.commandLine()})
	}
	limit := 0
	if isTerminal(std.out) {
		limit, _ = screen(std.out)
	}
	_, err := io.WriteString(std.out, layout(t, limit))
	return err
}

func psJSON(out io.Writer, all []live) error {
	rows := []psRow{}
	for i := range all {
		l := &all[i]
		u := l.read()
		command := append([]string{}, l.Command...)
		rows = append(rows, psRow{l.Name, l.Profile, l.instance.PID, l.Supervisor, l.Started, int64(l.uptime()), u.memory, int64(u.cpu), l.state(), l.instance.Cgroup, l.instance.Published, command})
	}
	return writeJSON(out, rows)
}

// layout puts rows into columns that are as wide as they have to be, and cuts
// lines at a width; 0 is none.
func layout(rows [][]string, width int) string {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for _, row := range rows {
		line := ""
		for i, cell := range row {
			line += fmt.Sprintf("%-*s  ", widths[i], cell)
		}
		b.WriteString(cut(strings.TrimRight(line, " "), width) + "\n")
	}
	return b.String()
}

// cut shortens a line to a number of letters; 0 leaves it.
func cut(line string, width int) string {
	if width <= 0 || utf8.RuneCountInString(line) <= width {
		return line
	}
	return string([]rune(line)[:width])
}
