package namespaces

import (
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/internal/plan"
	"github.com/snug-sandbox/snug/internal/program"
)

// Kind is a kind of namespace.
type Kind struct {
	Name string // of its file in /proc/PID/ns
	flag uint64
}

// kinds are all of them, in the order in which they can be joined: the user
// namespace gives the power over the others, and the files change last.
var kinds = [...]Kind{
	{"user", unix.CLONE_NEWUSER}, {"cgroup", unix.CLONE_NEWCGROUP}, {"ipc", unix.CLONE_NEWIPC}, {"uts", unix.CLONE_NEWUTS},
	{"net", unix.CLONE_NEWNET}, {"pid", unix.CLONE_NEWPID}, {"time", unix.CLONE_NEWTIME}, {"mnt", unix.CLONE_NEWNS},
}

// Own are the kinds that the sandbox does not share with its caller, in the
// order in which PlanEnter takes them.
func (c Config) Own() []Kind {
	flags, pid := c.Flags()
	flags |= pid
	if c.NewTime() {
		flags |= unix.CLONE_NEWTIME
	}
	var own []Kind
	for _, k := range kinds {
		if flags&k.flag != 0 {
			own = append(own, k)
		}
	}
	return own
}

// PlanEnter appends the steps that join namespaces whose descriptors are in
// regs, and go on in a process that is in all of them. With the mount namespace
// come its root as root and working directory (setns(2)). Meanwhile adds what
// needs the power over the others and the caller's files.
func PlanEnter(own []Kind, regs []program.Reg, meanwhile func() error, p *plan.Builder) error {
	join := func(i int) {
		names := &plan.CloneFlags
		if own[i].flag == unix.CLONE_NEWTIME {
			names = &plan.UnshareFlags
		}
		p.Do("join the "+own[i].Name+" namespace", plan.Setns, plan.Reg(regs[i]), plan.Bits(own[i].flag, names)).Help(enterHelp)
		p.Close(regs[i])
	}
	first := 0
	if len(own) > 0 && own[0].flag == unix.CLONE_NEWUSER {
		join(0)
		first = 1
	}
	if err := meanwhile(); err != nil {
		return err
	}
	for i := first; i < len(own); i++ {
		join(i)
	}
	p.Do("go on in these namespaces", plan.Clone, plan.Bits(unix.CLONE_VM|unix.CLONE_PARENT|uint64(unix.SIGCHLD), &plan.CloneFlags)).Move().
		Help(&program.Help{Errno: syscall.ENOMEM, Why: "the sandbox has ended"})
	return nil
}

var enterHelp = &program.Help{Errno: syscall.EPERM, Why: "the caller has no power over the sandbox's namespaces", Fix: "be the user who runs the sandbox"}
