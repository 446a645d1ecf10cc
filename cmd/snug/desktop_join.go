package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/snug-sandbox/snug"
	"github.com/snug-sandbox/snug/desktop"
	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/internal/running"
)

// joinWithin is how long a sandbox may take from the taking of its name to its
// record.
const joinWithin = 20 * time.Second

// runs returns the sandbox that runs already with the private home that s asks
// for: a program of a desktop has one instance. Else that name is taken.
func (v *runVerb) runs(s *sandbox) (*live, error) {
	if s.Spec.Desktop.Home != desktop.Private || v.named {
		return nil, nil
	}
	name := s.appName()
	if !running.ValidName(name) {
		name = running.NameOf(desktop.Element(name), "desktop")
	}
	for end := time.Now().Add(joinWithin); ; time.Sleep(20 * time.Millisecond) {
		lock, err := running.Reserve(name)
		switch {
		case err == nil:
			v.lock = lock
			return nil, nil
		case !errors.Is(err, running.ErrInUse):
			return nil, nil // there is no place for names; the home's own lock stays
		}
		if l, err := findLive(name); err == nil && l.Name == name {
			if !slices.Equal(l.Sources, v.record.Sources) {
				return nil, &problem.Problem{What: "desktop.home", Why: "it is in use by a sandbox of another profile, " + l.Profile, Fix: "snug kill " + name + "; or home = \"ephemeral\""}
			}
			return &l, v.missed(&l)
		}
		if time.Now().After(end) {
			return nil, &problem.Problem{What: name, Why: "a sandbox of this name is being started, and does not get on", Fix: "end that snug, which ps shows; or --name NAME for one apart"}
		}
	}
}

// files are those of the profile: one name may stand for another file elsewhere.
func (s *sandbox) files() []string {
	list := slices.Clone(s.Sources)
	for i, name := range list {
		if strings.HasPrefix(name, "built-in:") {
			continue
		}
		if whole, err := filepath.Abs(name); err == nil {
			list[i] = whole
		}
	}
	return list
}

// missed is the error of options that the sandbox that runs was not started with:
// it stays as it is.
func (v *runVerb) missed(l *live) error {
	for i, option := range v.record.Options {
		if slices.Contains(l.Options, option) {
			continue
		}
		if v.changes[i].option == "env" {
			option = "--env" // its value may be secret
		}
		return &problem.Problem{What: option, Why: l.Name + " runs already without it, and the command would join that",
			Fix: "leave it out; or end that one first: snug kill " + l.Name + "; or, for one apart: --home ephemeral"}
	}
	return nil
}

// join runs the command in the sandbox that runs already.
func (v *runVerb) join(l *live, s *sandbox, std streams, err error) (*snug.Result, error) {
	if err != nil {
		return nil, err
	}
	h, err := openSession(s, desktop.Request{Join: true}, std)
	if err != nil {
		return nil, s.blame(err)
	}
	defer h.close()
	h.apply(s)
	if _, err := h.hand(s, false); err != nil {
		return nil, err
	}
	cmd := l.instance.Enter()
	cmd.Spec.Command.Args, cmd.Spec.Command.Linger = s.Spec.Command.Args, false
	cmd.Stdin, cmd.Stdout, cmd.Stderr = std.in, std.out, std.err
	cmd.Delegate = func() error { return moveToScope(scopeName(cmd.Spec), "") }
	return snug.Main(cmd)
}

// open has the helper make what the desktop needs, and puts it into s.
func (v *runVerb) open(s *sandbox, std streams) (*session, error) {
	if s.Spec.Desktop.Empty() {
		return nil, nil
	}
	if hasUserManager() {
		// A scope of this name tells the desktop which program it is; without one
		// everything works as well.
		moveToScope(scopeName(s.Spec), scopeUnit(s.Spec.Desktop.ID(s.appName())))
	}
	h, err := openSession(s, desktop.Request{Log: v.log}, std)
	if err != nil {
		return nil, err
	}
	h.apply(s)
	notes, err := h.hand(s, true)
	if err != nil {
		h.close()
		return nil, err
	}
	v.notes = append(h.answer.Notes, notes...)
	return h, nil
}

func hasUserManager() bool {
	dir := os.Getenv("XDG_RUNTIME_DIR")
	_, err := os.Stat(dir + "/systemd/private")
	return dir != "" && err == nil
}

// follow tells the helper of the command's process once it runs.
func (h *session) follow(cmd *snug.Cmd) {
	if h == nil {
		return
	}
	started := cmd.Started
	cmd.Started = func(i snug.Instance) {
		if started != nil {
			started(i)
		}
		go h.tell(i)
	}
}
