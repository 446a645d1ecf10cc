package process

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/snug-sandbox/snug/internal/problem"
)

// MaxFDs is the most descriptors that a command gets beside 0, 1 and 2.
const MaxFDs = 24

// Validate reports what makes no sense on any machine.
func (c Command) Validate() error {
	var list problem.List
	bad := func(key, why, fix string) {
		list = append(list, &problem.Problem{What: "command." + key, Why: why, Fix: fix})
	}
	if len(c.Args) > 0 && c.Args[0] == "" {
		bad("args", "the name of the program is empty", "")
	}
	for _, word := range slices.Concat([]string{c.Argv0, c.Workdir}, c.Entrypoint, c.Args) {
		if strings.ContainsRune(word, 0) {
			bad("args", strconv.Quote(word)+" holds a NUL byte", "")
		}
	}
	if c.Workdir != "" && !path.IsAbs(c.Workdir) {
		bad("workdir", strconv.Quote(c.Workdir)+" is not an absolute path", "")
	}
	if _, ok := c.Stop(); !ok {
		bad("stop_signal", strconv.Quote(c.StopSignal)+" is not a signal", "a name such as SIGINT, or a number from 1 to 64")
	}
	if c.Nice != nil && (*c.Nice < -20 || *c.Nice > 19) {
		bad("nice", strconv.Itoa(*c.Nice)+" is not a nice value", "a number from -20 to 19")
	}
	if c.OOMScoreAdj != nil && (*c.OOMScoreAdj < -1000 || *c.OOMScoreAdj > 1000) {
		bad("oom_score_adj", strconv.Itoa(*c.OOMScoreAdj)+" is out of range", "a number from -1000 to 1000")
	}
	if c.Umask != nil && *c.Umask > 0o777 {
		bad("umask", c.Umask.String()+" is not a mask", "an octal number from 0000 to 0777")
	}
	if len(c.FDs) > MaxFDs {
		bad("fds", strconv.Itoa(len(c.FDs))+" descriptors are too many", "at most "+strconv.Itoa(MaxFDs))
	}
	for i, fd := range c.FDs {
		if fd < 3 || fd >= 1<<20 || slices.Contains(c.FDs[:i], fd) {
			bad("fds", strconv.Itoa(fd)+" cannot be passed", "each number once, from 3 up; 0, 1 and 2 are always there")
		}
	}
	return list.Err()
}

// Validate reports names that cannot be variables.
func (e Env) Validate() error {
	var list problem.List
	for name, value := range e.Set {
		if name == "" || strings.ContainsAny(name, "=\x00") || strings.ContainsRune(value, 0) {
			list = append(list, &problem.Problem{What: "env.set." + strconv.Quote(name), Why: "not a variable", Fix: "a name without \"=\", and no NUL bytes"})
		}
	}
	return list.Err()
}

// Validate reports an unknown mode.
func (t Terminal) Validate() error {
	switch t.TTY {
	case "", TTYAuto, TTYYes, TTYNo:
		return nil
	}
	return &problem.Problem{What: "terminal.tty", Why: strconv.Quote(t.TTY) + " is not a mode", Fix: "one of auto, yes, no"}
}

// Values of Terminal.TTY.
const (
	TTYAuto = "auto"
	TTYYes  = "yes"
	TTYNo   = "no"
)

// Validate reports limits that make no sense on any machine.
func (l Limits) Validate() error {
	var list problem.List
	for _, d := range []struct {
		key   string
		value int64
	}{{"timeout", int64(l.Timeout)}, {"grace", int64(l.Grace)}, {"cpu_time", int64(l.CPUTime)}} {
		if d.value < 0 {
			list = append(list, &problem.Problem{What: "limits." + d.key, Why: "a span of time cannot be negative"})
		}
	}
	for _, r := range l.resources() {
		l := *r.at
		switch {
		case l == nil:
		case l.Soft < 0 || l.Hard < 0:
			list = append(list, &problem.Problem{What: "limits." + r.key, Why: "a limit cannot be negative"})
		case l.Soft > l.Hard:
			list = append(list, &problem.Problem{What: "limits." + r.key, Why: "the soft limit is above the hard one"})
		case r.most > 0 && l.Hard > r.most:
			list = append(list, &problem.Problem{What: "limits." + r.key, Why: l.String() + " is above " + r.most.String() + ", the highest value"})
		}
	}
	return list.Err()
}
