package child

import (
	"runtime"
	"syscall"
	"unsafe"
)

// sigaction is the kernel's struct sigaction of rt_sigaction(2).
type sigaction struct {
	handler, flags, restorer, mask uint64
}

// Ignored are the signals that this process ignores: bit N-1 for signal N.
func Ignored() uint64 {
	const sigIgnore = 1
	var set uint64
	for sig := uintptr(1); sig <= 64; sig++ {
		var now sigaction
		_, _, errno := syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, sig, 0, uintptr(unsafe.Pointer(&now)), 8, 0, 0)
		if errno == 0 && now.handler == sigIgnore {
			set |= 1 << (sig - 1)
		}
	}
	return set
}

// DefaultAction has sig do to this process what it does to any other, not what
// Go's runtime makes of it.
func DefaultAction(sig syscall.Signal) {
	var now sigaction
	syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(sig), 0, uintptr(unsafe.Pointer(&now)), 8, 0, 0)
	if now.handler > 1 {
		initial := sigaction{}
		syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(&initial)), 0, 8, 0, 0)
	}
}

// StopGroup stops the process group of this process as the terminal's key
// would, this process included, and returns once it is continued. That is at
// once in an orphaned process group, which nobody would ever continue
// (setpgid(2)).
//
// Package os/signal cannot do it: a signal that was asked for once is caught
// for ever, and what is caught stops nothing.
func StopGroup() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const sigIgnore = 1
	initial, ignore, caught := sigaction{}, sigaction{handler: sigIgnore}, sigaction{}
	action := func(now, old *sigaction) {
		syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(syscall.SIGTSTP), uintptr(unsafe.Pointer(now)), uintptr(unsafe.Pointer(old)), 8, 0, 0)
	}
	// The others first. Then this thread, by a signal that no other can take: the
	// stop is complete when the call returns, and happens once.
	action(&ignore, &caught)
	syscall.Kill(0, syscall.SIGTSTP)
	action(&initial, nil)
	syscall.RawSyscall(syscall.SYS_TGKILL, uintptr(syscall.Getpid()), uintptr(syscall.Gettid()), uintptr(syscall.SIGTSTP))
	action(&caught, nil)
}
