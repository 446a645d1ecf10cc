package main

import (
	"github.com/alecthomas/kong"

	"github.com/snug-sandbox/snug/internal/problem"
)

type pauseVerb struct {
	names []string
	pause bool
}

func pauseNode() *kong.Node {
	return pauseOrResume("pause", "Stop all processes of running sandboxes where they are", `
They use no CPU time until snug resume lets them go on, and do not notice but by
the clock. A time limit goes on; kill, Ctrl-C and a limit that is reached end a
paused sandbox as they end any. It needs a control group: a sandbox has one when
it has limits that need one, or with snug run --account.

  snug pause build
  snug resume build
`, true)
}

func resumeNode() *kong.Node {
	return pauseOrResume("resume", "Let paused sandboxes go on", `
  snug resume build
`, false)
}

func pauseOrResume(name, help, detail string, pause bool) *kong.Node {
	v := &pauseVerb{pause: pause}
	n := node(name, help, detail, v)
	n.Flags = []*kong.Flag{helpOption()}
	n.Positional = []*kong.Positional{nameArguments(&v.names, false)}
	return n
}

func (v *pauseVerb) do(streams) error {
	if len(v.names) == 0 {
		return missing(map[bool]string{true: "pause", false: "resume"}[v.pause])
	}
	list, err := findAll(v.names)
	if err != nil {
		return err
	}
	var wrong problem.List
	for i := range list {
		if err := v.one(&list[i]); err != nil {
			wrong = append(wrong, err)
		}
	}
	return wrong.Err()
}

func (v *pauseVerb) one(l *live) *problem.Problem {
	g, missing := l.needGroup()
	if missing != nil {
		return missing
	}
	err := g.Thaw()
	if v.pause {
		err = g.Freeze()
	}
	if err == nil {
		return nil
	}
	return &problem.Problem{What: l.Name, Why: err.Error(), Err: err}
}
