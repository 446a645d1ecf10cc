package main

import (
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/alecthomas/kong"

	"github.com/snug-sandbox/snug"
)

func (v *runVerb) statsOptions() []*kong.Flag {
	var flags []*kong.Flag
	for _, o := range []struct {
		name, help string
		to         *bool
	}{
		{"stats", "At the end, tell on standard error what all processes of the sandbox used.", &v.stats},
		{"json", "The same as one line of JSON, the last of standard error, with everything that --report has. Other messages are in it then.", &v.json},
	} {
		if v.occurs(o.name) {
			flags = append(flags, mark(o.name, o.help, o.to))
		}
	}
	return flags
}

// writeStats tells what a run used. Without a control group it is what the
// kernel keeps of processes that were waited for (getrusage(2)).
func writeStats(w io.Writer, r *snug.Result) {
	row := func(name, format string, args ...any) {
		fmt.Fprintf(w, "  %-9s %s\n", name, fmt.Sprintf(format, args...))
	}
	fmt.Fprintf(w, "snug: used in %s\n", seconds(r.Wall))
	u := r.Usage
	if u == nil {
		row("cpu", "%s: %s user, %s system", seconds(r.User+r.System), seconds(r.User), seconds(r.System))
		if r.MaxRSS > 0 {
			row("memory", "%s peak of the largest process", size(r.MaxRSS))
		}
		row("disk", "%s read, %s written", size(r.ReadBytes), size(r.WrittenBytes))
		row("", "of processes that were waited for; the rest needs a cgroup v2 subtree (snug doctor)")
		return
	}
	throttled := ""
	if u.Throttled > 0 {
		throttled = fmt.Sprintf(", held back %s in %d of %d periods", seconds(u.Throttled), u.Throttlings, u.CPUPeriods)
	}
	row("cpu", "%s: %s user, %s system%s", seconds(u.CPU), seconds(u.User), seconds(u.System), throttled)
	row("memory", "%s peak%s%s", known(u, "memory", u.MemoryPeak, size), more(u.SwapPeak > 0, ", "+size(u.SwapPeak)+" swap"), more(u.OOMKills > 0, ", "+count(u.OOMKills, "process", "processes")+" killed"))
	row("processes", "%s at a time%s", known(u, "pids", u.PIDsPeak, decimal), more(u.PIDsRefused > 0, fmt.Sprintf(", %d refused", u.PIDsRefused)))
	if slices.Contains(u.Controllers, "io") {
		row("disk", "%s read in %s, %s written in %s", size(u.ReadBytes), count(u.Reads, "operation", "operations"), size(u.WrittenBytes), count(u.Writes, "operation", "operations"))
	} else {
		row("disk", "%s", unknown("io"))
	}
	row("waited", "for cpu %s, for memory %s, for disk %s", waited(u.CPUPressure, r.Wall), waited(u.MemoryPressure, r.Wall), waited(u.IOPressure, r.Wall))
}

// waited is the time in which some processes waited, with the part of the run
// that it was, and the part in which all did.
func waited(p *snug.Pressure, wall time.Duration) string {
	if p == nil {
		return "unknown"
	}
	percent := func(d time.Duration) float64 {
		return min(100, 100*float64(d)/float64(max(wall, 1)))
	}
	return fmt.Sprintf("%s (some %.0f%%, all %.0f%%)", seconds(p.Some), percent(p.Some), percent(p.Full))
}

// known is a counter of a controller; 0 says that nobody kept it.
func known(u *snug.Usage, controller string, n int64, show func(int64) string) string {
	switch {
	case n != 0:
		return show(n)
	case slices.Contains(u.Controllers, controller):
		return "unknown (this kernel does not keep it)"
	}
	return unknown(controller)
}

func unknown(controller string) string {
	return "unknown (the controller " + controller + " is not delegated)"
}

func decimal(n int64) string { return fmt.Sprint(n) }

func more(is bool, text string) string {
	if is {
		return text
	}
	return ""
}
