package seccomp

import (
	"encoding/binary"
	"slices"

	"golang.org/x/sys/unix"
)

// Opcodes of classic BPF that filters are made of (Documentation/networking/filter.rst).
const (
	opLoad    = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
	opAnd     = unix.BPF_ALU | unix.BPF_AND | unix.BPF_K
	opJump    = unix.BPF_JMP | unix.BPF_JA
	opEqual   = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
	opGreater = unix.BPF_JMP | unix.BPF_JGT | unix.BPF_K
	opAtLeast = unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K
	opReturn  = unix.BPF_RET | unix.BPF_K
)

// Offsets in struct seccomp_data, on little-endian machines.
const (
	atNumber = 0
	atArch   = 4
	atArgs   = 16 // of 8 bytes each, the low half first
)

// maxInstructions is BPF_MAXINSNS, the most that the kernel takes.
const maxInstructions = 4096

type instruction struct {
	code   uint16
	jt, jf uint8
	k      uint32
}

// place is an instruction of an assembler's.
type place int

// assembler writes a program from its end to its beginning: jumps lead forward
// only, so that a target is always there before what jumps to it.
type assembler struct {
	reversed []instruction
	returns  map[verdict]place // the nearest return of each value
}

func (a *assembler) add(i instruction) place {
	a.reversed = append(a.reversed, i)
	return place(len(a.reversed) - 1)
}

// distance is how many instructions an instruction that is added now would have
// to skip to come to p.
func (a *assembler) distance(p place) int { return len(a.reversed) - 1 - int(p) }

// ret returns a place that returns v. One that is near is used again.
func (a *assembler) ret(v verdict) place {
	if p, ok := a.returns[v]; ok && a.distance(p) < 128 {
		return p
	}
	p := a.add(instruction{code: opReturn, k: uint32(v)})
	a.returns[v] = p
	return p
}

// near returns p, or a jump to p where p is too far for a condition's 8 bits.
func (a *assembler) near(p place) place {
	if a.distance(p) < 254 { // one more jump may come in between
		return p
	}
	return a.add(instruction{code: opJump, k: uint32(a.distance(p))})
}

// branch adds a comparison of the accumulator.
func (a *assembler) branch(code uint16, k uint32, yes, no place) place {
	if yes == no {
		return yes
	}
	yes = a.near(yes)
	no = a.near(no)
	return a.add(instruction{code, uint8(a.distance(yes)), uint8(a.distance(no)), k})
}

// then adds an instruction that is followed by p.
func (a *assembler) then(code uint16, k uint32, p place) place {
	if d := a.distance(p); d > 0 {
		a.add(instruction{code: opJump, k: uint32(d)})
	}
	return a.add(instruction{code: code, k: k})
}

// test adds the comparison of an argument.
func (a *assembler) test(c condition, deny bool, yes, no place) place {
	switch c.op {
	case unequal:
		yes, no = no, yes
		fallthrough
	case equal:
		return a.testEqual(c, c.wide(deny), yes, no)
	case lessEqual:
		return a.testGreater(c, opGreater, c.wide(deny), no, yes)
	case less:
		return a.testGreater(c, opAtLeast, c.wide(deny), no, yes)
	case greater:
		return a.testGreater(c, opGreater, c.wide(deny), yes, no)
	}
	return a.testGreater(c, opAtLeast, c.wide(deny), yes, no)
}

// wide reports whether the condition looks at the whole register. A call may
// take its lower half only, which a filter does not know: what denies fits
// when one of the two readings does, what allows when both do. Each comes down
// to a single comparison, because the half is never greater than the whole.
func (c condition) wide(deny bool) bool {
	switch {
	case c.value>>32 != 0:
		return true
	case c.mask != ^uint64(0):
		return c.mask>>32 != 0
	case c.op == equal, c.op == less, c.op == lessEqual:
		return !deny
	}
	return deny
}

func (a *assembler) testEqual(c condition, wide bool, yes, no place) place {
	p := a.half(c, 0, opEqual, yes, no)
	if wide {
		p = a.half(c, 1, opEqual, p, no)
	}
	return p
}

// testGreater adds low > value, or >= as code says; the upper half decides first
// where it counts.
func (a *assembler) testGreater(c condition, code uint16, wide bool, yes, no place) place {
	p := a.half(c, 0, code, yes, no)
	if !wide {
		return p
	}
	high := uint32(c.value >> 32)
	p = a.branch(opEqual, high, p, no)
	p = a.branch(opGreater, high, yes, p)
	return a.load(c, 1, p)
}

// half adds the comparison of the lower (0) or the upper (1) half.
func (a *assembler) half(c condition, n int, code uint16, yes, no place) place {
	return a.load(c, n, a.branch(code, uint32(c.value>>(32*n)), yes, no))
}

func (a *assembler) load(c condition, n int, p place) place {
	if mask := uint32(c.mask >> (32 * n)); mask != ^uint32(0) {
		p = a.then(opAnd, mask, p)
	}
	return a.then(opLoad, uint32(atArgs+8*int(c.arg)+4*n), p)
}

// program returns what was written, beginning at p, which was added last, as an
// array of struct sock_filter.
func (a *assembler) program() []byte {
	b := make([]byte, 0, 8*len(a.reversed))
	for _, i := range slices.Backward(a.reversed) {
		b = binary.LittleEndian.AppendUint16(b, i.code)
		b = append(b, i.jt, i.jf)
		b = binary.LittleEndian.AppendUint32(b, i.k)
	}
	return b
}
