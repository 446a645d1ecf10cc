package snug

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/snug-sandbox/snug/internal/child"
	"github.com/snug-sandbox/snug/internal/running"
	"github.com/snug-sandbox/snug/namespaces"
)

// watch starts what runs beside the command: the copying of streams, the clock
// and the context.
func (c *Cmd) watch() {
	c.copied = make(chan error, len(c.copies))
	for _, f := range c.copies {
		beside(func() { c.copied <- f() })
	}
	if limit := time.Duration(c.Spec.Limits.Timeout); limit > 0 {
		beside(func() { c.clock(limit) })
	}
	if limit := c.plan.Cgroup.CPUTime; limit > 0 {
		beside(func() { c.meter(limit) })
	}
	if c.ctx != nil && c.ctx.Done() != nil {
		beside(c.follow)
	}
	if c.enter != nil && c.Spec.Namespaces.PID == namespaces.Share {
		beside(func() { c.endWith(c.enter.Instance) })
	}
}

// beside runs f beside the command, for which all of Go's runtime has to be there.
func beside(f func()) {
	child.Whole()
	go f()
}

// endWith kills everything when the sandbox that was entered has ended, where no
// pid namespace does it.
func (c *Cmd) endWith(i Instance) {
	running.Await(i.PID, i.Start)
	c.Kill()
}

// clock ends the command at its time limit.
func (c *Cmd) clock(limit time.Duration) {
	if c.sleep(limit) {
		c.endAt(CauseTimeout)
	}
}

// endAt ends the command because of a limit: its stop signal, and after the grace time
// everything is killed.
func (c *Cmd) endAt(cause Cause) {
	c.mu.Lock()
	first := c.result == nil && c.limit == ""
	if first {
		c.limit = cause
	}
	c.mu.Unlock()
	if !first {
		return
	}
	c.thaw()
	c.withProcess(func(p *child.Process) {
		stop, _ := c.Spec.Command.Stop()
		p.Signal(stop, true)
		p.Signal(syscall.SIGCONT, true) // a stopped command would never see it
	})
	if c.sleep(time.Duration(c.Spec.Limits.GraceTime())) {
		c.Kill()
	}
}

// sleep reports whether d passed before the sandbox ended.
func (c *Cmd) sleep(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-c.finished:
		return false
	}
}

func (c *Cmd) follow() {
	select {
	case <-c.finished:
	case <-c.ctx.Done():
		c.mu.Lock()
		if c.result == nil {
			c.canceled = c.ctx.Err()
		}
		c.mu.Unlock()
		if c.Cancel != nil {
			c.Cancel()
			return
		}
		c.Kill()
	}
}

// Wait waits until the command and everything in its sandbox has ended, and
// until the copying of its streams is complete.
func (c *Cmd) Wait() error {
	if c.process == nil {
		return errors.New("snug: not started")
	}
	if c.result != nil {
		return errors.New("snug: Wait was already called")
	}
	outcome, err := c.await()
	c.server.wait()
	c.image.Close()
	usage := c.finishCgroup(c.cgroup)
	refused, more := c.denials.end()
	contacts := c.private.finish()
	c.mu.Lock()
	c.result = success(c, outcome, usage)
	c.result.Denials, c.result.Network = refused, contacts
	if more > 0 {
		c.result.Notes = append(c.result.Notes, fmt.Sprintf("%d more refusals are not told", more))
	}
	if contacts != nil && contacts.Lost {
		c.result.Notes = append(c.result.Notes, "the network's helper ended before the command: connections failed since")
	}
	c.mu.Unlock()
	close(c.finished)
	c.terminal.drain()
	copyErr := c.waitForCopies()
	closeAll(c.parents)
	if err != nil {
		return err
	}
	return c.verdict(copyErr)
}

// mustSettle reports whether the process that stays beside the command is waited
// for. It needs some time after the command's end to give the namespaces back, and
// few depend on that. Who entered a sandbox has none to give back, and left
// unburied it would keep the sandbox's pid namespace from ending
// (pid_namespaces(7)) for as long as whoever inherits it does not wait.
func (c *Cmd) mustSettle() bool {
	if c.plan.Settle || c.cgroup != nil || c.enter != nil {
		return true
	}
	// Callers of bubblewrap know it to leave such a process.
	return (c.last || c.helps) && c.Spec.Inherit == nil && !running.OrphansAreReaped()
}

// await waits for the end of every process, but for the last one where nothing
// depends on that.
func (c *Cmd) await() (child.Outcome, error) {
	p := c.process
	for {
		switch e := p.Receive(); e.Kind {
		case child.Namespace:
			c.held.add(child.NamespaceName(e.Arg), e.Files)
		case child.Idle:
			beside(releaseMemory)
		case child.Stopped:
			child.Whole()
			if c.onStop != nil {
				c.onStop()
			}
		case child.Ended:
			if c.plan.Remain {
				outcome := p.Outcome()
				c.leave(p.Wait)
				return outcome, nil
			}
		case child.Done:
			c.held.close()
			if c.settles {
				return p.Wait()
			}
			outcome := p.Outcome()
			c.leave(p.Dismiss)
			return outcome, nil
		case child.Gone:
			c.held.close()
			return p.Wait()
		}
	}
}

// leave has the process that stays waited for once it ends. A process that ends
// itself leaves that to whoever inherits its children.
func (c *Cmd) leave(wait func() (child.Outcome, error)) {
	if !c.last {
		go wait()
	}
}

func (c *Cmd) verdict(copyErr error) error {
	r := c.result
	switch {
	case c.canceled != nil && r.Cause == CauseCancel && r.ExitCode == 0 && r.Signal == 0:
		r.err = c.canceled // as exec.Cmd has it
	case c.canceled != nil && !(r.ExitCode == 0 && r.Signal == 0):
		r.err = c.canceled
	case r.Cause != CauseExit || r.ExitCode != 0:
		r.err = &ExitError{Result: r}
	default:
		r.err = copyErr
	}
	return r.err
}

func (c *Cmd) waitForCopies() error {
	var timeout <-chan time.Time
	if c.WaitDelay > 0 {
		t := time.NewTimer(c.WaitDelay)
		defer t.Stop()
		timeout = t.C
	}
	var first error
	for range c.copies {
		select {
		case err := <-c.copied:
			if first == nil {
				first = err
			}
		case <-timeout:
			return errWaitDelay
		}
	}
	return first
}

var errWaitDelay = errors.New("snug: WaitDelay expired before the streams were complete")

// Result returns what became of the run: after Wait, or after a Start that
// failed. Before that it is nil.
func (c *Cmd) Result() *Result {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.result
}
