package mounts

import (
	"strings"
	"testing"
)

// known is a root of the plan's own with links, a file and mounts in it.
func known() *node {
	root := newTree(&mounted{own: true, at: "/"})
	at := func(p string) *node {
		n := root
		for _, name := range split(p) {
			n = n.add(name)
		}
		return n
	}
	at("usr").cover(&mounted{at: "/usr"})
	at("bin").link = "usr/bin"
	at("abs").link = "/etc/dir"
	at("up").link = "../../.."
	at("loop").link = "loop"
	at("file").file = true
	at("etc/dir")
	at("tmp").cover(&mounted{own: true, at: "/tmp"})
	at("perhaps").maybe = true
	at("over").cover(&mounted{creates: true, at: "/over"})
	return root
}

func TestFind(t *testing.T) {
	for _, c := range []struct{ target, path, missing, in, state string }{
		{"/", "/", "", "/", "known"},
		{"/etc/dir", "/etc/dir", "", "/", "known"},
		{"/etc/new/x", "/etc", "new x", "/", "known"},
		{"/abs/new", "/etc/dir", "new", "/", "known"},
		{"/up/etc/dir", "/etc/dir", "", "/", "known"},
		{"/etc/dir/../../tmp/a", "/tmp", "a", "/tmp", "known"},
		{"/usr", "/usr", "", "/usr", "known"},
		{"/usr/lib/x", "/usr/lib/x", "", "/usr", "unknown"},
		{"/bin/sh", "/usr/bin/sh", "", "/usr", "unknown"},
		{"/tmp", "/tmp", "", "/tmp", "known"},
		{"/over/a/b", "/over/a/b", "", "/over", "unknown"},
		{"/perhaps", "/perhaps", "", "/", "unknown"},
		{"/perhaps/below", "/perhaps/below", "", "/", "unknown"},
	} {
		p, err := known().find(c.target)
		state := map[bool]string{true: "unknown", false: "known"}[p.unknown]
		if err != nil || p.path != c.path || strings.Join(p.missing, " ") != c.missing || p.in.at != c.in || state != c.state {
			t.Errorf("%s: %s, missing %q, in %s, %s, %v; want %+v", c.target, p.path, p.missing, p.in.at, state, err, c)
		}
	}
}

func TestFindGivesUp(t *testing.T) {
	for _, target := range []string{"/loop", "/loop/x", "/file/below"} {
		if p, err := known().find(target); err == nil {
			t.Errorf("%s was found: %+v", target, p)
		}
	}
}
