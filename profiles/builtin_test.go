package profiles

import (
	"slices"
	"strings"
	"testing"

	"github.com/snug-sandbox/snug/mounts"
	"github.com/snug-sandbox/snug/spec"
)

// TestTheBuiltinsComeToWhatTheyPromise writes each built-in out for one made-up
// machine: testdata/builtins.txt is what a change of one of them changes.
func TestTheBuiltinsComeToWhatTheyPromise(t *testing.T) {
	in := Inputs{
		Dir: "/home/ann/src", Home: "/home/ann", UID: 1000,
		Env: func(name string) (string, bool) {
			v, ok := map[string]string{"SHELL": "/bin/bash", "XDG_RUNTIME_DIR": "/run/user/1000"}[name]
			return v, ok
		},
	}
	var all strings.Builder
	for _, b := range builtins {
		p, err := Load(in, b.name)
		if err != nil {
			t.Fatal(err)
		}
		all.WriteString(shown(t, p) + "\n")
	}
	fresh(t, "testdata/builtins.txt", []byte(all.String()))
}

// at returns the mount at a target.
func at(s spec.Spec, target string) (mounts.Mount, bool) {
	i := slices.IndexFunc(s.Mounts, func(m mounts.Mount) bool { return m.Target == target })
	if i < 0 {
		return mounts.Mount{}, false
	}
	return s.Mounts[i], true
}

func TestDefaultShowsTheCurrentDirectoryUnlessItHoldsTheHome(t *testing.T) {
	for dir, want := range map[string]bool{
		"/home/ann/src":   true,
		"/home/ann/src/x": true,
		"/home/bob":       true,
		"/srv/work":       true,
		"/tmp/build":      true,
		"/opt/project":    true,
		"/usr/src/linux":  true,
		"/dev/shm/work":   true,
		"/home/annabel":   true,
		"/home/ann":       false,
		"/home":           false,
		"/":               false,
		"/run":            false,
		"/run/user/1000":  false,
		"/run/user":       false,
		"/etc":            false,
		"/usr":            false,
		"/dev":            false,
		"/proc/1":         false,
		"/sys/fs":         false,
		"/data/home":      false, // the home directory by another name
		"/data":           true,
	} {
		w := newWorld(t)
		w.in.Dir = dir
		w.env["XDG_RUNTIME_DIR"] = "/run/user/1000"
		w.link["/data/home"] = "/home/ann"
		for _, name := range []string{"default", "shell", "build"} {
			s := w.load(name).Spec
			m, ok := at(s, dir)
			if shown := ok && m.Type == mounts.Bind; shown != want || shown && (!m.Writable || m.Source != dir) {
				t.Errorf("%s in %s: %+v, want it shown: %v", name, dir, m, want)
			}
		}
	}
}

func TestDefaultHidesTheHomeButNoSystemDirectory(t *testing.T) {
	for home, want := range map[string]bool{
		"/home/ann": true, "/root": true, "/var/lib/postgresql": true, "/nonexistent": true, "/tmp/home": true, "/opt/app": true,
		"/": false, "/usr/sbin": false, "/bin": false, "/dev": false, "/tmp": false, "/proc/1": false, "/usr": false,
		"/link": false,
	} {
		w := newWorld(t)
		w.in.Home = home
		w.in.Dir = "/srv/x"
		w.link["/link"] = "/usr/games"
		m, ok := at(w.load("default").Spec, home)
		if ok != want || ok && (m.Type != mounts.Tmpfs || *m.Mode != 0o700) {
			t.Errorf("with the home %s: %+v, want it hidden: %v", home, m, want)
		}
	}
}

func TestStrictLeavesNothingWritableButTmp(t *testing.T) {
	s := newWorld(t).load("strict").Spec
	for _, m := range s.Mounts {
		if m.Writable || m.Type == mounts.Tmpfs && !m.ReadOnly && m.Target != "/tmp" || m.Fallback == "bind" {
			t.Errorf("%+v", m)
		}
	}
	if s.Network.Mode == "host" || s.Terminal.TTY != "no" || s.Env.Inherit || s.Env.Keep != nil || s.Security.Capabilities != nil {
		t.Errorf("%+v", s)
	}
	if !slices.Contains(s.Env.Unset, "HOME") || s.Env.Set["PATH"] == "" || len(s.Env.Set) != 1 {
		t.Errorf("%+v", s.Env)
	}
}

// Limits of control groups need a delegated subtree, which many machines do
// not give: a built-in profile has to run everywhere.
func TestNoBuiltinNeedsACgroup(t *testing.T) {
	for _, b := range builtins {
		if s := newWorld(t).load(b.name).Spec; !s.Limits.Config.Empty() {
			t.Errorf("%s: %+v", b.name, s.Limits.Config)
		}
	}
}

// What browsers and games are for needs one.
var onTheNetwork = []string{"chromium", "firefox", "electron", "code-editor", "game"}

func TestNoOtherBuiltinSharesTheNetwork(t *testing.T) {
	for _, b := range builtins {
		if slices.Contains(onTheNetwork, b.name) {
			continue
		}
		if s := newWorld(t).load(b.name).Spec; s.Network.Mode != "" || s.Namespaces.Net != "" {
			t.Errorf("%s: %+v", b.name, s.Network)
		}
	}
}

func TestShellIsTheUsersShell(t *testing.T) {
	w := newWorld(t)
	w.env["SHELL"] = "/usr/bin/fish"
	if s := w.load("shell").Spec; s.Command.Args[0] != "/usr/bin/fish" || s.Identity.Shell != "/usr/bin/fish" {
		t.Errorf("%v %s", s.Command.Args, s.Identity.Shell)
	}
	delete(w.env, "SHELL")
	if s := w.load("shell").Spec; s.Command.Args[0] != "/bin/sh" {
		t.Errorf("%v", s.Command.Args)
	}
}

// The built-ins need nothing of the environment: they load where it is empty.
func TestTheBuiltinsLoadWithoutAnyEnvironment(t *testing.T) {
	in := Inputs{Dir: "/", Home: "/"}
	for _, b := range builtins {
		p, err := Load(in, b.name)
		if err != nil {
			t.Errorf("%s: %v", b.name, err)
			continue
		}
		if m, ok := at(p.Spec, "/"); ok {
			t.Errorf("%s mounts over the root: %+v", b.name, m)
		}
	}
}
