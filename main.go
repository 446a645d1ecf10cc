package snug

import (
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/snug-sandbox/snug/internal/child"
)

// forwarded are the signals that Main passes on to the command.
var forwarded = [...]os.Signal{
	syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2,
	syscall.SIGWINCH, syscall.SIGTSTP, syscall.SIGCONT,
}

// Main runs c as a command line does: with this process's standard streams
// where c has none, its signals passed on, its terminal joined to the
// sandbox's, and stopped and continued together with the command. It returns
// what became of it; the error says why the command did not run at all.
func Main(c *Cmd) (*Result, error) {
	if c.Stdin == nil {
		c.Stdin = os.Stdin
	}
	if c.Stdout == nil {
		c.Stdout = os.Stdout
	}
	if c.Stderr == nil {
		c.Stderr = os.Stderr
	}
	c.last = true
	if c.Spec.Inherit != nil {
		return mainInherit(c)
	}
	signals := make(chan os.Signal, 16)
	// To be told of signals costs Go the start of two threads and two switches
	// between them for each signal. That is done while the child builds the
	// sandbox, and the command starts after it; until then a signal ends the run.
	begun := make(chan struct{})
	c.onClone = func() {
		child.Later(forwarded[:], func() {
			notify(signals)
			go c.forward(signals, begun)
		})
	}
	c.onStop = c.stopTogether
	defer func() { go signal.Stop(signals) }()
	if err := c.Start(); err != nil {
		return c.Result(), err
	}
	close(begun)
	c.Wait()
	return c.Result(), nil
}

// mainInherit runs a command that has the caller's session and process group:
// what the terminal sends reaches it without help, and what is sent to this
// process ends this process alone.
func mainInherit(c *Cmd) (*Result, error) {
	if quit := syscall.SIGQUIT; c.Spec.Inherit.Ignored>>(quit-1)&1 != 0 {
		signal.Ignore(quit)
	} else {
		child.DefaultAction(quit)
	}
	if err := c.Start(); err != nil {
		return c.Result(), err
	}
	c.Wait()
	return c.Result(), nil
}

// idleAfter is how long a command runs before Main gives memory back.
const idleAfter = 200 * time.Millisecond

// idle is how long the command runs before memory is given back; 0 without Main.
func (c *Cmd) idle() time.Duration {
	if c.last {
		return idleAfter
	}
	return 0
}

func notify(signals chan<- os.Signal) {
	// What was ignored on entry stays so: nohup(1).
	list := slices.DeleteFunc(slices.Clone(forwarded[:]), signal.Ignored)
	if len(list) > 0 {
		// At once: what came before is told as soon as one of them is asked for, and
		// dropped where it is not.
		signal.Notify(signals, list...)
	}
}

// stuck is how long the command may take to begin once a signal has come that
// would end it.
const stuck = time.Second

// forward passes signals on. Those that come before the command has begun wait for
// it, and end the run if that takes too long.
func (c *Cmd) forward(signals <-chan os.Signal, begun <-chan struct{}) {
	var early []os.Signal
	for waiting := true; waiting; {
		select {
		case <-begun:
			waiting = false
		case s := <-signals:
			early = append(early, s)
			if ends(s) {
				time.AfterFunc(stuck, func() { c.interrupt(s) })
			}
		}
	}
	for _, s := range early {
		c.pass(s)
	}
	for {
		select {
		case <-c.finished:
			return
		case s := <-signals:
			c.pass(s)
		}
	}
}

// pass passes a signal on to the command.
func (c *Cmd) pass(s os.Signal) {
	switch {
	case s == syscall.SIGWINCH && c.terminal != nil:
		c.terminal.resize()
		return
	case s == syscall.SIGCONT:
		c.terminal.makeRaw()
		c.terminal.resize()
	}
	c.Signal(s)
}

// stopTogether stops this process, with its process group, as the command was
// stopped, so that the shell gets its terminal back. Once it is continued, so
// is the command; that is at once where no shell controls jobs, because nobody
// would ever continue it.
func (c *Cmd) stopTogether() {
	if signal.Ignored(syscall.SIGTSTP) {
		return
	}
	c.terminal.restore()
	child.StopGroup()
	c.terminal.makeRaw()
	c.terminal.resize()
	c.Signal(syscall.SIGCONT)
}
