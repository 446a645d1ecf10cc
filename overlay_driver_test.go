package snug_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/images"
	"github.com/snug-sandbox/snug/internal/kerneltest"
	"github.com/snug-sandbox/snug/mounts"
	"github.com/snug-sandbox/snug/userns"
)

// layered are layers that hide, remove and replace what the ones below have.
func layered(t *testing.T) []func(string) {
	return []func(string){base(t), func(dir string) {
		mkdirs(t, filepath.Join(dir, "srv/a"))
		for _, name := range []string{"srv/a/one", "srv/gone", "srv/a/two"} {
			write(t, filepath.Join(dir, name), name)
		}
	}, func(dir string) {
		mkdirs(t, filepath.Join(dir, "srv/a"))
		if err := unix.Setxattr(filepath.Join(dir, "srv/a"), "user.overlay.opaque", []byte("y"), 0); err != nil {
			t.Skip("needs user attributes on the file system of temporary files: ", err)
		}
		write(t, filepath.Join(dir, "srv/a/three"), "three")
		if err := unix.Mknod(filepath.Join(dir, "srv/gone"), unix.S_IFCHR, 0); err != nil {
			t.Fatal(err)
		}
	}}
}

const changeAndLook = `ls /srv /srv/a | tr '\n' ' '; cat /srv/a/three; rm -r /srv/a; mkdir /srv/a; echo new >/srv/a/new; ls /srv/a | tr '\n' ' '; stat -c %u /etc/passwd /srv/a/new | tr '\n' ' '`

func TestFuseOverlayfsShowsWhatOverlayfsDoes(t *testing.T) {
	kerneltest.Require(t, "userns", "proc", "overlay", "fuse")
	store := newImage(t, "a:1", images.Process{WorkingDir: "/made/here"}, layered(t)...)
	for _, idMap := range []string{"", userns.MapSelf} {
		for _, overlay := range []string{"", mounts.OverlayKeep} {
			var got [2]string
			for i, driver := range []string{mounts.DriverKernel, mounts.DriverFuse} {
				s := onImage("a:1")
				s.Identity.Map = idMap
				s.Rootfs.Driver, s.Rootfs.Overlay = driver, overlay
				if overlay != "" {
					s.Rootfs.Name = strings.Join([]string{"box", idMap, driver}, "-")
				}
				out, err := all(t, sh(s, changeAndLook))
				if got[i] = out; err != nil {
					t.Errorf("%q %q %q: %v %s", idMap, overlay, driver, err, out)
				}
				if overlay != "" {
					want(t, sh(s, "cat /srv/a/*; pwd"), "new\n/made/here")
				}
			}
			if got[0] != got[1] || !strings.Contains(got[0], "three") || strings.Contains(got[0], "gone") {
				t.Errorf("%q %q: the kernel shows\n%s\nfuse-overlayfs shows\n%s", idMap, overlay, got[0], got[1])
			}
		}
	}
	s := onImage("a:1")
	s.Rootfs.Driver, s.Rootfs.Overlay = mounts.DriverFuse, mounts.OverlayReadonly
	want(t, sh(s, "touch /srv/x 2>/dev/null || echo read-only"), "read-only")
	// Neither the device that the server is reached by nor the server is inside.
	want(t, sh(s, "ls /proc/self/fd | tr '\\n' ' '; set -- /proc/[0-9]*; echo $#"), "0 1 2 3 2")
	if kept, err := store.Kept(); err != nil || len(kept) != 4 {
		t.Error(kept, err)
	}
}

func TestFuseOverlayfsOverADirectory(t *testing.T) {
	kerneltest.Require(t, "userns", "proc", "overlay", "fuse")
	tree, upper := t.TempDir(), filepath.Join(t.TempDir(), "upper")
	base(t)(tree)
	s := onRoot("", "")
	s.Rootfs = mounts.Rootfs{Path: tree, Overlay: mounts.OverlayKeep, Upper: upper, Driver: mounts.DriverFuse}
	want(t, sh(s, "echo x >/srv/x; cat /srv/x"), "x")
	if text, err := os.ReadFile(filepath.Join(upper, "srv/x")); string(text) != "x\n" {
		t.Error(err)
	}
	s.Rootfs.Path = filepath.Join(tree, "a,b")
	mkdirs(t, s.Rootfs.Path)
	if err := sh(s, "true").Run(); err == nil || !strings.Contains(err.Error(), "comma") {
		t.Error(err)
	}
	// A server that cannot start is the reason, in its own words.
	s.Rootfs.Path, s.Rootfs.Work = tree, "/proc/work"
	if err := sh(s, "true").Run(); err == nil {
		t.Error("a work directory in /proc")
	}
}
