package child

import (
	"encoding/binary"
	"sync"
	"syscall"
)

// ArgumentPages returns the pages at the top of the stack where the kernel put
// the arguments and the environment of this process; 0, 0 when they cannot be
// told. The process that stays unmaps them from its copy, because anyone may
// read /proc/1/cmdline. They lie between the random bytes (AT_RANDOM) and the
// file name of the program (AT_EXECFN) that getauxval(3) describes.
var ArgumentPages = sync.OnceValues(func() (from, size uint64) {
	// Package os would register the file with the poller, which has to be set up.
	var buffer [2048]byte
	fd, err := syscall.Open("/proc/self/auxv", syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return 0, 0
	}
	defer syscall.Close(fd)
	n, err := syscall.Read(fd, buffer[:])
	if err != nil {
		return 0, 0
	}
	aux := buffer[:n]
	const atRandom, atExecfn = 25, 31
	var random, name uint64
	for ; len(aux) >= 16; aux = aux[16:] {
		switch value := binary.NativeEndian.Uint64(aux[8:]); binary.NativeEndian.Uint64(aux) {
		case atRandom:
			random = value
		case atExecfn:
			name = value
		}
	}
	from = random &^ (pageSize - 1)
	to := name&^(pageSize-1) + pageSize
	if random == 0 || to <= from || to-from > 16<<20 {
		return 0, 0
	}
	return from, to - from
})
