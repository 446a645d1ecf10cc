package main

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/internal/units"
	"github.com/snug-sandbox/snug/mounts"
	"github.com/snug-sandbox/snug/namespaces"
	"github.com/snug-sandbox/snug/network"
	"github.com/snug-sandbox/snug/profiles"
	"github.com/snug-sandbox/snug/spec"
)

// changed applies the options of a command line of run to s.
func changed(t *testing.T, s spec.Spec, args ...string) (spec.Spec, error) {
	t.Helper()
	cmd, err := parse(append([]string{"run"}, args...))
	if err != nil {
		t.Fatal(err)
	}
	c := &changing{Spec: &s, home: "/home/me", added: map[int]string{}}
	err = verbOf(cmd.node).(*runVerb).apply(c)
	return s, err
}

func TestSplitPair(t *testing.T) {
	for text, want := range map[string][]string{
		"a":         {"a"},
		"a:b":       {"a", "b"},
		`a\:b`:      {"a:b"},
		`a\:b:c`:    {"a:b", "c"},
		`a\\:b`:     {`a\`, "b"},
		`a\b:c`:     {`a\b`, "c"},
		`a:b\:c`:    {"a", "b:c"},
		":":         {"", ""},
		"a:":        {"a", ""},
		`\`:         {`\`},
		"/x y/ü:/z": {"/x y/ü", "/z"},
		"":          {""},
	} {
		got, err := splitPair(text)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v; want %q", text, got, err, want)
		}
	}
	for text, fix := range map[string]string{
		"a:b:c": `\:`, "a:b:ro": "--ro-bind a:b", "a:b:rw": "--bind a:b", "a::b": `\:`,
	} {
		_, err := splitPair(text)
		bad, ok := err.(*valueError)
		if !ok || !strings.Contains(bad.fix, fix) {
			t.Errorf("%q: %+v, want the remedy %q", text, err, fix)
		}
	}
}

// Whatever is escaped comes back as it was.
func FuzzSplitPair(f *testing.F) {
	for _, seed := range []string{"a", "a:b", `a\:b`, `\`, `\\`, `:\`, "::", `a\\:b\`} {
		f.Add(seed, seed)
	}
	escape := strings.NewReplacer(`\`, `\\`, `:`, `\:`)
	f.Fuzz(func(t *testing.T, a, b string) {
		got, err := splitPair(escape.Replace(a) + ":" + escape.Replace(b))
		if err != nil || len(got) != 2 || got[0] != a || got[1] != b {
			t.Errorf("%q, %q: %q, %v", a, b, got, err)
		}
		words, err := splitPair(a)
		if err == nil && (len(words) == 0 || len(words) > 2) {
			t.Errorf("%q: %q", a, words)
		}
	})
}

func TestPathsOfTheHost(t *testing.T) {
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"/a/b/": "/a/b", "a": filepath.Join(wd, "a"), ".": wd, "~": "/home/me", "~/x": "/home/me/x",
		"~other": filepath.Join(wd, "~other"), "..": filepath.Dir(wd), "a b": filepath.Join(wd, "a b"),
	} {
		if got, err := hostPath(path, "/home/me"); err != nil || got != want {
			t.Errorf("%q: %q, %v; want %q", path, got, err, want)
		}
	}
	if _, err := hostPath("~/x", ""); err == nil {
		t.Error("~ without a home directory was accepted")
	}
}

// The same as in profiles.
func TestHomeInside(t *testing.T) {
	s, err := changed(t, spec.Spec{}, "--ro-bind=/a:~/b", "--tmpfs=~/c/../d", "--mask=~/e", "--symlink=~/x:~/f", "--workdir=~")
	want := []string{"/home/me/b", "/home/me/d", "/home/me/e", "/home/me/f"}
	var got []string
	for _, m := range s.Mounts {
		got = append(got, m.Target)
	}
	if err != nil || !slices.Equal(got, want) || s.Command.Workdir != "/home/me" {
		t.Errorf("got %q, workdir %q, %v", got, s.Command.Workdir, err)
	}
	for _, option := range []string{"--tmpfs=~other/x", "--tmpfs=~x"} {
		if _, err := changed(t, spec.Spec{}, option); err == nil {
			t.Errorf("%s was accepted", option)
		}
	}
}

func TestMountsKeepTheirOrder(t *testing.T) {
	mode := units.FileMode(0o700)
	first := mounts.Mount{Type: mounts.Tmpfs, Target: "/first"}
	s, err := changed(t, spec.Spec{Mounts: []mounts.Mount{first}},
		"--ro-bind", "/a", "--tmpfs", "/a", "--bind=/b:/c/", "--dev-bind", `/x\:y`, "--mask", "/m", "--symlink", "../t:/l",
		"--tmpfs", "/t:size=64MiB,mode=0700")
	if err != nil {
		t.Fatal(err)
	}
	want := []mounts.Mount{
		first,
		{Type: mounts.Bind, Source: "/a", Target: "/a"},
		{Type: mounts.Tmpfs, Target: "/a"},
		{Type: mounts.Bind, Source: "/b", Target: "/c", Writable: true},
		{Type: mounts.DevBind, Source: "/x:y", Target: "/x:y", Writable: true},
		{Type: mounts.Mask, Target: "/m"},
		{Type: mounts.Symlink, Source: "../t", Target: "/l"},
		{Type: mounts.Tmpfs, Target: "/t", Size: 64 << 20, Mode: &mode},
	}
	if !reflect.DeepEqual(s.Mounts, want) {
		t.Errorf("got %+v", s.Mounts)
	}
}

func TestRootReplacesTheProfiles(t *testing.T) {
	s, err := changed(t, spec.Spec{Rootfs: mounts.Rootfs{Base: mounts.BaseHost, Overlay: mounts.OverlayReadonly}},
		"--rootfs", "/r", "--overlay", "keep", "--upper", "~/up")
	want := mounts.Rootfs{Path: "/r", Overlay: mounts.OverlayKeep, Upper: "/home/me/up"}
	if err != nil || !reflect.DeepEqual(s.Rootfs, want) {
		t.Errorf("got %+v, %v", s.Rootfs, err)
	}
	if s, err := changed(t, s, "--overlay", "none"); err != nil || s.Rootfs.Overlay != mounts.OverlayNone {
		t.Errorf("got %+v, %v", s.Rootfs, err)
	}
}

// An unpacked image has no place for what profiles mount, and the host's root
// has file systems of its own, which an overlay hides.
func TestRootGetsPlacesForMounts(t *testing.T) {
	for _, c := range []struct {
		was  mounts.Rootfs
		args []string
		want string
	}{
		{args: []string{"--rootfs", "/r"}, want: mounts.OverlayReadonly},
		{args: []string{"--rootfs", "/"}, want: mounts.OverlayNone},
		{args: []string{"--rootfs", "/r", "--overlay", "none"}, want: mounts.OverlayNone},
		{args: []string{"--overlay", "none", "--rootfs", "/r"}, want: mounts.OverlayNone},
		{args: []string{"--overlay", "discard", "--rootfs", "/r"}, want: mounts.OverlayDiscard},
		{was: mounts.Rootfs{Overlay: mounts.OverlayDiscard}, args: []string{"--rootfs", "/r"}, want: mounts.OverlayDiscard},
		{was: mounts.Rootfs{Writable: true}, args: []string{"--rootfs", "/r"}, want: mounts.OverlayNone},
	} {
		s, err := changed(t, spec.Spec{Rootfs: c.was}, c.args...)
		if err != nil || s.Rootfs.Overlay != c.want {
			t.Errorf("%v: got %q, %v, want %q", c.args, s.Rootfs.Overlay, err, c.want)
		}
	}
}

func TestEnvironmentOptions(t *testing.T) {
	var s spec.Spec
	s.Env.Set = map[string]string{"A": "profile", "KEEP": "profile", "GONE": "profile", "PRE_X": "1", "PRE_Y": "2"}
	s.Env.Unset = []string{"KEEP", "TERM"}
	s, err := changed(t, s, "--env", "A=B=C", "-e", "EMPTY=", "--keep-env", "KEEP", "--keep-env", "LC_*",
		"--unset-env", "GONE", "--unset-env", "PRE_*", "--inherit-env")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"A": "B=C", "EMPTY": ""}
	if !reflect.DeepEqual(s.Env.Set, want) || !s.Env.Inherit {
		t.Errorf("got %+v", s.Env)
	}
	if !slices.Equal(s.Env.Keep, []string{"KEEP", "LC_*"}) || !slices.Equal(s.Env.Unset, []string{"TERM", "GONE", "PRE_*"}) {
		t.Errorf("got %+v", s.Env)
	}
}

// A name that a pattern of the profile leaves out is passed on all the same.
func TestKeepWinsOverPattern(t *testing.T) {
	t.Setenv("SNUG_TEST_KEPT", "value")
	var s spec.Spec
	s.Env.Unset = []string{"SNUG_TEST_*"}
	s, err := changed(t, s, "--keep-env", "SNUG_TEST_KEPT")
	if err != nil || s.Env.Set["SNUG_TEST_KEPT"] != "value" {
		t.Errorf("got %+v, %v", s.Env, err)
	}
}

func TestMapGoesFirst(t *testing.T) {
	five := 5
	var s spec.Spec
	s.Identity.UID, s.Identity.GID = &five, &five
	s, err := changed(t, s, "--uid", "7", "--map", "root")
	if err != nil {
		t.Fatal(err)
	}
	if s.Identity.Map != "root" || *s.Identity.UID != 7 || s.Identity.GID != nil {
		t.Errorf("got %+v", s.Identity)
	}
}

func TestNetworkAndNamespaces(t *testing.T) {
	hosts := spec.Spec{}
	hosts.Network.Mode, hosts.Namespaces.PID = network.Host, namespaces.Share
	for _, c := range []struct {
		args      string
		mode, net string
		pid, time string
	}{
		{"", network.Host, "", namespaces.Share, ""},
		{"--net none", network.None, "", namespaces.Share, ""},
		{"--unshare net,pid", network.None, "", namespaces.New, ""},
		{"--unshare all", network.None, "", namespaces.New, ""},
		{"--unshare net --share net", network.Host, "", namespaces.Share, ""},
		{"--share Time --unshare TIME", network.Host, "", namespaces.Share, namespaces.New},
	} {
		s, err := changed(t, hosts, strings.Fields(c.args)...)
		n := s.Namespaces
		if err != nil || s.Network.Mode != c.mode || n.Net != c.net || n.PID != c.pid || n.Time != c.time {
			t.Errorf("%s: %+v %+v, %v", c.args, s.Network, n, err)
		}
	}
}

func TestLimits(t *testing.T) {
	var s spec.Spec
	s.Limits.PIDs, s.Limits.Timeout = 5, 5
	s, err := changed(t, s, "--memory", "1.5GiB", "--cpus", "1.5", "--pids", "none", "--timeout", "none", "--grace", "250ms")
	l := s.Limits
	if err != nil || l.Memory != 3<<29 || l.CPUs != 1.5 || l.PIDs != 0 || l.Timeout != 0 || l.Grace.String() != "250ms" {
		t.Errorf("got %+v, %v", l, err)
	}
}

func TestCapabilities(t *testing.T) {
	var s spec.Spec
	s.Security.Capabilities = []string{"CAP_CHOWN"}
	s, err := changed(t, s, "--cap", "net_raw, CAP_SETUID", "--cap", "all")
	want := []string{"CAP_CHOWN", "CAP_NET_RAW", "CAP_SETUID", "ALL"}
	if err != nil || !slices.Equal(s.Security.Capabilities, want) {
		t.Errorf("got %q, %v", s.Security.Capabilities, err)
	}
}

func TestSwitchesGoBothWays(t *testing.T) {
	var s spec.Spec
	s.Command.Linger, s.Security.NestedUserns = true, true
	s, err := changed(t, s, "--no-linger", "--pid1", "--no-nested-userns", "--fd", "5", "--fd", "5", "--fd=3")
	if err != nil || s.Command.Linger || !s.Command.PID1 || s.Security.NestedUserns || !slices.Equal(s.Command.FDs, []int{5, 3}) {
		t.Errorf("got %+v, %v", s.Command, err)
	}
}

func TestBadValues(t *testing.T) {
	for _, c := range []struct{ option, value string }{
		{"memory", "12parsecs"}, {"memory", "0"}, {"memory", "-5"}, {"memory", ""},
		{"cpus", "x"}, {"cpus", "0"}, {"cpus", "-1"}, {"cpus", "NaN"}, {"cpus", "Inf"},
		{"pids", "1.5"}, {"pids", "0"}, {"pids", "99999999999999999999"},
		{"timeout", "10"}, {"timeout", "-5s"}, {"timeout", "0s"}, {"grace", "soon"},
		{"uid", "-1"}, {"uid", "root"}, {"uid", "4294967295"}, {"gid", "0x10"},
		{"map", "bob"}, {"net", "hots"}, {"tty", "maybe"}, {"overlay", "x"},
		{"share", "foo"}, {"share", ""}, {"share", "pid,"}, {"unshare", "mnt"}, {"unshare", "everything"},
		{"cap", ""}, {"fd", "2"}, {"fd", "-3"}, {"fd", "x"}, {"fd", "99999999999"},
		{"bind", ""}, {"bind", ":/x"}, {"bind", "/x:y"}, {"bind", "a:b:c"}, {"ro-bind", "/x:"},
		{"tmpfs", "x"}, {"tmpfs", ""}, {"tmpfs", "/x:size=big"}, {"tmpfs", "/x:mode=9"}, {"tmpfs", "/x:foo"},
		{"symlink", "/x"}, {"symlink", ":/x"}, {"symlink", "a:b"}, {"mask", "x"}, {"rootfs", ""}, {"workdir", "x"},
		{"env", "A"}, {"env", "=B"}, {"keep-env", "A=B"}, {"unset-env", ""}, {"keep-env", "A*B"}, {"unset-env", "${X}"},
		{"hostname", ""}, {"hostname", "a b"}, {"hostname", "a/b"}, {"hostname", "-a"}, {"hostname", "ä"}, {"hostname", strings.Repeat("x", 65)},
	} {
		_, err := changed(t, spec.Spec{}, "--"+c.option+"="+c.value)
		if err == nil || !strings.Contains(err.Error(), "--"+c.option+": ") {
			t.Errorf("--%s=%s: %v", c.option, c.value, err)
		}
	}
}

// The remedy is one that works.
func TestRemediesOfLimits(t *testing.T) {
	const lift = " none, to lift the profile's limit"
	for option, fix := range map[string]string{
		"timeout=0": "--timeout" + lift, "timeout=0s": "--timeout" + lift, "timeout=-5": "--timeout" + lift, "timeout=0.0": "--timeout" + lift,
		"grace=00": "--grace" + lift, "timeout=10": "--timeout 10s", "timeout=1.5": "--timeout 1.5s", "timeout=1e3": "--timeout 90s", "timeout=1h30": "--timeout 90s", "timeout=": "--timeout 90s",
		"timeout=999999999h": "--timeout" + lift, "timeout=99999999999999": "--timeout" + lift, "memory=0": "--memory" + lift, "cpus=0": "--cpus" + lift, "pids=-1": "--pids" + lift,
		"tmpfs=/x:size=0": "--tmpfs DST",
	} {
		_, err := changed(t, spec.Spec{}, "--"+option)
		if p := new(problem.Problem); !errors.As(err, &p) || !strings.HasPrefix(p.Fix, fix) {
			t.Errorf("--%s: %v, try %q, want %q", option, err, p.Fix, fix)
		}
	}
	_, err := changed(t, spec.Spec{}, "--timeout=999999999h")
	if err == nil || !strings.Contains(err.Error(), "is longer than 2562047h") {
		t.Errorf("%v", err)
	}
}

// What a word must be is decided in one place, for profiles and options.
func TestWordsAreThoseOfProfiles(t *testing.T) {
	in := profiles.Inputs{Dir: t.TempDir(), UID: os.Getuid()}
	for option, key := range map[string]string{"hostname": "namespaces.hostname", "keep-env": "env.keep", "unset-env": "env.unset"} {
		for _, word := range []string{"a", "A_1", "a.b", "a b", "a/b", "ä", "-a", "a-", "A*", "*", "A*B", "", "x:y", "${A}", strings.Repeat("x", 64), strings.Repeat("x", 65)} {
			table, name, _ := strings.Cut(key, ".")
			value := strconv.Quote(word)
			if table == "env" {
				value = "[" + value + "]"
			}
			file := filepath.Join(in.Dir, "p.toml")
			text := "version = 1\n[" + table + "]\n" + name + " = " + strings.ReplaceAll(value, "${", "$${") + "\n"
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, optionErr := changed(t, spec.Spec{}, "--"+option+"="+word)
			if profileErr := profiles.Check(in, file); (optionErr == nil) != (profileErr == nil) {
				t.Errorf("--%s %q: %v, but in a profile: %v", option, word, optionErr, profileErr)
			}
		}
	}
}

func TestAllBadValuesAtOnce(t *testing.T) {
	_, err := changed(t, spec.Spec{}, "--memory=x", "--uid=x", "--net=x")
	for _, option := range []string{"--memory: ", "--uid: ", "--net: "} {
		if err == nil || !strings.Contains(err.Error(), option) {
			t.Errorf("%v does not hold %q", err, option)
		}
	}
}
