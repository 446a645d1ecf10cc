package child

import (
	"os"
	"syscall"
	"time"
	"unsafe"
)

// EventKind is what a child has to say.
type EventKind uint8

// Kinds of an Event.
const (
	Gone      EventKind = iota // the child's end is closed: Wait will not block for long
	Done                       // every process has ended but the one that stayed, which is about to; Outcome is complete
	Started                    // the command was executed
	Stopped                    // the command was stopped by signal Arg
	Ended                      // the command has ended, others are waited for
	Barrier                    // the child waits for Release; Arg is the barrier's number
	Idle                       // the command has run for the time that Options.Idle gives
	Namespace                  // Files holds the namespace of number Arg that was asked for
	Terminal                   // Files holds the master end of the sandbox's terminal
	Listener                   // Files holds the listener of the command's filter (seccomp_unotify(2))
)

// MsgBarrier, MsgTerminal and MsgListener are the letters with which a program's
// own steps speak; a byte follows. Descriptors may come with a barrier.
const (
	MsgBarrier  = 'b'
	MsgTerminal = 'm'
	MsgListener = 'l'
)

// Event is one message of the child.
type Event struct {
	Kind  EventKind
	Arg   int
	Files []int // descriptors, owned by the receiver
}

// Receive blocks until the child says something.
func (p *Process) Receive() Event {
	var msg [2]byte
	var oob [32]byte
	for {
		n, oobn, err := p.receive(msg[:], oob[:])
		if err != nil || n < 2 {
			return Event{Kind: Gone}
		}
		arg := int(msg[1])
		switch msg[0] {
		case msgStarted:
			return Event{Kind: Started}
		case msgIdle:
			return Event{Kind: Idle}
		case msgStopped:
			return Event{Kind: Stopped, Arg: arg}
		case msgEnded:
			return Event{Kind: Ended}
		case msgDone:
			return Event{Kind: Done}
		case MsgBarrier:
			return Event{Kind: Barrier, Arg: arg, Files: receivedFiles(oob[:oobn])}
		case msgNamespace:
			return Event{Kind: Namespace, Arg: arg, Files: receivedFiles(oob[:oobn])}
		case MsgTerminal:
			return Event{Kind: Terminal, Files: receivedFiles(oob[:oobn])}
		case MsgListener:
			return Event{Kind: Listener, Files: receivedFiles(oob[:oobn])}
		}
	}
}

// receive waits as a goroutine does, not as a thread in a system call: a thread
// of Go's runtime would look after that some ten thousand times a second, on the
// processors that the child needs. A light program has no such thread, and looks
// itself until it is clear that the command is not over soon.
func (p *Process) receive(msg, oob []byte) (n, oobn int, err error) {
	take := func(fd uintptr) bool {
		for {
			n, oobn, _, _, err = syscall.Recvmsg(int(fd), msg, oob, syscall.MSG_CMSG_CLOEXEC)
			if err != syscall.EINTR {
				return err != syscall.EAGAIN
			}
		}
	}
	if light && p.soon() && take(p.fd) {
		return n, oobn, err
	}
	Whole()
	if p.control == nil {
		p.control = os.NewFile(p.fd, "control")
	}
	conn, failed := p.control.SyscallConn()
	if failed == nil {
		failed = conn.Read(take)
	}
	if failed != nil { // Go's poller has no descriptors left
		syscall.SetNonblock(int(p.fd), false)
		take(p.fd)
	}
	return n, oobn, err
}

// soonest is how long a light program waits.
const soonest = 10 * time.Millisecond

// soon waits for what the child says next. It reports whether that came before the
// time was up, and before any signal.
func (p *Process) soon() bool {
	poll := pollfd{fd: int32(p.fd), events: pollIn}
	if p.quiet {
		poll.events = pollReadHangUp
	}
	timeout := syscall.NsecToTimespec(int64(soonest))
	n, _, errno := syscall.RawSyscall6(syscall.SYS_PPOLL, uintptr(unsafe.Pointer(&poll)), 1, uintptr(unsafe.Pointer(&timeout)), 0, 0, 0)
	return errno == 0 && n == 1
}

func receivedFiles(oob []byte) []int {
	messages, err := syscall.ParseSocketControlMessage(oob)
	if err != nil || len(messages) == 0 {
		return nil
	}
	fds, _ := syscall.ParseUnixRights(&messages[0])
	return fds
}

// Quiet says that no step of the program has anything to say that the caller would
// answer. A light program then sleeps until the end, or the time is up: that the command
// was started wakes nobody.
func (p *Process) Quiet() { p.quiet = true }

// Release lets a child at a barrier go on.
func (p *Process) Release() { p.send(0, 0) }

// Outlive has the process that stays wait, once it has said Done, for Dismiss or the end
// of the caller, though not for long. What the kernel does to give the namespaces back
// would be in the caller's way.
func (p *Process) Outlive() { p.image.region.outlives = 1 }

// Dismiss is Wait after Done.
func (p *Process) Dismiss() (Outcome, error) {
	syscall.Shutdown(int(p.fd), syscall.SHUT_WR)
	return p.Wait()
}

// Signal sends sig to the command, or to its process group.
func (p *Process) Signal(sig syscall.Signal, group bool) {
	op := uint8(opSignal)
	if group {
		op = opSignalGroup
	}
	p.send(op, uint8(sig))
}

// ShowNamespace asks the process that stays for a namespace, by the name that
// setns(2) has in /proc/PID/ns. It comes as an Event, if at all.
func (p *Process) ShowNamespace(name string) {
	for i, file := range namespaceFiles {
		if file == name+"\x00" {
			p.send(opNamespace, uint8(i))
		}
	}
}

// NamespaceName is the name of an Event's namespace.
func NamespaceName(number int) string {
	file := namespaceFiles[number&7]
	return file[:len(file)-1]
}

// End asks the process that stays to kill everything.
func (p *Process) End() { p.send(opKillAll, 0) }

func (p *Process) send(op, arg uint8) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return // the number may be somebody else's descriptor by now
	}
	msg := [2]byte{op, arg}
	_, _, errno := syscall.RawSyscall6(syscall.SYS_SENDTO, p.fd, uintptr(unsafe.Pointer(&msg)), 2, msgNoSignal|msgDontWait, 0, 0)
	if errno == syscall.EAGAIN && op == opKillAll {
		// Behind so many messages it would come too late; the end of all messages
		// means the same.
		syscall.Shutdown(int(p.fd), syscall.SHUT_WR)
	}
}

// Continue continues the process that stays, if it was stopped.
func (p *Process) Continue() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.PID != 0 && !p.closed {
		syscall.Kill(p.PID, syscall.SIGCONT)
	}
}

// Kill kills the process that stays; its pid namespace, if it has one, goes
// with it.
func (p *Process) Kill() {
	if p.PID != 0 {
		syscall.Kill(p.PID, syscall.SIGKILL)
	}
}
