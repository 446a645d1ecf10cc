package child

import (
	"bytes"
	"slices"
	"syscall"
	"unsafe"

	"github.com/snug-sandbox/snug/internal/program"
)

// image is the memory of one run: the region, three stacks, the steps and the
// data of a program.
type image struct {
	memory []byte
	data   []byte // of the program
	region *region
	static bool // the memory stays
	moves  bool // the first process hands over to another one

	dataAt int // where the data begins, behind the region; the steps come before
	steps  int // that are loaded

	// Of a process that was made ahead.
	begins *program.Program // that it has begun
	relocs []program.Reloc  // that were loaded
	text   []byte           // data that was loaded, which the steps may have changed since
}

// newImage maps the memory for a program of the given size.
func newImage(size int) (*image, error) {
	size = (regionSize + size + pageSize - 1) &^ (pageSize - 1)
	memory, err := syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED|syscall.MAP_ANON)
	if err != nil {
		return nil, err
	}
	img := &image{memory: memory, region: (*region)(unsafe.Pointer(&memory[0]))}
	img.region.entry = entryPoint()
	furnish(img.region)
	return img, nil
}

// size is what p needs in an image.
func size(p *program.Program) int {
	return len(p.Steps)*int(unsafe.Sizeof(op{})) + len(p.Data) + 8
}

// load lays p out in the image, but for what was loaded before. It trusts p.Check.
func (img *image) load(p *program.Program) {
	if img.dataAt == 0 {
		img.dataAt = len(p.Steps) * int(unsafe.Sizeof(op{}))
	}
	free := img.memory[regionSize:]
	first := (*op)(unsafe.Pointer(&free[0]))
	ops := unsafe.Slice(first, len(p.Steps)+1)[:len(p.Steps)]
	data := free[img.dataAt:]
	copy(data[len(img.text):], p.Data[len(img.text):])
	img.data = data[:len(p.Data)]
	for _, r := range p.Relocs[len(img.relocs):] {
		*(*unsafe.Pointer)(unsafe.Pointer(&data[r.At])) = unsafe.Pointer(&data[r.To])
	}
	r := img.region
	for i := img.steps; i < len(p.Steps); i++ {
		translate(&ops[i], &p.Steps[i], i, data)
		if p.Steps[i].Fork {
			r.cloneFlags = p.Steps[i].Args[0].Value
		}
		img.moves = img.moves || p.Steps[i].Move
	}
	r.ops, r.end, r.keep = first, uint64(len(p.Steps)), uint64(p.Keep)
	img.steps = len(p.Steps)
}

// agrees reports whether p begins with what is loaded.
func (img *image) agrees(p *program.Program) bool {
	n := len(img.relocs)
	if len(p.Steps) < img.steps || !bytes.HasPrefix(p.Data, img.text) || len(p.Relocs) < n || !slices.Equal(p.Relocs[:n], img.relocs) {
		return false
	}
	for _, r := range p.Relocs[n:] {
		if int(r.At) < len(img.text) {
			return false
		}
	}
	loaded := unsafe.Slice(img.region.ops, img.steps)
	for i := range loaded {
		var o op
		if translate(&o, &p.Steps[i], i, img.memory[regionSize+img.dataAt:]); o != loaded[i] {
			return false
		}
	}
	return true
}

func translate(o *op, s *program.Step, index int, data []byte) {
	o.nr, o.out, o.repeat, o.min = uint64(s.Call.Nr), uint8(s.Out), s.Repeat, s.Min
	for i, a := range s.Args {
		switch a.Kind {
		case program.Number:
			o.args[i] = a.Value
		case program.Address:
			o.args[i] = uint64(uintptr(unsafe.Pointer(&data[a.Value])))
		case program.Content:
			o.regs[i] = uint8(a.Value)
		}
	}
	for i, e := range s.Accept {
		o.accept[i] = uint16(e)
		if e != 0 {
			o.flags |= opAccepts
		}
	}
	o.then, o.els = following(s.Then, index), following(s.Else, index)
	if s.Store != 0 {
		o.store = (*uint32)(unsafe.Pointer(&data[s.Store]))
	}
	if s.Fork {
		o.flags |= opFork
	}
	if s.Move {
		o.flags |= opMove
	}
	if s.Exec {
		o.flags |= opExec
	}
	if s.RepeatArg == 1 {
		o.flags |= opSecond
	}
	if s.Note != "" {
		o.flags |= opNote
	}
}

func following(next, index int) int32 {
	if next == 0 {
		next = index + 1
	}
	return int32(next)
}

// firstStack is the top of the first process's stack.
func (img *image) firstStack() uintptr { return stackTop(img.region, 2) }

func (img *image) free() {
	if img.memory != nil && !img.static {
		syscall.Munmap(img.memory)
		img.memory, img.region = nil, nil
	}
}

// entryPoint is the address of run's own code. What assembly sees under that
// name is a wrapper, which in a build with the race detector calls it, and which
// the linker's stack check would take for a cycle.
func entryPoint() uintptr {
	f := run
	return **(**uintptr)(unsafe.Pointer(&f))
}
