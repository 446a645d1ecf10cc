package snug_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug"
	"github.com/snug-sandbox/snug/internal/kerneltest"
	"github.com/snug-sandbox/snug/mounts"
	"github.com/snug-sandbox/snug/network"
	"github.com/snug-sandbox/snug/userns"
)

// newRoot makes a directory that serves as root with the host's programs.
func newRoot(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range rootDirs {
		mkdirs(t, filepath.Join(dir, name))
	}
	for _, name := range []string{"passwd", "group", "hosts", "hostname", "resolv.conf", "nsswitch.conf"} {
		write(t, filepath.Join(dir, "etc", name), "of the tree: "+name+"\n")
	}
	write(t, filepath.Join(dir, "etc/passwd"), "root:x:0:0::/:/bin/sh\nsvc:x:77:77::/:/bin/false\nann:x:1:1::/:/bin/false\nbroken\n")
	write(t, filepath.Join(dir, "etc/group"), "svc:x:77:ann\n")
	return dir
}

func onRoot(dir, overlay string) snug.Spec {
	s := snug.Spec{}
	s.Rootfs = mounts.Rootfs{Path: dir, Overlay: overlay}
	for _, name := range []string{"/usr", "/bin", "/lib", "/lib64"} {
		s.Mounts = append(s.Mounts, mounts.Mount{Source: name, Optional: true})
	}
	return s
}

func TestADirectoryAsRoot(t *testing.T) {
	kerneltest.Require(t, "userns", "proc", "overlay")
	for overlay, says := range map[string]string{
		mounts.OverlayNone: "read-only", mounts.OverlayReadonly: "read-only", mounts.OverlayDiscard: "written",
	} {
		dir := newRoot(t)
		before := listing(t, dir)
		for _, kernel := range kernels {
			s := onRoot(dir, overlay)
			if got := asOn(t, kernel, sh(s, "touch /etc/new 2>/dev/null && echo written || echo read-only; touch /tmp/x; ls -d /proc/self /dev/null")); got != says+"\n/dev/null\n/proc/self" {
				t.Errorf("overlay %q, as on Linux %v: %q", overlay, kernel, got)
			}
		}
		if listing(t, dir) != before {
			t.Errorf("overlay %q: the tree has changed", overlay)
		}
	}
}

func TestADirectoryAsRootThatIsKept(t *testing.T) {
	kerneltest.Require(t, "userns", "proc", "overlay")
	dir := newRoot(t)
	before := listing(t, dir)
	upper := filepath.Join(t.TempDir(), "upper")
	s := onRoot(dir, mounts.OverlayKeep)
	s.Rootfs.Upper = upper
	want(t, sh(s, "echo kept >/etc/new; mkdir /data; cat /etc/new"), "kept")
	want(t, sh(s, "cat /etc/new; ls -d /data"), "kept\n/data")
	if listing(t, dir) != before {
		t.Error("the tree has changed")
	}
	if text, err := os.ReadFile(upper + "/etc/new"); string(text) != "kept\n" {
		t.Errorf("%q, %v", text, err)
	}
}

func TestAWritableDirectoryAsRoot(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	dir := newRoot(t)
	s := onRoot(dir, "")
	s.Rootfs.Writable = true
	want(t, sh(s, "echo here >/etc/new && cat /etc/new"), "here")
	if text, err := os.ReadFile(dir + "/etc/new"); string(text) != "here\n" {
		t.Errorf("%q, %v", text, err)
	}
}

func TestARootWithoutStandardDirectories(t *testing.T) {
	kerneltest.Require(t, "userns", "proc", "overlay")
	dir := t.TempDir()
	for _, name := range []string{"usr", "bin", "lib", "lib64"} {
		mkdirs(t, filepath.Join(dir, name))
	}
	before := listing(t, dir)
	want(t, sh(onRoot(dir, ""), "echo /*"), "/bin /lib /lib64 /usr")
	want(t, sh(onRoot(dir, mounts.OverlayReadonly), "echo /*"), "/bin /dev /etc /lib /lib64 /proc /run /tmp /usr /var")
	s := onRoot(dir, "")
	s.Mounts = append(s.Mounts, text("/run/file", "text"))
	err := sh(s, "true").Run()
	if !errors.Is(err, unix.ENOENT) || !strings.Contains(err.Error(), "mount a tmpfs at /run: the target does not exist") || !strings.Contains(fix(err), "overlay") {
		t.Errorf("got %v%s", err, fix(err))
	}
	s = onRoot(dir, "")
	s.Terminal.TTY = "yes"
	if err := sh(s, "true").Run(); err == nil || !strings.Contains(err.Error(), "/dev: the target does not exist") {
		t.Errorf("a terminal without /dev: %v", err)
	}
	if listing(t, dir) != before {
		t.Error("the tree has changed")
	}
}

func TestSyntheticEtc(t *testing.T) {
	kerneltest.Require(t, "userns", "proc", "overlay")
	dir := newRoot(t)
	for _, overlay := range []string{"", mounts.OverlayDiscard} {
		s := onRoot(dir, overlay)
		s.Identity = userns.Config{User: "ann", Home: "/home/ann", Shell: "/bin/bash"}
		s.Namespaces.Hostname = "box"
		out := output1(t, sh(s, "cd /etc; cat passwd hosts hostname resolv.conf; getent passwd ann | cut -d: -f1,6,7; getent hosts box | head -1 | cut -d' ' -f1; id -un; cut -d: -f1 group; hostname"))
		for _, part := range []string{"ann:x:", ":ann:/home/ann:/bin/bash\n", "svc:x:77:77::/:/bin/false\n", "nobody:x:65534:65534:", "127.0.0.1 localhost box\n", "\nbox\n", "ann:/home/ann:/bin/bash\n", "\nann\n", "nogroup"} {
			if !strings.Contains(out, part) {
				t.Errorf("overlay %q: no %q in\n%s", overlay, part, out)
			}
		}
		for _, part := range []string{"of the tree", "ann:x:1:1", "broken"} {
			if strings.Contains(out, part) {
				t.Errorf("overlay %q: %q in\n%s", overlay, part, out)
			}
		}
	}
}

func TestEtcOfTheTreeCanBeKept(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	s := onRoot(newRoot(t), "")
	s.Rootfs.KeepEtc = true
	want(t, sh(s, "cat /etc/hosts /etc/resolv.conf; grep -c svc /etc/passwd"), "of the tree: hosts\nof the tree: resolv.conf\n1")
}

func TestResolvConfFollowsTheNetwork(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	dir := newRoot(t)
	want(t, sh(onRoot(dir, ""), "cat /etc/resolv.conf"), "# no network in this sandbox")
	theirs, err := os.ReadFile("/etc/resolv.conf")
	if err != nil {
		t.Skip("needs /etc/resolv.conf: ", err)
	}
	s := onRoot(dir, "")
	s.Network.Mode = network.Host
	want(t, sh(s, "cat /etc/resolv.conf"), strings.TrimSuffix(string(theirs), "\n"))
}

func TestRootsThatCannotBe(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	for _, dir := range []string{"/no/such/root", "/etc/passwd"} {
		err := sh(onRoot(dir, ""), "true").Run()
		if err == nil || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: %v", dir, err)
		}
	}
}

func TestTheHostsTreeIsShownAsItIs(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	s := snug.Spec{}
	s.Rootfs.Base = mounts.BaseHost
	theirs, err := os.ReadDir("/")
	if err != nil {
		t.Fatal(err)
	}
	out := output1(t, sh(s, "ls -A /"))
	if len(strings.Fields(out)) != len(theirs) {
		t.Errorf("inside is\n%s", out)
	}
	// /tmp, /run and /var/tmp are private.
	name := filepath.Join(t.TempDir(), "file")
	write(t, name, "")
	if strings.HasPrefix(name, "/tmp/") {
		want(t, sh(s, "ls -A /tmp /var/tmp /run"), "/run:\n\n/tmp:\n\n/var/tmp:")
	}
}

func TestSystemBaseShowsNoHomes(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	out := output1(t, sh(snug.Spec{}, "cd /; echo *"))
	for _, name := range []string{"home", "root", "mnt", "srv", "boot", "media", "sys"} {
		if strings.Contains(" "+out+" ", " "+name+" ") {
			t.Errorf("/%s is inside: %s", name, out)
		}
	}
}
