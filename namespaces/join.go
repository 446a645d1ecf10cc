package namespaces

import (
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/internal/plan"
	"github.com/snug-sandbox/snug/internal/program"
)

// Join are namespaces that exist already, as descriptors of the caller
// (setns(2)). No key of a profile sets them.
type Join struct {
	User *int // the user namespace, in place of a new one
	PID  *int // the pid namespace; a new one becomes its child
	Net  *int // the network namespace, in place of a new one; it belongs to User

	// Later is a user namespace that the command is moved to when everything is
	// set up. It descends from the one before.
	Later *int
}

// Any reports whether something is joined before the other namespaces are made.
func (j Join) Any() bool { return j.User != nil || j.PID != nil || j.Net != nil }

// Plan appends the steps that join namespaces and go on in a process that is in
// all of them and in the new ones of flags.
func (j Join) Plan(flags uint64, p *plan.Builder) {
	if j.User != nil {
		p.Do("join the user namespace of descriptor "+strconv.Itoa(*j.User), plan.Setns, plan.Num(uint64(*j.User)), plan.Bits(unix.CLONE_NEWUSER, &plan.CloneFlags)).Help(joinHelp)
	}
	if j.Net != nil {
		p.Do("join the network namespace of descriptor "+strconv.Itoa(*j.Net), plan.Setns, plan.Num(uint64(*j.Net)), plan.Bits(unix.CLONE_NEWNET, &plan.CloneFlags)).Help(joinHelp)
	}
	if j.PID != nil {
		p.Do("join the pid namespace of descriptor "+strconv.Itoa(*j.PID), plan.Setns, plan.Num(uint64(*j.PID)), plan.Bits(unix.CLONE_NEWPID, &plan.CloneFlags)).Help(joinHelp)
	}
	if j.Net != nil {
		p.Do("join the network namespace of descriptor "+strconv.Itoa(*j.Net), plan.Setns, plan.Num(uint64(*j.Net)), plan.Bits(unix.CLONE_NEWNET, &plan.CloneFlags)).Help(joinHelp)
	}
	// A process stays in its pid namespace; only its children are in the other.
	p.Do("go on in these namespaces", plan.Clone, plan.Bits(flags|unix.CLONE_VM|unix.CLONE_PARENT|uint64(unix.SIGCHLD), &plan.CloneFlags)).Move()
}

var joinHelp = &program.Help{Errno: syscall.EINVAL, Why: "it is not a namespace of that kind, or does not descend from the caller's",
	Next: &program.Help{Errno: syscall.EBADF, Why: "the descriptor is not open"}}

// PlanLater appends the step that moves the command to its last user namespace.
func (j Join) PlanLater(p *plan.Builder) {
	if j.Later != nil {
		p.Do("join the user namespace of descriptor "+strconv.Itoa(*j.Later), plan.Setns, plan.Num(uint64(*j.Later)), plan.Bits(unix.CLONE_NEWUSER, &plan.CloneFlags)).Help(joinHelp)
	}
}
