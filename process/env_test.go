package process

import (
	"slices"
	"strings"
	"testing"
)

func TestEnviron(t *testing.T) {
	caller := []string{"PATH=/usr/bin:bin:/bin::.", "HOME=/home/ann", "TERM=xterm", "LC_TIME=C", "LCX=1", "TOKEN=secret", "TOKEN_B=2", "OLDPWD=/x", "=odd", "odd"}
	id := Identity{User: "ann", Home: "/h", Shell: "/bin/sh"}
	always := "HOME=/h LOGNAME=ann PWD=/w SHELL=/bin/sh USER=ann"
	for _, c := range []struct {
		name     string
		env      Env
		hostPath bool
		want     string // beside always
	}{
		{"the default ones", Env{}, true, "LC_TIME=C PATH=/usr/bin:/bin TERM=xterm"},
		{"another root's PATH", Env{}, false, "LC_TIME=C PATH=" + DefaultPath + " TERM=xterm"},
		{"kept", Env{Keep: []string{"TOKEN"}}, true, "LC_TIME=C PATH=/usr/bin:/bin TERM=xterm TOKEN=secret"},
		{"kept by prefix", Env{Keep: []string{"TOKEN*"}}, true, "LC_TIME=C PATH=/usr/bin:/bin TERM=xterm TOKEN=secret TOKEN_B=2"},
		{"inherited", Env{Inherit: true}, true, "LCX=1 LC_TIME=C PATH=/usr/bin:/bin TERM=xterm TOKEN=secret TOKEN_B=2"},
		{"unset wins over inherit", Env{Inherit: true, Unset: []string{"TOKEN*", "LC*"}}, true, "PATH=/usr/bin:/bin TERM=xterm"},
		{"set wins over all", Env{Unset: []string{"TERM"}, Set: map[string]string{"TERM": "dumb", "PATH": "/p", "LC_TIME": ""}}, true, "LC_TIME= PATH=/p TERM=dumb"},
	} {
		want := append(strings.Fields(always), strings.Fields(c.want)...)
		slices.Sort(want)
		if got := c.env.Environ(caller, id, c.hostPath, "/w"); !slices.Equal(got, want) {
			t.Errorf("%s:\n got %q\nwant %q", c.name, got, want)
		}
	}
}
