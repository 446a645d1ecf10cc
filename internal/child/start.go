package child

import (
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/snug-sandbox/snug/internal/program"
)

// Registers that Start fills in; a program may rely on them.
const (
	RegControl    program.Reg = 1 // the child's end of the control socket
	RegSupervisor program.Reg = 2 // the supervisor's end, to be closed by the child first
	RegMemory     program.Reg = 3 // the first of three pairs: address and length of memory that a program does not need
	RegFiles      program.Reg = 9 // the first descriptor of Options.Files; the others follow
)

// MaxFiles is the most descriptors that Options.Files takes.
const MaxFiles = program.Registers - int(RegFiles) - 23

// Options is what a run of a program needs beside the program.
type Options struct {
	Flags      uint64        // clone(2) flags of the first process: its namespaces
	Files      []int         // descriptors of the caller, given to the program in registers
	Killer     Killer        // how everything is ended
	Linger     bool          // wait for all processes, not only for the command
	Remain     bool          // the same, and whether the supervisor lives or not
	CgroupFD   int           // directory of the cgroup to start in (CLONE_INTO_CGROUP), or 0
	Inherited  bool          // Files, and all others that are open for the command, are as this program was started with them
	Namespaces int           // descriptor of the process that stays for the directory of its namespaces, 0: none
	Idle       time.Duration // an Event of that kind is sent once after this time; 0: never
}

// Killer says how the process that stays ends all others.
type Killer uint64

// Killers.
const (
	KillNamespace Killer = killNamespace // the process that stays is process 1 of a pid namespace
	KillCommand   Killer = killCommand   // the command is process 1 of a pid namespace
	KillChildren  Killer = killChildren  // the pid namespace is shared
)

// Process is a started child.
type Process struct {
	PID     int      // of the process that stays, in the caller's pid namespace
	fd      uintptr  // the control socket, which does not block
	control *os.File // the same, once Go's poller waits for it
	image   *image
	quiet   bool

	mu     sync.Mutex // guards closed
	closed bool       // control is
}

// Start clones a process that runs p. The caller must Receive until Done or
// Gone, and then Wait.
func Start(p *program.Program, o Options) (*Process, error) {
	if len(o.Files) > MaxFiles {
		return nil, syscall.E2BIG
	}
	if started := handOver(p, o); started != nil {
		return started, nil
	}
	img, err := newImage(size(p))
	if err != nil {
		return nil, err
	}
	img.load(p)
	return launch(img, o)
}

// launch clones the first process of an image.
func launch(img *image, o Options) (*Process, error) {
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_SEQPACKET|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		img.free()
		return nil, err
	}
	img.region.regs[RegSupervisor], img.region.regs[RegControl] = uint64(pair[0]), uint64(pair[1])
	img.set(o)
	img.setRanges()
	pid := cloneFirst(img, o)
	syscall.Close(pair[1])
	if pid < 0 {
		syscall.Close(pair[0])
		img.free()
		return nil, syscall.Errno(-pid)
	}
	p := newProcess(int(pid), pair[0], img)
	if img.moves {
		p.follow()
	}
	return p, nil
}

func newProcess(pid, control int, img *image) *Process {
	syscall.SetNonblock(control, true)
	return &Process{PID: pid, fd: uintptr(control), image: img}
}

// follow waits for the first process to hand over. PID is 0 when it did not:
// it failed.
func (p *Process) follow() {
	waitFor(p.PID)
	p.PID = int(p.image.region.moved)
}

// set gives the program what the options say.
func (img *image) set(o Options) {
	r := img.region
	for i, fd := range o.Files {
		r.regs[int(RegFiles)+i] = uint64(fd)
	}
	r.killer = uint64(o.Killer)
	if o.Linger {
		r.linger = 1
	}
	r.namespaces = uint64(o.Namespaces)
	r.idle = syscall.NsecToTimespec(int64(o.Idle))
	if o.Remain {
		r.remain = 1
	}
}

// cloneFirst clones the first process.
func cloneFirst(img *image, o Options) int64 {
	flags := o.Flags | uint64(syscall.SIGCHLD)
	if o.CgroupFD > 0 {
		return cloneBlocked(0, 0, cloneInto(img, flags, o.CgroupFD), img.region)
	}
	return withoutHeap(func() int64 { return cloneBlocked(flags, img.firstStack(), nil, img.region) })
}
