package snug

import (
	"errors"
	"strings"
	"syscall"

	"github.com/snug-sandbox/snug/internal/child"
	"github.com/snug-sandbox/snug/internal/host"
	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/userns"
)

// setupFailed makes a problem of a step that the kernel refused.
func (c *Cmd) setupFailed(o child.Outcome, detail string) error {
	if o.Failed < 0 || c.canceled != nil {
		return c.abandon(c.killedInSetup(o.Killed))
	}
	failed := stepError(&c.plan.Program, o.Failed, o.Errno)
	failed.Detail = detail
	step := &c.plan.Program.Steps[o.Failed]
	cause, p := CauseSetup, &problem.Problem{What: failed.Label, Err: failed}
	if step.Exec {
		cause = CauseExec
		p.What, p.Why, p.Fix = execProblem(c.Spec.Command.Args, failed)
	} else {
		p.Why, p.Fix = step.Help.For(o.Errno)
		if why := refusedByHost(o.Errno, failed.Label); step.Help == nil && why != nil {
			p.Why, p.Fix = why.Why, why.Fix
		}
		if p.Fix == "" && o.Errno == syscall.EMFILE {
			p.Why, p.Fix = "the limit of open files leaves no room for it", "raise limits.nofile (--rlimit nofile), or the caller's own (ulimit -n): 64 is enough"
		}
		c.server.blame(o.Errno, p)
		if c.overlayRefused(o) {
			p.Err = errors.Join(ErrOverlay, failed)
		}
		if o.Errno == syscall.EEXIST {
			p.Why, p.Fix = c.taken(o.Failed)
		}
	}
	closeAll(c.parents)
	c.server.wait()
	c.image.Close()
	c.result = failure(c, cause, p)
	c.result.Failure = failed
	c.result.Notes = append(c.result.Notes, notes(c, o)...)
	if step.Exec {
		c.result.Reached = "exec"
	}
	return p
}

// killedInSetup is a child that neither executed the command nor said why not.
func (c *Cmd) killedInSetup(sig syscall.Signal) error {
	if c.enter != nil && sig == syscall.SIGKILL {
		return c.killedEntering()
	}
	p := &problem.Problem{What: c.task(), Why: "its process ended without a word", Fix: "please report this, with the output of snug doctor"}
	switch {
	case sig == syscall.SIGKILL:
		p.Why, p.Fix = "its process was killed", "look for the out-of-memory killer in the kernel's log, and run it again"
	case sig != 0:
		p.Why = "its process crashed: " + sig.String()
	}
	return p
}

// killedEntering is killedInSetup for who enters a sandbox: it dies with it, and
// can be killed by what runs there.
func (c *Cmd) killedEntering() error {
	p := &problem.Problem{What: "enter the sandbox", Why: errEnded.Error(), Err: errEnded}
	if c.enter.Alive() {
		p.Why, p.Fix, p.Err = "the process that enters was killed", "look in the sandbox for what kills it, and for the out-of-memory killer in the kernel's log", nil
	}
	return p
}

// taken says what is already where a step was to put something. The entries of
// a profile do not collide; what they can hit is what others of them hold, such
// as the nodes of a /dev.
func (c *Cmd) taken(failed int) (why, fix string) {
	steps := c.plan.Program.Steps
	why = "there is something already"
	for _, m := range c.Spec.Mounts {
		if m.Target == "" || !names(steps[failed].Label, m.Target) {
			continue
		}
		why = "there is something at " + m.Target + " already"
		for _, s := range steps[:failed] {
			if s.Label != steps[failed].Label && names(s.Label, m.Target) {
				return why + ", from the step before: " + s.Label, "choose another target; snug explain shows what is where"
			}
		}
	}
	return why, ""
}

// names reports whether path is a word of label.
func names(label, path string) bool { return strings.Contains(label+" ", " "+path+" ") }

// execProblem says why the command could not be executed.
func execProblem(args []string, failed *StepError) (what, why, fix string) {
	what = failed.Label
	if len(args) > 0 {
		what = "run " + args[0]
	}
	switch failed.Errno {
	case syscall.ENOENT, syscall.ENOTDIR:
		return what, "not found inside the sandbox", "check with snug explain that its directory is shown, and in PATH\n" +
			"if the file is there: the interpreter in a script's first line (#!) may not be, or the loader of a program from another system"
	case syscall.EACCES:
		return what, "permission denied", "check that it is executable (chmod +x) and not on a noexec mount"
	case syscall.ENOEXEC:
		return what, "not a program that this machine runs", "a script needs a first line such as #!/bin/sh"
	}
	return what, failed.Errno.Error(), ""
}

// refusedByHost explains refusals of steps that need privileges over the new
// user namespace, or a /proc to write its maps to: they are the host's, not the
// step's.
func refusedByHost(errno syscall.Errno, label string) *problem.Problem {
	switch errno {
	case syscall.EPERM, syscall.EACCES, syscall.EAGAIN, syscall.ENOMEM, syscall.ENOSPC, syscall.EUSERS:
	case syscall.ENOENT, syscall.ENOTDIR, syscall.EROFS, syscall.EINVAL:
	default:
		return nil
	}
	var p *problem.Problem
	if errors.As(diagnose(errno, label), &p) {
		return p
	}
	return nil
}

func diagnose(err error, step string) error {
	return userns.Diagnose(err, step, host.GatherUserns("/"))
}
