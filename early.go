package snug

import (
	"context"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/snug-sandbox/snug/internal/child"
	"github.com/snug-sandbox/snug/internal/problem"
)

// begin makes p the process that builds the sandbox, or enters one, until stop is
// called. Meanwhile the run can be given up.
func (c *Cmd) begin(p *child.Process) (stop func()) {
	c.mu.Lock()
	c.starting = p
	c.mu.Unlock()
	forget := func() bool { return true }
	if c.ctx != nil {
		forget = context.AfterFunc(c.ctx, func() { c.giveUp(c.ctx.Err(), 0) })
	}
	if c.enter != nil {
		beside(func() { c.keepGoing(p) })
	}
	return func() {
		forget()
		c.mu.Lock()
		c.starting = nil
		c.mu.Unlock()
	}
}

// giveUp ends the run if its command has not been executed yet.
func (c *Cmd) giveUp(err error, sig syscall.Signal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.starting == nil || c.process != nil {
		return
	}
	c.canceled, c.endedBy = err, sig
	if command := onlyChild(c.starting.PID); command != c.starting.PID && c.enter != nil {
		syscall.Kill(command, syscall.SIGKILL) // it is in a pid namespace that stays
	}
	c.starting.Kill()
}

// interrupt is giveUp because of a signal.
func (c *Cmd) interrupt(s os.Signal) {
	sig, _ := s.(syscall.Signal)
	c.giveUp(&problem.Problem{What: c.task(), Why: fmt.Sprintf("a signal came before the command had started: %v", sig)}, sig)
}

// ends reports whether programs end by a signal that they do not handle, and a
// user or a service manager sends it for that.
func ends(s os.Signal) bool {
	switch s {
	case syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT:
		return true
	}
	return false
}

// task is what is done until the command is executed.
func (c *Cmd) task() string {
	if c.enter != nil {
		return "enter the sandbox"
	}
	return "build the sandbox"
}

// keepGoing continues a process that has entered a sandbox, and the command's
// process until that executes it: what runs there can stop them, and nobody else
// would notice. Stopped, they would not hear the caller either.
func (c *Cmd) keepGoing(p *child.Process) {
	for c.building() {
		p.Continue()
		if command := onlyChild(p.PID); command != p.PID {
			syscall.Kill(command, syscall.SIGCONT)
		}
		time.Sleep(20 * time.Millisecond)
	}
	for c.sleep(500 * time.Millisecond) {
		p.Continue()
	}
}

func (c *Cmd) building() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.starting != nil
}

// killStopped kills a process that has entered a sandbox, and is kept from ending
// everything itself by what runs there.
func (c *Cmd) killStopped(p *child.Process) {
	if !c.sleep(time.Second) {
		return
	}
	if command := onlyChild(p.PID); command != p.PID {
		syscall.Kill(command, syscall.SIGKILL)
	}
	p.Kill()
}
