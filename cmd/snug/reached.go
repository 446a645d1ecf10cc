package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/snug-sandbox/snug"
	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/internal/units"
	"github.com/snug-sandbox/snug/spec"
)

// reached says which limits made the command end or fail, as far as its control
// group counted it.
func reached(s spec.Spec, r *snug.Result) (list []error) {
	add := func(what, why, fix string) { list = append(list, &problem.Problem{What: what, Why: why, Fix: fix}) }
	switch r.Cause {
	case snug.CauseTimeout:
		add("limits.timeout", s.Limits.Timeout.String()+" are over, and the command was ended", "give it more with --timeout")
	case snug.CauseCPUTime:
		add("limits.cpu_time", s.Limits.CPUTime.String()+" of CPU time are used up, and the command was ended", "give it more with --cpu-time")
	}
	u := r.Usage
	if u == nil {
		return list
	}
	if u.OOMKills > 0 {
		killed := "the kernel killed " + count(u.OOMKills, "process", "processes") + peak(u)
		if slices.Contains(r.LimitsReached, "limits.memory") {
			add("limits.memory", units.Bytes(u.MemoryLimit).String()+" was reached, and "+killed, "give it more with --memory, or have it use less")
		} else {
			add("memory", "not the sandbox's own limit, but that of a control group above or all of the machine's memory was used up, and "+killed, "")
		}
	}
	if u.PIDsRefused > 0 { // the group's limit counts the process that stays, too
		refused := count(u.PIDsRefused, "new process was refused", "new processes were refused")
		if slices.Contains(r.LimitsReached, "limits.pids") {
			add("limits.pids", fmt.Sprint(u.PIDsLimit-1)+" was reached, and "+refused, "allow more with --pids")
		} else {
			add("pids", "not the sandbox's own limit, but that of a control group above was reached, and "+refused, "")
		}
	}
	return list
}

func peak(u *snug.Usage) string {
	if u.MemoryPeak == 0 {
		return " (the peak is not known: Linux 5.19 and newer keep it)"
	}
	return " (the peak was " + size(u.MemoryPeak) + ")"
}

// held says in a note that the limit of CPUs made a difference: it held the
// command back for a tenth of its time or more.
func held(s spec.Spec, r *snug.Result) string {
	if u := r.Usage; s.Limits.CPUs > 0 && u != nil && u.Throttled > 100*time.Millisecond && u.Throttled > r.Wall/10 {
		return fmt.Sprintf("limits.cpus held the command back: its threads waited %s in a run of %s", seconds(u.Throttled), seconds(r.Wall))
	}
	return ""
}

func count(n int64, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}

// seconds is a span of time for people: 1.50s, 12ms.
func seconds(d time.Duration) string {
	switch {
	case d >= time.Second:
		return fmt.Sprintf("%.2fs", d.Seconds())
	case d >= time.Millisecond:
		return fmt.Sprintf("%dms", d.Milliseconds())
	}
	return fmt.Sprintf("%dus", d.Microseconds())
}

// size is an amount of bytes for people: 1.5MiB.
func size(n int64) string {
	for _, u := range []units.Bytes{1 << 40, 1 << 30, 1 << 20, 1 << 10} {
		if n >= int64(u) {
			name := u.String()[1:]
			return fmt.Sprintf("%.1f%s", float64(n)/float64(u), name)
		}
	}
	return fmt.Sprintf("%dB", n)
}
