package child

import (
	"syscall"
	"unsafe"
)

// A program that is linked with the entry point snug_ahead (ld -E; see the
// Makefile) clones its first process before Go's runtime starts. There is next to
// no memory then that would have to be copied, and the kernel makes the
// namespaces on another processor while the runtime starts and the plan is
// compiled.
//
// The new process then waits on the control socket for its program. Its end is
// that of the other side: this program's end, in whatever way, or its finding
// that the namespaces were guessed wrong (handover.go).
//
// The rules for the interpreter hold for this file: its code runs before there
// is a runtime, and in the new processes.

// ahead is the region of the process that was made ahead, 0 without one. Assembly
// sets it, and goes on at aheadEntry.
var (
	ahead      uintptr
	aheadEntry = makeAhead
)

// aheadSize is how much address space assembly takes for its image; only what is
// used becomes memory.
const aheadSize = 1 << 20

// makeAhead is the first code of the program. The kernel put the arguments at
// stack.
//
//go:nosplit
//go:norace
//go:noinline
//go:nocheckptr
func makeAhead(r *region, stack unsafe.Pointer) {
	enough(r, stack)
	r.aheadFlags = guess(r, stack)
	if r.aheadFlags == 0 {
		return
	}
	_, _, errno := syscall.RawSyscall6(syscall.SYS_SOCKETPAIR, syscall.AF_UNIX, syscall.SOCK_SEQPACKET|syscall.SOCK_CLOEXEC, 0,
		uintptr(unsafe.Pointer(&r.pair)), 0, 0)
	if errno != 0 {
		return
	}
	if r.pair[0] > 2 && r.pair[1] > 2 { // Go will open what is missing of 0, 1 and 2
		f := split
		r.entry = **(**uintptr)(unsafe.Pointer(&f))
		elsewhere(r)
		furnish(r)
		r.regs[RegSupervisor], r.regs[RegControl] = uint64(r.pair[0]), uint64(r.pair[1])
		r.splitter = cloneBlocked(0, stackTop(r, 1), nil, r)
		if r.affinity != 0 && r.splitter > 0 {
			syscall.RawSyscall6(syscall.SYS_SCHED_SETAFFINITY, uintptr(r.splitter), r.affinity, uintptr(unsafe.Pointer(&r.others)), 0, 0, 0)
		}
	}
	closeFD(r.pair[1])
	if r.splitter <= 0 {
		closeFD(r.pair[0])
		return
	}
	lighten()
}

// nobody is, of all descriptors, the one that nobody has.
const nobody = ^uint64(0)

// furnish gives a region what it has before a program is loaded.
//
//go:nosplit
//go:norace
//go:noinline
//go:nocheckptr
func furnish(r *region) {
	r.stack, r.moveStack = stackTop(r, 0), stackTop(r, 1)
	for i := range r.regs {
		r.regs[i&63] = nobody
	}
}

// stackTop is where stack n of a region begins.
//
//go:nosplit
//go:norace
//go:noinline
//go:nocheckptr
func stackTop(r *region, n uintptr) uintptr {
	return uintptr(unsafe.Pointer(r)) + regionSize - n*stackSize - 64
}

//go:nosplit
//go:norace
//go:noinline
func closeFD(fd int32) {
	syscall.RawSyscall6(syscall.SYS_CLOSE, uintptr(fd), 0, 0, 0, 0, 0)
}

// split is the life of a process that makes the first one, its sibling, so that
// the program need not wait for the namespaces.
//
//go:nosplit
//go:norace
//go:noinline
//go:nocheckptr
func split(r *region) {
	f := await
	r.entry = **(**uintptr)(unsafe.Pointer(&f))
	r.aheadPID = clone(r.aheadFlags|syscall.CLONE_PARENT, stackTop(r, 2), r)
	exit(0)
}

// elsewhere notes the processors that this process may use, and which of them it
// does not run on now. The process that is made next is to begin on one of those
// at once: most schedulers see to that, but that of some virtual machines leaves a
// new process where it was made until the program waits. A process that waits for
// its turn is moved without its help.
//
//go:nosplit
//go:norace
//go:noinline
//go:nocheckptr
func elsewhere(r *region) {
	const size = unsafe.Sizeof(r.all)
	n, _, errno := syscall.RawSyscall6(syscall.SYS_SCHED_GETAFFINITY, 0, size, uintptr(unsafe.Pointer(&r.all)), 0, 0, 0)
	cpu := uintptr(processor(r))
	if errno != 0 || cpu >= 8*n {
		return // more processors than there are bits
	}
	for i := uintptr(0); i < n; i++ {
		r.others[i&(size-1)] = r.all[i&(size-1)]
	}
	r.others[cpu/8&(size-1)] &^= 1 << (cpu % 8)
	r.affinity = n
}

// processor is the one that this process runs on.
//
//go:nosplit
//go:norace
//go:noinline
//go:nocheckptr
func processor(r *region) uint32 {
	syscall.RawSyscall6(sysGetcpu, uintptr(unsafe.Pointer(&r.message)), 0, 0, 0, 0, 0)
	return *(*uint32)(unsafe.Pointer(&r.message))
}

// await waits for a program and runs it. Every program closes the supervisor's
// end of the control socket. Here it has to be closed before, and its number
// becomes something else that may be closed.
//
//go:nosplit
//go:norace
//go:noinline
//go:nocheckptr
func await(r *region) {
	control, supervisor := uintptr(r.pair[1]), uintptr(r.pair[0])
	syscall.RawSyscall6(syscall.SYS_DUP3, control, supervisor, syscall.O_CLOEXEC, 0, 0, 0)
	f := run
	r.entry = **(**uintptr)(unsafe.Pointer(&f)) // for the second clone
	if r.opened > 0 {
		runOpening(r, openingIDs)
	} else if r.aheadFlags&syscall.CLONE_NEWNET != 0 {
		loopback(r)
	}
	for head := receive(r, control); head != whole; head = receive(r, control) {
		if head == identified {
			runOpening(r, uint64(len(opening)))
			continue
		}
		for r.resume < head {
			r.resume = step(r, at(r, r.resume), r.resume)
		}
	}
	for i := 0; i < len(r.closing); i++ {
		if fd := r.closing[i] - 1; fd >= 0 {
			syscall.RawSyscall6(syscall.SYS_FCNTL, uintptr(fd), syscall.F_SETFD, syscall.FD_CLOEXEC, 0, 0, 0)
		}
	}
	if r.affinity != 0 {
		settle(r)
	}
	run(r)
}

// whole is the message that all of the program is there, identified that the ids are
// known. Others tell how many steps of the program are there.
const (
	whole      = ^uint64(0)
	identified = whole - 1
)

// receive waits for a message. The other side's end is the end of this process.
//
//go:nosplit
//go:norace
//go:noinline
//go:nocheckptr
func receive(r *region, control uintptr) uint64 {
	const size = unsafe.Sizeof(r.message)
	n, _, _ := syscall.RawSyscall6(syscall.SYS_RECVFROM, control, uintptr(unsafe.Pointer(&r.message)), size, 0, 0, 0)
	if n != size {
		exit(0)
	}
	return *(*uint64)(unsafe.Pointer(&r.message))
}

// settle gives this process the processors of the program again. Those that its
// cpuset has are asked for as all there are, where that comes to the same: a process
// that asked for some would not get those that the cpuset gets later (cpuset(7)).
//
//go:nosplit
//go:norace
//go:noinline
//go:nocheckptr
func settle(r *region) {
	const size = unsafe.Sizeof(r.all)
	for i := uintptr(0); i < size; i++ {
		r.others[i&(size-1)] = 0xff
	}
	syscall.RawSyscall6(syscall.SYS_SCHED_SETAFFINITY, 0, size, uintptr(unsafe.Pointer(&r.others)), 0, 0, 0)
	n, _, errno := syscall.RawSyscall6(syscall.SYS_SCHED_GETAFFINITY, 0, size, uintptr(unsafe.Pointer(&r.others)), 0, 0, 0)
	same := errno == 0 && n == r.affinity
	for i := uintptr(0); i < r.affinity; i++ {
		same = same && r.others[i&(size-1)] == r.all[i&(size-1)]
	}
	if !same {
		syscall.RawSyscall6(syscall.SYS_SCHED_SETAFFINITY, 0, r.affinity, uintptr(unsafe.Pointer(&r.all)), 0, 0, 0)
	}
}

// loopback brings up the loopback interface, which every program with a network of
// its own does, too: there it takes longer. The opening has it.
//
//go:nosplit
//go:norace
//go:noinline
//go:nocheckptr
func loopback(r *region) {
	const flags = 16 // of struct ifreq; the name comes before (netdevice(7))
	fd, _, errno := syscall.RawSyscall6(syscall.SYS_SOCKET, syscall.AF_INET, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0, 0, 0, 0)
	if errno != 0 {
		return
	}
	for i := 0; i < 40; i++ {
		r.buffer[i] = 0
	}
	r.buffer[0], r.buffer[1], r.buffer[flags] = 'l', 'o', syscall.IFF_UP
	syscall.RawSyscall6(syscall.SYS_IOCTL, fd, syscall.SIOCSIFFLAGS, uintptr(unsafe.Pointer(&r.buffer)), 0, 0, 0)
	closeFD(int32(fd))
}
