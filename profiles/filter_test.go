package profiles

import (
	"path"
	"reflect"
	"testing"

	"github.com/snug-sandbox/snug/seccomp"
)

func TestFiltersAddUp(t *testing.T) {
	for name, c := range map[string]struct {
		base, own string
		want      seccomp.Config
	}{
		"a table adds to a word":            {`seccomp = "strict"`, `seccomp = { allow = ["ptrace"] }`, seccomp.Config{Base: "strict", Allow: []string{"ptrace"}}},
		"tables add up":                     {`seccomp = { deny = ["ptrace", "read"] }`, `seccomp = { deny = ["!read", "write"], errno = "EIO" }`, seccomp.Config{Deny: []string{"ptrace", "write"}, Errno: "EIO"}},
		"a word takes the place of a table": {`seccomp = { base = "strict", deny = ["ptrace"] }`, `seccomp = "default"`, seccomp.Config{Base: "default"}},
		"a file takes the place of a base":  {`seccomp = { base = "strict", deny = ["ptrace"] }`, `seccomp.file = "/x.json"`, seccomp.Config{File: "/x.json", Deny: []string{"ptrace"}}},
		"a base takes the place of a file":  {`seccomp.file = "x.json"`, `seccomp.base = "strict"`, seccomp.Config{Base: "strict"}},
		"a file is beside its profile":      {``, `seccomp.file = "x.json"`, seccomp.Config{File: "DIR/x.json"}},
	} {
		w := newWorld(t)
		w.write("base.toml", "[security]\n"+c.base)
		w.write("p.toml", "extends = \"base.toml\"\n[security]\n"+c.own)
		p := w.load("p.toml")
		got := p.Spec.Security.Seccomp
		if c.want.File == "DIR/x.json" {
			c.want.File = path.Join(path.Dir(p.files[0].path), "x.json")
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
		sameAgain(t, w, p)
	}
}
