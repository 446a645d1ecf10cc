package main

import (
	"errors"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/internal/running"
	"github.com/snug-sandbox/snug/namespaces"
)

type killVerb struct {
	names  []string
	signal syscall.Signal
	all    bool
}

func killNode() *kong.Node {
	v := &killVerb{}
	n := node("kill", "End running sandboxes, or send them a signal", `
Every process of the sandbox is killed, a paused one's too, and snug run ends
with exit code 137. With --signal, the command gets that signal, as if it had
been sent to snug run, and decides itself; signals that a terminal's keys send
go to its process group.

  snug kill build-4711
  snug kill --signal TERM build
  snug kill --all
`, v)
	n.Flags = []*kong.Flag{
		option("signal/s", "SIGNAL", "Send the command this signal, by name or number: TERM, SIGUSR1, 15.", func(text string) (err error) {
			v.signal, err = signalOf(text)
			return err
		}),
		mark("all/a", "All of the caller's sandboxes.", &v.all),
		helpOption(),
	}
	n.Positional = []*kong.Positional{nameArguments(&v.names, false)}
	return n
}

// signalOf reads a signal: "TERM", "SIGTERM", "15", "RTMIN+2".
func signalOf(text string) (syscall.Signal, error) {
	const first, last = 34, 64 // of the real-time ones, as C libraries count them
	name := strings.TrimPrefix(strings.ToUpper(text), "SIG")
	if n, err := strconv.Atoi(name); err == nil && n > 0 && n <= last {
		return syscall.Signal(n), nil
	}
	if rest, ok := strings.CutPrefix(name, "RTMIN"); ok {
		n, err := strconv.Atoi(strings.TrimPrefix(rest, "+"))
		if rest == "" || err == nil && n >= 0 && n <= last-first {
			return syscall.Signal(first + n), nil
		}
	}
	if sig := unix.SignalNum("SIG" + name); sig != 0 {
		return sig, nil
	}
	return 0, badValueTry("--signal TERM; kill -l lists them", "%q is not a signal", text)
}

func (v *killVerb) do(streams) error {
	list, err := v.sandboxes()
	if err != nil {
		return err
	}
	var wrong problem.List
	for i := range list {
		l := &list[i]
		do := l.end
		if v.signal != 0 {
			do = func() error { return l.send(v.signal) }
		}
		err := do()
		if err != nil {
			wrong = append(wrong, &problem.Problem{What: l.Name, Why: err.Error(), Err: err})
		}
	}
	return wrong.Err()
}

func (v *killVerb) sandboxes() ([]live, error) {
	switch {
	case v.all && len(v.names) > 0:
		return nil, &problem.Problem{What: "kill --all", Why: "names beside it mean nothing", Fix: "leave out --all, or the names"}
	case v.all:
		return allLive(), nil
	case len(v.names) == 0:
		return nil, missing("kill")
	}
	return findAll(v.names)
}

// end kills every process of the sandbox, and waits until they are gone.
func (l *live) end() error {
	err := l.killAll()
	if err != nil && l.instance.Alive() {
		return err
	}
	// A stopped job would notice when it goes on.
	signalTo(l.Supervisor, l.SupervisorStart, syscall.SIGCONT)
	for wait, until := time.Millisecond, time.Now().Add(5*time.Second); time.Now().Before(until); wait = min(2*wait, 50*time.Millisecond) {
		if !l.held() {
			return nil
		}
		time.Sleep(wait)
	}
	return errors.New("its processes were killed, but the kernel does not let them end")
}

// held reports whether the run goes on.
func (l *live) held() bool {
	_, runs := running.Find(l.Name, l.Supervisor)
	return runs
}

func (l *live) killAll() error {
	i := l.instance
	switch {
	case i.Cgroup != "":
		return l.group().Kill()
	case i.Spec.Namespaces.PID == namespaces.Share:
		// The process that stays kills the others when it sees the command end, or
		// the end of who started it.
		if err := l.send(syscall.SIGKILL); err == nil && !i.Spec.Command.Linger {
			return nil
		}
		return signalTo(l.Supervisor, l.SupervisorStart, syscall.SIGKILL)
	case i.Spec.Command.PID1:
		return l.send(syscall.SIGKILL)
	}
	// Its end is that of the pid namespace.
	return signalTo(i.PID, i.Start, syscall.SIGKILL)
}

// signalTo sends a signal to the process that was started then.
func signalTo(pid int, start uint64, sig syscall.Signal) error {
	fd, err := running.Pidfd(pid, start)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.PidfdSendSignal(fd, sig, nil, 0)
}

// send sends the command a signal, with its process group where a terminal's key
// would. A paused one gets it when it goes on, but for SIGKILL.
func (l *live) send(sig syscall.Signal) error {
	pid := l.command()
	fd, err := unix.PidfdOpen(pid, 0)
	if pid == 0 || err != nil || running.Parent(pid) != l.instance.PID {
		return errors.New("its command has ended; without --signal what is left of it is killed")
	}
	defer unix.Close(fd)
	if sig == unix.SIGKILL {
		// Whoever waits for its end stands still, too.
		defer l.group().Thaw()
	}
	if toGroup(sig) {
		const processGroup = 4 // PIDFD_SIGNAL_PROCESS_GROUP, Linux 6.9
		if err = unix.PidfdSendSignal(fd, sig, nil, processGroup); err != unix.EINVAL {
			return err
		}
		// As long as the command is there its number is not somebody else's.
		if err = unix.PidfdSendSignal(fd, 0, nil, 0); err == nil {
			err = unix.Kill(-pid, sig)
		}
		return err
	}
	return unix.PidfdSendSignal(fd, sig, nil, 0)
}

// toGroup reports whether a terminal sends a signal to process groups.
func toGroup(sig syscall.Signal) bool {
	switch sig {
	case unix.SIGINT, unix.SIGQUIT, unix.SIGTSTP, unix.SIGHUP, unix.SIGWINCH, unix.SIGCONT, unix.SIGSTOP:
		return true
	}
	return false
}

// command is the command's number here; 0 when it has ended.
func (l *live) command() int {
	i := l.instance
	if i.Spec.Namespaces.PID == namespaces.Share || i.Spec.Command.PID1 {
		return i.CommandPID
	}
	return running.Outer(i.Processes(), i.CommandPID)
}
