package child

import "syscall"

// cloneArgs is struct clone_args of clone3(2), Linux 5.7.
type cloneArgs struct {
	flags, pidfd, childTID, parentTID, exitSignal uint64
	stack, stackSize, tls, setTID, setTIDSize     uint64
	cgroup                                        uint64
}

// cloneInto is the clone into a cgroup: not one instruction of the child runs
// outside of it (CLONE_INTO_CGROUP, Linux 5.7).
func cloneInto(img *image, flags uint64, cgroup int) *cloneArgs {
	const cloneIntoCgroup = 0x200000000
	bottom := img.firstStack() - (stackSize - 64)
	return &cloneArgs{
		flags: flags&^0xff | cloneIntoCgroup, exitSignal: uint64(syscall.SIGCHLD),
		stack: uint64(bottom), stackSize: stackSize - 64, cgroup: uint64(cgroup),
	}
}
