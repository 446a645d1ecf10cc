package process

import (
	"strings"
	"testing"

	"github.com/snug-sandbox/snug/internal/units"
)

func TestValidate(t *testing.T) {
	number := func(n int) *int { return &n }
	mask := func(m units.FileMode) *units.FileMode { return &m }
	for _, c := range []struct {
		config interface{ Validate() error }
		says   string
	}{
		{Command{}, ""},
		{Command{Args: []string{"a", ""}, Workdir: "/", Nice: number(-20), Umask: mask(0o777), FDs: []int{3, 4}}, ""},
		{Command{Args: []string{""}}, "command.args: the name of the program is empty"},
		{Command{Args: []string{"a\x00b"}}, `command.args: "a\x00b" holds a NUL byte`},
		{Command{Argv0: "\x00"}, "holds a NUL byte"},
		{Command{Workdir: "here"}, "command.workdir"},
		{Command{Nice: number(20)}, "command.nice"},
		{Command{OOMScoreAdj: number(-1001)}, "command.oom_score_adj"},
		{Command{Umask: mask(0o1000)}, "command.umask"},
		{Command{FDs: []int{2}}, "command.fds: 2 cannot be passed"},
		{Command{FDs: []int{3, 3}}, "command.fds: 3 cannot be passed"},
		{Command{FDs: make([]int, MaxFDs+1)}, "are too many"},
		{Env{Set: map[string]string{"A": "=1"}}, ""},
		{Env{Set: map[string]string{"A=B": ""}}, `env.set."A=B"`},
		{Env{Set: map[string]string{"": ""}}, "not a variable"},
		{Env{Set: map[string]string{"A": "\x00"}}, "not a variable"},
		{Terminal{TTY: TTYAuto}, ""},
		{Terminal{TTY: "on"}, "terminal.tty"},
	} {
		err := c.config.Validate()
		if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%+v: %v, want %q", c.config, err, c.says)
		}
	}
}
