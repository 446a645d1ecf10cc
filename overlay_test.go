package snug_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug"
	"github.com/snug-sandbox/snug/images"
	"github.com/snug-sandbox/snug/internal/kerneltest"
	"github.com/snug-sandbox/snug/mounts"
	"github.com/snug-sandbox/snug/userns"
)

// layers makes directories with files in them: "a/file" holds "a".
func layers(t *testing.T, names ...string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for _, name := range names {
		mkdirs(t, filepath.Join(dir, name))
		write(t, filepath.Join(dir, name, "file"), name)
		write(t, filepath.Join(dir, name, "of-"+name), name)
	}
	return dir
}

func TestOverlayWithoutUpperIsReadOnly(t *testing.T) {
	kerneltest.Require(t, "overlay")
	dir := layers(t, "a", "b", "c")
	over := mounts.Mount{Type: mounts.Overlay, Target: "/run/o", Lower: []string{dir + "/a", dir + "/b", dir + "/c"}}
	shows(t, "cd /run/o; cat file; ls; touch file 2>/dev/null || echo read-only", "a"+"file\nof-a\nof-b\nof-c\nread-only", over)
	over.Lower = over.Lower[:1]
	shows(t, "cd /run/o; cat file; ls; touch file 2>/dev/null || echo read-only", "a"+"file\nof-a\nread-only", over)
}

func TestOverlayThatDiscards(t *testing.T) {
	kerneltest.Require(t, "overlay")
	dir := layers(t, "a", "b")
	before := listing(t, dir)
	shows(t, "cd /run/o; echo new >file; rm of-b; mkdir d; cat file; ls", "new\nd\nfile\nof-a",
		mounts.Mount{Type: mounts.Overlay, Target: "/run/o", Lower: []string{dir + "/a", dir + "/b"}, Writable: true})
	if listing(t, dir) != before {
		t.Error("the layers have changed")
	}
}

func TestOverlayThatKeeps(t *testing.T) {
	kerneltest.Require(t, "userns", "proc", "overlay")
	for _, kernel := range kernels {
		dir := layers(t, "a")
		before := listing(t, filepath.Join(dir, "a"))
		s := snug.Spec{}
		s.Mounts = []mounts.Mount{{Type: mounts.Overlay, Target: "/run/o", Lower: []string{dir + "/a"}, Upper: dir + "/upper"}}
		if got := asOn(t, kernel, sh(s, "cd /run/o; echo kept >new; rm of-a; cat new")); got != "kept" {
			t.Errorf("as on Linux %v: %q", kernel, got)
		}
		if got := asOn(t, kernel, sh(s, "cd /run/o; cat new; ls")); got != "kept\nfile\nnew" {
			t.Errorf("as on Linux %v, the second time: %q", kernel, got)
		}
		if text, err := os.ReadFile(dir + "/upper/new"); string(text) != "kept\n" {
			t.Errorf("as on Linux %v: %q, %v", kernel, text, err)
		}
		if listing(t, filepath.Join(dir, "a")) != before {
			t.Error("the lower layer has changed")
		}
	}
}

func TestMountsInAnOverlay(t *testing.T) {
	kerneltest.Require(t, "overlay")
	dir := layers(t, "a")
	mkdirs(t, filepath.Join(dir, "a/deep/er"))
	before := listing(t, dir)
	over := mounts.Mount{Type: mounts.Overlay, Target: "/run/o", Lower: []string{dir + "/a"}, Writable: true}
	mode := units770
	shows(t, "cd /run/o; cat file new/file deep/file; head -c4 new/passwd; stat -c %a dir; touch deep/er/x deep/er/tmp/y; ls deep/er new/tmpfs", "mineonetworoot770\ndeep/er:\ntmp\nx\n\nnew/tmpfs:",
		over, text("/run/o/file", "mine"), text("/run/o/new/file", "one"), text("/run/o/deep/file", "two"),
		mounts.Mount{Source: "/etc/passwd", Target: "/run/o/new/passwd"}, mounts.Mount{Type: mounts.Dir, Target: "/run/o/dir", Mode: &mode},
		tmpfs("/run/o/new/tmpfs"), tmpfs("/run/o/deep/er/tmp"), mounts.Mount{Source: "/no/such", Target: "/run/o/missing", Optional: true})
	if listing(t, dir) != before {
		t.Error("the layers have changed")
	}
}

func TestAnOverlayInAnOverlay(t *testing.T) {
	kerneltest.Require(t, "overlay")
	dir := layers(t, "a", "b")
	shows(t, "cd /run/o; cat file x/file; echo >x/new; cat x/y/file", "abtext",
		mounts.Mount{Type: mounts.Overlay, Target: "/run/o", Lower: []string{dir + "/a"}, Writable: true},
		mounts.Mount{Type: mounts.Overlay, Target: "/run/o/x", Lower: []string{dir + "/b"}, Writable: true},
		text("/run/o/x/y/file", "text"))
}

func TestOverlaysThatCannotBe(t *testing.T) {
	kerneltest.Require(t, "userns", "proc", "overlay")
	dir := layers(t, "a")
	mkdirs(t, filepath.Join(dir, "a/inner"))
	for name, c := range map[string]struct {
		mount mounts.Mount
		errno error
		says  string
	}{
		"a lower that is missing": {mounts.Mount{Lower: []string{dir + "/none", dir + "/a"}}, unix.ENOENT, dir + "/none"},
		"a lower that is a file":  {mounts.Mount{Lower: []string{dir + "/a/file", dir + "/a"}}, unix.ENOTDIR, dir + "/a/file"},
		"upper below lower":       {mounts.Mount{Lower: []string{dir + "/a"}, Upper: dir + "/a/inner", Work: dir + "/a/work"}, nil, "an overlay at /run/o"},
		"upper and work apart":    {mounts.Mount{Lower: []string{dir + "/a"}, Upper: "/dev/shm", Work: dir + "/work"}, nil, "an overlay at /run/o"},
	} {
		c.mount.Type, c.mount.Target = mounts.Overlay, "/run/o"
		s := snug.Spec{}
		s.Mounts = []mounts.Mount{c.mount}
		err := snug.Command(s, "true").Run()
		if c.errno == nil && err == nil {
			continue // some kernels allow it, and warn
		}
		if c.errno != nil && !errors.Is(err, c.errno) || err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestManyLowers(t *testing.T) {
	kerneltest.Require(t, "userns", "proc", "overlay")
	dir := t.TempDir()
	var lowers []string
	for range 100 {
		name := filepath.Join(dir, strings.Repeat("l", len(lowers)+1))
		mkdirs(t, name)
		write(t, filepath.Join(name, filepath.Base(name)), "")
		lowers = append(lowers, name)
	}
	s := snug.Spec{}
	s.Mounts = []mounts.Mount{{Type: mounts.Overlay, Target: "/run/o", Lower: lowers}}
	for _, kernel := range kernels {
		cmd := sh(s, "ls /run/o | wc -l")
		if got := asOn(t, kernel, cmd); got != "100" {
			t.Errorf("as on Linux %v: %q", kernel, got)
		}
	}
}

// Where overlayfs in memory cannot remove a directory, what is thrown away at the
// end is on the disk until then, and nothing of it afterwards.
func TestDiscardedOnDisk(t *testing.T) {
	kerneltest.Require(t, "userns", "proc", "overlay")
	defer snug.WithoutMemoryAttributes()()
	store := newImage(t, "a:1", images.Process{}, layered(t)...)
	maps := []string{userns.MapRoot}
	if kerneltest.Probe("subid") == nil {
		maps = append(maps, userns.MapRange)
	}
	tree := t.TempDir()
	base(t)(tree)
	mkdirs(t, filepath.Join(tree, "srv/a"))
	plain := onRoot("", "")
	plain.Rootfs = mounts.Rootfs{Path: tree, Overlay: mounts.OverlayDiscard}
	specs := []snug.Spec{plain}
	for _, idMap := range maps {
		s := onImage("a:1")
		s.Identity.Map = idMap
		specs = append(specs, s)
	}
	for i, s := range specs {
		if i == 2 { // the layers serve for both maps
			single, ranged := filepath.Join(store.Dir(), "layers/single"), filepath.Join(store.Dir(), "layers/range")
			if err := errors.Join(os.Remove(ranged), os.Rename(single, ranged)); err != nil {
				t.Fatal(err)
			}
			s.Security.Capabilities = []string{"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER"}
		}
		if i != 0 {
			s.Rootfs.Overlay = mounts.OverlayDiscard
		}
		if note := snug.DiscardNote(s.Rootfs); !strings.Contains(note, "tmp, and is removed at the end") {
			t.Errorf("%q", note)
		}
		cmd := sh(s, "rm -r /srv/a; mkdir -p /srv/a/b; echo x >/srv/a/b/file; chown 7 /srv/a/b 2>/dev/null; chmod 0 /srv/a/b; echo made; read line; ls /srv")
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		word := make([]byte, 4)
		io.ReadFull(out, word)
		if found, _ := filepath.Glob(filepath.Join(store.Dir(), "tmp/*/upper/srv/a")); len(found) != 1 || string(word) != "made" {
			t.Errorf("%d: %q; on the disk: %v", i, word, found)
		}
		in.Close()
		io.Copy(io.Discard, out)
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
		if left, err := os.ReadDir(filepath.Join(store.Dir(), "tmp")); len(left) > 0 || err != nil {
			t.Errorf("%d: left: %v, %v", i, left, err)
		}
	}
	over := plain.Rootfs
	over.Path = filepath.Dir(store.Dir())
	if note := snug.DiscardNote(over); note != "" {
		t.Errorf("the store is below the root: %q", note)
	}
}
