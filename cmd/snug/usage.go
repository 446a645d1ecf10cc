package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/snug-sandbox/snug/internal/cgroupfs"
	"github.com/snug-sandbox/snug/internal/running"
)

// reading is what a sandbox uses at one moment. What is not known is below 0.
type reading struct {
	at            time.Time
	cpu           time.Duration
	memory, most  int64 // bytes; the limit
	tasks, limit  int64
	read, written int64    // bytes
	pressure      pressure // share of the last ten seconds
}

// pressure is the share of time, in percent, in which some process waited for a
// resource (PSI, Documentation/accounting/psi.rst of the kernel).
type pressure struct {
	CPU    float64 `json:"cpu"`
	Memory float64 `json:"memory"`
	IO     float64 `json:"io"`
}

// read looks at a sandbox: at its control group where that counts, else at its
// processes.
func (l *live) read() reading {
	g := l.group()
	if g == nil {
		u := running.Use(l.instance.Processes())
		none := pressure{-1, -1, -1}
		return reading{time.Now(), u.CPU, u.Memory, -1, u.Tasks, -1, u.Read, u.Written, none}
	}
	u := reading{at: time.Now(), cpu: cpuTime(g), most: limitOf(g, "memory.max"), limit: limitOf(g, "pids.max")}
	u.memory, u.tasks = limitOf(g, "memory.current"), limitOf(g, "pids.current")
	u.read, u.written = diskBytes(g.Read("io.stat"))
	u.pressure = pressure{waiting(g.Read("cpu.pressure")), waiting(g.Read("memory.pressure")), waiting(g.Read("io.pressure"))}
	if u.memory < 0 || u.tasks < 0 || u.read < 0 {
		// A controller that is not enabled counts nothing.
		p := running.Use(l.instance.Processes())
		u.memory, u.tasks = orElse(u.memory, p.Memory), orElse(u.tasks, p.Tasks)
		if u.read < 0 {
			u.read, u.written = p.Read, p.Written
		}
	}
	if u.limit > 0 {
		u.limit-- // what limits.pids adds for the process that stays
	}
	return u
}

func orElse(n, other int64) int64 {
	if n < 0 {
		return other
	}
	return n
}

func cpuTime(g *cgroupfs.Group) time.Duration {
	for line := range strings.Lines(g.Read("cpu.stat")) {
		if value, ok := strings.CutPrefix(line, "usage_usec "); ok {
			n, _ := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
			return time.Duration(n) * time.Microsecond
		}
	}
	return 0
}

// limitOf reads a number; "max", and what is not there, are below 0.
func limitOf(g *cgroupfs.Group, file string) int64 {
	n, err := strconv.ParseInt(g.Read(file), 10, 64)
	if err != nil {
		return -1
	}
	return n
}

// diskBytes sums up io.stat, a line for each device: "8:0 rbytes=1 wbytes=2 …".
func diskBytes(text string) (read, written int64) {
	if text == "" {
		return -1, -1
	}
	for _, word := range strings.Fields(text) {
		name, value, _ := strings.Cut(word, "=")
		n, _ := strconv.ParseInt(value, 10, 64)
		switch name {
		case "rbytes":
			read += n
		case "wbytes":
			written += n
		}
	}
	return read, written
}

// waiting is the average over ten seconds in a pressure file: "some avg10=1.50 …".
func waiting(text string) float64 {
	_, rest, ok := strings.Cut(text, "some avg10=")
	value, _, _ := strings.Cut(rest, " ")
	share, err := strconv.ParseFloat(value, 64)
	if !ok || err != nil {
		return -1
	}
	return share
}

// bytesText shows an amount in three digits: "64MiB", "1.2GiB"; "-" is not known.
func bytesText(n int64) string {
	if n < 0 {
		return "-"
	}
	value, unit := float64(n), 0
	names := [...]string{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}
	for value >= 999.5 && unit < len(names)-1 {
		value, unit = value/1024, unit+1
	}
	if unit == 0 || value >= 9.95 {
		return fmt.Sprintf("%.0f%s", value, names[unit])
	}
	return fmt.Sprintf("%.1f%s", value, names[unit])
}

// ageText shows a span of time in its two largest units: "3d4h", "5m2s".
func ageText(d time.Duration) string {
	s := int64(d / time.Second)
	switch {
	case s < 60:
		return fmt.Sprintf("%ds", s)
	case s < 3600:
		return fmt.Sprintf("%dm%ds", s/60, s%60)
	case s < 86400:
		return fmt.Sprintf("%dh%dm", s/3600, s/60%60)
	}
	return fmt.Sprintf("%dd%dh", s/86400, s/3600%24)
}

// cpuText shows CPU time: "0.05s", "12.3s", "4m5s".
func cpuText(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.2fs", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1fs", d.Seconds())
	}
	return ageText(d)
}
