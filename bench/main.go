// Command bench compares Snug with bubblewrap: the time to start, the memory
// that stays, many sandboxes at a time, many mounts. Both build the same
// sandbox, in turn, within one run. `make bench` builds it and runs it as an
// ordinary user.
//
//	bench -dir DIR [-runs N] [-only start,bwrap,callers,library,many,binds,image,import] [-check]
//	bench -dir DIR -only memory -user NAME          as root
//	bench -dir DIR -only step,job                   with snug-actions in DIR, too; job needs podman and busybox
//
// DIR holds the programs snug, snug-image and bwrap and profile.toml; bench adds what it needs. The
// figures are for reading: only -check makes a missed target a failure.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// bench is one measurement session.
type bench struct {
	dir     string // absolute; shown inside every sandbox
	bwrap   string // bubblewrap's program
	runs    int    // pairs for each median
	user    string // whom to run as, when root measures
	quit    string // a program that exits at once
	wait    string // a program that exits when its standard input ends
	targets []target
}

// target is one line of the result.
type target struct {
	what, snug, bwrap string
	value, limit      float64
	atLeast           bool // the value should reach the limit instead of staying below
}

func (t target) met() bool {
	if t.atLeast {
		return t.value >= t.limit
	}
	return t.value <= t.limit
}

func main() {
	dir := flag.String("dir", "", "`directory` with snug, bwrap and profile.toml")
	runs := flag.Int("runs", 300, "`pairs` for each median of a start")
	only := flag.String("only", "start,bwrap,callers,library,many,binds,image,import", "measurements, by comma: start, bwrap, callers, library, memory, many, binds, image, import, step, job")
	user := flag.String("user", "", "`name` of the user to run sandboxes as; for root measuring memory")
	check := flag.Bool("check", false, "exit 1 when a target is missed")
	flag.Parse()
	b := &bench{dir: *dir, runs: *runs, user: *user}
	if err := b.run(strings.Split(*only, ",")); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	}
	if !b.print() && *check {
		os.Exit(1)
	}
}

// run does the named measurements.
func (b *bench) run(names []string) error {
	if err := b.prepare(); err != nil {
		return err
	}
	parts := map[string]func() error{
		"start":   b.startCommand,
		"bwrap":   b.startDropIn,
		"callers": b.startCallers,
		"library": b.startLibrary,
		"memory":  b.memory,
		"many":    b.many,
		"ceiling": b.underCeiling,
		"binds":   b.binds,
		"image":   b.startImage,
		"import":  b.importImage,
		"step":    b.sandboxedStep,
		"job":     b.containerStep,
	}
	for _, name := range names {
		part := parts[name]
		if part == nil {
			return fmt.Errorf("there is no measurement %q", name)
		}
		if err := part(); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func (b *bench) prepare() (err error) {
	if b.dir, err = filepath.Abs(b.dir); err != nil {
		return err
	}
	if b.bwrap, err = exec.LookPath("bwrap"); err != nil {
		return fmt.Errorf("%w: install the package bubblewrap", err)
	}
	if b.quit, err = writeProgram(b.dir, "quit", quitCode); err != nil {
		return err
	}
	b.wait, err = writeProgram(b.dir, "wait", waitCode)
	return err
}

// add puts a line into the result.
func (b *bench) add(t target) { b.targets = append(b.targets, t) }

// print writes the result and reports whether every target was met.
func (b *bench) print() (all bool) {
	all = true
	if len(b.targets) > 0 {
		fmt.Printf("%-44s %10s %10s %8s %9s\n", "", "snug", "bwrap", "value", "target")
	}
	for _, t := range b.targets {
		sign, verdict := "<=", "met"
		if t.atLeast {
			sign = ">="
		}
		if !t.met() {
			verdict, all = "MISSED", false
		}
		fmt.Printf("%-44s %10s %10s %8.2f %s %6.2f  %s\n", t.what, t.snug, t.bwrap, t.value, sign, t.limit, verdict)
	}
	return all
}
