package snug

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/images"
	"github.com/snug-sandbox/snug/internal/child"
	"github.com/snug-sandbox/snug/internal/host"
	"github.com/snug-sandbox/snug/internal/plan"
	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/spec"
)

// Start builds the sandbox and starts the command in it. When it returns nil
// the command was executed, and Wait must be called.
func (c *Cmd) Start() error {
	if c.plan != nil {
		return errors.New("snug: already started")
	}
	if c.ctx != nil && c.ctx.Err() != nil {
		return c.abandon(c.ctx.Err())
	}
	if !c.Spec.Desktop.Empty() {
		return c.abandon(&problem.Problem{What: "desktop", Why: "only the program snug opens what a desktop has", Fix: "start it by: snug run; or leave out the table [desktop]"})
	}
	if err := c.useImage(); err != nil {
		return c.abandon(err)
	}
	if err := c.useDisk(); err != nil {
		return c.abandon(err)
	}
	if err := c.useScratch(); err != nil {
		return c.abandon(err)
	}
	facts, err := c.Spec.Facts()
	if err != nil {
		return c.abandon(err)
	}
	if c.enter != nil {
		err = c.enterInstance()
	} else {
		facts, err = c.delegated(facts)
	}
	if err != nil {
		return c.abandon(err)
	}
	if err := c.compile(facts); err != nil {
		return c.abandon(err)
	}
	if c.Planned != nil {
		if err := c.Planned(); err != nil {
			return c.abandon(err)
		}
	}
	return c.carryOut()
}

// many mounts leave garbage behind.
const many = 500

// compile sets c.plan.
func (c *Cmd) compile(f host.Facts) (err error) {
	if len(c.Spec.Mounts) > many {
		child.Whole()
	}
	io := Streams{Extra: c.extra(), Terminals: c.terminals(), Handshake: c.onClone != nil || c.Started != nil, Notify: c.Created != nil, Enterable: c.Started != nil}
	if c.passesOn() {
		io.Begin = child.Begin
		io.Opened, io.Identified = child.Opened()
	}
	if c.Spec.Security.Seccomp.LogDenials {
		c.given = c.Spec.Given(f)
	}
	if c.enter != nil {
		c.plan, err = spec.CompileEnter(c.Spec, f, io, c.enter.program.Mappings)
		return err
	}
	c.plan, err = Compile(c.Spec, f, io)
	if err == nil && c.Started != nil {
		c.instance = &Instance{Spec: c.Spec.ForEntering(f)}
	}
	return err
}

// carryOut starts what c.plan says.
func (c *Cmd) carryOut() error {
	if err := c.openStreams(c.plan.Files, c.plan.Replaced); err != nil {
		return c.abandon(err)
	}
	c.started, c.finished = time.Now(), make(chan struct{})
	err := c.launch()
	closeAll(c.closers)
	if err != nil {
		closeAll(c.parents)
		return err
	}
	if c.instance != nil {
		child.Later(nil, func() {
			c.locate(c.process)
			c.Started(*c.instance)
		})
	}
	c.watch()
	return nil
}

// useImage looks up the image that the root is made of, in the caller's store.
func (c *Cmd) useImage() error {
	if c.Spec.Rootfs.Image == "" || c.enter != nil {
		return nil
	}
	store, err := images.Open("")
	if err != nil {
		return err
	}
	if c.Image != nil {
		c.Spec, c.image, err = c.Spec.OnImage(store, c.Image, os.Environ())
		return err
	}
	c.Spec, c.image, err = c.Spec.UseImage(store, os.Environ())
	return err
}

// abandon gives up before anything was started.
func (c *Cmd) abandon(err error) error {
	closeAll(c.closers)
	closeAll(c.parents)
	c.server.wait()
	c.image.Close()
	cause := CauseSetup
	if c.canceled != nil {
		cause, err = CauseCancel, c.canceled
	}
	c.result = failure(c, cause, err)
	c.result.Signal = c.endedBy
	return err
}

// launch clones the child and sees it through to the execution of the command.
func (c *Cmd) launch() error {
	fds := make([]int, len(c.files))
	for i, f := range c.files {
		fds[i] = c.plan.Files[i] // asked for by number: the caller's own
		if f != nil {
			fds[i] = int(f.Fd())
		}
	}
	group, err := c.makeCgroup(&c.plan.Cgroup)
	if err != nil {
		return c.abandon(err)
	}
	c.cgroup = group
	p, err := c.clone(fds)
	if err != nil {
		group.Remove()
		return c.abandon(err)
	}
	stop := c.begin(p)
	if c.onClone != nil {
		c.onClone()
	}
	c.anticipate(p)
	// Asked while the child has its own work.
	c.settles = c.mustSettle()
	if !c.settles && (c.passed || len(c.plan.Barriers) == 0) { // no helper waits for its end
		p.Outlive()
	}
	err = c.attend(p)
	stop()
	if err != nil {
		p.Kill()
		for p.Receive().Kind != child.Gone {
		}
		p.Wait()
		group.Remove()
		c.terminal.drain()
		return c.abandon(err)
	}
	if c.process != nil {
		return nil
	}
	detail := c.detail(p)
	outcome, err := p.Wait()
	group.Remove()
	c.terminal.drain()
	if err != nil {
		return c.abandon(err)
	}
	if c.fallBack(outcome) || c.planAnew(outcome) {
		return c.launch()
	}
	return c.setupFailed(outcome, detail)
}

// planAnew compiles again where a step was refused that most plans begin with, which this
// one may do without. It reports whether to try again.
func (c *Cmd) planAnew(o child.Outcome) bool {
	if o.Failed < 0 || o.Failed >= c.plan.Opening || c.canceled != nil {
		return false
	}
	before := c.plan
	facts, err := c.Spec.Facts()
	if err == nil {
		err = c.compile(facts) // for no child that was made ahead: it was used up
	}
	if err != nil || c.plan.Opening > 0 {
		c.plan = before
		return false
	}
	return true
}

// clone starts the child.
func (c *Cmd) clone(fds []int) (*child.Process, error) {
	options := child.Options{
		Flags: c.plan.Namespaces, Files: fds, Killer: c.plan.Killer, Linger: c.plan.Linger, Remain: c.plan.Remain, CgroupFD: c.cgroup.FD(),
		Inherited: c.inherits(), Idle: c.idle(), Namespaces: c.plan.NamespacesFD,
	}
	if c.enter != nil {
		return c.cloneEntering(options)
	}
	p, err := child.Start(&c.plan.Program, options)
	if err != nil {
		return nil, cloneProblem(c.plan, err)
	}
	return p, nil
}

// inherits reports whether the command gets no descriptor that was opened here.
func (c *Cmd) inherits() bool {
	for _, f := range c.files {
		if f != nil && f != os.Stdin && f != os.Stdout && f != os.Stderr {
			return false
		}
	}
	return true
}

// passesOn reports whether the command gets the standard descriptors of this
// process, and no other.
func (c *Cmd) passesOn() bool {
	return c.Stdin == os.Stdin && c.Stdout == os.Stdout && c.Stderr == os.Stderr && len(c.Files) == 0
}

// detail is what the failed step's memory says.
func (c *Cmd) detail(p *child.Process) string {
	if failed := p.Outcome().Failed; failed >= 0 {
		if at := c.plan.Program.Steps[failed].Detail; at != 0 {
			return p.Text(at)
		}
	}
	return ""
}

// anticipate does what belongs to the only barrier of a plan before the child comes
// to it, where it has all of its namespaces from the beginning. It passes the barrier
// without a stop then: two switches between processors are spared.
func (c *Cmd) anticipate(p *child.Process) {
	n := c.Spec.Namespaces
	c.passed = false
	if len(c.plan.Barriers) != 1 || c.plan.Barriers[0].Awaited() || c.enter != nil || c.cgroup != nil || n.NewTime() || n.Join.Any() {
		return
	}
	c.lookInto(p.PID)
	c.passed = true
	p.Release()
	if !c.plan.Terminal && c.plan.Listener == nil {
		p.Quiet()
	}
}

// attend does the parent's part of the plan until the command was executed;
// c.process is set then. If it never was, the child is gone.
func (c *Cmd) attend(p *child.Process) error {
	for {
		switch e := p.Receive(); e.Kind {
		case child.Gone:
			return nil
		case child.Started:
			c.mu.Lock()
			c.process = p
			c.mu.Unlock()
			return nil
		case child.Barrier:
			if e.Arg >= len(c.plan.Barriers) {
				return fmt.Errorf("the child waits at barrier %d, which does not exist", e.Arg)
			}
			if c.passed {
				continue
			}
			if err := c.act(c.plan.Barriers[e.Arg], p.PID, e.Files); err != nil {
				return err
			}
			p.Release()
		case child.Listener:
			c.listen(e.Files)
		case child.Terminal:
			if err := c.takeTerminal(e.Files); err != nil {
				return err
			}
			p.Release()
		}
	}
}

// act does what a barrier is there for.
func (c *Cmd) act(a plan.Action, pid int, fds []int) error {
	if !a.Still() {
		child.Whole()
	}
	files := make([]*os.File, len(fds))
	for i, fd := range fds {
		files[i] = os.NewFile(uintptr(fd), a.Label)
		defer files[i].Close()
	}
	if a.Notify {
		if c.Spec.Command.PID1 {
			pid = onlyChild(pid)
		}
		return c.Created(pid)
	}
	switch {
	case a.Connect:
		return c.connectNetwork(pid)
	case a.Network && len(files) == 1:
		return c.takeNetwork(files[0])
	}
	if len(a.Command) == 0 {
		c.lookInto(pid)
		return nil // to have come here is all
	}
	args := make([]string, len(a.Command))
	for i, word := range a.Command {
		args[i] = strings.ReplaceAll(word, "{pid}", strconv.Itoa(pid))
	}
	if a.Serve {
		return c.serve(a, args, files)
	}
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if err == nil {
		return nil
	}
	if words := strings.TrimSpace(string(out)); words != "" {
		err = errors.New(words)
	}
	return diagnose(err, a.Label)
}

// onlyChild returns the child of a process that has one.
func onlyChild(pid int) int {
	list, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	child, err := strconv.Atoi(strings.TrimSpace(string(list)))
	if err != nil {
		return pid
	}
	return child
}

// terminals lists which of the standard descriptors are terminals.
func (c *Cmd) terminals() []int {
	var fds []int
	for fd, s := range []any{c.Stdin, c.Stdout, c.Stderr} {
		if f, ok := s.(*os.File); ok && f != nil && isTerminal(int(f.Fd())) {
			fds = append(fds, fd)
		}
	}
	return fds
}

func isTerminal(fd int) bool {
	_, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	return err == nil
}

// cloneProblem says why the kernel gave no new namespaces.
func cloneProblem(p *plan.Plan, err error) error {
	var errno syscall.Errno
	errors.As(err, &errno)
	err = diagnose(errno, "clone "+plan.CloneFlags.Format(p.Namespaces))
	if refused := new(problem.Problem); p.Namespaces&unix.CLONE_NEWUSER != 0 && errors.As(err, &refused) {
		refused.Fix = strings.TrimPrefix(refused.Fix+"\nor do without: snug run --no-namespaces holds what Landlock and the filter can", "\n")
	}
	return err
}
