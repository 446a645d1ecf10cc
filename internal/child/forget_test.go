package child

import (
	"sync"
	"testing"
)

func TestPagesAreDivided(t *testing.T) {
	all := []Mapping{{At: 0x10000, Size: 0x4000, Prot: 5}, {At: 0x14000, Size: 0x1000, Prot: 1}, {At: 0x20000, Size: 0x3000, Prot: 3}}
	got := divide(all, []area64{{0x11fff, 0x12001}, {0x10800, 0x10900}, {0x11000, 0x11001}, {0x21000, 0x21004}, {0x30000, 0x30010}})
	keep := []Mapping{{At: 0x10000, Size: 0x3000, Prot: 5}, {At: 0x21000, Size: 0x1000, Prot: 3}, {At: 0x22000, Size: 0x1000, Prot: 3}}
	drop := []Mapping{{At: 0x13000, Size: 0x1000}, {At: 0x14000, Size: 0x1000}, {At: 0x20000, Size: 0x1000}}
	total := func(list []Mapping) (n uint64) {
		for _, m := range list {
			n += m.Size
		}
		return n
	}
	if total(got.Keep) != total(keep) || total(got.Drop) != total(drop) || total(got.Keep)+total(got.Drop) != 0x8000 {
		t.Errorf("%x", got)
	}
	for _, m := range got.Keep {
		for _, d := range got.Drop {
			if m.At < d.At+d.Size && d.At < m.At+m.Size {
				t.Errorf("%x is kept and dropped", m.At)
			}
		}
	}
}

// Other threads of the program enter the kernel elsewhere.
func TestTheStubIsThatOfTheThread(t *testing.T) {
	want := systemCallStub()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 200 {
				if got := systemCallStub(); got != want {
					t.Errorf("%#x, and then %#x", want, got)
					return
				}
			}
		})
	}
	all.Wait()
}

// What is kept is a small part: the interpreter, the way into the kernel.
func TestMostOfTheProgramCanBeDropped(t *testing.T) {
	p, err := ProgramPages()
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Drop) == 0 {
		t.Skip("needs /proc/thread-self/syscall (CONFIG_HAVE_ARCH_TRACEHOOK)")
	}
	kept := uint64(0)
	for _, m := range p.Keep {
		kept += m.Size
	}
	if kept > 64*pageSize {
		t.Errorf("%d pages are kept", kept/pageSize)
	}
}
