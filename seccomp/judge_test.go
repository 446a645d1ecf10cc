package seccomp

import (
	"strings"

	"golang.org/x/sys/unix"
)

// judged is what a policy says to a call, found without any filter.
func judged(p policy, arch string, compat bool, c Call) verdict {
	native, other := machines(arch)
	m := native
	switch {
	case c.Arch == native.audit:
	case compat && c.Arch == other.audit:
		m = other
	default:
		return p.foreign
	}
	if c.Nr >= x32 {
		return refused | verdict(unix.ENOSYS)
	}
	name := m.name(c.Nr)
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

// holds reads every argument twice: a rule that denies wants one of the readings
// to fit, all others both.
func holds(r rule, c Call) bool {
	for _, w := range r.when {
		whole := compare(w.op, c.Args[w.arg]&w.mask, w.value)
		half := whole
		if w.value>>32 == 0 && (w.mask == ^uint64(0) || w.mask>>32 == 0) {
			half = compare(w.op, c.Args[w.arg]&0xffffffff&w.mask, w.value)
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
