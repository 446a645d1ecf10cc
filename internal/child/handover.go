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
	r := made()
	if r == nil || claimed.Swap(true) {
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

// batch is how many steps are worth a message.
const batch = 24

// worthwhile reports whether p has enough steps that the process does not know of: a few
// are enough for one that has none.
func (img *image) worthwhile(p *program.Program) bool {
	if img.steps == 0 {
		return len(p.Steps) > int(img.region.opened)
	}
	return len(p.Steps)-img.steps >= batch
}

// Begin has a process that was made ahead run the steps that p has so far, while
// others are still added; it may be called again when there are more. Start goes on
// with it. The steps must stay as they are, and none may wait for anybody. What needs
// Options, or clones, is left to Start, with all that follows. Without such a process,
// or one that has these namespaces, Begin does nothing.
func Begin(p *program.Program, flags uint64) {
	img := begun.Load()
	if img == nil {
		if img = claim(); img == nil {
			return
		}
		begun.Store(img)
	}
	if img.begins == nil && img.opensAs(p) {
		img.begins = p
	}
	if img.begins != p || !img.worthwhile(p) || !img.suits(p, flags) || !early(p, img.steps) {
		return
	}
	img.add(p)
}

// add has the process run the steps that p has so far.
func (img *image) add(p *program.Program) {
	img.load(p)
	img.text = append(img.text, p.Data[len(img.text):]...)
	img.relocs = append(img.relocs, p.Relocs[len(img.relocs):]...)
	wake(img.region, uint64(img.steps)) // Start will find out
}

// early reports whether steps need nothing that only Start knows.
func early(p *program.Program, from int) bool {
	for i := range p.Steps[from:] {
		s := &p.Steps[from+i]
		if s.Fork || s.Move {
			return false
		}
		for _, a := range s.Args {
			if r := program.Reg(a.Value); a.Kind == program.Content && r >= RegFiles && p.Given[r] != "" {
				return false
			}
		}
	}
	return true
}

// wake has the process go on, up to a step.
func wake(r *region, head uint64) error {
	const size = unsafe.Sizeof(head)
	_, _, errno := syscall.RawSyscall6(syscall.SYS_SENDTO, uintptr(r.pair[0]), uintptr(unsafe.Pointer(&head)), size, msgNoSignal, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// handOver gives p to the process that was made ahead. It returns nil when there
// is none, or none that a clone would be equal to.
func handOver(p *program.Program, o Options) *Process {
	img := begun.Load()
	if img == nil {
		if img = claim(); img == nil {
			return nil
		}
	} else if img.begins != nil && img.begins != p || !begun.CompareAndSwap(img, nil) {
		return nil
	}
	if !o.Inherited || o.CgroupFD > 0 || !img.suits(p, o.Flags) || !img.agrees(p) || img.steps == 0 && !img.opensAs(p) {
		img.drop()
		return nil
	}
	r := img.region
	img.load(p)
	if img.moves {
		img.drop()
		return nil
	}
	img.set(o)
	img.setRanges()
	for i, fd := range closing {
		r.closing[i] = 1 + int32(fd)
	}
	err := wake(r, whole)
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
