package seccomp

import (
	"encoding/binary"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// call is struct seccomp_data without the instruction pointer.
type call struct {
	arch, nr uint32
	args     [6]uint64
}

// run executes a filter over a call, as the kernel does.
func run(filter []byte, c call) (verdict, error) {
	data := make([]byte, 64)
	binary.LittleEndian.PutUint32(data, c.nr)
	binary.LittleEndian.PutUint32(data[4:], c.arch)
	for i, a := range c.args {
		binary.LittleEndian.PutUint64(data[16+8*i:], a)
	}
	acc := uint32(0)
	for pc := 0; pc < len(filter)/8; pc++ {
		op := filter[8*pc:]
		code, k := binary.LittleEndian.Uint16(op), binary.LittleEndian.Uint32(op[4:])
		jump := func(yes bool) {
			if yes {
				pc += int(op[2])
			} else {
				pc += int(op[3])
			}
		}
		switch code {
		case opLoad:
			if k%4 != 0 || k > 60 {
				return 0, fmt.Errorf("instruction %d loads from %d", pc, k)
			}
			acc = binary.LittleEndian.Uint32(data[k:])
		case opAnd:
			acc &= k
		case opJump:
			pc += int(k)
		case opEqual:
			jump(acc == k)
		case opGreater:
			jump(acc > k)
		case opAtLeast:
			jump(acc >= k)
		case opReturn:
			return verdict(k), nil
		default:
			return 0, fmt.Errorf("instruction %d has code %#x", pc, code)
		}
	}
	return 0, fmt.Errorf("the filter has no end")
}

// judged is what a policy says to a call, found without any filter.
func judged(p policy, arch string, compat bool, c call) verdict {
	native, other := machines(arch)
	m := native
	switch {
	case c.arch == native.audit:
	case compat && c.arch == other.audit:
		m = other
	default:
		return p.foreign
	}
	if c.nr >= x32 {
		return refused | verdict(unix.ENOSYS)
	}
	name := namesOf(m)[c.nr]
	if name == "" {
		return p.unlisted
	}
	for _, r := range p.rules {
		if names(r, name) && holds(r, c) {
			return r.then
		}
	}
	return p.rest
}

func names(r rule, name string) bool {
	return r.call == name || r.call[0] == '@' && strings.Contains(" "+group(r.call)+" ", " "+name+" ")
}

var namesByMachine = map[uint32]map[uint32]string{}

func namesOf(m machine) map[uint32]string {
	names := namesByMachine[m.audit]
	if names == nil {
		names = map[uint32]string{}
		m.each(func(nr uint32, name string) { names[nr] = name })
		namesByMachine[m.audit] = names
	}
	return names
}

// holds reads every argument twice: a rule that denies wants one of the readings
// to fit, all others both.
func holds(r rule, c call) bool {
	for _, w := range r.when {
		whole := compare(w.op, c.args[w.arg]&w.mask, w.value)
		half := whole
		if w.value>>32 == 0 && (w.mask == ^uint64(0) || w.mask>>32 == 0) {
			half = compare(w.op, c.args[w.arg]&0xffffffff&w.mask, w.value)
		}
		if r.then.denies() && !whole && !half || !r.then.denies() && !(whole && half) {
			return false
		}
	}
	return true
}

func compare(op operator, a, b uint64) bool {
	return []bool{a == b, a != b, a < b, a <= b, a > b, a >= b}[op]
}
