package child

import (
	"sync/atomic"
	"syscall"
	"unsafe"

	"github.com/snug-sandbox/snug/internal/program"
)

var claimed atomic.Bool

// claim returns the image of the process that was made ahead, once.
func claim() *image {
	if ahead == 0 || claimed.Swap(true) {
		return nil
	}
	r := *(**region)(unsafe.Pointer(&ahead))
	if r.splitter <= 0 {
		return nil
	}
	return &image{memory: unsafe.Slice((*byte)(unsafe.Pointer(r)), aheadSize), region: r, static: true}
}

// handOver gives p to the process that was made ahead. It returns nil when there
// is none, or none that a clone would be equal to.
func handOver(p *program.Program, o Options) *Process {
	img := claim()
	if img == nil {
		return nil
	}
	r := img.region
	if !o.Inherited || o.Flags != r.aheadFlags || o.CgroupFD > 0 || regionSize+size(p) > aheadSize || len(closing) > len(r.closing) {
		img.drop()
		return nil
	}
	img.clear()
	img.load(p)
	if img.moves {
		img.drop()
		return nil
	}
	r.regs[RegSupervisor], r.regs[RegControl] = uint64(r.pair[0]), uint64(r.pair[1])
	img.set(o)
	img.setRanges()
	for i, fd := range closing {
		r.closing[i] = 1 + int32(fd)
	}
	_, _, errno := syscall.RawSyscall6(syscall.SYS_SENDTO, uintptr(r.pair[0]), uintptr(unsafe.Pointer(&r.end)), 1, msgNoSignal, 0, 0)
	waitFor(int(r.splitter))
	if r.aheadPID <= 0 || errno != 0 {
		img.drop() // a clone will say why there are no namespaces
		return nil
	}
	return newProcess(int(r.aheadPID), int(r.pair[0]), img)
}

// drop ends the process that was made ahead.
func (img *image) drop() {
	r := img.region
	syscall.Close(int(r.pair[0]))
	waitFor(int(r.splitter))
	if r.aheadPID > 0 {
		waitFor(int(r.aheadPID))
	}
}

// closing are the arguments of CloseOnExec. Programs call it before they start
// anything, from one goroutine.
var closing []int

// CloseOnExec keeps a descriptor that this program was started with from what it
// starts (FD_CLOEXEC, fcntl(2)), from a process that was made ahead, too.
func CloseOnExec(fd int) {
	syscall.CloseOnExec(fd)
	closing = append(closing, fd)
}

// waitFor waits for the end of a child, whether that is announced by SIGCHLD or
// not.
func waitFor(pid int) (status syscall.WaitStatus, err error) {
	for {
		if _, err = syscall.Wait4(pid, &status, wAll, nil); err != syscall.EINTR {
			return status, err
		}
	}
}
