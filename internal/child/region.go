// Package child clones a process straight into its namespaces and lets it run
// a program.Program with nothing but raw system calls. It is the only place
// with unsafe code; with package program it is all that has to be read to know
// what happens between clone and execve.
//
// # Rules of the code in interpret.go, reap.go, ahead.go, opening.go, lighten.go, guess.go and scarce.go
//
// It runs in a process that was cloned from one thread of a Go program. There
// is no scheduler, no garbage collector and no other thread, and any lock of
// the runtime may be held for ever. So it must not allocate, grow its stack,
// take a lock, or call anything but syscall.RawSyscall6. Its functions are
// nosplit (the linker then proves that the stack they have is enough) and
// norace; array indexes are masked or constant, so that no bounds check calls
// the runtime. A test disassembles them and compares the calls that they make
// with a list.
package child

import (
	"syscall"
	"unsafe"

	"github.com/snug-sandbox/snug/internal/program"
)

// region is the memory that the child works in. It is mapped MAP_SHARED, so
// that the parent reads what happened from it; nothing of it survives execve.
type region struct {
	entry uintptr // of run; clone's assembly looks for it here
	local uintptr // thread-local storage, where assembly looks for it, see there

	regs [program.Registers]uint64

	ops  *op    // the steps
	end  uint64 // where a cloned process stops
	keep uint64 // first step of the process that stays

	cloneFlags uint64  // flags of the second clone
	stack      uintptr // its stack
	resume     uint64  // the step at which a cloned process begins
	moved      int64   // pid of the process that took the first one's place
	moveStack  uintptr // its stack

	outcome outcome

	fullMask, callersMask uint64 // signals, while the first process is cloned

	aheadFlags uint64 // namespaces of the process that was made ahead
	opened     uint64 // how many steps of the opening it runs
	users      idMap  // that it writes
	groups     idMap
	aheadPID   int64     // its pid, or a negated errno
	splitter   int64     // pid of the process that makes it
	pair       [2]int32  // the control socket: the supervisor's end and the other
	affinity   uintptr   // how long the masks of processors are in bytes, 0: there are none
	all        [256]byte // that the program may use
	others     [256]byte // all but the one that it ran on
	closing    [16]int32 // 1 + descriptors that became close-on-exec since

	// Work space of the reaper.
	linger     uint64
	remain     uint64           // live on without the supervisor
	outlives   uint64           // wait for the supervisor when all is done
	idle       syscall.Timespec // until the supervisor is told that the command runs on; 0: it is not
	killer     uint64           // one of the kill… constants
	namespaces uint64           // descriptor of /proc/self/ns, 0: none
	command    int64            // pid of the command, as the reaper sees it
	ended      uint64           // the command has ended
	polls      [2]pollfd
	status     int32
	_          int32
	usage      syscall.Rusage
	message    [8]byte
	buffer     [512]byte
	sigmask    uint64
	rights     rights
	exitCode   uint64
}

// outcome is what the parent reads once the child is gone.
type outcome struct {
	failed   int32 // 1 + number of the step that failed, 0: none did
	errno    int32
	refused  int32 // 1 + number of the most telling refused execve
	refusal  int32
	started  int32 // the command was executed
	ended    int32 // the command ended, Status and Usage are valid
	status   int32 // as wait4(2) gives it
	left     int32 // processes that were killed after the command had ended
	baseline int64 // the reaper's own peak memory in KiB
	usage    syscall.Rusage
	total    syscall.Rusage // of all processes that were waited for
	nnotes   uint64
	notes    [maxNotes]note
}

// rights is a message with one descriptor: struct msghdr, its iovec and its control
// message (sendmsg(2), unix(7)).
type rights struct {
	name, nameSize, iov, iovSize, control, controlSize, flags uint64

	text, textSize uint64

	size        uint64
	level, kind int32
	fd, _       int32
}

type note struct {
	step  int32
	errno int32
}

const maxNotes = 64 // a power of two: indexes are masked

type pollfd struct {
	fd      int32
	events  int16
	revents int16
}

// How the reaper ends what is left when the command has ended.
const (
	killNamespace = iota // kill(-1): the reaper is process 1 of a pid namespace
	killCommand          // the command is process 1 of one, nothing outlives it
	killChildren         // by the list in /proc/thread-self/children: the pid namespace is shared
)

// op is a program.Step in the form that the interpreter reads.
type op struct {
	nr     uint64
	args   [8]uint64 // of 6; indexes are masked
	regs   [8]uint8  // register of each argument, 0: args holds the value
	out    uint8
	flags  uint8
	accept [program.MaxAccept]uint16
	repeat uint16
	then   int32 // next step after success
	els    int32 // next step after an accepted errno
	min    int64
	store  *uint32 // where the low 32 bits of the result go too
}

const (
	opFork = 1 << iota
	opExec
	opNote
	opAccepts
	opSecond // the second argument grows when the step is repeated
	opMove
)

const (
	pageSize   = 4096
	stackSize  = 4096 // each; the linker proves that less than 1 KiB is used
	regionSize = 2*pageSize + 3*stackSize
)

// The struct must leave the stacks alone.
var _ [2*pageSize - unsafe.Sizeof(region{})]byte
