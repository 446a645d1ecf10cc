package bwrap

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/snug-sandbox/snug/mounts"
)

func TestSourcesOfTry(t *testing.T) {
	dir := t.TempDir()
	for _, d := range []string{"open/below", "closed", "work"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	os.WriteFile(filepath.Join(dir, "file"), nil, 0o644)
	for link, to := range map[string]string{"to-open": "open", "to-nothing": "open/nothing", "to-file": "file"} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		line string // D/ is the directory
		want string // what remains of the binds: kind, and ? where it is optional
	}{
		{"--ro-bind-try D/file /x --bind-try D/closed /y --dev-bind-try D/to-file /z", "other directory other"},
		{"--ro-bind-try D/nothing /x --ro-bind-try D/none/nothing /x --ro-bind-try D/file /y", "other"},
		{"--ro-bind-try D/to-nothing /x", ""},
		{"--ro-bind D/nothing /x", "unseen"},
		{"--ro-bind-try D/file/nothing /x", "unseen?"}, // not a directory: bubblewrap calls that an error
		{"--bind D/open /o --ro-bind-try D/open/new /x", "directory unseen?"},
		{"--bind D/open /o --ro-bind-try D/open/below/far/new /x", "directory unseen?"},
		{"--bind D/open/below /o --ro-bind-try D/open/new /x", "directory"},
		{"--ro-bind D/open /o --ro-bind-try D/open/new /x", "directory"},
		{"--bind D/file /o --ro-bind-try D/open/new /x", "other"},
		{"--ro-bind-try D/open/new /x --bind D/open /o", "directory"},
		{"--bind D/to-open /o --ro-bind-try D/open/new /x", "directory unseen?"},
		{"--bind D/open /o --ro-bind-try D/to-open/new /x --ro-bind-try D/to-open/../new /y", "directory unseen?"},
		{"--bind D/open /o --ro-bind-try D/to-nothing /x --ro-bind-try D/to-nothing/new /x", "directory unseen? unseen?"},
		{"--bind / /o --ro-bind-try D/nothing /x", "directory unseen?"},
		{"--bind-try D/nothing /o --ro-bind-try D/other /x", ""},
		{"--bind-try D/file/nothing /o --ro-bind-try D/other /x", "unseen? unseen?"},
		{"--overlay-src D/open --overlay D/closed D/work /o --ro-bind-try D/other /x", "unseen?"},
		{"--overlay-src D/open --tmp-overlay /o --ro-bind-try D/other /x", ""},
		{"--ro-bind-try open /x --ro-bind-try nothing /y", "directory"},
	} {
		t.Run(c.line, func(t *testing.T) {
			r, err := Parse(append(strings.Fields(strings.ReplaceAll(c.line, "D/", dir+"/")), "true"), nil, Caller{UID: 1000, GID: 1000})
			if err != nil {
				t.Fatal(err)
			}
			around := Look()
			around.Workdir = dir
			s, err := r.Spec(around)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, m := range s.Mounts {
				if !slices.Contains([]string{mounts.Bind, mounts.DevBind}, m.Type) {
					continue
				}
				kind := [...]string{"unseen", "directory", "other"}[m.Kind]
				if m.Optional {
					kind += "?"
				}
				got = append(got, kind)
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}
