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
