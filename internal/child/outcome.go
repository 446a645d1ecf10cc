package child

import (
	"bytes"
	"syscall"
)

// Outcome is what became of a child.
type Outcome struct {
	Started bool // the command was executed
	Ended   bool // the command ended; Status and Usage are valid
	Status  syscall.WaitStatus
	Usage   syscall.Rusage // of the command and the children it waited for
	Total   syscall.Rusage // of every process that was waited for
	Left    int            // processes killed after the command had ended

	// Baseline is the peak memory in KiB that the kernel counts for the
	// command by mistake, being that of the process it was cloned from; only a
	// larger Usage.Maxrss says something about the command.
	Baseline int64

	Killed syscall.Signal // the signal that ended the process that stays, 0: none did

	Failed int           // number of the step that failed, -1 if none did
	Errno  syscall.Errno // with what
	Notes  []Note        // accepted refusals of steps with a note
}

// Note is an accepted refusal.
type Note struct {
	Step  int
	Errno syscall.Errno
}

// Text returns the C string at an offset of the program's data, as the child
// left it.
func (p *Process) Text(offset uint32) string {
	text, _, _ := bytes.Cut(p.image.data[offset:], []byte{0})
	return string(text)
}

// Command is the pid of the command as the process that stays sees it, once it
// was executed.
func (p *Process) Command() int { return int(p.image.region.command) }

// Wait waits for the end of the process that stays and releases everything
// that belongs to it.
func (p *Process) Wait() (Outcome, error) {
	var status syscall.WaitStatus
	var err error
	if p.PID != 0 {
		status, err = waitFor(p.PID)
	}
	if err == syscall.ECHILD {
		// The caller ignores SIGCHLD, so the kernel reaped it. What became of the
		// command is known all the same.
		err = nil
	}
	o := p.Outcome()
	if err == nil && status.Signaled() {
		o.Killed = status.Signal()
	}
	p.mu.Lock()
	p.closed = true
	if p.control != nil {
		p.control.Close()
	} else {
		syscall.Close(int(p.fd))
	}
	p.mu.Unlock()
	p.image.free()
	return o, err
}

// Outcome is what became of the child so far. It is complete after Done.
func (p *Process) Outcome() Outcome { return p.image.region.outcome.export() }

func (o *outcome) export() Outcome {
	e := Outcome{
		Started: o.started != 0, Ended: o.ended != 0,
		Status: syscall.WaitStatus(o.status), Usage: o.usage, Total: o.total, Left: int(o.left), Baseline: o.baseline,
		Failed: int(o.failed) - 1, Errno: syscall.Errno(o.errno),
	}
	for _, n := range o.notes[:min(o.nnotes, maxNotes)] {
		e.Notes = append(e.Notes, Note{Step: int(n.step), Errno: syscall.Errno(n.errno)})
	}
	return e
}
