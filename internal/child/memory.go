package child

import (
	"runtime"
	"unsafe"
)

// programBounds are the addresses where this program's code begins and its
// variables end, as the linker knows them.
func programBounds() (from, to uintptr)

// range registers hold what a process that runs a program can do without: all
// memory but this program's code and variables, and the image. Each is the
// address and the length of a range for munmap(2).
const (
	rangeBelow = RegMemory     // below the code: the heap, where the code can be anywhere
	rangeAbove = RegMemory + 2 // from the variables to the image: usually the heap
	rangeTop   = RegMemory + 4 // above the image: stacks, arguments, environment
	rangesEnd  = RegMemory + 6
)

// lowest is the first address that a process can have; see vm.mmap_min_addr.
const lowest = 1 << 16

// setRanges tells the program of its memory. Where the image does not lie above
// the code, nothing can be told: the ranges are empty. So they are in a program
// with C code, whose library has the kernel write to its memory (rseq(2)).
func (img *image) setRanges() {
	r := img.region
	for reg := RegMemory; reg < rangesEnd; reg++ {
		r.regs[reg] = 0
	}
	from, to := programBounds()
	from, to = from&^(pageSize-1), (to+pageSize-1)&^(pageSize-1)
	start := uintptr(unsafe.Pointer(&img.memory[0]))
	end := start + uintptr(len(img.memory))
	if withC || start < to || from <= lowest {
		return
	}
	set := func(reg int, from, to uintptr) {
		r.regs[reg], r.regs[reg+1] = uint64(from), uint64(to-from)
	}
	set(int(rangeBelow), lowest, from)
	set(int(rangeAbove), to, start)
	set(int(rangeTop), end, top())
}

// top is the end of a process's memory.
func top() uintptr {
	if runtime.GOARCH == "arm64" {
		return 1 << 48
	}
	return 1<<47 - pageSize
}
