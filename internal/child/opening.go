package child

import (
	"syscall"
	"unsafe"
)

// The programs of most sandboxes begin in one way, whatever they show. The process that
// was made ahead runs that before it hears of a program at all: it is laid out by the
// linker (opening_amd64.go and its like). Once it comes to the maps of its ids it waits
// until it is told of those (Identify), or what its program does instead. What it began
// with is compared with its program, as is all that it does ahead.
//
// The rules for the interpreter hold for this file.

// openingMajor and openingMinor are the first kernel that the opening is for: it mounts
// on what is not attached yet.
const openingMajor, openingMinor = 6, 15

// mayOpen reports whether the kernel is one that the opening is for (uname(2)).
//
//go:nosplit
//go:norace
//go:noinline
//go:nocheckptr
func mayOpen(r *region) bool {
	const release = 2 * 65 // of struct utsname, behind two other texts
	if len(opening) == 0 {
		return false
	}
	_, _, errno := syscall.RawSyscall6(syscall.SYS_UNAME, uintptr(unsafe.Pointer(&r.buffer)), 0, 0, 0, 0, 0)
	return errno == 0 && atLeast(unsafe.Pointer(&r.buffer[release]), openingMajor, openingMinor)
}

// atLeast compares the two numbers that a text begins with.
//
//go:nosplit
//go:norace
//go:noinline
//go:nocheckptr
func atLeast(text unsafe.Pointer, major, minor uint64) bool {
	first, n := leading(text)
	second, _ := leading(unsafe.Add(text, n+1))
	return first > major || first == major && second >= minor
}

// leading is the number that a text begins with, and how many digits it has.
//
//go:nosplit
//go:norace
//go:noinline
//go:nocheckptr
func leading(text unsafe.Pointer) (number uint64, digits int) {
	for digits < 9 {
		digit := *(*byte)(unsafe.Add(text, digits))
		if digit < '0' || digit > '9' {
			break
		}
		number = 10*number + uint64(digit-'0')
		digits++
	}
	return number, digits
}

// In the seventh place of regs, where no call has an argument, a step of the opening says
// which of its arguments are offsets in openingData, and whether it writes a map.
const (
	inPlace = 7

	writesUsers  = 1 << 6
	writesGroups = 1 << 7
)

// MapSize is the room for a line of a map of ids.
const MapSize = 40

// idMap is what is written to a map of ids.
type idMap struct {
	line [MapSize]byte
	size uint64
}

// runOpening runs the opening up to a step.
//
//go:nosplit
//go:norace
//go:noinline
//go:nocheckptr
func runOpening(r *region, end uint64) {
	for r.resume < end {
		o := (*op)(unsafe.Add(unsafe.Pointer(&opening), uintptr(r.resume)*unsafe.Sizeof(op{})))
		place(r, o)
		r.resume = step(r, o, r.resume)
	}
}

// place has a step of the opening point to its data. The table is this process's own
// copy.
//
//go:nosplit
//go:norace
//go:noinline
//go:nocheckptr
func place(r *region, o *op) {
	marks := o.regs[inPlace]
	for i := range o.args {
		if i < 6 && marks>>i&1 != 0 {
			o.args[i&7] += uint64(uintptr(unsafe.Pointer(&openingData)))
		}
	}
	m := &r.users
	if marks&writesGroups != 0 {
		m = &r.groups
	}
	if marks&(writesUsers|writesGroups) != 0 {
		o.args[1], o.args[2], o.min = uint64(uintptr(unsafe.Pointer(&m.line))), m.size, int64(m.size)
	}
	o.regs[inPlace] = 0
}
