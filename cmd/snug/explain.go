package main

import (
	"bufio"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/snug-sandbox/snug"
	"github.com/snug-sandbox/snug/desktop"
	"github.com/snug-sandbox/snug/internal/plan"
	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/spec"
)

type explainVerb struct {
	box
	plan, json, security bool
}

func explainNode(args []string) *kong.Node {
	v := &explainVerb{}
	v.args = args
	n := node("explain", "Show the sandbox that run would make, without making it", explainDetail, v)
	v.describe(n, group(nil, "Output",
		mark("plan", "Show every step, in order, with its system call.", &v.plan),
		mark("security", "Show what stops what the command may try, with a grade.", &v.security),
		mark("json", "As JSON.", &v.json),
	)...)
	return n
}

const explainDetail = `
It takes the options of "snug run" and shows the file system that the command
will see, where each part of it is from and whether it can be written to; the
namespaces, the network, the identity, the environment and the limits; and what
of the host the command can reach. What gives away more than it looks like is
marked with "!". With --security it lists what a command may try, what stops it,
and how much is left to one layer or to none: a grade as systemd-analyze gives.

  snug explain
  snug explain -p build -- make
  snug explain -p build --plan -- make
  snug explain -p build --json -- make
  snug explain -p build --security
`

func (v *explainVerb) do(std streams) error {
	s, err := v.load()
	if err != nil {
		return err
	}
	image, err := s.useImage()
	if err != nil {
		return s.blame(err)
	}
	defer image.Close()
	session, err := openSession(s, desktop.Request{Look: true}, std)
	if err != nil {
		return s.blame(err)
	}
	defer session.close()
	if session != nil {
		session.apply(s)
	}
	facts, err := s.Spec.Facts()
	if err != nil {
		return err
	}
	if facts.CgroupManaged && leftToUs() {
		facts.CgroupManaged = false
	}
	facts = facts.WithScope()
	io := spec.Streams{Terminals: terminalsOf(std)}
	resolved, err := s.Spec.Resolve(facts, io)
	if err != nil {
		return s.blame(err)
	}
	view := newView(s, resolved)
	view.desktop(session)
	view.Seccomp, view.Landlock = filterText(resolved.Spec.Security.Seccomp), wallText(resolved, facts)
	if v.security {
		view.Security = newSecurity(view, resolved, facts)
	}
	// What this machine cannot do is told last: the rest is worth knowing too.
	steps, refused := spec.Compile(s.Spec, facts, io)
	var held map[string]string
	if refused == nil {
		view.Notes, held = append(view.Notes, steps.Notes...), steps.Held
	}
	view.Delegation = delegationOf(s.Spec.Limits, facts, held)
	view.Notes = append(view.Notes, notesFor(facts.UID)...)
	view.Notes = append(view.Notes, overlayNotes(s.Spec.Rootfs)...)
	if text := snug.DiscardNote(s.Spec.Rootfs); text != "" {
		view.Notes = append(view.Notes, text)
	}
	if err := v.print(std, view, steps); err != nil {
		return err
	}
	return s.blame(refused)
}

// notesFor says what a sandbox does not do for root: the kernel lets the owner
// read his files, whatever namespaces and capabilities there are.
func notesFor(uid int) []string {
	if uid != 0 {
		return nil
	}
	return []string{rootNote}
}

const rootNote = "you are root, and so is the command to files that it is shown: it can read those that only root may read, such as /etc/shadow; as an ordinary user it could not"

func (v *explainVerb) print(std streams, view *view, steps *plan.Plan) error {
	out := bufio.NewWriter(std.out)
	switch {
	case v.json:
		if v.plan && steps != nil {
			view.Steps = stepsOf(steps)
		}
		if err := writeJSON(out, view); err != nil {
			return err
		}
	case v.plan && steps != nil:
		// Names in a profile of somebody else's may hold anything.
		var text strings.Builder
		if err := steps.Print(&text); err != nil {
			return err
		}
		out.WriteString(problem.Printable(text.String()))
	case v.security:
		view.Security.write(teller{out})
	case !v.plan:
		view.write(out)
	}
	return out.Flush()
}

// terminalsOf returns which of 0, 1 and 2 are terminals.
func terminalsOf(std streams) (list []int) {
	if isTerminal(std.in) {
		list = append(list, 0)
	}
	if isTerminal(std.out) {
		list = append(list, 1)
	}
	if isTerminal(std.err) {
		list = append(list, 2)
	}
	return list
}
