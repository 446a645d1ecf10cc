package main

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/snug-sandbox/snug/desktop"
	"github.com/snug-sandbox/snug/mounts"
	"github.com/snug-sandbox/snug/profiles"
	"github.com/snug-sandbox/snug/spec"
)

func TestFilesOfTheCommandLineAreThoseThatThereAre(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a b%.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "a b%.txt")
	for word, want := range map[string]string{
		"a b%.txt": file, file: file, "./sub/../a b%.txt": file, "sub": filepath.Join(dir, "sub"),
		"file://" + dir + "/a%20b%25.txt": file, "file://localhost" + dir + "/sub": filepath.Join(dir, "sub"),
		"file:" + dir + "/sub": filepath.Join(dir, "sub"), "file://" + dir + "/sub#part": filepath.Join(dir, "sub"), "file:sub": "",
		"file://elsewhere" + dir + "/sub": "", "file://": "", "file:///%zz": "", "https://example.org/": "", "missing": "", "": "", "--file": "", "/dev/null": "",
	} {
		if got := fileOf(word, dir); got != want {
			t.Errorf("%q is %q, want %q", word, got, want)
		}
	}
	if got := fileOf("sub", ""); got != "" {
		t.Errorf("without a working directory: %q", got)
	}
}

// What is handed over is named as it was, with the part of it that a link leads to.
func TestAFileIsNamedAsItWas(t *testing.T) {
	for word, want := range map[string]string{
		"sub/file": "/doc/1/a%b \xff", "file:///old/file": "file:///doc/1/a%25b%20%FF", "file://localhost/old?q=1#top": "file:///doc/1/a%25b%20%FF?q=1#top",
		"file:/old/file": "file:///doc/1/a%25b%20%FF", "file:odd": "/doc/1/a%b \xff",
	} {
		if got := named(word, "/doc/1/a%b \xff"); got != want {
			t.Errorf("%s: %q, want %q", word, got, want)
		}
	}
}

// An option's value may be the name of a directory that each sandbox has.
func TestWhatASandboxHasItselfIsNotHandedOver(t *testing.T) {
	s := &sandbox{Profile: &profiles.Profile{}}
	s.Spec.Mounts = []mounts.Mount{{Type: mounts.Tmpfs, Target: "/srv/own"}}
	for path, want := range map[string]bool{
		"/": true, "/proc": true, "/proc/self/environ": true, "/sys/kernel": true, "/dev/shm": true, "/tmp": true, "/run": true, "/srv/own": true,
		"/tmp/file": false, "/srv/own/file": false, "/srv": false, "/process": false,
	} {
		if got := s.hasItsOwn(path); got != want {
			t.Errorf("%s: %v", path, got)
		}
	}
}

func TestEachProgramHasANameOfItsOwn(t *testing.T) {
	for _, c := range []struct {
		profile string
		own     bool
		args    []string
		want    string
	}{
		{"firefox", true, []string{"/usr/bin/firefox"}, "firefox"},
		{"gtk", false, []string{"/usr/bin/gedit", "x"}, "gtk.gedit"},
		{"./dir/gedit.toml", false, []string{"gedit"}, "gedit"},
		{"gtk+more", false, nil, "gtk"},
	} {
		s := &sandbox{Profile: &profiles.Profile{Spec: spec.Spec{Name: c.profile}}, box: &box{own: c.own}}
		s.Spec.Command.Args = c.args
		if got := s.appName(); got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
		if id := (desktop.Config{}).ID(c.want); desktop.CheckAppID(id) != "" {
			t.Errorf("%q becomes %q", c.want, id)
		}
	}
}

// Dashes part the pieces of a unit's name.
func TestScopesAreNamedAsDesktopsExpect(t *testing.T) {
	if got, want := scopeUnit("org.example.my-app"), `app-snug-org.example.my\x2dapp-`+strconv.Itoa(os.Getpid())+".scope"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
