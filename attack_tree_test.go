package snug_test

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug"
	"github.com/snug-sandbox/snug/internal/kerneltest"
	"github.com/snug-sandbox/snug/mounts"
)

// hostile is a tree that somebody else has filled with traps, beside a victim
// that nothing may be made in.
type hostile struct{ tree, victim string }

// rootDirs are what a root needs to run a command of the host.
var rootDirs = []string{"usr", "bin", "lib", "lib64", "proc", "dev", "tmp", "run", "etc", "var/tmp"}

func newHostile(t *testing.T) hostile {
	t.Helper()
	dir := t.TempDir()
	h := hostile{filepath.Join(dir, "tree"), filepath.Join(dir, "victim")}
	for _, name := range append(rootDirs, "dir") {
		mkdirs(t, filepath.Join(h.tree, name))
	}
	mkdirs(t, filepath.Join(h.victim, "inner"))
	write(t, filepath.Join(h.victim, "file"), "precious")
	for name, text := range h.traps() {
		link(t, text, filepath.Join(h.tree, name))
	}
	return h
}

// traps are symbolic links by name.
func (h hostile) traps() map[string]string {
	up := strings.Repeat("../", 30)
	return map[string]string{
		"absolute": h.victim, "dotdot": up + h.victim[1:], "inner": h.victim + "/inner", "file": h.victim + "/file",
		"magic": "/proc/self/root" + h.victim, "magic1": "/proc/1/root" + h.victim, "cwd": "/proc/self/cwd", "descriptor": "/proc/self/fd/0",
		"loop": "loop", "chain": "absolute", "dangling": h.victim + "/new", "mount": "/dev/shm", "proc-link": "proc/self", "self": "/", "up": "..",
	}
}

// listing is all that is in a tree, with what writing would change.
func listing(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		text, _ := os.Readlink(name)
		fmt.Fprintln(&b, name, info.Mode(), info.Size(), info.ModTime().UnixNano(), text)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// entries are a mount of each type for the target.
func (h hostile) entries(target string) []mounts.Mount {
	return []mounts.Mount{
		{Type: mounts.Bind, Source: "/usr", Target: target},
		{Type: mounts.Bind, Source: "/etc/passwd", Target: target},
		{Type: mounts.Tmpfs, Target: target},
		{Type: mounts.File, Target: target, Content: "new"},
		{Type: mounts.Dir, Target: target},
		{Type: mounts.Symlink, Target: target, Source: "/etc"},
		{Type: mounts.Mask, Target: target},
		{Type: mounts.Overlay, Target: target, Lower: []string{"/usr"}, Writable: true},
		{Type: mounts.Dev, Target: target},
		{Type: mounts.Remount, Target: target, Writable: true},
	}
}

// roots are the ways to have the tree in a sandbox, and where it is then.
func (h hostile) roots() map[string]func(*snug.Spec) string {
	tree := func(overlay string) func(*snug.Spec) string {
		return func(s *snug.Spec) string {
			s.Rootfs = mounts.Rootfs{Path: h.tree, Overlay: overlay}
			for _, name := range []string{"/usr", "/bin", "/lib", "/lib64"} {
				s.Mounts = append(s.Mounts, mounts.Mount{Source: name, Optional: true})
			}
			return ""
		}
	}
	return map[string]func(*snug.Spec) string{
		"root": tree(""), "readonly overlay": tree(mounts.OverlayReadonly), "overlay": tree(mounts.OverlayDiscard),
		"bind": func(s *snug.Spec) string {
			s.Mounts = append(s.Mounts, mounts.Mount{Source: h.tree, Target: "/work", Writable: true})
			return "/work"
		},
		"overlay mount": func(s *snug.Spec) string {
			s.Mounts = append(s.Mounts, mounts.Mount{Type: mounts.Overlay, Lower: []string{h.tree}, Target: "/work", Writable: true})
			return "/work"
		},
	}
}

func TestLinksInATreeLeadNoMountOutOfIt(t *testing.T) {
	kerneltest.Require(t, "userns", "proc", "overlay")
	leavesNothing(t)
	h := newHostile(t)
	before := listing(t, filepath.Dir(h.tree))
	worked := 0
	for i, name := range slices.Sorted(maps.Keys(h.roots())) {
		for j, trap := range slices.Sorted(maps.Keys(h.traps())) {
			s := snug.Spec{}
			at := h.roots()[name](&s)
			var tries []func() int
			for k, m := range append(h.entries(at+"/"+trap), h.entries(at+"/"+trap+"/new")...) {
				if (i+j+k)%4 != 0 && os.Getenv("SNUG_TEST_WHOLE") == "" {
					continue // each two of the three meet all the same
				}
				c := s
				c.Mounts = append(c.Mounts[:len(c.Mounts):len(c.Mounts)], m)
				tries = append(tries, func() int {
					if snug.Command(c, "true").Run() != nil {
						return 0
					}
					return 1
				})
			}
			worked += sideBySide(8, tries)
			if now := listing(t, filepath.Dir(h.tree)); now != before {
				t.Fatalf("%s with mounts at %s changed the host's tree:\n%s\nwas\n%s", name, trap, now, before)
			}
		}
	}
	if worked < 30 {
		t.Errorf("only %d sandboxes could be made", worked)
	}
}

// The same where the directories that every sandbox has are the traps.
func TestLinksInPlaceOfStandardDirectories(t *testing.T) {
	kerneltest.Require(t, "userns", "proc", "overlay")
	for _, dir := range []string{"proc", "dev", "tmp", "run", "etc", "var", "etc/passwd", "etc/hosts", "var/tmp"} {
		h := newHostile(t)
		for trap, text := range h.traps() {
			place := filepath.Join(h.tree, dir)
			if err := os.RemoveAll(place); err != nil {
				t.Fatal(err)
			}
			link(t, text, place)
			before := listing(t, filepath.Dir(h.tree))
			for name, root := range h.roots() {
				s := snug.Spec{}
				if root(&s) != "" {
					continue // not the root
				}
				snug.Command(s, "true").Run()
				if now := listing(t, filepath.Dir(h.tree)); now != before {
					t.Fatalf("%s, %s as %s changed the host's tree:\n%s\nwas\n%s", name, dir, trap, now, before)
				}
			}
		}
	}
}

// What a link leads to is looked up inside.
func TestAbsoluteLinksStayInside(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	h := newHostile(t)
	mkdirs(t, filepath.Join(h.tree, "srv/place"))
	for i, text := range []string{"/srv/place", "../../../../srv/place", "l0", "/l2/../place", "srv/../../../srv/./place"} {
		name := fmt.Sprint("l", i)
		link(t, text, filepath.Join(h.tree, name))
		s := snug.Spec{}
		h.roots()["root"](&s)
		s.Mounts = append(s.Mounts, mounts.Mount{Type: mounts.Tmpfs, Target: "/" + name})
		want(t, sh(s, "grep -o /srv/place /proc/self/mountinfo"), "/srv/place")
	}
}

// The kernel's own links lead anywhere: they are never followed.
func TestMagicLinksAreRefused(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	h := newHostile(t)
	for _, trap := range []string{"/magic", "/magic1", "/cwd", "/descriptor", "/proc/self/root/etc", "/proc/self/cwd", "/proc/1/root/etc"} {
		s := snug.Spec{}
		h.roots()["root"](&s)
		s.Mounts = append(s.Mounts, mounts.Mount{Type: mounts.Tmpfs, Target: trap})
		if err := snug.Command(s, "true").Run(); err == nil || !strings.Contains(err.Error(), "mount a tmpfs at "+trap) {
			t.Errorf("%s: %v", trap, err)
		}
	}
}

// Somebody swaps a directory of the tree for a link while sandboxes are made.
func TestATreeThatChangesDuringSetUp(t *testing.T) {
	kerneltest.Require(t, "userns", "proc", "overlay")
	h := newHostile(t)
	a, b := filepath.Join(h.tree, "dir"), filepath.Join(h.tree, "swap")
	link(t, h.victim, b)
	before := listing(t, h.victim)
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
				unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE)
			}
		}
	}()
	for range 20 {
		for name, root := range h.roots() {
			s := snug.Spec{}
			at := root(&s)
			s.Mounts = append(s.Mounts,
				mounts.Mount{Type: mounts.Tmpfs, Target: at + "/dir"},
				mounts.Mount{Type: mounts.File, Target: at + "/dir/new/file", Content: "new"})
			snug.Command(s, "true").Run()
			s.Mounts[len(s.Mounts)-2].Target = at + "/dir/a/b"
			snug.Command(s, "true").Run()
			if now := listing(t, h.victim); now != before {
				t.Fatalf("%s changed the host's tree:\n%s\nwas\n%s", name, now, before)
			}
		}
	}
	close(stop)
	<-done
}

func mkdirs(t testing.TB, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
}

func symlink(t testing.TB, text, name string) {
	t.Helper()
	if err := os.Symlink(text, name); err != nil {
		t.Fatal(err)
	}
}

func write(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func link(t testing.TB, text, name string) {
	t.Helper()
	if err := os.Symlink(text, name); err != nil {
		t.Fatal(err)
	}
}
