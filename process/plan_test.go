package process

import (
	"slices"
	"strings"
	"testing"

	"github.com/snug-sandbox/snug/internal/plan"
	"github.com/snug-sandbox/snug/internal/program"
)

func TestCandidates(t *testing.T) {
	for _, c := range []struct {
		command Command
		environ []string
		want    string // file=arg,arg …
	}{
		{Command{Args: []string{"ls", "-l"}}, []string{"PATH=/a:/b"}, "/a/ls=ls,-l /b/ls=ls,-l"},
		{Command{Args: []string{"ls"}}, []string{"PATH=/a::b"}, "/a/ls=ls ls=ls b/ls=ls"},
		{Command{Args: []string{"ls"}}, nil, "/bin/ls=ls /usr/bin/ls=ls"},
		{Command{Args: []string{"./ls"}}, []string{"PATH=/a"}, "./ls=./ls"},
		{Command{Args: []string{"/x/ls", "1"}, Argv0: "-ls"}, nil, "/x/ls=-ls,1"},
		{Command{}, nil, "/bin/bash=bash /bin/sh=sh"},
	} {
		var got []string
		for _, cand := range (Setup{Command: c.command, Environ: c.environ, Shell: "/bin/bash"}).candidates() {
			got = append(got, cand.file+"="+strings.Join(cand.args, ","))
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%+v: %q, want %q", c.command, got, c.want)
		}
	}
	if list := (Setup{Shell: "/bin/sh"}).candidates(); len(list) != 1 {
		t.Errorf("one shell is tried as %v", list)
	}
}

// steps are the calls that add appends, with their labels.
func steps(t *testing.T, add func(*plan.Builder)) []program.Step {
	t.Helper()
	b := plan.NewBuilder(nil)
	add(b)
	p, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return p.Program.Steps
}

func calls(list []program.Step) string {
	var names []string
	for _, s := range list {
		names = append(names, s.Call.Name)
	}
	return strings.Join(names, " ")
}

func TestInheritedSignalsStayIgnored(t *testing.T) {
	reset := func(s Setup) (signals []int) {
		for _, step := range steps(t, s.PlanSignals) {
			for n := 0; n <= int(step.Repeat); n++ {
				signals = append(signals, int(step.Args[0].Value)+n)
			}
		}
		return signals
	}
	if all := reset(Setup{}); len(all) != 64 || all[0] != 1 || all[63] != 64 {
		t.Errorf("all signals are %v", all)
	}
	some := reset(Setup{Inherit: &Inherit{Ignored: 1<<0 | 1<<12 | 1<<63}})
	if len(some) != 61 || slices.Contains(some, 1) || slices.Contains(some, 13) || slices.Contains(some, 64) {
		t.Errorf("1, 13 and 64 are ignored, and %v reset", some)
	}
}

func TestWorkdirs(t *testing.T) {
	s := Setup{Inherit: &Inherit{Workdirs: []string{"/a", "/b", "/"}, Environ: []string{"A=1"}}}
	list := steps(t, func(b *plan.Builder) {
		s.planWorkdir(b)
		b.Do("after", plan.Getpid)
	})
	want := "chdir chdir eventfd2 write read close chdir eventfd2 write read close getpid"
	if got := calls(list); got != want {
		t.Fatalf("%s, want %s", got, want)
	}
	last := len(list) - 1
	if list[0].Then != last || list[5].Then != last || list[0].Else != 1 || list[1].Else != 6 || list[6].Accept[0] != 0 {
		t.Errorf("%+v", list)
	}
}

func TestTheReaperForgets(t *testing.T) {
	forgets := func(s Setup) bool {
		return strings.Contains(calls(steps(t, func(b *plan.Builder) { s.PlanFork(0, b) })), "getrandom")
	}
	if forgets(Setup{}) || !forgets(Setup{Inherit: &Inherit{Name: "x"}}) {
		t.Error("memory that can be read must be emptied, and no other needs it")
	}
}
