package child

import (
	"bytes"
	"slices"
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
	return &image{memory: unsafe.Slice((*byte)(unsafe.Pointer(r)), aheadSize), region: r, static: true, dataAt: aheadData}
}

// aheadData is where the data of a program begins, which may get more steps.
const aheadData = aheadSize/2 - regionSize

// suits reports whether the process that was made ahead has these namespaces, and
// room for p.
func (img *image) suits(p *program.Program, flags uint64) bool {
	r := img.region
	return flags == r.aheadFlags && len(closing) <= len(r.closing) &&
		len(p.Steps)*int(unsafe.Sizeof(op{})) < aheadData && len(p.Data)+8 < aheadSize/2
}

// begun is the image of the process that has begun.
var begun atomic.Pointer[image]

// Begin has a process that was made ahead run the first steps of a program while
// the others are still added; Start goes on with it. The steps must stay as they
// are; none of them clones, waits for anybody, or depends on Options. Without such a
// process, or one that has these namespaces, it does nothing.
func Begin(p *program.Program, flags uint64) {
	img := claim()
	if img == nil {
		return
	}
	if !img.suits(p, flags) {
		img.drop()
		return
	}
	r := img.region
	img.clear()
	img.load(p)
	img.text, img.relocs = bytes.Clone(p.Data), slices.Clone(p.Relocs)
	img.prepare()
	r.head = uint64(len(p.Steps))
	if img.moves || r.cloneFlags != 0 || img.wake() != nil {
		img.drop()
		return
	}
	begun.Store(img)
}

// prepare gives a program the registers that do not depend on Options.
func (img *image) prepare() {
	r := img.region
	r.regs[RegSupervisor], r.regs[RegControl] = uint64(r.pair[0]), uint64(r.pair[1])
	img.setRanges()
	for i, fd := range closing {
		r.closing[i] = 1 + int32(fd)
	}
	img.closing = len(closing)
}

// wake has the process go on.
func (img *image) wake() error {
	r := img.region
	_, _, errno := syscall.RawSyscall6(syscall.SYS_SENDTO, uintptr(r.pair[0]), uintptr(unsafe.Pointer(&r.end)), 1, msgNoSignal, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// handOver gives p to the process that was made ahead. It returns nil when there
// is none, or none that a clone would be equal to.
func handOver(p *program.Program, o Options) *Process {
	img := begun.Swap(nil)
	if img == nil {
		if img = claim(); img == nil {
			return nil
		}
		img.clear()
	} else if img.closing != len(closing) || !img.agrees(p) {
		img.drop()
		return nil
	}
	if !o.Inherited || o.CgroupFD > 0 || !img.suits(p, o.Flags) {
		img.drop()
		return nil
	}
	r := img.region
	img.load(p)
	if img.moves {
		img.drop()
		return nil
	}
	if r.head == 0 {
		img.prepare()
	}
	img.set(o)
	err := img.wake()
	waitFor(int(r.splitter))
	if r.aheadPID <= 0 || err != nil {
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
