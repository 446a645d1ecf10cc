package snug_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
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

// newImage adds an image to a store that becomes the caller's. Each layer is
// filled by a function.
func newImage(t *testing.T, ref string, p images.Process, fill ...func(dir string)) *images.Store {
	t.Helper()
	t.Setenv("XDG_DATA_HOME", t.TempDir())
	store, err := images.Open("")
	if err != nil {
		t.Fatal(err)
	}
	a, err := store.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	config := images.Config{OS: "linux", Config: p}
	for i, f := range fill {
		diffID := images.Digest([]byte(fmt.Sprint(ref, i)))
		dir, recipe, err := a.Room()
		if err != nil {
			t.Fatal(err)
		}
		f(dir)
		write(t, recipe, "")
		if err := a.Add(images.Single, diffID, dir, recipe, false); err != nil {
			t.Fatal(err)
		}
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, diffID)
	}
	text, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := json.Marshal(images.Manifest{Config: images.Descriptor{Digest: images.Digest(text)}})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Commit(ref, manifest, text); err != nil {
		t.Fatal(err)
	}
	return store
}

// base is a lowest layer, in which the host's programs have a place.
func base(t *testing.T) func(dir string) {
	return func(dir string) {
		for _, name := range []string{"usr", "bin", "lib", "lib64", "etc", "srv"} {
			mkdirs(t, filepath.Join(dir, name))
		}
		write(t, filepath.Join(dir, "etc/passwd"), "root:x:0:0::/root:/bin/sh\nsvc:x:77:78::/srv:/bin/false\n")
		write(t, filepath.Join(dir, "etc/group"), "web:x:90:\n")
	}
}

func onImage(ref string) snug.Spec {
	s := onRoot("", "")
	s.Rootfs = mounts.Rootfs{Image: ref}
	return s
}

func TestAnImageAsRoot(t *testing.T) {
	kerneltest.Require(t, "userns", "proc", "overlay")
	newImage(t, "a:1", images.Process{Env: []string{"COLOR=red", "PATH=/bin:/usr/bin", "OTHER=1"}, Entrypoint: []string{"sh", "-c"}, Cmd: []string{`echo "$COLOR $OTHER $PWD $HOME $(id -u)"`}, WorkingDir: "/new/dir"},
		base(t), func(dir string) { write(t, filepath.Join(dir, "file"), "upper") })
	s := onImage("a:1")
	want(t, &snug.Cmd{Spec: s}, "red 1 /new/dir /root 0")
	s.Env.Set = map[string]string{"COLOR": "blue"}
	s.Env.Unset = []string{"OTHER"}
	s.Command.Workdir = "/srv"
	want(t, &snug.Cmd{Spec: s}, "blue  /srv /root 0")
	s.Command.Args = []string{"cat /file"}
	want(t, &snug.Cmd{Spec: s}, "upper")
	s.Command.Entrypoint = []string{""}
	s.Command.Args = []string{"cat", "/file"}
	want(t, &snug.Cmd{Spec: s}, "upper")
}

// Databases and their like bring directories in /run, and look for them there.
func TestWhatAnImageHasInTemporaryDirectories(t *testing.T) {
	kerneltest.Require(t, "userns", "proc", "overlay")
	testTemporaryDirectories(t)
	defer snug.WithoutMemoryAttributes()()
	testTemporaryDirectories(t)
}

func testTemporaryDirectories(t *testing.T) {
	look := "cd /; ls -A tmp run var/tmp; stat -c %a tmp run var/tmp; touch tmp/x run/x var/tmp/x"
	newImage(t, "a:1", images.Process{}, base(t))
	want(t, sh(onImage("a:1"), look), "run:\n\ntmp:\n\nvar/tmp:\n1777\n755\n1777")
	newImage(t, "a:1", images.Process{}, base(t), func(dir string) {
		for _, name := range []string{"tmp", "run/db", "var"} {
			mkdirs(t, filepath.Join(dir, name))
		}
		write(t, filepath.Join(dir, "tmp/here"), "")
		symlink(t, "/tmp", filepath.Join(dir, "var/tmp"))
	})
	want(t, sh(onImage("a:1"), "ls -A /tmp /run /var/tmp/; touch /run/db/x /var/tmp/x; ls /tmp"), "/run:\ndb\n\n/tmp:\nhere\n\n/var/tmp/:\nhere\nhere\nx")
	s := onImage("a:1")
	s.Mounts = append(s.Mounts, mounts.Mount{Type: mounts.Tmpfs, Target: "/run"})
	want(t, sh(s, "ls -A /run; ls /tmp"), "here")
	newImage(t, "a:1", images.Process{}, base(t), func(dir string) {
		mkdirs(t, filepath.Join(dir, "run/db"))
		mkdirs(t, filepath.Join(dir, "tmp/old"))
	})
	s = onImage("a:1")
	s.Rootfs.Overlay, s.Rootfs.Name = mounts.OverlayKeep, "kept"
	want(t, sh(s, "ls -A /tmp /run; touch /tmp/x /run/x"), "/run:\ndb\n\n/tmp:")
	want(t, sh(s, "ls -A /tmp /run"), "/run:\ndb\nx\n\n/tmp:")
	s = onImage("a:1")
	s.Rootfs.Overlay = mounts.OverlayReadonly
	want(t, sh(s, "ls -A /tmp /run; touch /tmp/x /run/x; touch /srv/x 2>/dev/null || echo no"), "/run:\n\n/tmp:\nno")
}

// What is new in /etc leaves the rest of it as the image has it.
func TestFilesInTheEtcOfAnImage(t *testing.T) {
	kerneltest.Require(t, "userns", "proc", "overlay")
	outside := t.TempDir()
	in := func(dir, name string) string { return filepath.Join(dir, "etc", name) }
	for what, c := range map[string]struct {
		layer  func(dir string)
		perm   string
		mounts string // how many of the files are mounts
	}{
		"nothing":         {func(string) {}, "755", "0"},
		"its permissions": {func(dir string) { mkdirs(t, in(dir, "")); os.Chmod(in(dir, ""), 0o710) }, "710", "0"},
		"the files": {func(dir string) {
			mkdirs(t, in(dir, ""))
			for _, name := range []string{"hosts", "hostname", "resolv.conf"} {
				write(t, in(dir, name), "of the image")
			}
		}, "755", "0"},
		"links that lead nowhere, and out": {func(dir string) {
			mkdirs(t, in(dir, ""))
			symlink(t, "../run/resolv.conf", in(dir, "resolv.conf"))
			symlink(t, filepath.Join(outside, "hosts"), in(dir, "hosts"))
		}, "755", "0"},
		"a directory and a pipe": {func(dir string) {
			mkdirs(t, in(dir, "hosts"))
			if err := unix.Mkfifo(in(dir, "hostname"), 0o644); err != nil {
				t.Fatal(err)
			}
		}, "755", "0"},
		"files of a group": {func(dir string) { mkdirs(t, in(dir, "")); os.Chmod(in(dir, ""), 0o755|os.ModeSetgid) }, "2755", "3"},
	} {
		newImage(t, "a:1", images.Process{}, base(t), c.layer)
		s := onImage("a:1")
		s.Namespaces.Hostname = "box"
		look := "stat -c %a /etc; cat /etc/hostname; grep -c localhost /etc/hosts; head -c 5 /etc/resolv.conf; echo; grep -c svc /etc/passwd; grep -c ' /etc/' /proc/self/mountinfo || true"
		says := c.perm + "\nbox\n2\n# no \n1\n" + c.mounts
		want(t, sh(s, look), says)
		undo := snug.WithoutMemoryAttributes()
		want(t, sh(s, look), says)
		undo()
		if t.Failed() {
			t.Fatal(what)
		}
	}
	if list, err := os.ReadDir(outside); err != nil || len(list) > 0 {
		t.Errorf("outside is %v, %v", list, err)
	}
}

// One layer has no /etc, or a link in its place.
func TestNoDirectoryIsTheEtcOfAnImage(t *testing.T) {
	kerneltest.Require(t, "userns", "proc", "overlay")
	outside := t.TempDir()
	places := func(dir string) {
		for _, name := range []string{"usr", "bin", "lib", "lib64", "conf"} {
			mkdirs(t, filepath.Join(dir, name))
		}
	}
	look := "stat -c %a /etc/; cat /etc/hostname; echo mine >/etc/mine; cat /etc/mine"
	newImage(t, "a:1", images.Process{}, places)
	want(t, sh(onImage("a:1"), look), "755\nsnug\nmine")
	newImage(t, "a:1", images.Process{}, places, func(dir string) { symlink(t, "conf", filepath.Join(dir, "etc")) })
	want(t, sh(onImage("a:1"), look+"; ls /conf/hostname"), "755\nsnug\nmine\n/conf/hostname")
	newImage(t, "a:1", images.Process{}, places, func(dir string) { symlink(t, outside, filepath.Join(dir, "etc")) })
	sh(onImage("a:1"), "true").Run() // it may work in a place of that name, or not
	if list, err := os.ReadDir(outside); err != nil || len(list) > 0 {
		t.Errorf("outside is %v, %v", list, err)
	}
}

func TestTheUserOfAnImage(t *testing.T) {
	kerneltest.Require(t, "userns", "proc", "overlay")
	for user, says := range map[string]string{"": "0 0 /root", "svc": "77 78 /srv", "77": "77 78 /srv", "svc:web": "77 90 /srv", "1234:5": "1234 5 /", "0": "0 0 /root"} {
		newImage(t, "a:1", images.Process{User: user}, base(t))
		want(t, sh(onImage("a:1"), "echo $(id -u) $(id -g) $HOME"), says)
	}
	for _, user := range []string{"nobody-has-this", "svc:nothing", "-1", "99999999999"} {
		newImage(t, "a:1", images.Process{User: user}, base(t))
		if err := sh(onImage("a:1"), "true").Run(); err == nil || !strings.Contains(err.Error(), "a") {
			t.Errorf("user %q: %v", user, err)
		}
	}
	newImage(t, "a:1", images.Process{User: "svc"}, base(t))
	s := onImage("a:1")
	s.Identity = userns.Config{Map: userns.MapSelf}
	want(t, sh(s, "id -u"), fmt.Sprint(os.Getuid()))
}

// More layers than fit into a page of names, as other kernels would mount them.
func TestAnImageOfManyLayers(t *testing.T) {
	kerneltest.Require(t, "userns", "proc", "overlay")
	fill := []func(string){base(t)}
	for i := range 120 {
		fill = append(fill, func(dir string) {
			write(t, filepath.Join(dir, fmt.Sprint("file", i)), fmt.Sprint(i))
			write(t, filepath.Join(dir, "last"), fmt.Sprint(i))
		})
	}
	store := newImage(t, "many:1", images.Process{}, fill...)
	for _, kernel := range kernels {
		for _, overlay := range []string{"", mounts.OverlayReadonly} {
			s := onImage("many:1")
			s.Rootfs.Overlay = overlay
			s, image, err := s.UseImage(store, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := asOn(t, kernel, sh(s, "cat /last; cat /file7; ls / | grep -c file")); got != "119"+"7"+"120" {
				t.Errorf("as on Linux %v: %q", kernel, got)
			}
			image.Close()
		}
	}
}

func TestAnImageInUseStays(t *testing.T) {
	kerneltest.Require(t, "userns", "proc", "overlay")
	store := newImage(t, "a:1", images.Process{}, base(t))
	cmd := sh(onImage("a:1"), "read line; cat /etc/group")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := store.RemoveRef("a:1"); err != nil {
		t.Fatal(err)
	}
	if freed, err := store.Collect(); err != nil || freed.Layers != 0 {
		t.Errorf("%v %v", freed, err)
	}
	in.Close()
	cmd.Wait()
	if out.String() != "web:x:90:\n" {
		t.Errorf("%q", out.String())
	}
	if freed, err := store.Collect(); err != nil || freed.Layers != 1 {
		t.Errorf("after its end: %v %v", freed, err)
	}
}

func TestWhatIsKeptOnAnImage(t *testing.T) {
	kerneltest.Require(t, "userns", "proc", "overlay")
	store := newImage(t, "a:1", images.Process{Volumes: map[string]struct{}{"/vol/ume": {}}}, base(t))
	s := onImage("a:1")
	s.Rootfs.Name = "box"
	want(t, sh(s, "echo kept >/etc/new; echo x >/vol/ume/file; cat /etc/new"), "kept")
	want(t, sh(s, "cat /etc/new /vol/ume/file"), "kept\nx")
	want(t, sh(onImage("a:1"), "ls /etc/new 2>/dev/null || echo not there"), "not there")
	kept, err := store.Keep("box", nil, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := sh(s, "true").Run(); !errors.Is(err, unix.EBUSY) {
		t.Errorf("a second one at the same time: %v", err)
	}
	kept.Close()
	s = onImage("a:1")
	s.Rootfs.Overlay = mounts.OverlayReadonly
	want(t, sh(s, "echo x >/vol/ume/file && cat /vol/ume/file; touch /etc/x 2>/dev/null || echo read-only"), "x\nread-only")
}

func TestImagesThatCannotBe(t *testing.T) {
	kerneltest.Require(t, "userns")
	newImage(t, "a:1", images.Process{}, base(t))
	if err := sh(onImage("b"), "true").Run(); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(fix(err), "snug image pull b") {
		t.Errorf("%v%s", err, fix(err))
	}
	s := onImage("a:1")
	s.Identity.Map = userns.MapRange
	if err := sh(s, "true").Run(); err == nil || !strings.Contains(fix(err), "snug image convert --ids range a:1") {
		t.Errorf("%v%s", err, fix(err))
	}
	if _, err := onImage("a:1").Plan(); err == nil || !strings.Contains(err.Error(), "not looked up") {
		t.Error(err)
	}
}

// A passwd that is a link in a layer leads nowhere outside of it.
func TestThePasswdOfAnImageLeadsNowhere(t *testing.T) {
	kerneltest.Require(t, "userns", "proc", "overlay")
	secret := filepath.Join(t.TempDir(), "secret")
	write(t, secret, "svc:x:5:5::/:/bin/sh\n")
	newImage(t, "a:1", images.Process{User: "svc"}, base(t), func(dir string) {
		mkdirs(t, filepath.Join(dir, "etc"))
		if err := os.Symlink(secret, filepath.Join(dir, "etc/passwd")); err != nil {
			t.Fatal(err)
		}
	})
	out, err := all(t, sh(onImage("a:1"), "id -u"))
	if strings.TrimSpace(out) == "5" {
		t.Errorf("a file of the host was read: %q %v", out, err)
	}
}
