package program

import (
	"strings"
	"syscall"
	"testing"
)

// valid is a program with everything in it that Check looks at.
func valid() *Program {
	return &Program{
		Data:   make([]byte, 64),
		Relocs: []Reloc{{At: 8, To: 16}},
		Keep:   3,
		Steps: []Step{
			{Label: "a", Args: []Arg{{Value: 1}, {Value: 63, Kind: Address}, {Value: 1, Kind: Content}}, Out: 1, Then: 1, Else: 2, Store: 60},
			{Label: "fork", Fork: true, Args: []Arg{{Value: 17}}},
			{Label: "exec", Exec: true},
			{Label: "keep", Else: 4},
		},
	}
}

func TestCheckAcceptsAValidProgram(t *testing.T) {
	if err := valid().Check(); err != nil {
		t.Error(err)
	}
	if err := new(Program).Check(); err != nil {
		t.Error(err)
	}
}

func TestCheckNamesWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		says   string
		damage func(*Program)
	}{
		{"step 0 (a): 7 arguments", func(p *Program) { p.Steps[0].Args = make([]Arg, 7) }},
		{"step 0 (a): register 64", func(p *Program) { p.Steps[0].Out = 64 }},
		{"step 2 (exec): argument 2 cannot grow", func(p *Program) { p.Steps[2].RepeatArg = 2 }},
		{"step 0 (a): the result goes outside of the data", func(p *Program) { p.Steps[0].Store = 61 }},
		{"step 0 (a): continues at step 5 of 4", func(p *Program) { p.Steps[0].Then = 5 }},
		{"step 2 (exec): continues at step 2 of 4", func(p *Program) { p.Steps[2].Then = 2 }},
		{"step 2 (exec): continues at step 1 of 4", func(p *Program) { p.Steps[2].Else = 1 }},
		{"step 2 (exec): continues at step -1 of 4", func(p *Program) { p.Steps[2].Else = -1 }},
		{"step 0 (a): address 64 is outside of the data", func(p *Program) { p.Steps[0].Args[1].Value = 64 }},
		{"step 0 (a): address 18446744073709551615 is outside", func(p *Program) { p.Steps[0].Args[1].Value = 1<<64 - 1 }},
		{"step 0 (a): register 0", func(p *Program) { p.Steps[0].Args[2].Value = 0 }},
		{"step 0 (a): register 64", func(p *Program) { p.Steps[0].Args[2].Value = 64 }},
		{"step 0 (a): argument of kind 9", func(p *Program) { p.Steps[0].Args[0].Kind = 9 }},
		{"relocation 57 to 16 is outside of the data, or not aligned", func(p *Program) { p.Relocs[0].At = 57 }},
		{"relocation 8 to 64 is outside of the data, or not aligned", func(p *Program) { p.Relocs[0].To = 64 }},
		{"relocation 12 to 16", func(p *Program) { p.Relocs[0].At = 12 }},
		{"2 forks, more than one", func(p *Program) { p.Steps[2].Fork, p.Steps[2].Args = true, []Arg{{}} }},
		{"the steps of the process that stays begin at 0 of 4", func(p *Program) { p.Keep = 0 }},
		{"the steps of the process that stays begin at 5 of 4", func(p *Program) { p.Keep = 5 }},
		{"the steps of the process that stays begin at 1 of 4", func(p *Program) { p.Keep = 1 }},
		{"no fork", func(p *Program) { p.Steps[1].Fork = false }},
		{"step 1 (fork): a fork without flags", func(p *Program) { p.Steps[1].Args = nil }},
		{"step 1 (fork): a fork without flags", func(p *Program) { p.Steps[1].Args[0] = Arg{Value: 1, Kind: Content} }},
	} {
		p := valid()
		c.damage(p)
		if err := p.Check(); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("got %v, want %q", err, c.says)
		}
	}
}

func TestHelpFindsTheErrno(t *testing.T) {
	help := &Help{Errno: syscall.ENOENT, Why: "missing", Fix: "make it", Next: &Help{Errno: syscall.EACCES, Why: "closed"}}
	for errno, want := range map[syscall.Errno][2]string{
		syscall.ENOENT: {"missing", "make it"}, syscall.EACCES: {"closed", ""}, syscall.EIO: {"input/output error", ""},
	} {
		if why, fix := help.For(errno); why != want[0] || fix != want[1] {
			t.Errorf("%v: %q, %q", errno, why, fix)
		}
	}
	if why, _ := (*Help)(nil).For(syscall.EPERM); why != "operation not permitted" {
		t.Errorf("without help: %q", why)
	}
}
