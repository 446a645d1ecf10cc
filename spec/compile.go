package spec

import (
	"slices"

	"github.com/snug-sandbox/snug/internal/child"
	"github.com/snug-sandbox/snug/internal/host"
	"github.com/snug-sandbox/snug/internal/plan"
	"github.com/snug-sandbox/snug/mounts"
	"github.com/snug-sandbox/snug/namespaces"
	"github.com/snug-sandbox/snug/network"
	"github.com/snug-sandbox/snug/process"
	"github.com/snug-sandbox/snug/userns"
)

// Streams says what a run is given beside its Spec.
type Streams struct {
	Extra     []int // descriptors inside beside 0, 1, 2 and Command.FDs
	Terminals []int // those of 0, 1 and 2 that are terminals of the caller
	Handshake bool  // the command is not started before the caller is ready for its end
}

// Compile turns s into the plan that runs it on the machine that f describes.
// It looks at nothing but its arguments.
func Compile(s Spec, f host.Facts, io Streams) (*plan.Plan, error) {
	s = s.withNetwork()
	if err := s.Validate(); err != nil {
		return nil, err
	}
	targets := append([]int{0, 1, 2}, s.Command.FDs...)
	targets = append(targets, io.Extra...)
	slices.Sort(targets)
	targets = slices.Compact(targets)
	c := &compiler{Spec: s, facts: f, handshake: io.Handshake, p: plan.NewBuilder(targets)}
	c.context = s.context(f)
	c.context.Terminal = s.wantsTerminal(io)
	c.setup = process.Setup{
		Command: s.Command, Limits: s.Limits.Limits, Targets: targets, Terminals: terminals(s, io),
		Shell: c.context.Shell, Workdir: s.workdir(f, c.context),
		SharedPID: s.Namespaces.PID == namespaces.Share, NewTime: s.Namespaces.NewTime(), ArgumentPages: f.ArgumentPages,
	}
	c.setup.Environ = s.environ(f, c.context, c.setup.Workdir)
	return c.compile()
}

type compiler struct {
	Spec
	facts     host.Facts
	handshake bool
	context   mounts.Context
	setup     process.Setup
	p         *plan.Builder
}

// compile puts the parts in the one order that works: ids first, because files
// cannot be made without them; what needs the host's /proc before the root
// changes; credentials last, because everything before needs privileges over
// the new namespaces.
func (c *compiler) compile() (*plan.Plan, error) {
	flags, pid := c.Namespaces.Flags()
	first, second := flags|pid, uint64(0)
	if c.Command.PID1 {
		first, second = flags, pid
	}
	c.p.Namespaces = first
	c.p.Linger = c.Command.Linger
	c.p.Killer = c.killer()

	process.PlanBegin(c.p)
	if err := c.identity(); err != nil {
		return nil, err
	}
	c.Namespaces.Plan(c.p)
	if c.Namespaces.Net != namespaces.Share {
		network.Plan(c.p)
	}
	if err := c.Limits.Config.Plan(c.facts, c.p); err != nil {
		return nil, err
	}
	c.setup.PlanSignals(c.p)
	if c.Command.PID1 {
		// A fresh procfs shows the pid namespace of the process that mounts it.
		c.fork(second)
		if err := c.mounts(); err != nil {
			return nil, err
		}
	} else {
		if err := c.mounts(); err != nil {
			return nil, err
		}
		c.setup.PlanTerminal(c.p)
		c.fork(second)
	}
	c.setup.PlanExec(c.p)
	if err := c.credentials(); err != nil {
		return nil, err
	}
	c.setup.PlanExecve(c.p)
	return c.p.Finish()
}

func (c *compiler) fork(flags uint64) {
	if c.handshake {
		c.p.Barrier(plan.Action{Label: "get ready for signals"})
	}
	c.setup.PlanFork(flags, c.p)
}

func (c *compiler) killer() child.Killer {
	switch {
	case c.Namespaces.PID == namespaces.Share:
		return child.KillChildren
	case c.Command.PID1:
		return child.KillCommand
	}
	return child.KillNamespace
}

func (c *compiler) identity() error {
	shared := c.Namespaces.User == namespaces.Share
	if !shared {
		if err := c.Identity.Plan(c.facts, c.p); err != nil {
			return err
		}
	}
	return c.Security.PlanNested(shared, c.p)
}

func (c *compiler) mounts() error {
	terminal, err := c.table().Plan(c.facts, c.context, c.p)
	c.setup.Terminal = terminal
	if terminal != 0 {
		c.p.Replaced = c.setup.Terminals
	}
	return err
}

func (c *compiler) credentials() error {
	uid, gid := c.Identity.IDs(c.facts)
	return c.Security.PlanCredentials(userns.Credentials{
		UID: uid, GID: gid,
		Switch: c.Identity.Map == userns.MapRange && (uid != 0 || gid != 0),
		Shared: c.Namespaces.User == namespaces.Share,
	}, c.p)
}
