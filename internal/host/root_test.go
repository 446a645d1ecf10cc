package host

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/snug-sandbox/snug/internal/problem"
	"golang.org/x/sys/unix"
)

func TestRootLinks(t *testing.T) {
	root := tree(t, map[string]string{"usr/bin/true": "", "libexec/x": "", "lib32": "a file"})
	for name, text := range map[string]string{"bin": "usr/bin", "lib64": "/usr/lib64", "opt": "usr/opt"} {
		if err := os.Symlink(text, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]string{"/bin": "usr/bin", "/lib64": "/usr/lib64"}
	if got := rootLinks(root); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestRootEtc(t *testing.T) {
	root := tree(t, map[string]string{"etc/passwd": "root:x:0:0::/root:/bin/sh\n"})
	got, err := rootEtc(root)
	if err != nil || len(got) != 1 || got["passwd"] != "root:x:0:0::/root:/bin/sh\n" {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestRootEtcWithoutEtc(t *testing.T) {
	got, err := rootEtc(t.TempDir())
	if err != nil || len(got) != 0 {
		t.Errorf("got %v, %v", got, err)
	}
}

// TestRootEtcStaysInside tries links that lead to the host's own /etc/passwd.
func TestRootEtcStaysInside(t *testing.T) {
	outside := tree(t, map[string]string{"secret": "outside"})
	for name, text := range map[string]string{
		"absolute":    "/etc/group",
		"up":          "../../../../../../../../../../" + outside + "/secret",
		"named":       outside + "/secret",
		"proc":        "/proc/self/root/etc/passwd",
		"through dir": "../../" + filepath.Base(outside) + "/secret",
	} {
		t.Run(name, func(t *testing.T) {
			root := tree(t, map[string]string{"etc/group": "inside"})
			if err := os.Symlink(text, filepath.Join(root, "etc/passwd")); err != nil {
				t.Fatal(err)
			}
			got, err := rootEtc(root)
			if err != nil {
				t.Fatal(err)
			}
			if got["passwd"] != "" && got["passwd"] != "inside" {
				t.Errorf("read %q", got["passwd"])
			}
			if (got["passwd"] == "inside") != (name == "absolute") {
				t.Errorf("an absolute link, and only that, leads to the root's own file: got %q", got["passwd"])
			}
		})
	}
}

func TestRootEtcRefusesWhatIsNoFile(t *testing.T) {
	for name, make := range map[string]func(path string) error{
		"a fifo":      func(p string) error { return unix.Mkfifo(p, 0o644) },
		"a directory": func(p string) error { return os.Mkdir(p, 0o755) },
		"a loop":      func(p string) error { return os.Symlink("passwd", p) },
		"too large":   func(p string) error { return os.WriteFile(p, []byte(strings.Repeat("x", maxEtcFile+1)), 0o644) },
	} {
		t.Run(name, func(t *testing.T) {
			root := tree(t, map[string]string{"etc/group": ""})
			if err := make(filepath.Join(root, "etc/passwd")); err != nil {
				t.Fatal(err)
			}
			_, err := rootEtc(root)
			var p *problem.Problem
			if !errors.As(err, &p) || !strings.Contains(p.Error(), "/etc/passwd of the root directory") || p.Fix == "" {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestRootEtcLargestFile(t *testing.T) {
	root := tree(t, map[string]string{"etc/passwd": strings.Repeat("x", maxEtcFile)})
	if got, err := rootEtc(root); err != nil || len(got["passwd"]) != maxEtcFile {
		t.Errorf("got %d bytes, %v", len(got["passwd"]), err)
	}
}

func TestRootEtcOfNoDirectory(t *testing.T) {
	root := tree(t, map[string]string{"file": ""})
	for name, why := range map[string]string{
		filepath.Join(root, "file"):   "is not a directory",
		filepath.Join(root, "absent"): "does not exist",
	} {
		_, err := Gather(Want{RootEtc: name})
		if err == nil || !strings.Contains(err.Error(), why) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestLayerDirectory(t *testing.T) {
	at := func(layers ...string) (list []string) {
		for _, name := range layers {
			list = append(list, filepath.Join(t.TempDir(), name))
		}
		return list
	}
	mkdir := func(dir string, perm os.FileMode) {
		if err := errors.Join(os.MkdirAll(dir, 0o755), os.Chmod(dir, perm)); err != nil {
			t.Fatal(err)
		}
	}
	for what, c := range map[string]struct {
		fill func(layers []string)
		perm uint32
		ok   bool
	}{
		"nothing":        {func([]string) {}, 0o755, true},
		"the topmost":    {func(l []string) { mkdir(l[0]+"/etc", 0o711); mkdir(l[1]+"/etc", 0o700) }, 0o711, true},
		"a lower one":    {func(l []string) { mkdir(l[0], 0o755); mkdir(l[1]+"/etc", 0o750) }, 0o750, true},
		"bits":           {func(l []string) { mkdir(l[1]+"/etc", 0o755|os.ModeSetgid) }, 0, false},
		"a link":         {func(l []string) { mkdir(l[0], 0o755); os.Symlink("/etc", l[0]+"/etc"); mkdir(l[1]+"/etc", 0o755) }, 0, false},
		"a file":         {func(l []string) { mkdir(l[0], 0o755); os.WriteFile(l[0]+"/etc", nil, 0o644) }, 0, false},
		"its attributes": {func(l []string) { mkdir(l[0]+"/etc", 0o755); unix.Setxattr(l[0]+"/etc", "user.some", []byte("x"), 0) }, 0o755, true},
	} {
		layers := at("top", "bottom")
		c.fill(layers)
		if perm, ok := LayerDirectory(layers, "etc"); ok != c.ok || ok && perm != c.perm {
			t.Errorf("%s: %o %v", what, perm, ok)
		}
	}
	if _, ok := LayerDirectory([]string{"/"}, "etc"); ok && os.Getuid() != 0 {
		t.Error("a directory of somebody else")
	}
}
