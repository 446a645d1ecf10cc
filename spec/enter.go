package spec

import (
	"github.com/snug-sandbox/snug/internal/child"
	"github.com/snug-sandbox/snug/internal/host"
	"github.com/snug-sandbox/snug/internal/plan"
	"github.com/snug-sandbox/snug/internal/program"
	"github.com/snug-sandbox/snug/mounts"
	"github.com/snug-sandbox/snug/namespaces"
	"github.com/snug-sandbox/snug/process"
)

// ForEntering returns what CompileEnter needs to know of s when it runs on the
// machine that f describes: who the command is, what it may do and what it gets,
// but not what is mounted, which is there already.
func (s Spec) ForEntering(f host.Facts) Spec {
	s = s.withNetwork()
	c := s.context(f)
	s.Command.Workdir = s.workdir(f, c)
	s.Identity.User, s.Identity.Home, s.Identity.Shell = c.User, c.Home, c.Shell
	s.Namespaces.Join = namespaces.Join{}   // they are the sandbox's own now
	s.Limits.Timeout, s.Limits.Grace = 0, 0 // of the sandbox
	if !s.Namespaces.None {                 // where they are Landlock's rules
		s.Mounts = nil
	}
	s.Security.Masking, s.Description = mounts.Masking{}, ""
	s.Rootfs = mounts.Rootfs{Path: s.Rootfs.Path, Base: s.Rootfs.Base}
	s.Command.Args, s.Command.Argv0, s.Command.FDs = nil, "", nil
	return s
}

// CompileEnter turns s, which ForEntering gave, into the plan of another command
// in the sandbox that runs already. Behind the command's own descriptors the
// plan takes those of the namespaces s.Namespaces.Own, in this order, and one of
// an executable file that the sandbox may reach. The process that enters goes on
// from copies of its program.
func CompileEnter(s Spec, f host.Facts, io Streams, copies []child.Mapping) (*plan.Plan, error) {
	s.Command.PID1 = false
	if err := s.Validate(); err != nil {
		return nil, err
	}
	targets, handed := s.targets(io), s.targets(io)
	own := s.Namespaces.Own()
	for i := range len(own) + 1 {
		handed = append(handed, -1-i)
	}
	c := newCompiler(s, f, io, targets, handed)
	c.setup.Name, c.setup.Enterable, c.setup.Program = "snug-exec", false, host.ProgramPages{} // there is another way
	c.entering = true
	if err := c.enter(own, len(targets), copies); err != nil {
		return nil, err
	}
	return c.command()
}

// enter puts the parts in the one order that works: what needs the caller's
// files before they are gone, and nothing of the caller's at hand when the
// first process of the sandbox can see this one.
func (c *compiler) enter(own []namespaces.Kind, first int, copies []child.Mapping) error {
	c.p.Killer = child.KillChildren
	c.p.Linger = c.Command.Linger
	c.setup.SharedPID, c.setup.NewTime = false, false
	c.setup.PlanBegin(c.p)
	c.setup.PlanSignals(c.p)
	c.setup.PlanOuter(c.p)
	c.setup.PlanHide(c.p)
	regs := make([]program.Reg, first+len(own)+1)
	for i := range regs {
		regs[i] = c.p.File(i)
	}
	c.setup.PlanAlone(regs, c.p)
	shared := c.Namespaces.User == namespaces.Share
	meanwhile := func() error {
		if c.Namespaces.None {
			// The program is a file like any other there, and only root may change
			// what is mapped of it.
			c.p.Do("close the file in the program's place", plan.Close, plan.Num(uint64(len(regs))))
		} else {
			process.PlanForgetProgram(copies, len(regs), c.p)
		}
		return c.Security.PlanNested(shared, c.nestedFilter(), c.p)
	}
	if err := namespaces.PlanEnter(own, regs[first:], meanwhile, c.p); err != nil {
		return err
	}
	c.setup.PlanEntered(c.p)
	c.ownTerminal()
	c.setup.PlanTerminal(c.p)
	c.fork(0)
	return nil
}
