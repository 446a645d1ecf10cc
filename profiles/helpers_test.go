package profiles

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/snug-sandbox/snug/internal/problem"
)

// world is a machine of a test's own: the directories are real, all the rest is
// made up.
type world struct {
	t    testing.TB
	dir  string // the working directory
	in   Inputs
	env  map[string]string
	have map[string]bool // what exists
	link map[string]string
}

func newWorld(t testing.TB) *world {
	w := &world{t: t, dir: t.TempDir(), env: map[string]string{}, have: map[string]bool{}, link: map[string]string{}}
	w.in = Inputs{
		Dir: w.dir, Home: "/home/ann", UID: os.Getuid(),
		Env:    func(name string) (string, bool) { v, ok := w.env[name]; return v, ok },
		Exists: func(p string) bool { return w.have[p] },
		Real: func(p string) string {
			if to, ok := w.link[p]; ok {
				return to
			}
			return p
		},
		Paths: []Place{{"project", w.dir + "/.snug"}, {"user", w.dir + "/config"}, {"system", w.dir + "/etc"}},
	}
	return w
}

// write puts a file below the working directory.
func (w *world) write(name, text string) {
	w.t.Helper()
	full := filepath.Join(w.dir, name)
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(text), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) load(names ...string) *Profile {
	w.t.Helper()
	p, err := Load(w.in, names...)
	if err != nil {
		w.t.Fatalf("Load(%v): %v", names, err)
	}
	return p
}

// loadText loads one profile from its text.
func (w *world) loadText(text string) *Profile {
	w.t.Helper()
	w.write("p.toml", text)
	return w.load("p.toml")
}

// errors returns the messages of Load, one a line, with the remedy after a bar.
// The working directory is called DIR in them.
func (w *world) errors(names ...string) string {
	w.t.Helper()
	_, err := Load(w.in, names...)
	if err == nil {
		return ""
	}
	var list problem.List
	if !errors.As(err, &list) {
		w.t.Fatalf("the error is a %T", err)
	}
	var lines []string
	for _, p := range list {
		var m *Mistake
		if !errors.As(p, &m) {
			w.t.Fatalf("no Mistake in %v", p)
		}
		line := p.Error()
		if p.Fix != "" {
			line += " | " + p.Fix
		}
		lines = append(lines, strings.ReplaceAll(line, w.dir, "DIR"))
	}
	return strings.Join(lines, "\n")
}

// mistakes returns the messages for one profile given as text.
func mistakes(t testing.TB, text string) string {
	t.Helper()
	w := newWorld(t)
	w.write("p.toml", text)
	return w.errors("p.toml")
}
