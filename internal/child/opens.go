package child

import (
	"bytes"
	"slices"
	"unsafe"

	"github.com/snug-sandbox/snug/internal/program"
)

// made is the region of the process that was made ahead, or nil.
func made() *region {
	if r := *(**region)(unsafe.Pointer(&ahead)); r != nil && r.splitter > 0 {
		return r
	}
	return nil
}

// Opened returns the namespaces of a process that was made ahead, begins in the usual way,
// and waits for its program, or 0, and whether it was told of its ids. A plan can use it
// only if it begins in that way.
func Opened() (namespaces uint64, identified bool) {
	r := made()
	if r == nil || r.opened == 0 || claimed.Load() && begun.Load() == nil {
		return 0, false
	}
	return r.aheadFlags, r.opened > openingIDs
}

// Identify has the process that was made ahead write these maps of its ids, and go on in
// the usual way. Whether a plan does so is compared when it is there: one that does
// something else costs the time that this was to save, and more. It counts once.
func Identify(users, groups string) {
	r := made()
	if r == nil || r.opened == 0 || r.opened > openingIDs || claimed.Load() || max(len(users), len(groups)) > MapSize {
		return
	}
	r.users.set(users)
	r.groups.set(groups)
	r.opened = uint64(len(opening))
	wake(r, identified)
}

// opensAs reports whether p begins with what the process begins with by itself.
func (img *image) opensAs(p *program.Program) bool {
	r := img.region
	switch r.opened {
	case 0:
		return true
	case openingIDs:
		return opensAs(p, openingIDs, openingData[:openingIDsData], r)
	}
	return opensAs(p, len(opening), openingData[:], r)
}

// OpensAs reports whether p begins as a process does that was made ahead: all of it for
// one that was told these maps, or what comes before for one that was not.
func OpensAs(p *program.Program, users, groups string) (all, before bool) {
	var r region
	r.users.set(users)
	r.groups.set(groups)
	return opensAs(p, len(opening), openingData[:], &r), opensAs(p, openingIDs, openingData[:openingIDsData], &r)
}

func (m *idMap) set(line string) { m.size = uint64(copy(m.line[:], line)) }

// opensAs reports whether p begins with n steps of the opening, with their data, where
// what is written to maps is that of r.
func opensAs(p *program.Program, n int, data []byte, r *region) bool {
	if len(p.Steps) < n || len(p.Data) < len(data) || slices.ContainsFunc(p.Relocs, func(to program.Reloc) bool { return int(to.At) < len(data) }) {
		return false
	}
	own := bytes.Clone(p.Data[:len(data)])
	for i := range n {
		o, marks := layOut(p, i), opening[i].regs[inPlace]&(writesUsers|writesGroups)
		m := &r.users
		if marks&writesGroups != 0 {
			m = &r.groups
		}
		if marks != 0 && !o.isMap(marks, own, m) {
			return false
		}
		if o != opening[i] {
			return false
		}
	}
	return bytes.Equal(own, data)
}

// isMap reports whether a step writes a map, and makes of it the step of the opening that
// writes any.
func (o *op) isMap(mark uint8, data []byte, m *idMap) bool {
	at, size := o.args[1], o.args[2]
	if at > uint64(len(data)-MapSize) || size != m.size || o.min != int64(size) || !bytes.Equal(data[at:at+MapSize], m.line[:]) {
		return false
	}
	o.forget(mark, data)
	return true
}

// forget takes the map out of a step that writes one.
func (o *op) forget(mark uint8, data []byte) {
	clear(data[o.args[1] : o.args[1]+MapSize])
	o.args[2], o.min = 0, 0
	o.regs[inPlace] |= mark
}

// layOut is step i of p as the opening has it.
func layOut(p *program.Program, i int) (o op) {
	translate(&o, &p.Steps[i], i, p.Data)
	for n, a := range p.Steps[i].Args {
		if a.Kind == program.Address {
			o.args[n] -= uint64(uintptr(unsafe.Pointer(&p.Data[0])))
			o.regs[inPlace] |= 1 << n
		}
	}
	return o
}
