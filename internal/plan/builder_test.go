package plan

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/snug-sandbox/snug/internal/child"
	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/internal/program"
)

func TestTextsShareTheirMemory(t *testing.T) {
	b := NewBuilder(nil)
	one, two, three := b.Text("same"), b.Text("same"), b.Text("other")
	if one != two || one == three {
		t.Errorf("%v %v %v", one, two, three)
	}
	if got := string(b.Program.Data[one.Value : one.Value+5]); got != "same\x00" {
		t.Errorf("%q", got)
	}
	if one.Value == 0 {
		t.Error("offset 0 means none")
	}
}

func TestMemoryIsAligned(t *testing.T) {
	b := NewBuilder(nil)
	for _, text := range []string{"", "a", "ab", "abcdefg", "abcdefgh"} {
		b.Text(text)
		for _, a := range []program.Arg{b.Words(1, 2), b.Bytes([]byte(text)), b.Space(3)} {
			if a.Value%8 != 0 || a.Kind != program.Address {
				t.Errorf("after %q: %+v", text, a)
			}
		}
	}
	words := b.Words(7, 1<<63)
	b.SetWord(words, 8, 9)
	if got := binary.NativeEndian.Uint64(b.Program.Data[words.Value+8:]); got != 9 {
		t.Errorf("the second word is %d", got)
	}
}

func TestTextsAreAnArrayOfPointers(t *testing.T) {
	b := NewBuilder(nil)
	array := b.Texts([]string{"one", "two"})
	if len(b.Program.Relocs) != 2 || len(b.Program.Data) < int(array.Value)+24 {
		t.Fatalf("%+v", b.Program)
	}
	for i, want := range []string{"one\x00", "two\x00"} {
		r := b.Program.Relocs[i]
		if r.At != uint32(array.Value)+uint32(8*i) || string(b.Program.Data[r.To:r.To+4]) != want {
			t.Errorf("%d: %+v", i, r)
		}
	}
	if last := binary.NativeEndian.Uint64(b.Program.Data[array.Value+16:]); last != 0 {
		t.Errorf("the array ends with %d", last)
	}
}

func TestRegistersAreTakenAndGivenBack(t *testing.T) {
	b := NewBuilder([]int{0, 1, 2})
	taken := map[program.Reg]bool{child.RegControl: true, child.RegSupervisor: true, b.File(0): true, b.File(1): true, b.File(2): true}
	for r := child.RegMemory; r < child.RegFiles; r++ {
		taken[r] = true
	}
	for len(taken) < program.Registers-1 {
		r := b.Register("r")
		if r == 0 || taken[r] {
			t.Fatalf("register %d was taken", r)
		}
		taken[r] = true
	}
	if b.Err() != nil {
		t.Fatal(b.Err())
	}
	b.Free(20)
	if r := b.Register("again"); r != 20 {
		t.Errorf("register %d, not the free one", r)
	}
	begun := 0
	b.Begin = func() { begun++ }
	b.Advance()
	p := new(problem.Problem)
	if r := b.Register("too many"); r != 0 || !errors.As(b.Err(), &p) || p.Fix == "" {
		t.Errorf("register %d, %v", r, b.Err())
	}
	if b.Advance(); begun != 1 { // register 0 would be descriptor 0
		t.Errorf("a plan without registers has begun: %d", begun)
	}
	if _, err := b.Finish(); err == nil {
		t.Error("a plan without registers is complete")
	}
}

func TestStepsCanBeChanged(t *testing.T) {
	b := NewBuilder(nil)
	s := b.Do("open", Openat, Cwd, b.Text("x"))
	fd := s.Keep("file")
	s.Accept(2, 13).Note("note").Min(3).Repeat(4).Help(&program.Help{})
	s.ElseHere()
	b.Close(fd)
	s.ThenHere()
	b.Do("last", Getpid).RepeatSecond(2).Exec()
	step := b.Program.Steps[0]
	if step.Out != fd || step.Name != "file" || step.Accept[1] != 13 || step.Note != "note" || step.Min != 3 || step.Repeat != 3 || step.Else != 1 || step.Then != 2 || step.Help == nil {
		t.Errorf("%+v", step)
	}
	if step = b.Program.Steps[1]; step.Label != "close file" || step.Args[0] != Reg(fd) {
		t.Errorf("%+v", step)
	}
	if step = b.Program.Steps[2]; step.Repeat != 1 || step.RepeatArg != 1 || !step.Exec {
		t.Errorf("%+v", step)
	}
	if s.Index() != 0 || b.Next() != 3 || b.Last().Index() != 2 {
		t.Errorf("%d %d %d", s.Index(), b.Next(), b.Last().Index())
	}
}

func TestWriteFile(t *testing.T) {
	b := NewBuilder(nil)
	open, write := b.WriteFile("write it", Cwd, "/proc/x", "content")
	if open.Index() != 0 || write.Index() != 1 || len(b.Program.Steps) != 3 || b.Program.Steps[1].Min != 7 {
		t.Errorf("%+v", b.Program.Steps)
	}
}

func TestThePlanIsPrinted(t *testing.T) {
	b := NewBuilder([]int{0})
	b.Namespaces = 1<<28 | 1<<17
	b.Cgroup.Values = []Setting{{File: "memory.max", Value: "100"}}
	b.Notes = []string{"something else was done"}
	b.Barrier(Action{Label: "do it", Command: []string{"tool", "{pid}"}})
	b.Do("fork", Clone, Num(17)).Fork()
	b.Do("read the caller's file", Close, Reg(b.File(0)))
	b.KeepLater(func() { b.Do("stay", Getpid) })
	p, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := p.Print(&out); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{
		"clone CLONE_NEWUSER|CLONE_NEWNS\n", "parent write 100 to memory.max\n", "parent at barrier 0: do it: [tool {pid}]\n", "note: something else was done\n",
		"tell the parent to do it", "sendto($control, &{…}, 2, 0, 0, 0)", "exec   read the caller's file", "close($caller)", "init   stay",
	} {
		if !strings.Contains(out.String(), part) {
			t.Errorf("no %q in\n%s", part, &out)
		}
	}
	if p.Program.Keep != 4 {
		t.Errorf("the process that stays goes on at %d", p.Program.Keep)
	}
}
