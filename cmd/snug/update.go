package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/snug-sandbox/snug/cgroups"
	"github.com/snug-sandbox/snug/internal/cgroupfs"
	"github.com/snug-sandbox/snug/internal/host"
	"github.com/snug-sandbox/snug/internal/plan"
	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/internal/units"
	"github.com/snug-sandbox/snug/spec"
)

type updateVerb struct {
	box
	sandbox string
}

func updateNode(args []string) *kong.Node {
	v := &updateVerb{}
	v.args = args
	n := node("update", "Change the limits of a running sandbox", `
Takes the limits of snug run that a control group holds; "none" lifts one. What
the kernel made of each value is read back and told. A limit of memory below what
is used has the kernel take memory back, and kill processes of the sandbox when
that is not enough.

  snug update --memory 2GiB --cpus 1.5 build
  snug update --pids none build
  snug update --bandwidth up=2Mbit,latency=none build
`, v)
	n.Flags = append(group(group(nil, "Limits", v.groupOptions()...), "Network", v.bandwidthOption()), helpOption())
	n.Positional = []*kong.Positional{nameArgument(&v.sandbox)}
	return n
}

func (v *updateVerb) do(std streams) error {
	limits, err := v.limits()
	if err != nil {
		return err
	}
	l, err := findLive(v.sandbox)
	if err != nil {
		return err
	}
	if more, err := v.updateNetwork(l, std); err != nil || !more {
		return err
	}
	g, missing := l.needGroup()
	if missing != nil {
		return missing
	}
	settings, err := v.settings(limits, g)
	if err != nil {
		return err
	}
	if l.instance.Spec.Limits.Memory != 0 || l.instance.Spec.Limits.MemorySwap != nil {
		// A limit of swap that was asked for stays.
		settings = slices.DeleteFunc(settings, func(s plan.Setting) bool {
			return s.File == "memory.swap.max" && !slices.Contains(v.keys(), "memory_swap")
		})
	}
	for _, s := range settings {
		warn(std.err, g, s)
		c, err := g.Update(s)
		if err != nil {
			return updateProblem(l, s, err)
		}
		fmt.Fprintf(std.out, "%s: %s -> %s\n", c.File, shown(c.File, c.Before), shown(c.File, c.After))
	}
	return nil
}

// limits are those that the options say.
func (v *updateVerb) limits() (cgroups.Config, error) {
	if len(v.changes) == 0 {
		return cgroups.Config{}, &problem.Problem{What: "update", Why: "no limit was given", Fix: "snug update --memory 2GiB " + v.sandbox}
	}
	var s spec.Spec
	home, _ := os.UserHomeDir()
	if err := v.apply(&changing{Spec: &s, home: home, added: map[int]string{}}); err != nil {
		return cgroups.Config{}, err
	}
	return s.Limits.Config, s.Limits.Config.Validate()
}

// settings are the values to write for the options that were given.
func (v *updateVerb) settings(limits cgroups.Config, g *cgroupfs.Group) ([]plan.Setting, error) {
	f, err := host.Gather(host.Want{Cgroup: true, Devices: append(limits.Devices(), v.freed()...)})
	if err != nil {
		return nil, err
	}
	lifted, err := v.lifted(f, g)
	if err != nil {
		return nil, err
	}
	set, err := limits.Settings(f, v.keys())
	return append(lifted, set...), err
}

// freed are the paths and devices whose limits an option lifts: --io PATH:none.
func (v *updateVerb) freed() []string {
	var names []string
	for _, c := range v.changes {
		if name, ok := strings.CutSuffix(c.value, ":none"); ok && c.option == "io" {
			names = append(names, name)
		}
	}
	return names
}

// lifted are the values that lift limits of which there is one for each device or
// size of page.
func (v *updateVerb) lifted(f host.Facts, g *cgroupfs.Group) ([]plan.Setting, error) {
	var settings []plan.Setting
	free := func(device string) {
		settings = append(settings, plan.Setting{File: "io.max", Value: device + " rbps=max wbps=max riops=max wiops=max"})
	}
	for _, name := range v.freed() {
		device := f.Devices[name]
		if device.Why != "" {
			return nil, &problem.Problem{What: "--io " + name + ":none", Why: device.Why}
		}
		free(device.Number)
	}
	for _, c := range v.changes {
		switch {
		case c.value != "none":
		case c.option == "io":
			for line := range strings.Lines(g.Read("io.max")) {
				device, _, _ := strings.Cut(line, " ")
				free(device)
			}
		case c.option == "hugetlb":
			files, _ := filepath.Glob(filepath.Join(g.Path(), "hugetlb.*.max"))
			for _, file := range files {
				settings = append(settings, plan.Setting{File: filepath.Base(file), Value: "max"})
			}
		}
	}
	return settings, nil
}

// keys are those of [limits] that the options set.
func (v *updateVerb) keys() []string {
	var keys []string
	for _, c := range v.changes {
		for _, k := range keyOptions {
			if key, ok := strings.CutPrefix(k.key, "limits."); ok && k.option == c.option && !slices.Contains(keys, key) {
				keys = append(keys, key)
			}
		}
	}
	return keys
}

// warn says what the kernel will do where a limit is below what is used.
func warn(w io.Writer, g *cgroupfs.Group, s plan.Setting) {
	limit, err := strconv.ParseInt(s.Value, 10, 64)
	used := int64(-1)
	what := "takes memory back, and kills processes of the sandbox if that is not enough"
	switch s.File {
	case "memory.max":
		used = limitOf(g, "memory.current")
	case "memory.high":
		used, what = limitOf(g, "memory.current"), "slows the sandbox down and takes memory back"
	case "pids.max":
		used, what = limitOf(g, "pids.current"), "lets those that are there go on, and refuses new ones"
	}
	if err == nil && used > limit {
		fmt.Fprintf(w, "snug: note: %s: %s are in use, more than the limit: the kernel %s\n", s.File, shown(s.File, strconv.FormatInt(used, 10)), what)
	}
}

// shown is a value of a file as a person reads it.
func shown(file, value string) string {
	n, err := strconv.ParseInt(value, 10, 64)
	switch {
	case value == "":
		return "none"
	case err == nil && strings.HasPrefix(file, "memory."):
		return units.Bytes(n).String()
	case err == nil && file == "pids.max":
		return strconv.FormatInt(n-1, 10) // without the process that stays
	}
	return value
}

func updateProblem(l live, s plan.Setting, err error) error {
	p := &problem.Problem{What: l.Name, Why: err.Error(), Err: err}
	if errors.Is(err, cgroupfs.ErrNotDelegated) {
		p.Fix = cgroups.Dropin + ", and start the sandbox anew"
	}
	return p
}
