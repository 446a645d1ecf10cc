//go:build snug_light && linux && (amd64 || arm64) && !cgo && !race && go1.26 && !go1.27

package child

import (
	"syscall"
	"unsafe"
)

// What the runtime is told before it starts; light.go says what for. The rules for
// the interpreter hold for this file.

//go:linkname mainPC runtime.mainPC
var mainPC uintptr

//go:linkname memProfileRate runtime.MemProfileRate
var memProfileRate int

var lightEntry = lightMain

// openFiles is the limit that this program was started with (getrlimit(2)).
var openFiles syscall.Rlimit

// lighten has the runtime begin with lightMain, and take no profile of memory,
// which nobody reads. Until then nothing can be opened: the runtime would read all
// mounts to find a limit of processors, which can wait (Whole). Where the kernel
// does not let mainPC be written, the start is as always.
//
//go:nosplit
//go:norace
//go:noinline
//go:nocheckptr
func lighten() {
	const size = 4096
	page := uintptr(unsafe.Pointer(&mainPC)) &^ (size - 1)
	_, _, errno := syscall.RawSyscall6(syscall.SYS_MPROTECT, page, size, syscall.PROT_READ|syscall.PROT_WRITE, 0, 0, 0)
	if errno != 0 {
		return
	}
	mainPC = **(**uintptr)(unsafe.Pointer(&lightEntry))
	syscall.RawSyscall6(syscall.SYS_MPROTECT, page, size, syscall.PROT_READ, 0, 0, 0)
	memProfileRate = 0
	_, _, errno = syscall.RawSyscall6(syscall.SYS_PRLIMIT64, 0, syscall.RLIMIT_NOFILE, 0, uintptr(unsafe.Pointer(&openFiles)), 0, 0)
	if errno == 0 {
		none := syscall.Rlimit{Max: openFiles.Max}
		setOpenFiles(&none)
	}
}

//go:nosplit
//go:norace
//go:noinline
//go:nocheckptr
func setOpenFiles(limit *syscall.Rlimit) {
	if limit.Max != 0 {
		syscall.RawSyscall6(syscall.SYS_PRLIMIT64, 0, syscall.RLIMIT_NOFILE, uintptr(unsafe.Pointer(limit)), 0, 0, 0)
	}
}
