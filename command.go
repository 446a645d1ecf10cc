package snug

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/snug-sandbox/snug/images"
	"github.com/snug-sandbox/snug/internal/cgroupfs"
	"github.com/snug-sandbox/snug/internal/child"
	"github.com/snug-sandbox/snug/internal/plan"
	"github.com/snug-sandbox/snug/landlock"
	"github.com/snug-sandbox/snug/network"
	"github.com/snug-sandbox/snug/spec"
)

// Cmd is a command to run in a sandbox. Fields and methods that exec.Cmd has
// too mean the same. A Cmd is used once.
type Cmd struct {
	// Spec is the sandbox. Its Command.Args are what runs.
	Spec Spec

	// Stdin is the command's standard input. An *os.File is handed over as it
	// is; nil is /dev/null; anything else is copied through a pipe.
	Stdin io.Reader

	// Stdout and Stderr are handled like Stdin. If they are equal and
	// comparable, one goroutine at a time calls Write.
	Stdout, Stderr io.Writer

	// ExtraFiles are open inside as descriptors 3, 4, …
	ExtraFiles []*os.File

	// Files are open inside under the numbers that are their keys, from 3 up.
	Files map[int]*os.File

	// Planned is called once the plan is made, before anything is done that lasts. An
	// error gives the run up. What it takes often costs no time: a process that was
	// made ahead builds the sandbox meanwhile.
	Planned func() error

	// Created is called when the first process is in its namespaces and has done
	// nothing yet; it waits meanwhile. An error gives the run up. The pid is that
	// of the process that stays, or of the command where that is process 1.
	Created func(pid int) error

	// Started is called with the running sandbox when the command was executed,
	// before Start returns.
	Started func(Instance)

	// Delegate is called where limits need a cgroup v2 subtree and it is not
	// certain that the caller is in one that was left to it. It moves this process
	// into one where that is not so.
	Delegate func() error

	// Refused is called when a private network refuses the sandbox something for
	// the first time.
	Refused func(network.Contact)

	// Cancel is called when the context is done; by default Kill.
	Cancel func() error

	// WaitDelay bounds how long Wait waits for the goroutines that copy Stdin,
	// Stdout and Stderr after the sandbox has ended; 0 is no bound. Nothing
	// inside is left then, but an inherited end of a pipe may be held outside.
	WaitDelay time.Duration

	// Image is what Spec.Rootfs.Image names, looked up in the caller's store and
	// settled; Start takes it over. Without it Start looks.
	Image *images.Image

	terminal *terminal       // the sandbox's own, when it has one
	private  *privateNetwork // the same

	ctx      context.Context
	plan     *plan.Plan
	files    []*os.File // of the child, by target; index in plan.Files
	closers  []io.Closer
	parents  []io.Closer // our ends of pipes, and what goes with the run
	copies   []func() error
	copied   chan error
	mu       sync.Mutex // guards process
	process  *child.Process
	starting *child.Process // process, before the command is executed
	started  time.Time
	finished chan struct{}
	limit    Cause // the limit of time that ended it
	canceled error
	endedBy  syscall.Signal // that canceled it
	passed   bool           // the child passes its barrier without a stop
	onStop   func()         // the command was stopped
	onClone  func()         // the child builds the sandbox
	last     bool           // this process ends with the run
	helps    bool           // it serves another run, with whose end this process may end
	settles  bool           // the end is that of the process that stays, too
	cgroup   *cgroupfs.Group
	instance *Instance   // for Started
	held     holdings    // the sandbox's namespaces
	enter    *entrance   // the command is one more in a running sandbox
	image    *spec.Image // in use
	server   *server     // of the root's file system
	result   *Result

	denials *denials        // nil: nobody asked
	given   []landlock.Rule // for them
}

// Command returns the Cmd to run the program name with args in the sandbox s.
// A name without a slash is looked up in the sandbox's PATH, inside. The
// environment and the working directory are those of s.Env and s.Command: by
// default not the caller's.
func Command(s Spec, name string, args ...string) *Cmd {
	s.Command.Args = append([]string{name}, args...)
	return &Cmd{Spec: s}
}

// CommandContext is Command with a context: when it is done before the command
// has ended, Cancel is called, and Wait returns the context's error.
func CommandContext(ctx context.Context, s Spec, name string, args ...string) *Cmd {
	if ctx == nil {
		panic("snug: nil Context")
	}
	c := Command(s, name, args...)
	c.ctx = ctx
	return c
}

// Run starts the command and waits for its end. The error is nil when it ended
// with exit code 0, an *ExitError when it ended otherwise, and a problem with
// what, why and what to do when the sandbox could not be built.
func (c *Cmd) Run() error {
	if err := c.Start(); err != nil {
		return err
	}
	return c.Wait()
}

// Output runs the command and returns what it wrote to standard output.
func (c *Cmd) Output() ([]byte, error) {
	if c.Stdout != nil {
		return nil, errors.New("snug: Stdout already set")
	}
	var out, errs bytes.Buffer
	c.Stdout = &out
	capture := c.Stderr == nil
	if capture {
		c.Stderr = &tail{buffer: &errs}
	}
	err := c.Run()
	var exit *ExitError
	if capture && errors.As(err, &exit) {
		exit.Stderr = errs.Bytes()
	}
	return out.Bytes(), err
}

// CombinedOutput runs the command and returns what it wrote to standard output
// and standard error.
func (c *Cmd) CombinedOutput() ([]byte, error) {
	if c.Stdout != nil || c.Stderr != nil {
		return nil, errors.New("snug: Stdout or Stderr already set")
	}
	var b bytes.Buffer
	c.Stdout, c.Stderr = &b, &b
	err := c.Run()
	return b.Bytes(), err
}

// tail keeps the last 64 KiB that are written to it.
type tail struct{ buffer *bytes.Buffer }

func (t *tail) Write(p []byte) (int, error) {
	const most = 64 << 10
	t.buffer.Write(p)
	if extra := t.buffer.Len() - most; extra > 0 {
		t.buffer.Next(extra)
	}
	return len(p), nil
}

// Signal sends sig to the command. Signals that a terminal's keys would send
// (SIGINT, SIGQUIT, SIGTSTP, SIGHUP, SIGWINCH, SIGCONT) go to its whole process
// group, as they would there.
func (c *Cmd) Signal(sig os.Signal) error {
	s, ok := sig.(syscall.Signal)
	if !ok {
		return errors.New("snug: unsupported signal type")
	}
	switch s {
	case syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT:
		c.thaw()
	}
	return c.withProcess(func(p *child.Process) { p.Signal(s, toGroup(s)) })
}

func toGroup(s syscall.Signal) bool {
	switch s {
	case syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTSTP, syscall.SIGHUP, syscall.SIGWINCH, syscall.SIGCONT, syscall.SIGSTOP:
		return true
	}
	return false
}

// Kill ends every process of the sandbox at once.
func (c *Cmd) Kill() error {
	err := c.withProcess(func(p *child.Process) {
		p.End()
		if c.enter != nil {
			go c.killStopped(p)
		}
	})
	if err == nil && c.cgroup != nil {
		go c.killFrozen()
	}
	return err
}

// PID returns the process that stays beside the command, as the caller sees it,
// or 0 when nothing runs. It ends when the sandbox does.
func (c *Cmd) PID() int {
	pid := 0
	c.withProcess(func(p *child.Process) { pid = p.PID })
	return pid
}

func (c *Cmd) withProcess(f func(*child.Process)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.result != nil:
		return os.ErrProcessDone
	case c.process == nil:
		return errors.New("snug: not started")
	}
	f(c.process)
	return nil
}
