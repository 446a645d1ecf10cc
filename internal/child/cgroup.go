package child

import (
	"syscall"
	"unsafe"
)

// cloneArgs is struct clone_args of clone3(2), Linux 5.7.
type cloneArgs struct {
	flags, pidfd, childTID, parentTID, exitSignal uint64
	stack, stackSize, tls, setTID, setTIDSize     uint64
	cgroup                                        uint64
}

// clone3 is clone for the flags that only clone3(2) takes.
//
//go:noescape
func clone3(args *cloneArgs, size uintptr, r *region) int64

// cloneInto clones into a cgroup: not one instruction of the child runs outside
// of it (CLONE_INTO_CGROUP, Linux 5.7).
func cloneInto(img *image, flags uint64, cgroup int) int64 {
	const cloneIntoCgroup = 0x200000000
	bottom := img.firstStack() - (stackSize - 64)
	args := cloneArgs{
		flags: flags&^0xff | cloneIntoCgroup, exitSignal: uint64(syscall.SIGCHLD),
		stack: uint64(bottom), stackSize: stackSize - 64, cgroup: uint64(cgroup),
	}
	return clone3(&args, unsafe.Sizeof(args), img.region)
}
