package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/snug-sandbox/snug"
	"github.com/snug-sandbox/snug/internal/cgroupfs"
	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/internal/running"
)

// runName is the name that a run asks for.
func (v *runVerb) runName(s snug.Spec) (string, error) {
	name := v.name
	if !v.named {
		profile := strings.TrimSuffix(filepath.Base(s.Name), ".toml")
		name = running.NameOf(profile, strconv.Itoa(os.Getpid()))
	}
	if !running.ValidName(name) {
		return "", badName(name)
	}
	return name, nil
}

// reserve takes the name of a run, unless it is taken already.
func (v *runVerb) reserve(name string, std streams) error {
	if v.lock != nil {
		return nil
	}
	lock, err := running.Reserve(name)
	switch {
	case errors.Is(err, running.ErrInUse):
		return &problem.Problem{What: "--name " + name, Why: "a sandbox of this name runs", Err: err, Fix: "choose another name, or end that one: snug kill " + name}
	case err != nil:
		// The command can run all the same; only who gave a name will look for it.
		v.unfound(std, err)
		return nil
	}
	v.lock = lock
	return nil
}

// publishes has the record written once the command was started.
func (v *runVerb) publishes(cmd *snug.Cmd, std streams) {
	cmd.Started = func(i snug.Instance) {
		started := time.Now()
		if i.Spec.Network.PublishAll && !v.quiet {
			for _, port := range i.Published {
				fmt.Fprintln(std.err, "snug: note: published", port)
			}
		}
		if v.lock != nil {
			time.AfterFunc(publishAfter, func() { v.unfound(std, publish(v.lock, cmd, i, started, v.record)) })
		}
	}
}

// unfound tells who gave a name that it will not help.
func (v *runVerb) unfound(std streams, err error) {
	if err != nil && v.named && !v.quiet {
		fmt.Fprintf(std.err, "snug: note: --name %s: not to be found by other verbs: %s\n", v.name, problem.Printable(err.Error()))
	}
}

// publishAfter is how long a command runs before its record is written: writing
// one takes longer than some commands run. Whoever looks for it waits.
const publishAfter = 20 * time.Millisecond

func publish(lock *running.Lock, cmd *snug.Cmd, i snug.Instance, started time.Time, r running.Record) error {
	cmd.Hold(&i)
	instance, err := json.Marshal(i)
	if err == nil {
		r.Profile, r.Started, r.Command, r.Cgroup, r.Instance = cmd.Spec.Name, started, cmd.Spec.Command.Args, i.Cgroup, instance
		err = lock.Publish(r)
	}
	lock.CollectSome()
	return err
}

func badName(name string) error {
	return &problem.Problem{What: "--name " + strconv.Quote(name), Why: "not a name for a sandbox", Fix: "letters, digits, \"-\", \"_\" and \".\", a letter or digit in front, at most 64 in all"}
}

// live is a sandbox that runs.
type live struct {
	running.Record
	instance snug.Instance
}

// allLive returns the caller's sandboxes that run, by name.
func allLive() []live {
	var list []live
	for _, r := range running.List() {
		l := live{Record: r}
		if json.Unmarshal(r.Instance, &l.instance) == nil && l.instance.Alive() {
			list = append(list, l)
		}
	}
	return list
}

// findLive returns the sandbox of that name, or the only one whose name begins so.
func findLive(name string) (live, error) {
	all := allLive()
	var names []string
	var found []live
	for _, l := range all {
		if l.Name == name {
			return l, nil
		}
		names = append(names, l.Name)
		if name != "" && strings.HasPrefix(l.Name, name) {
			found = append(found, l)
		}
	}
	p := &problem.Problem{What: strconv.Quote(name), Why: "no sandbox of this name runs"}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		p.Why, names = "several sandboxes have a name that begins so", nil
		for _, l := range found {
			names = append(names, l.Name)
		}
	}
	path := running.Disbelieved(name)
	switch near := nearest(name, names); {
	case path != "" && len(found) == 0:
		p.Why = path + " is held, but leads to no record of a run: a sandbox that may write there has changed it"
		p.Fix = "end that sandbox; do not hand in " + filepath.Dir(path) + " writable"
	case len(names) == 0:
		p.Why += ", and no other one of yours"
	case near != "" && len(found) == 0:
		p.Fix = near
	default:
		p.Fix = "one of " + strings.Join(names, ", ")
	}
	return live{}, p
}

// findAll returns the sandboxes of these names, each once.
func findAll(names []string) ([]live, error) {
	var list []live
	var wrong problem.List
	for _, name := range names {
		l, err := findLive(name)
		var p *problem.Problem
		switch {
		case errors.As(err, &p):
			wrong = append(wrong, p)
		case !slices.ContainsFunc(list, func(o live) bool { return o.Name == l.Name }):
			list = append(list, l)
		}
	}
	return list, wrong.Err()
}

// group is the sandbox's control group, nil when it has none.
func (l *live) group() *cgroupfs.Group {
	if l.instance.Cgroup == "" {
		return nil
	}
	return cgroupfs.At(l.instance.Cgroup)
}

// missing says that a verb was given no sandbox.
func missing(verb string) error {
	return &problem.Problem{What: verb, Why: "no sandbox was named", Fix: "snug " + verb + " SANDBOX; snug ps lists them"}
}

// needGroup is group for what cannot be done without one.
func (l *live) needGroup() (*cgroupfs.Group, *problem.Problem) {
	if g := l.group(); g != nil {
		return g, nil
	}
	return nil, &problem.Problem{What: l.Name, Why: "it has no control group, which this needs",
		Fix: "start it with a limit, or with: snug run --account --name " + l.Name + " …"}
}

// state is a word for what the sandbox does.
func (l *live) state() string {
	if l.group().Frozen() {
		return "paused"
	}
	return "running"
}

// uptime is how long the sandbox has run, by a clock that nobody sets.
func (l *live) uptime() time.Duration { return running.Age(l.instance.Start) }

// commandLine is the command as it may be shown.
func (l *live) commandLine() string {
	if len(l.Command) == 0 {
		return "(a shell)"
	}
	return oneLine(strings.Join(l.Command, " "))
}

// nameArgument is the sandbox that a verb is about.
func nameArgument(to *string) *kong.Positional {
	return argument("SANDBOX", "The sandbox, by its name or the beginning of it.", true, func(v string) error { *to = v; return nil })
}

// nameArguments are several.
func nameArguments(to *[]string, required bool) *kong.Positional {
	return arguments("SANDBOX", "Sandboxes, by their names or the beginning of them.", required, wordsMapper{to})
}
