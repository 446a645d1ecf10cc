// Package plan is everything that happens in a run, in order: the child's steps
// as a program of system calls, and what only the parent can do, at barriers
// in between. A plan is data; package snug carries it out.
package plan

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/snug-sandbox/snug/internal/cgroupfs"
	"github.com/snug-sandbox/snug/internal/child"
	"github.com/snug-sandbox/snug/internal/program"
)

// Plan is a compiled sandbox.
type Plan struct {
	Namespaces uint64          // clone(2) flags of the first process
	Program    program.Program // the child's part
	Barriers   []Action        // the parent's part; Barriers[i] is due when the child waits at barrier i

	Killer child.Killer // how everything is ended
	Linger bool         // wait for all processes
	Remain bool         // what the command leaves behind runs on when the run has ended

	// Settle has the run wait until the mounts are gone for good: a directory
	// that an overlay keeps its changes in cannot be used again before.
	Settle bool

	NamespacesFD int // of the process that stays: the directory of its namespaces, 0: none

	Files    []int  // numbers that the caller's descriptors get inside, in the order in which they are handed to the program
	Terminal bool   // the program makes a terminal and sends its master end
	Replaced []int  // of Files: the terminal takes their place inside
	Cgroup   Cgroup // limits that a control group holds
	Listener []byte // the filter by which the parent answers for calls that wait for it; nil: it gets no listener

	// Opening is how many steps there are that the child may have begun with before there
	// was a plan, and with which nothing has happened yet outside of the sandbox. Not all of
	// them need be of use: where one is refused, another plan is due.
	Opening int
	Due     []Due // notes that are not told as they come

	Held map[string]string // what holds a limit, by its key: "limits.memory"

	Notes []string // what was decided against the wish of the profile, and why
}

// Due says that what the steps before To, from From on, have noted matters from step At on
// only; never, where that is 0.
type Due struct{ From, To, At int }

// NotesDue returns the notes of steps (Step.Note) that are to be told, in their order,
// where the plan came to an end at a step, or -1.
func (p *Plan) NotesDue(steps []int, end int) (list []string) {
	type note struct {
		at   int
		text string
	}
	var notes []note
	for _, step := range steps {
		n := note{step, p.Program.Steps[step].Note}
		if i := slices.IndexFunc(p.Due, func(d Due) bool { return step >= d.From && step < d.To }); i >= 0 {
			n.at = p.Due[i].At
			if n.at == 0 || end >= 0 && end < n.at {
				continue
			}
		}
		notes = append(notes, n)
	}
	slices.SortStableFunc(notes, func(a, b note) int { return a.at - b.at })
	for _, n := range notes {
		if len(list) == 0 || list[len(list)-1] != n.text {
			list = append(list, n.text)
		}
	}
	return list
}

// Action is something that the parent does while the child waits.
type Action struct {
	Label string
	// Command is a program with its arguments. "{pid}" stands for the
	// child's pid.
	Command []string
	// Network says that the parent runs the network on the interface whose
	// descriptor the child sends, and Connect that another program connects the
	// network namespace.
	Network, Connect bool
	// Serve says that the command serves what the child uses: it is not waited
	// for before the run has ended, and has the descriptor that the child sends
	// as FirstFile. Scratch in its words is a new directory, which it removes.
	Serve bool
	// Notify calls back whoever started the run.
	Notify bool
}

// Still reports whether the parent does nothing that takes long.
func (a Action) Still() bool { return len(a.Command) == 0 && !a.Network && !a.Connect }

// Awaited reports whether the child has to have come to where it waits.
func (a Action) Awaited() bool { return a.Notify || !a.Still() }

// FirstFile is the number of the descriptor that an Action's command gets from
// the child, and Scratch what stands for its directory.
const (
	FirstFile = 3
	Scratch   = "{scratch}"
)

// Cgroup is the control group that a plan starts its processes in; the zero
// value is none.
type Cgroup struct {
	Dir    string    // the delegated directory to make it in
	Values []Setting // files to write, in order
	Count  []string  // controllers that shall count, beside those of Values

	// CPUTime is the CPU time after which the parent ends all processes; 0: none.
	CPUTime time.Duration
}

// Setting is a value of a control group's file.
type Setting = cgroupfs.Setting

// Print writes the plan, one line a step.
func (p *Plan) Print(w io.Writer) error {
	if _, err := fmt.Fprintf(w, "clone %s\n", CloneFlags.Format(p.Namespaces)); err != nil {
		return err
	}
	p.Cgroup.print(w)
	for i, a := range p.Barriers {
		fmt.Fprintf(w, "parent at barrier %d: %s: %v\n", i, a.Label, a.Command)
	}
	for _, n := range p.Notes {
		fmt.Fprintf(w, "note: %s\n", n)
	}
	return p.Program.Print(w)
}

func (c Cgroup) print(w io.Writer) {
	if len(c.Count) > 0 {
		fmt.Fprintf(w, "parent enable %s\n", strings.Join(c.Count, ", "))
	}
	for _, s := range c.Values {
		fmt.Fprintf(w, "parent write %s to %s\n", s.Value, s.File)
	}
	if c.CPUTime > 0 {
		fmt.Fprintf(w, "parent watch cpu.stat up to %v\n", c.CPUTime)
	}
}

// String is what Print writes.
func (p *Plan) String() string {
	var b strings.Builder
	p.Print(&b)
	return b.String()
}
