package snug

import (
	"errors"
	"syscall"

	"github.com/snug-sandbox/snug/internal/child"
	"github.com/snug-sandbox/snug/internal/host"
	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/userns"
)

// setupFailed makes a problem of a step that the kernel refused.
func (c *Cmd) setupFailed(o child.Outcome) error {
	if o.Failed < 0 {
		return c.abandon(killedInSetup(o.Killed))
	}
	failed := stepError(&c.plan.Program, o.Failed, o.Errno)
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
	}
	closeAll(c.parents)
	c.result = failure(c, cause, p)
	c.result.Failure = failed
	c.result.Notes = append(c.result.Notes, notes(c, o)...)
	if step.Exec {
		c.result.Reached = "exec"
	}
	return p
}

// killedInSetup is a child that neither executed the command nor said why not.
func killedInSetup(sig syscall.Signal) error {
	p := &problem.Problem{What: "build the sandbox", Why: "its process ended without a word", Fix: "please report this, with the output of snug doctor"}
	switch {
	case sig == syscall.SIGKILL:
		p.Why, p.Fix = "its process was killed", "look for the out-of-memory killer in the kernel's log, and run it again"
	case sig != 0:
		p.Why = "its process crashed: " + sig.String()
	}
	return p
}

// execProblem says why the command could not be executed.
func execProblem(args []string, failed *StepError) (what, why, fix string) {
	what = failed.Label
	if len(args) > 0 {
		what = "run " + args[0]
	}
	switch failed.Errno {
	case syscall.ENOENT, syscall.ENOTDIR:
		return what, "not found inside the sandbox", "check that its directory is bound and in PATH, and so are its interpreter and libraries: snug explain"
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
