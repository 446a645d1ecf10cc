package child

import (
	"encoding/binary"
	"syscall"
	"testing"

	"github.com/snug-sandbox/snug/internal/program"
)

// decode makes a program of any bytes, with numbers around the limits.
func decode(data []byte) *program.Program {
	next := func() uint64 {
		if len(data) == 0 {
			return 0
		}
		b := data[0]
		data = data[1:]
		switch {
		case b < 200:
			return uint64(b)
		case len(data) >= 8:
			v := binary.LittleEndian.Uint64(data)
			data = data[8:]
			return v
		}
		return ^uint64(b)
	}
	p := &program.Program{Data: make([]byte, next()%512), Keep: int(next())}
	for range next() % 4 {
		p.Relocs = append(p.Relocs, program.Reloc{At: uint32(next()), To: uint32(next())})
	}
	for range next() % 16 {
		s := program.Step{
			Call: program.Call{Nr: uint32(next())}, Out: program.Reg(next()), Store: uint32(next()), Then: int(next()), Else: int(next()),
			Repeat: uint16(next()), RepeatArg: uint8(next()), Min: int64(next()), Fork: next()%8 == 1, Exec: next()%2 == 1,
		}
		s.Accept[0] = syscall.Errno(next())
		for range next() % 8 {
			s.Args = append(s.Args, program.Arg{Value: next(), Kind: program.Kind(next() % 4)})
		}
		p.Steps = append(p.Steps, s)
	}
	return p
}

// What Check lets through, load lays out without a look beyond its memory, and
// the interpreter goes through it from the first step to the last.
func FuzzCheckedProgramsAreSafe(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{64, 3, 1, 8, 16, 3, 39, 1, 8, 1, 2, 0, 0, 0, 0, 0, 0, 2, 5, 0, 5, 1, 56, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 17, 0})
	f.Add([]byte{255, 255, 1, 248, 0, 2, 39, 63, 252, 1, 1, 255, 255})
	f.Fuzz(func(t *testing.T, data []byte) {
		p := decode(data)
		if p.Check() != nil {
			return
		}
		img, err := newImage(size(p))
		if err != nil {
			t.Fatal(err)
		}
		defer img.free()
		img.load(p)
		checkOps(t, p, img)
	})
}

func checkOps(t *testing.T, p *program.Program, img *image) {
	t.Helper()
	low, high := uint64(img.address()), uint64(img.address())+uint64(len(img.memory))
	for i := range p.Steps {
		o := img.op(i)
		if int(o.then) <= i || int(o.els) <= i || int(o.then) > len(p.Steps) || int(o.els) > len(p.Steps) {
			t.Errorf("step %d goes on at %d or %d", i, o.then, o.els)
		}
		if o.out >= program.Registers {
			t.Errorf("step %d: register %d", i, o.out)
		}
		for j, a := range p.Steps[i].Args {
			if o.regs[j] >= program.Registers || a.Kind == program.Address && (o.args[j] < low || o.args[j] >= high) {
				t.Errorf("step %d: argument %d", i, j)
			}
		}
	}
	if img.region.end != uint64(len(p.Steps)) || img.region.keep > img.region.end {
		t.Errorf("%d steps, the last ones from %d", img.region.end, img.region.keep)
	}
}
