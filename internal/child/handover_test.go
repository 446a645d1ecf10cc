package child

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"
	"unsafe"

	"github.com/snug-sandbox/snug/internal/program"
)

// A process that has begun goes on with nothing but what its first steps are a
// part of.
func TestAgrees(t *testing.T) {
	first := func() *program.Program {
		p := &program.Program{Data: []byte("12345678path\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"), Relocs: []program.Reloc{{At: 16, To: 8}}}
		for _, nr := range []uint32{1, 2} {
			p.Steps = append(p.Steps, program.Step{Call: program.Call{Nr: nr}, Args: []program.Arg{{Value: 8, Kind: program.Address}, {Value: 7}}})
		}
		return p
	}
	img, err := newImage(1 << 10)
	if err != nil {
		t.Fatal(err)
	}
	defer img.free()
	img.dataAt = 512
	img.load(first())
	img.text, img.relocs = bytes.Clone(first().Data), first().Relocs
	img.data[0] = 'x' // the steps may write to their memory
	more := func(change func(p *program.Program)) *program.Program {
		p := first()
		p.Steps = append(p.Steps, program.Step{Call: program.Call{Nr: 3}})
		p.Data = append(p.Data, "more\x00\x00\x00\x00"...)
		p.Relocs = append(p.Relocs, program.Reloc{At: 24, To: 8})
		change(p)
		return p
	}
	for name, c := range map[string]struct {
		change func(p *program.Program)
		want   bool
	}{
		"more":             {func(*program.Program) {}, true},
		"another call":     {func(p *program.Program) { p.Steps[1].Call.Nr = 9 }, false},
		"another argument": {func(p *program.Program) { p.Steps[0].Args[1].Value = 9 }, false},
		"another way":      {func(p *program.Program) { p.Steps[1].Else = 3 }, false},
		"other words":      {func(p *program.Program) { p.Steps[1].Label = "label" }, true},
		"other data":       {func(p *program.Program) { p.Data[9] = 'x' }, false},
		"less data":        {func(p *program.Program) { p.Data = p.Data[:20] }, false},
		"a pointer":        {func(p *program.Program) { p.Relocs[1].At = 16 }, false},
		"another pointer":  {func(p *program.Program) { p.Relocs[0].To = 0 }, false},
		"fewer pointers":   {func(p *program.Program) { p.Relocs = nil }, false},
		"fewer steps":      {func(p *program.Program) { p.Steps = p.Steps[:1] }, false},
	} {
		if got := img.agrees(more(c.change)); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	p := more(func(*program.Program) {})
	img.load(p)
	if img.steps != 3 || img.data[0] != 'x' || !slices.Equal(img.data[24:32], addressOf(img.memory[regionSize+512+8:])) || img.op(2).nr != 3 {
		t.Errorf("%d steps, data %q", img.steps, img.data)
	}
}

// addressOf is the address of memory, as memory holds it.
func addressOf(memory []byte) []byte {
	return binary.NativeEndian.AppendUint64(nil, uint64(uintptr(unsafe.Pointer(&memory[0]))))
}
