package child

import (
	"syscall"
	"unsafe"
)

// clone makes a process whose stack is at stack and whose first and only call
// is run(r). It is written in assembly because the new process must not return
// into the frames of the old one, whose stack it may share (CLONE_VM). It
// returns the pid or a negated errno.
//
//go:noescape
func clone(flags uint64, stack uintptr, r *region) int64

// clone3 is clone for the flags that only clone3(2) takes.
//
//go:noescape
func clone3(args *cloneArgs, size uintptr, r *region) int64

// cloneBlocked clones with all signals blocked, so that no handler of the Go
// runtime ever runs in the child; the program restores the mask. It is the
// caller's code, but must stay on one thread from the first call to the last:
// nothing here gives the scheduler an opportunity, and a signal cannot. Go's own
// way to stay on a thread would start another thread.
//
//go:nosplit
//go:norace
//go:noinline
//go:nocheckptr
func cloneBlocked(flags uint64, stack uintptr, into *cloneArgs, r *region) (pid int64) {
	const setMask = 2 // SIG_SETMASK
	old := uintptr(unsafe.Pointer(&r.callersMask))
	r.fullMask = ^uint64(0)
	syscall.RawSyscall6(syscall.SYS_RT_SIGPROCMASK, setMask, uintptr(unsafe.Pointer(&r.fullMask)), old, 8, 0, 0)
	if into != nil {
		pid = clone3(into, unsafe.Sizeof(*into), r)
	} else {
		pid = clone(flags, stack, r)
	}
	syscall.RawSyscall6(syscall.SYS_RT_SIGPROCMASK, setMask, old, 0, 8, 0, 0)
	return pid
}

// run is where both cloned processes begin. It does not return.
//
//go:nosplit
//go:norace
//go:noinline
//go:nocheckptr
func run(r *region) {
	i, end := r.resume, r.end
	for i < end {
		o := at(r, i)
		if o.flags&opFork != 0 {
			i = fork(r, i)
			continue
		}
		if o.flags&opMove != 0 {
			move(r, o, i)
		}
		i = step(r, o, i)
	}
	if r.command != 0 {
		reap(r)
	}
	// An execve that works does not come back.
	fail(r, uint64(r.outcome.refused-1), uint64(r.outcome.refusal))
}

// at is step i.
//
//go:nosplit
//go:norace
//go:nocheckptr
func at(r *region, i uint64) *op {
	return (*op)(unsafe.Add(unsafe.Pointer(r.ops), uintptr(i)*unsafe.Sizeof(op{})))
}

const openat2 = 437 // on all machines

// step runs one step and returns the number of the next.
//
//go:nosplit
//go:norace
//go:noinline
//go:nocheckptr
func step(r *region, o *op, i uint64) uint64 {
	a0 := value(r, o, 0)
	a1 := value(r, o, 1)
	a2 := value(r, o, 2)
	a3 := value(r, o, 3)
	a4 := value(r, o, 4)
	a5 := value(r, o, 5)
	var next uint64
	for n := uint16(0); ; n++ {
		res, _, errno := syscall.RawSyscall6(uintptr(o.nr), a0, a1, a2, a3, a4, a5)
		// Any rename or mount elsewhere may have disturbed a lookup (openat2(2)).
		for tries := 0; errno == syscall.EAGAIN && o.nr == openat2 && tries < 1<<16; tries++ {
			res, _, errno = syscall.RawSyscall6(uintptr(o.nr), a0, a1, a2, a3, a4, a5)
		}
		if errno == 0 && int64(res) < o.min {
			errno = syscall.EIO
		}
		if errno == 0 {
			r.regs[o.out&63] = uint64(res)
			if o.store != nil {
				*o.store = uint32(res)
			}
			next = uint64(o.then)
		} else {
			if !accepted(o, errno) {
				fail(r, i, uint64(errno))
			}
			refuse(r, o, i, errno)
			next = uint64(o.els)
		}
		if n == o.repeat {
			return next
		}
		if o.flags&opSecond != 0 {
			a1++
		} else {
			a0++
		}
	}
}

//go:nosplit
//go:norace
func value(r *region, o *op, n int) uintptr {
	if reg := o.regs[n&7]; reg != 0 {
		return uintptr(r.regs[reg&63])
	}
	return uintptr(o.args[n&7])
}

//go:nosplit
//go:norace
func accepted(o *op, errno syscall.Errno) bool {
	e := uint16(errno)
	return o.flags&opAccepts != 0 &&
		(o.accept[0] == e || o.accept[1] == e || o.accept[2] == e || o.accept[3] == e)
}

// refuse remembers an accepted errno where the result shall tell of it. Of
// several refused execves the first one that is not "no such file" counts: a
// program that is there but must not be executed explains more.
//
//go:nosplit
//go:norace
func refuse(r *region, o *op, i uint64, errno syscall.Errno) {
	out := &r.outcome
	if o.flags&opExec != 0 {
		missing := errno == syscall.ENOENT || errno == syscall.ENOTDIR
		known := out.refused != 0 && out.refusal != int32(syscall.ENOENT) && out.refusal != int32(syscall.ENOTDIR)
		if out.refused == 0 || !missing && !known {
			out.refused, out.refusal = int32(i)+1, int32(errno)
		}
	}
	if o.flags&opNote != 0 && out.nnotes < maxNotes {
		n := &out.notes[out.nnotes&(maxNotes-1)]
		n.step, n.errno = int32(i), int32(errno)
		out.nnotes++
	}
}

// fork makes the process that becomes the command. The old process goes on,
// once the new one has executed the command or has failed (CLONE_VFORK), at
// the steps of the process that stays.
//
//go:nosplit
//go:norace
//go:noinline
func fork(r *region, i uint64) uint64 {
	r.resume, r.end = i+1, r.keep // what follows is for the process that stays
	pid := clone(r.cloneFlags, r.stack, r)
	if pid < 0 {
		fail(r, i, uint64(-pid))
	}
	if r.outcome.failed != 0 {
		bury(pid)
		exit(1)
	}
	r.command = pid
	r.outcome.started = 1
	return r.keep
}

// move makes a process that goes on in place of this one, which ends. What a
// process joins (setns(2)) often holds for its children only.
//
//go:nosplit
//go:norace
//go:noinline
func move(r *region, o *op, i uint64) {
	r.resume = i + 1
	pid := clone(o.args[0], r.moveStack, r)
	if pid < 0 {
		fail(r, i, uint64(-pid))
	}
	r.moved = pid
	exit(0)
}

// fail ends this process and leaves the reason for the parent. A command that
// runs already would run on without its reaper.
//
//go:nosplit
//go:norace
//go:noinline
func fail(r *region, i, errno uint64) {
	r.outcome.failed, r.outcome.errno = int32(i)+1, int32(errno)
	if r.command != 0 {
		signal(r, uintptr(r.command), uintptr(syscall.SIGKILL))
		bury(r.command)
	}
	exit(1)
}

// bury leaves no zombie to whoever inherits our children.
//
//go:nosplit
//go:norace
//go:noinline
func bury(pid int64) {
	syscall.RawSyscall6(syscall.SYS_WAIT4, uintptr(pid), 0, wAll, 0, 0, 0)
}

//go:nosplit
//go:norace
//go:noinline
func exit(code uintptr) {
	syscall.RawSyscall6(syscall.SYS_EXIT_GROUP, code, 0, 0, 0, 0, 0)
	for {
		*nowhere = 0 // a filter that was loaded refuses even the end
	}
}

// nowhere is an address that is never mapped.
var nowhere *uint32
