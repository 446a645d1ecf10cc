package snug_test

import (
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/snug-sandbox/snug"
	"github.com/snug-sandbox/snug/internal/host"
	"github.com/snug-sandbox/snug/internal/plan"
	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/internal/program"
	"github.com/snug-sandbox/snug/mounts"
	"github.com/snug-sandbox/snug/process"
	"github.com/snug-sandbox/snug/profiles"
	"github.com/snug-sandbox/snug/userns"
)

// SNUG_TEST_ROOT=1 go test -run Golden -update . rewrites testdata/plans.
var update = flag.Bool("update", false, "rewrite the golden files")

// fakeHost is a machine that exists on paper only.
func fakeHost(change func(*host.Facts)) host.Facts {
	f := host.Facts{
		Kernel: host.Version{Major: 6, Minor: 1}, Landlock: 2, UID: 1000, GID: 1000, Groups: []int{1000, 27},
		User: "ann", Home: "/home/ann", Workdir: "/home/ann/project",
		Environ:       []string{"PATH=/usr/bin:/bin", "HOME=/home/ann", "USER=ann", "SHELL=/bin/bash", "LANG=C.UTF-8", "SECRET=hidden"},
		ArgumentPages: [2]uint64{0x7ffc00000000, 0x2000},
		RootLinks:     map[string]string{"/bin": "usr/bin", "/sbin": "usr/sbin", "/lib": "usr/lib", "/lib64": "usr/lib64"},
		SubIDLogin:    "ann", CgroupWhy: "there is no cgroup v2",
	}
	change(&f)
	return f
}

// reference is the host that whole plans are kept for; those of the others are
// kept as what differs from it.
const reference = "debian-12"

func fakeHosts() map[string]host.Facts {
	return map[string]host.Facts{
		reference: fakeHost(func(*host.Facts) {}),
		"linux-5.12-without-merged-usr": fakeHost(func(f *host.Facts) {
			f.Kernel, f.RootLinks, f.Landlock = host.Version{Major: 5, Minor: 12}, nil, 0
		}),
		"linux-6.18": fakeHost(func(f *host.Facts) { f.Kernel, f.Landlock = host.Version{Major: 6, Minor: 18}, 7 }),
		"root": fakeHost(func(f *host.Facts) {
			f.UID, f.GID, f.User, f.Home, f.Workdir = 0, 0, "root", "/root", "/root"
		}),
		"ubuntu-24.04": fakeHost(func(f *host.Facts) {
			f.Kernel, f.Landlock = host.Version{Major: 6, Minor: 8}, 4
			f.RootLinks = map[string]string{"/bin": "usr/bin", "/sbin": "usr/sbin", "/lib": "usr/lib", "/lib64": "usr/lib64", "/lib32": "usr/lib32", "/libx32": "usr/libx32"}
			f.Environ = append(f.Environ, "XDG_RUNTIME_DIR=/run/user/1000", "TERM=xterm-256color", "DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/1000/bus")
		}),
		"nothing-known": fakeHost(func(f *host.Facts) {
			f.User, f.Home, f.Workdir, f.Environ, f.ArgumentPages, f.RootLinks = "1000", "/", "/", nil, [2]uint64{}, nil
		}),
	}
}

// goldenSpecs are the built-in profiles and what they do not use.
func goldenSpecs(t *testing.T, f host.Facts) map[string]snug.Spec {
	t.Helper()
	specs := map[string]snug.Spec{}
	for _, name := range []string{"default", "strict", "shell", "build"} {
		p, err := profiles.Load(profiles.Inputs{Dir: f.Workdir, Home: f.Home, UID: f.UID, Env: lookupIn(f.Environ)}, name)
		if err != nil {
			t.Fatal(err)
		}
		specs[name] = p.Spec
	}
	var tree, everything snug.Spec
	tree.Rootfs = mounts.Rootfs{Path: "/srv/tree", Overlay: mounts.OverlayKeep, Upper: "/srv/upper"}
	tree.Mounts = []mounts.Mount{{Type: mounts.Overlay, Target: "/data", Lower: []string{"/srv/a", "/srv/b:c"}, Writable: true}}
	specs["tree"] = tree
	everything.Rootfs.Base = mounts.BaseHost
	everything.Terminal.TTY = process.TTYYes
	everything.Command.PID1 = true
	everything.Security.Capabilities = []string{"ALL"}
	everything.Identity.Map = userns.MapRoot
	everything.Namespaces.MonotonicOffset = 1e9
	specs["everything"] = everything
	if f.Landlock >= 2 { // without it there is no such sandbox
		bare := specs["default"]
		bare.Namespaces.None = true
		specs["bare"] = bare
	}
	for name, s := range specs {
		if s.Command.Args == nil {
			s.Command.Args = []string{"make", "test"}
		}
		specs[name] = s
	}
	return specs
}

func lookupIn(environ []string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for _, kv := range environ {
			if value, ok := strings.CutPrefix(kv, name+"="); ok {
				return value, true
			}
		}
		return "", false
	}
}

// variants are profiles whose plans are kept as what differs from default's.
var variants = []string{"build", "shell", "strict"}

func TestGoldenPlans(t *testing.T) {
	facts := fakeHosts()[reference]
	specs := goldenSpecs(t, facts)
	for name, s := range specs {
		if slices.Contains(variants, name) {
			golden(t, name, difference(printed(t, specs["default"], facts), printed(t, s, facts)))
			continue
		}
		golden(t, name, printed(t, s, facts))
	}
}

func TestGoldenPlansOnOtherHosts(t *testing.T) {
	on := goldenSpecs(t, fakeHosts()[reference])
	for name, facts := range fakeHosts() {
		if name == reference {
			continue
		}
		var b strings.Builder
		specs := goldenSpecs(t, facts)
		for _, profile := range slices.Sorted(maps.Keys(specs)) {
			fmt.Fprintf(&b, "== %s\n", profile)
			diff := difference(printed(t, on[profile], fakeHosts()[reference]), printed(t, specs[profile], facts))
			if slices.Contains(variants, profile) && diff == difference(printed(t, on["default"], fakeHosts()[reference]), printed(t, specs["default"], facts)) {
				diff = "as default\n"
			}
			b.WriteString(diff)
		}
		golden(t, "on-"+name, b.String())
	}
}

// golden compares text with the file of that name.
func golden(t *testing.T, name, text string) {
	t.Helper()
	file := filepath.Join("testdata", "plans", name+".golden")
	if *update {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	old, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := difference(string(old), text); diff != "" {
		t.Errorf("%s has changed (go test -update, when that is right):\n%s", file, diff)
	}
}

func printed(t *testing.T, s snug.Spec, f host.Facts) string {
	t.Helper()
	p, err := snug.Compile(s, f, snug.Streams{})
	if err != nil {
		t.Fatal(err)
	}
	return planText(p)
}

// planText is a plan without the numbers of its steps and with relative jumps, so
// that one more step changes one line.
func planText(p *plan.Plan) string {
	var b strings.Builder
	header := *p
	header.Program = program.Program{}
	header.Print(&b)
	for i := range p.Program.Steps {
		s := &p.Program.Steps[i]
		call := jump.ReplaceAllStringFunc(p.Program.FormatCall(i), func(to string) string {
			there, _ := strconv.Atoi(strings.TrimPrefix(to, "→ "))
			return fmt.Sprintf("→ +%d", there-i)
		})
		fmt.Fprintf(&b, "%s  %s: %s\n", p.Program.Actor(i), s.Label, strings.Replace(call, "&{…}", structure(&p.Program, s), 1))
	}
	return b.String()
}

var jump = regexp.MustCompile(`→ (\d+)`)

// structure shows what a step's call finds in memory, where that decides what
// the mount may do.
func structure(p *program.Program, s *program.Step) string {
	word := func(arg, n int) uint64 {
		return binary.NativeEndian.Uint64(p.Data[s.Args[arg].Value+uint64(8*n):])
	}
	switch s.Call.Name {
	case "mount_setattr":
		return fmt.Sprintf("{set %s, clear %s, propagation %#x}", plan.MountAttrs.Format(word(3, 0)), plan.MountAttrs.Format(word(3, 1)), word(3, 2))
	case "openat2":
		return fmt.Sprintf("{%s, resolve %#x}", plan.OpenFlags.Format(word(2, 0)), word(2, 2))
	}
	return "&{…}"
}

// difference lists the lines that are in one text only, by a longest common
// subsequence.
func difference(old, now string) string {
	a, b := strings.SplitAfter(old, "\n"), strings.SplitAfter(now, "\n")
	common := make([][]int, len(a)+1)
	for i := range common {
		common[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	var out strings.Builder
	for i, j := 0, 0; i < len(a) || j < len(b); {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && common[i+1][j] >= common[i][j+1]:
			out.WriteString("- " + a[i])
			i++
		default:
			out.WriteString("+ " + b[j])
			j++
		}
	}
	return out.String()
}

func TestDifference(t *testing.T) {
	if got := difference("a\nb\nc\n", "a\nc\nd\n"); got != "- b\n+ d\n" {
		t.Errorf("got %q", got)
	}
	if got := difference("a\n", "a\n"); got != "" {
		t.Errorf("got %q", got)
	}
}

func TestPlansPassTheirOwnCheck(t *testing.T) {
	for _, facts := range fakeHosts() {
		for name, s := range goldenSpecs(t, facts) {
			p, err := snug.Compile(s, facts, snug.Streams{})
			if err != nil {
				t.Fatal(err)
			}
			if err := p.Program.Check(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			for i, step := range p.Program.Steps {
				if step.Label == "" {
					t.Errorf("%s: step %d has no label", name, i)
				}
			}
		}
	}
}

func TestAnOldKernelIsRefused(t *testing.T) {
	for _, version := range []host.Version{{Major: 5, Minor: 11}, {Major: 4, Minor: 18}, {}} {
		f := fakeHost(func(f *host.Facts) { f.Kernel = version })
		for name, s := range goldenSpecs(t, f) {
			_, err := snug.Compile(s, f, snug.Streams{})
			p := new(problem.Problem)
			if !errors.As(err, &p) || !strings.Contains(p.Why, "older than Linux 5.12") || p.Fix == "" {
				t.Errorf("%s on %v: %v", name, version, err)
			}
		}
	}
}

func TestARangeNeedsItsTablesAndHelpers(t *testing.T) {
	s := snug.Spec{}
	s.Identity.Map = userns.MapRange
	whole := func(f *host.Facts) {
		f.SubUIDs, f.SubGIDs = []host.IDRange{{Start: 100000, Count: 65536}}, []host.IDRange{{Start: 200000, Count: 1000}, {Start: 300000, Count: 500}}
		f.Newuidmap, f.Newgidmap = "/usr/bin/newuidmap", "/usr/bin/newgidmap"
	}
	p, err := snug.Compile(s, fakeHost(whole), snug.Streams{})
	if err != nil {
		t.Fatal(err)
	}
	want := []plan.Action{
		{Label: "map 65537 user ids with newuidmap", Command: strings.Fields("/usr/bin/newuidmap {pid} 0 1000 1 1 100000 65536")},
		{Label: "map 1501 group ids with newgidmap", Command: strings.Fields("/usr/bin/newgidmap {pid} 0 1000 1 1 200000 1000 1001 300000 500")},
	}
	if fmt.Sprint(p.Barriers) != fmt.Sprint(want) {
		t.Errorf("the parent would do\n%v, want\n%v", p.Barriers, want)
	}
	for missing, take := range map[string]func(*host.Facts){
		"newuidmap":   func(f *host.Facts) { f.Newuidmap = "" },
		"newgidmap":   func(f *host.Facts) { f.Newgidmap = "" },
		"/etc/subuid": func(f *host.Facts) { f.SubUIDs = nil },
		"/etc/subgid": func(f *host.Facts) { f.SubGIDs = nil },
	} {
		_, err := snug.Compile(s, fakeHost(func(f *host.Facts) { whole(f); take(f) }), snug.Streams{})
		told := new(problem.Problem)
		if !errors.As(err, &told) || !strings.Contains(told.Why, missing) || told.Fix == "" || !strings.Contains(told.What, "range") {
			t.Errorf("without %s: %v", missing, err)
		}
	}
	id := 70000
	s.Identity.UID = &id
	if _, err := snug.Compile(s, fakeHost(whole), snug.Streams{}); err == nil || !strings.Contains(err.Error(), "70000") {
		t.Errorf("an id outside of the range: %v", err)
	}
}

func TestLimitsNeedAControlGroup(t *testing.T) {
	for key, set := range map[string]func(*snug.Spec){
		"limits.memory": func(s *snug.Spec) { s.Limits.Memory = 1 << 30 },
		"limits.cpus":   func(s *snug.Spec) { s.Limits.CPUs = 1.5 },
		"limits.pids":   func(s *snug.Spec) { s.Limits.PIDs = 100 },
	} {
		s := snug.Spec{}
		set(&s)
		_, err := snug.Compile(s, fakeHost(func(*host.Facts) {}), snug.Streams{})
		told := new(problem.Problem)
		if !errors.As(err, &told) || told.What != key || !strings.Contains(told.Why, "there is no cgroup v2") || told.Fix == "" {
			t.Errorf("%s: %v", key, err)
		}
		p, err := snug.Compile(s, fakeHost(func(f *host.Facts) {
			f.CgroupDir, f.CgroupControllers = "/sys/fs/cgroup/user", []string{"cpu", "memory", "pids"}
		}), snug.Streams{})
		if err != nil || p.Cgroup.Dir != "/sys/fs/cgroup/user" || len(p.Cgroup.Values) == 0 {
			t.Errorf("%s: %v, %+v", key, err, p)
		}
	}
}
