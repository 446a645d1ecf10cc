package host

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const passwd = `# a comment
root:x:0:0:root:/root:/bin/sh
short:x:1000
:x:1000:1000:no name:/home/noname:/bin/sh
ann:x:1000:1000:Ann,,,:/home/ann:/bin/bash
ann2:x:1000:1000:the same id again:/home/ann2:/bin/bash
rel:x:1001:1001::home/rel:/bin/sh
`

func TestIdentity(t *testing.T) {
	root := tree(t, map[string]string{"etc/passwd": passwd})
	long := strings.Repeat("x", 300)
	for _, tt := range []struct {
		name       string
		env        map[string]string
		uid        int
		user, home string
	}{
		{"environment", map[string]string{"USER": "eve", "HOME": "/h/eve"}, 1000, "eve", "/h/eve"},
		{"environment, home not clean", map[string]string{"USER": "eve", "HOME": "/h//eve/"}, 1000, "eve", "/h/eve"},
		{"LOGNAME when USER is missing", map[string]string{"LOGNAME": "lou", "HOME": "/h"}, 1000, "lou", "/h"},
		{"nothing set", nil, 1000, "ann", "/home/ann"},
		{"home relative", map[string]string{"USER": "eve", "HOME": "h/eve"}, 1000, "eve", "/home/ann"},
		{"home empty", map[string]string{"USER": "eve", "HOME": ""}, 1000, "eve", "/home/ann"},
		{"user that breaks passwd", map[string]string{"USER": "e:0", "HOME": "/h"}, 1000, "ann", "/h"},
		{"user with a slash", map[string]string{"USER": "../x", "HOME": "/h"}, 1000, "ann", "/h"},
		{"user with a newline", map[string]string{"USER": "a\nb", "HOME": "/h"}, 1000, "ann", "/h"},
		{"user too long", map[string]string{"USER": long, "HOME": "/h"}, 1000, "ann", "/h"},
		{"home of passwd relative", nil, 1001, "rel", "/"},
		{"nobody knows the uid", nil, 4711, "4711", "/"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			getenv := func(key string) string { return tt.env[key] }
			user, home := identity(getenv, root, tt.uid)
			if user != tt.user || home != tt.home {
				t.Errorf("got %q, %q; want %q, %q", user, home, tt.user, tt.home)
			}
		})
	}
}

func TestIdentityWithoutPasswd(t *testing.T) {
	user, home := identity(func(string) string { return "" }, t.TempDir(), 1000)
	if user != "1000" || home != "/" {
		t.Errorf("got %q, %q", user, home)
	}
}

func TestPasswdWithLongLines(t *testing.T) {
	text := "big:x:5:5:" + strings.Repeat("g", 100_000) + ":/big:/bin/sh\nann:x:6:6::/home/ann:/bin/sh"
	if got, ok := findUID(strings.NewReader(text), 5); !ok || got.home != "/big" {
		t.Errorf("long line: got %+v, %v", got, ok)
	}
	if got, ok := findUID(strings.NewReader(text), 6); !ok || got.name != "ann" {
		t.Errorf("line after a long one, without newline: got %+v, %v", got, ok)
	}
}

func TestGroupNames(t *testing.T) {
	root := tree(t, map[string]string{
		"etc/group": "bad\nroot:x:0:\naudio:x:29:ann,bob\naudio2:x:29:\n",
	})
	got := groupNames(root, []int{29, 0, 77})
	if len(got) != 2 || got[29] != "audio" || got[0] != "root" {
		t.Errorf("got %v", got)
	}
}

func TestWorkdir(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	for _, tt := range []struct{ pwd, want string }{
		{dir, dir},
		{link, link}, // the shell's name for it, as os.Getwd has it
		{"/", dir},   // a lie
		{dir + "/../" + filepath.Base(dir), dir},
		{"relative", dir},
		{"", dir},
	} {
		t.Setenv("PWD", tt.pwd)
		if got := workdir(); got != tt.want {
			t.Errorf("PWD=%q: got %q, want %q", tt.pwd, got, tt.want)
		}
	}
}

func TestWorkdirDeleted(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "gone")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	f, err := Gather(Want{})
	if err != nil || f.Workdir != "" {
		t.Errorf("got %q, %v; want an empty Workdir and no error", f.Workdir, err)
	}
	t.Setenv("PWD", "") // the way of a shell that has not noticed
	if got := workdir(); got != "" {
		t.Errorf("without PWD: got %q", got)
	}
}

func TestGatherIsWhoCalls(t *testing.T) {
	t.Setenv("SNUG_HOST_TEST", "here")
	f, err := Gather(Want{})
	if err != nil {
		t.Fatal(err)
	}
	if f.UID != os.Geteuid() || f.GID != os.Getegid() || f.Workdir == "" || f.Home == "" || f.User == "" {
		t.Errorf("got %+v", f)
	}
	if !slices.Contains(f.Environ, "SNUG_HOST_TEST=here") {
		t.Error("the environment is missing")
	}
	if !f.Kernel.AtLeast(3, 0) {
		t.Errorf("kernel %v", f.Kernel)
	}
	if f.RootLinks != nil || f.SubUIDs != nil || f.RootEtc != nil || f.Newuidmap != "" || f.CgroupDir+f.CgroupWhy != "" {
		t.Errorf("gathered what nobody asked for: %+v", f)
	}
}

func TestParseVersion(t *testing.T) {
	for release, want := range map[string]Version{
		"6.8.0-45-generic":       {6, 8},
		"5.12":                   {5, 12},
		"6.18.44-fc":             {6, 18},
		"7-rc1":                  {7, 0},
		"6.1+":                   {6, 1},
		"6.":                     {6, 0},
		"":                       {0, 0},
		"x.y":                    {0, 0},
		"99999999999999999999.1": {999999, 0},
	} {
		if got := ParseVersion(release); got != want {
			t.Errorf("%q: got %v, want %v", release, got, want)
		}
	}
}

func TestVersionAtLeast(t *testing.T) {
	for _, tt := range []struct {
		have, want Version
		ok         bool
	}{
		{Version{5, 12}, Version{5, 12}, true},
		{Version{5, 11}, Version{5, 12}, false},
		{Version{6, 0}, Version{5, 12}, true},
		{Version{4, 19}, Version{5, 12}, false},
	} {
		if got := tt.have.AtLeast(tt.want.Major, tt.want.Minor); got != tt.ok {
			t.Errorf("%v at least %v: %v", tt.have, tt.want, got)
		}
	}
}

func BenchmarkGather(b *testing.B) {
	for b.Loop() {
		if _, err := Gather(Want{}); err != nil {
			b.Fatal(err)
		}
	}
}
