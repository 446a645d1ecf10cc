package spec

import (
	"runtime"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/internal/child"
	"github.com/snug-sandbox/snug/internal/host"
	"github.com/snug-sandbox/snug/internal/plan"
	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/internal/program"
	"github.com/snug-sandbox/snug/landlock"
	"github.com/snug-sandbox/snug/mounts"
	"github.com/snug-sandbox/snug/namespaces"
	"github.com/snug-sandbox/snug/network"
	"github.com/snug-sandbox/snug/process"
	"github.com/snug-sandbox/snug/seccomp"
	"github.com/snug-sandbox/snug/userns"
)

// Streams says what a run is given beside its Spec.
type Streams struct {
	Extra     []int // descriptors inside beside 0, 1, 2 and Command.FDs
	Terminals []int // those of 0, 1 and 2 that are terminals of the caller
	Handshake bool  // the command is not started before the caller is ready for its end
	Enterable bool  // others may enter the sandbox while it runs
	Notify    bool  // the caller is told when the namespaces exist

	// Opened are the namespaces of a child that begins in the usual way before there is a
	// plan, 0: there is none. Identified says that it knows its ids, too (child.Opened).
	Opened     uint64
	Identified bool

	// Begin, if there is one, is called with the namespaces and the steps that the plan
	// has so far, again and again while there are more: child.Begin.
	Begin func(p *program.Program, namespaces uint64)
}

// Compile turns s into the plan that runs it on the machine that f describes.
// It looks at nothing but its arguments.
func Compile(s Spec, f host.Facts, io Streams) (*plan.Plan, error) {
	s = s.withNetwork()
	if err := s.Validate(); err != nil {
		return nil, err
	}
	if s.Network.PublishAll && s.Rootfs.Image == "" { // a profile may leave the image to the command line
		return nil, &problem.Problem{What: "network.publish_all", Why: "only an image says which ports it listens on", Fix: "name the ports in network.publish"}
	}
	s.Command.Args, s.Command.Entrypoint = s.Command.Words(), nil
	targets := s.targets(io)
	if s.Inherit != nil {
		targets = nil // all are left where they are
	}
	return newCompiler(s, f, io, targets, targets).compile()
}

// targets are the numbers inside of the descriptors that the command has.
func (s Spec) targets(io Streams) []int {
	targets := append([]int{0, 1, 2}, s.Command.FDs...)
	targets = append(targets, io.Extra...)
	slices.Sort(targets)
	return slices.Compact(targets)
}

// newCompiler returns a compiler for a command with the descriptors targets, of
// those that are handed over.
func newCompiler(s Spec, f host.Facts, io Streams, targets, handed []int) *compiler {
	c := &compiler{Spec: s, facts: f, streams: io, p: plan.NewBuilder(handed)}
	c.context = s.context(f)
	c.context.Terminal = s.wantsTerminal(io)
	c.setup = process.Setup{
		Command: s.Command, Inherit: s.Inherit, Limits: s.Limits.Limits, Targets: targets, Terminals: terminals(s, io),
		Shell: c.context.Shell, SharedPID: s.Namespaces.PID == namespaces.Share, NewTime: s.Namespaces.NewTime(), ArgumentPages: f.ArgumentPages, OpenFiles: f.OpenFiles,
		NoKeys: s.Security.Seccomp.NoKeys(), Reports: s.reportsDenials(), Enterable: io.Enterable,
	}
	c.setup.Program = f.Program
	return c
}

type compiler struct {
	Spec
	entering bool // a sandbox that runs already
	facts    host.Facts
	streams  Streams
	context  mounts.Context
	setup    process.Setup
	root     *mounts.Root
	p        *plan.Builder
}

// compile puts the parts in the one order that works: ids first, because files
// cannot be made without them; what needs the host's /proc before the root
// changes; credentials last, because everything before needs privileges over
// the new namespaces.
func (c *compiler) compile() (*plan.Plan, error) {
	if c.Namespaces.Join.PID != nil && c.Namespaces.PID != namespaces.Share {
		// Who joined a pid namespace by setns(2) cannot make one below it: only its
		// child can, which is the command.
		c.Command.PID1, c.setup.Command.PID1 = true, true
	}
	flags, pid := c.Namespaces.Flags()
	first, second := flags|pid, uint64(0)
	if c.Command.PID1 {
		first, second = flags, pid
	}
	ownCgroup := first & unix.CLONE_NEWCGROUP
	if err := c.limits(); err != nil {
		return nil, err
	}
	grouped := c.p.Cgroup.Dir != ""
	if grouped {
		// It is the caller's group that clone(2) makes the root of the namespace.
		first &^= ownCgroup
	}
	c.p.Namespaces = first
	c.p.Linger = c.Command.Linger
	c.p.Remain = c.Inherit != nil && c.Inherit.Remain
	c.p.Killer = c.killer()

	c.p.Begin = c.begin
	c.setup.Opened = c.opened()
	c.setup.PlanBegin(c.p)
	if join := c.Namespaces.Join; join.Any() {
		c.p.Namespaces = first & unix.CLONE_NEWUSER
		join.Plan(first&^unix.CLONE_NEWUSER, c.p)
	}
	if c.setup.Opened {
		if err := c.open(); err != nil {
			return nil, err
		}
		c.p.Advance()
	}
	// Process 1 is there later only; who maps the ids has to know of this one.
	early := !c.Command.PID1 || c.Identity.Block != nil
	if early {
		c.notify()
	}
	if err := c.identity(); err != nil {
		return nil, err
	}
	if ownCgroup != 0 && grouped {
		c.p.Do("make the control group the root of its namespace", plan.Unshare, plan.Bits(unix.CLONE_NEWCGROUP, &plan.UnshareFlags))
	}
	c.Namespaces.Plan(c.p)
	if !c.setup.Opened {
		c.planProcess()
	}
	if c.Network.Mode == network.Private {
		_, gid := c.Identity.IDs(c.facts)
		c.Network.PlanPrivate(gid, c.p)
	}
	c.setup.PlanOuter(c.p)
	c.p.Advance()
	if c.Command.PID1 {
		// A fresh procfs shows the pid namespace of the process that mounts it.
		c.fork(second)
		if !early {
			c.notify()
		}
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
	return c.command()
}

// command appends what the command's own process does, and ends the plan.
func (c *compiler) command() (*plan.Plan, error) {
	c.setup.Workdir = c.workdir(c.facts, c.context)
	c.setup.Environ = c.environ(c.facts, c.context, c.setup.Workdir)
	env := c.setup.PlanExec(c.p)
	if c.landlocked() {
		wall := c.Wall(c.facts, c.context, c.streams)
		if c.entering && !c.Namespaces.None {
			wall.Files = false // its mounts were made, and are not known, here
		}
		if err := c.Security.Config.Plan(wall, c.facts.Landlock, c.p); err != nil {
			return nil, err
		}
	}
	c.Security.Hardening.Plan(c.p)
	if err := c.credentials(); err != nil {
		return nil, err
	}
	c.Security.PlanAssert(c.p)
	process.PlanUnblock(c.p)
	if err := c.Security.Seccomp.Plan(c.filterContext(), c.p); err != nil {
		return nil, err
	}
	for _, filter := range c.Security.Filters {
		c.p.Filter("load a seccomp filter", filter)
	}
	c.setup.PlanExecve(env, c.p)
	return c.p.Finish()
}

// begin has the first process begin, where neither the parent nor its caller has a
// part in that. Nothing yet has an effect outside of the new namespaces: the rest may
// turn out to be wrong.
func (c *compiler) begin() {
	if c.streams.Begin != nil && len(c.p.Barriers) == 0 && !c.p.Terminal && c.p.Cgroup.Dir == "" && !c.Namespaces.Join.Any() && c.Identity.Block == nil {
		c.streams.Begin(&c.p.Program, c.p.Namespaces)
	}
}

// notify has the parent told that the namespaces exist.
func (c *compiler) notify() {
	if c.streams.Notify {
		c.p.Barrier(plan.Action{Label: "look at the namespaces", Notify: true})
	}
}

func (c *compiler) fork(flags uint64) {
	if c.streams.Handshake {
		c.p.Barrier(plan.Action{Label: "get ready for signals"})
	}
	c.p.Begin = nil // the first process goes on only once all is there
	c.p.KeepLater(func() { userns.PlanReaper(c.p) })
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
	if !shared && c.Namespaces.Join.User == nil {
		if err := c.Identity.Plan(c.facts, c.p); err != nil {
			return err
		}
	}
	return c.Security.PlanNested(shared || c.Namespaces.Join.User != nil, c.nestedFilter(), c.p)
}

// nestedFilter is what forbids user namespaces where the command has no filter
// that does.
func (c *compiler) nestedFilter() []byte {
	if !c.Security.NestedUserns && c.Security.Seccomp.Off() {
		return seccomp.OnlyUserNamespaces(runtime.GOARCH)
	}
	return nil
}

func (c *compiler) filterContext() seccomp.Context {
	return seccomp.Context{
		Arch: runtime.GOARCH, NestedUserns: c.Security.NestedUserns, Capabilities: c.Security.Bits(), Imported: c.facts.SeccompFile,
		SharedPID: c.Namespaces.PID == namespaces.Share, Bare: c.Namespaces.None, NoNetwork: c.Network.Mode != network.Host, NoTruncate: !landlock.Truncates(c.facts.Landlock),
		Killable: c.facts.Kernel.AtLeast(5, 19),
	}
}

// opened reports whether the child may have begun in the usual way already: with these
// namespaces, and with nothing before that.
func (c *compiler) opened() bool {
	return c.streams.Opened != 0 && c.streams.Opened == c.p.Namespaces && c.p.Cgroup.Dir == "" && !c.Command.PID1 && !c.Namespaces.Join.Any() &&
		c.Inherit == nil && c.table().Opens(c.facts)
}

// open begins in the usual way (package child): with what takes no ids, for whatever
// root.
func (c *compiler) open() (err error) {
	c.planProcess()
	c.root, err = c.table().Begin(c.facts, c.context, true, c.p)
	c.p.Opening = c.p.Next()
	return err
}

// planProcess is what the process needs of its new namespaces.
func (c *compiler) planProcess() {
	c.setup.PlanOwn(c.p)
	if c.Namespaces.Net != namespaces.Share && c.Namespaces.Join.Net == nil {
		network.Plan(c.p)
	}
	c.setup.PlanSignals(c.p)
}

func (c *compiler) mounts() (err error) {
	if c.Namespaces.None {
		c.ownTerminal()
		return c.planBare()
	}
	if c.root == nil {
		if c.root, err = c.table().Begin(c.facts, c.context, false, c.p); err != nil {
			return err
		}
	}
	c.root.Fill(c.streams.Identified)
	if c.setup.Opened && len(c.p.Barriers) == 0 {
		c.p.Opening = c.p.Next()
	}
	c.p.Advance()
	terminal, err := c.root.Plan()
	c.setup.Terminal = terminal
	if terminal != 0 {
		c.p.Replaced = c.setup.Terminals
	}
	return err
}

// ownTerminal makes a terminal where no /dev of the sandbox's own has one.
func (c *compiler) ownTerminal() {
	if c.context.Terminal {
		c.setup.Terminal = mounts.PlanTerminal(plan.Cwd, "/dev/ptmx", c.p)
		c.p.Replaced = c.setup.Terminals
	}
}

func (c *compiler) credentials() error {
	uid, gid := c.Identity.IDs(c.facts)
	joined := c.Namespaces.Join.User != nil
	c.Namespaces.Join.PlanLater(c.p)
	return c.Security.PlanCredentials(userns.Credentials{
		UID: uid, GID: gid, Groups: c.Identity.Groups,
		Switch: c.Identity.Map == userns.MapRange && (uid != 0 || gid != 0) || joined && (uid != c.facts.UID || gid != c.facts.GID),
		Shared: c.Namespaces.User == namespaces.Share, Joined: joined,
	}, c.p)
}
