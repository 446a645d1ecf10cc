package program

import (
	"strings"
	"syscall"
	"testing"
)

func TestPrint(t *testing.T) {
	flags := &BitNames{Names: []BitName{{Mask: 1, Value: 1, Name: "ONE"}, {Mask: 6, Value: 4, Name: "FOUR"}}}
	p := &Program{
		Data: []byte("\x00/usr\x00" + strings.Repeat("x", 200) + "\x00unended"),
		Keep: 4,
		Steps: []Step{
			{Label: "open", Call: Call{Name: "openat"}, Args: []Arg{{Value: ^uint64(99), Form: Signed}, {Value: 1, Kind: Address, Form: Text}, {Value: 5, Form: Bits, Bits: flags}, {Value: 0o755, Form: Octal}},
				Out: 3, Name: "fd", Accept: [MaxAccept]syscall.Errno{syscall.ENOENT, syscall.EPERM}, Else: 2},
			{Label: "close", Call: Call{Name: "close"}, Args: []Arg{{Value: 3, Kind: Content}}, Repeat: 2, Then: 3, Accept: [MaxAccept]syscall.Errno{syscall.EINVAL}},
			{Label: "fork", Call: Call{Name: "clone"}, Args: []Arg{{Value: 0x11, Form: Hex}}, Fork: true},
			{Label: "exec", Call: Call{Name: "execve"}, Args: []Arg{{Value: 6, Kind: Address, Form: Text}, {Value: 3, Kind: Address, Form: Struct}, {Value: 5, Kind: Content}}, Exec: true, Accept: [MaxAccept]syscall.Errno{syscall.ENOENT}},
			{Label: "keep", Call: Call{Name: "read"}, Args: []Arg{{Value: 1, Kind: Content}, {Value: 207, Kind: Address, Form: Text}, {Value: 9999, Kind: Address, Form: Text}}},
		},
	}
	p.Given[1] = "control"
	var b strings.Builder
	if err := p.Print(&b); err != nil {
		t.Fatal(err)
	}
	want := strings.Join([]string{
		`   0  init   open                                         $fd = openat(-100, "/usr", ONE|FOUR, 0755) [ENOENT EPERM: → 2]`,
		`   1  init   close                                        close($fd) ×3 → 3 [EINVAL: fine]`,
		`   2  init   fork                                         clone(0x11)`,
		`   3  exec   exec                                         execve("` + strings.Repeat("x", 120) + `"…, &{…}, $5) [ENOENT: try the next]`,
		`   4  init   keep                                         read($control, "unended", "")`,
		"",
	}, "\n")
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", &b, want)
	}
}

func TestBitNames(t *testing.T) {
	names := &BitNames{Zero: "NONE", Names: []BitName{{Mask: 1, Value: 1, Name: "A"}, {Mask: 2, Value: 2, Name: "B"}, {Mask: 2, Value: 0, Name: "NEVER"}}}
	for v, want := range map[uint64]string{0: "NONE", 1: "A", 3: "A|B", 0x13: "A|B|0x10", 4: "0x4"} {
		if got := names.Format(v); got != want {
			t.Errorf("%#x: %s, want %s", v, got, want)
		}
	}
	if got := new(BitNames).Format(0); got != "0" {
		t.Errorf("no flag: %s", got)
	}
}

// Errnos that the kernel gives often have their names in reports.
func TestErrnoNames(t *testing.T) {
	for errno, want := range map[syscall.Errno]string{
		syscall.EPERM: "EPERM", syscall.ENOENT: "ENOENT", syscall.EACCES: "EACCES", syscall.EBUSY: "EBUSY", syscall.EINVAL: "EINVAL",
		syscall.ENOSPC: "ENOSPC", syscall.ENOSYS: "ENOSYS", syscall.EROFS: "EROFS", syscall.ETXTBSY: "ETXTBSY", syscall.E2BIG: "E2BIG",
		syscall.EADV: "errno 68",
	} {
		if got := ErrnoName(errno); got != want {
			t.Errorf("%d: %s, want %s", errno, got, want)
		}
	}
	names := map[string]syscall.Errno{}
	for errno := syscall.Errno(1); errno < 134; errno++ {
		name := ErrnoName(errno)
		if other, twice := names[name]; twice {
			t.Errorf("%d and %d are both %s", errno, other, name)
		}
		names[name] = errno
	}
}

// Several results of one name that are needed at a time are told apart.
func TestSeveralOfOneName(t *testing.T) {
	content := func(r Reg) Arg { return Arg{Value: uint64(r), Kind: Content} }
	step := func(out Reg, name string, args ...Arg) Step {
		return Step{Call: Call{Name: "call"}, Args: args, Out: out, Name: name}
	}
	p := &Program{Steps: []Step{
		step(2, "file"), step(0, "", content(2)), // alone, and so is the next
		step(2, "file"), step(0, "", content(2)),
		step(3, "tree"), step(4, "tree", content(3)),
		step(5, "tree", content(4)), step(0, "", content(5), content(3)),
		step(4, "tree"), step(0, "", content(4)), // the number is free again
		step(0, "", content(3)), step(6, "tree"), // nobody needs the last one
		step(0, "", content(1)), step(7, "given"), step(0, "", content(7)), step(0, "", content(1)),
	}}
	p.Given[1] = "given"
	want := []string{
		"$file = call()", "call($file)", "$file = call()", "call($file)",
		"$tree1 = call()", "$tree2 = call($tree1)", "$tree2 = call($tree2)", "call($tree2, $tree1)",
		"$tree2 = call()", "call($tree2)", "call($tree1)", "$tree = call()",
		"call($given1)", "$given2 = call()", "call($given2)", "call($given1)",
	}
	for i, got := range p.FormatCalls() {
		if got != want[i] || p.FormatCall(i) != got {
			t.Errorf("step %d: %s, want %s", i, got, want[i])
		}
	}
}
