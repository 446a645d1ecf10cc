package profiles

import (
	"os"
	"path/filepath"
	"testing"
)

func TestDefaultInputsAreThoseOfThisProcess(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	t.Setenv("HOME", "/home/ann")
	t.Setenv("XDG_CONFIG_HOME", "/conf")
	in := Default()
	want := []Place{{"project", dir + "/.snug"}, {"user", "/conf/snug/profiles"}, {"system", "/etc/snug/profiles"}}
	if in.Dir != dir || in.Home != "/home/ann" || in.UID != os.Geteuid() || len(in.Paths) != 3 {
		t.Fatalf("%+v", in)
	}
	for i, place := range want {
		if in.Paths[i] != place {
			t.Errorf("place %d is %v, want %v", i, in.Paths[i], place)
		}
	}
	t.Setenv("XDG_CONFIG_HOME", "")
	if got := Default().Paths[1].Dir; got != "/home/ann/.config/snug/profiles" {
		t.Errorf("without XDG_CONFIG_HOME it is %s", got)
	}
	t.Setenv("XDG_CONFIG_HOME", "relative")
	if got := Default().Paths[1].Dir; got != "/home/ann/.config/snug/profiles" {
		t.Errorf("a relative XDG_CONFIG_HOME gives %s", got)
	}
	if v, ok := in.Env("HOME"); !ok || v != "/home/ann" {
		t.Error("Env is not the environment")
	}
	if !in.Exists(dir) || in.Exists(dir+"/none") {
		t.Error("Exists does not look")
	}
}

func TestAHomeIsKnownWithoutTheEnvironment(t *testing.T) {
	t.Setenv("HOME", "")
	if home := Default().Home; !filepath.IsAbs(home) {
		t.Errorf("got %q", home)
	}
}

func TestRealFollowsLinksAsFarAsThePathExists(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir+"/real", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("real", dir+"/link"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("loop", dir+"/loop"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(dir+"/link", dir+"/abs"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir+"/deep", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../link/.//", dir+"/deep/sub"); err != nil {
		t.Fatal(err)
	}
	for from, want := range map[string]string{"/link": "/real", "/link/a/b": "/real/a/b", "/none/x": "/none/x", "/loop/x": "/loop/x", "/link/": "/real",
		"/link/../x": "/x", "/real/../link/.": "/real", "/deep/sub/y": "/real/y", "/abs/z": "/real/z"} {
		if got := realPath(dir + from); got != dir+want {
			t.Errorf("%s is %s, want %s", from, got, dir+want)
		}
	}
	for _, name := range []string{"/", "/bin", "/sbin/", "/lib/../etc", "/usr/bin/sh", "/proc/self/cwd", dir + "/deep/sub", "/dev/stdin/.."} {
		if want, err := filepath.EvalSymlinks(name); err == nil && realPath(name) != want {
			t.Errorf("%s is %s, want %s", name, realPath(name), want)
		}
	}
}

func TestDefaultDoesNotShowTheHomeBehindARealLink(t *testing.T) {
	base := t.TempDir()
	if err := os.Mkdir(base+"/home", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("home", base+"/other"); err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOME", base+"/home")
	in := Default()
	in.Dir = base + "/other"
	p, err := Load(in, "default")
	if err != nil {
		t.Fatal(err)
	}
	if m, ok := at(p.Spec, in.Dir); ok {
		t.Errorf("shown: %+v", m)
	}
}
