package child

import (
	"syscall"
	"unsafe"
)

// Go's runtime ends a program that it cannot start with a trace of itself and exit
// code 2, before main could say anything. What it takes before main is tried here,
// where a limit (setrlimit(2)) makes it worth the while.
const (
	leastSpace   = 700 << 20 // it reserves for its tables of pages, on 64-bit machines
	leastData    = 44 << 20  // and has as heap and tables
	leastThreads = 8
	manyThreads  = 4096 // a limit that is no sooner met by one user than by the machine
)

const (
	rlimitData  = 2
	rlimitNproc = 6
	rlimitAS    = 9
	mapPrivate  = 0x4022 // MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
)

// What is said then.
var (
	noSpace   = "limit of address space: too little for this program to start\n  try: ulimit -v unlimited, in a shell that may have so much\n"
	noData    = "limit of data: too little for this program to start\n  try: ulimit -d unlimited, in a shell that may have so much\n"
	noThreads = "limit of processes: too few for this program to start, with those that this user has already\n  try: ulimit -u 4096, in a shell that may have so many\n"
)

// enough ends the program where it could not start.
//
//go:nosplit
//go:norace
//go:noinline
//go:nocheckptr
func enough(r *region, stack unsafe.Pointer) {
	switch {
	case limit(r, rlimitAS) < 1<<40 && !maps(leastSpace, 0):
		complain(&noSpace, stack)
	case limit(r, rlimitData) < 1<<40 && !maps(leastData, syscall.PROT_READ|syscall.PROT_WRITE):
		complain(&noData, stack)
	case limit(r, rlimitNproc) < manyThreads && !threads(r):
		complain(&noThreads, stack)
	}
}

// limit is the limit that counts.
//
//go:nosplit
//go:norace
//go:noinline
//go:nocheckptr
func limit(r *region, resource uintptr) uint64 {
	_, _, errno := syscall.RawSyscall6(syscall.SYS_PRLIMIT64, 0, resource, 0, uintptr(unsafe.Pointer(&r.buffer)), 0, 0)
	if errno != 0 {
		return ^uint64(0)
	}
	return *(*uint64)(unsafe.Pointer(&r.buffer))
}

// maps reports whether so much memory could be mapped.
//
//go:nosplit
//go:norace
//go:noinline
func maps(size, prot uintptr) bool {
	at, _, errno := syscall.RawSyscall6(syscall.SYS_MMAP, 0, size, prot, mapPrivate, ^uintptr(0), 0)
	if errno == 0 {
		syscall.RawSyscall6(syscall.SYS_MUNMAP, at, size, 0, 0, 0, 0)
	}
	return errno == 0
}

// threads reports whether so many processes could be made, which count as threads
// do. All run the same few instructions on the same stack, of which they change
// nothing that another would not write in the same way.
//
//go:nosplit
//go:norace
//go:noinline
//go:nocheckptr
func threads(r *region) bool {
	f := pause
	r.entry = **(**uintptr)(unsafe.Pointer(&f))
	made := uintptr(0)
	for made < leastThreads {
		pid := cloneBlocked(0, stackTop(r, 1), nil, r)
		if pid <= 0 {
			break
		}
		r.regs[made&(leastThreads-1)] = uint64(pid)
		made++
	}
	for i := uintptr(0); i < made; i++ {
		pid := r.regs[i&(leastThreads-1)]
		syscall.RawSyscall6(syscall.SYS_KILL, uintptr(pid), uintptr(syscall.SIGKILL), 0, 0, 0, 0)
		bury(int64(pid))
	}
	return made == leastThreads
}

//go:nosplit
//go:norace
//go:noinline
func pause(*region) {
	for {
		syscall.RawSyscall6(syscall.SYS_PPOLL, 0, 0, 0, 0, 0, 0)
	}
}

// complain says so as the program would, by the name that it was called with, and
// ends it: with 125, or with 1 as bubblewrap does.
//
//go:nosplit
//go:norace
//go:noinline
//go:nocheckptr
func complain(text *string, stack unsafe.Pointer) {
	const stderr = 2
	name, code := "snug", uintptr(125)
	if called := *(*unsafe.Pointer)(unsafe.Add(stack, 8)); called != nil && *(*uintptr)(stack) > 0 && calledBwrap(called) {
		name, code = "bwrap", 1
	}
	write(stderr, name)
	write(stderr, ": ")
	write(stderr, *text)
	exit(code)
}

// calledBwrap reports whether the last part of a path is bwrap.
//
//go:nosplit
//go:norace
//go:noinline
//go:nocheckptr
func calledBwrap(path unsafe.Pointer) bool {
	last := path
	for ; *(*byte)(path) != 0; path = unsafe.Add(path, 1) {
		if *(*byte)(path) == '/' {
			last = unsafe.Add(path, 1)
		}
	}
	return equal(last, &bwrapName)
}

var bwrapName = hint{word: "bwrap"}

//go:nosplit
//go:norace
//go:noinline
func write(fd uintptr, text string) {
	syscall.RawSyscall6(syscall.SYS_WRITE, fd, uintptr(unsafe.Pointer(unsafe.StringData(text))), uintptr(len(text)), 0, 0, 0)
}
