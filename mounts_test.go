package snug_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug"
	"github.com/snug-sandbox/snug/internal/host"
	"github.com/snug-sandbox/snug/internal/kerneltest"
	"github.com/snug-sandbox/snug/internal/units"
	"github.com/snug-sandbox/snug/mounts"
)

// kernels are versions whose plans differ; all of them run on newer kernels.
var kernels = []host.Version{{Major: 5, Minor: 12}, {Major: 6, Minor: 5}, {Major: 6, Minor: 13}, {Major: 6, Minor: 15}, {Major: 6, Minor: 18}}

// asOn runs cmd with the plan for another kernel and returns its output.
func asOn(t testing.TB, kernel host.Version, cmd *snug.Cmd) string {
	t.Helper()
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	p, err := cmd.CompileAs(func(f *host.Facts) {
		if f.Kernel.AtLeast(kernel.Major, kernel.Minor) {
			f.Kernel = kernel
		}
	})
	if err == nil {
		err = cmd.StartChanged(p)
	}
	if err == nil {
		err = cmd.Wait()
	}
	if err != nil || errs.Len() > 0 {
		t.Fatalf("as on Linux %v: %v%s\n%s%s", kernel, err, fix(err), out.String(), errs.String())
	}
	return strings.TrimSuffix(out.String(), "\n")
}

// shows runs a script in a sandbox with the mounts, with the plans of all
// kernels and on every base, and compares what it writes.
func shows(t *testing.T, script, want string, list ...mounts.Mount) {
	t.Helper()
	kerneltest.Require(t, "userns", "proc")
	for _, base := range []string{mounts.BaseSystem, mounts.BaseHost, mounts.BaseEmpty} {
		for _, kernel := range kernels {
			s := snug.Spec{}
			s.Rootfs.Base = base
			s.Mounts = list
			if base == mounts.BaseEmpty {
				s.Mounts = append(emptyWithPrograms(), list...)
			}
			if got := asOn(t, kernel, sh(s, script)); got != want {
				t.Errorf("base %s, as on Linux %v: %q, want %q", base, kernel, got, want)
			}
		}
	}
}

// emptyWithPrograms are the mounts that an empty base needs to run a command.
func emptyWithPrograms() []mounts.Mount {
	list := []mounts.Mount{{Type: mounts.Proc, Target: "/proc"}, {Type: mounts.Dev, Target: "/dev"}, {Type: mounts.Tmpfs, Target: "/run"}, {Type: mounts.Tmpfs, Target: "/tmp"}}
	for _, dir := range []string{"/usr", "/bin", "/lib", "/lib64"} {
		if text, err := os.Readlink(dir); err == nil {
			list = append(list, mounts.Mount{Type: mounts.Symlink, Source: text, Target: dir})
			continue
		}
		list = append(list, mounts.Mount{Source: dir, Optional: true})
	}
	return list
}

func TestBindOfADirectory(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "file"), "text")
	shows(t, "cat /run/a/b/file; touch /run/a/b/new 2>/dev/null || echo ' read-only'", "text read-only", mounts.Mount{Source: dir, Target: "/run/a/b"})
	shows(t, "echo new >/run/a/b/new; cat /run/a/b/new; rm /run/a/b/new", "new", mounts.Mount{Source: dir, Target: "/run/a/b", Writable: true})
}

func TestBindOfAFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	write(t, name, "text")
	m := mounts.Mount{Source: name, Target: "/run/dir/file"}
	shows(t, "cat /run/dir/file; (echo >/run/dir/file) 2>/dev/null || echo ' read-only'", "text read-only", m)
}

// What is built above the host's root is no part of a copy of it.
func TestBindOfTheHostsRoot(t *testing.T) {
	info, err := os.Stat("/")
	if err != nil {
		t.Fatal(err)
	}
	stat := info.Sys().(*syscall.Stat_t)
	want := fmt.Sprintf("%d:%d\n1\n1", stat.Dev, stat.Ino)
	for _, source := range []string{"/", "/proc/self/root"} {
		shows(t, "stat -c %d:%i /tmp/host/; grep -c '^[^/]*/[^ ]* /tmp/host ' /proc/self/mountinfo; grep -c '^[^/]*/[^ ]* / ' /proc/self/mountinfo",
			want, mounts.Mount{Source: source, Target: "/tmp/host"})
	}
}

func TestBindAtItsOwnPlace(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "file"), "text")
	shows(t, "cat "+dir+"/file; ls "+filepath.Dir(dir), "text"+filepath.Base(dir), bind(dir))
}

func TestBindOfASocketAFifoAndALink(t *testing.T) {
	dir := t.TempDir()
	socket, fifo, target, linked := filepath.Join(dir, "socket"), filepath.Join(dir, "fifo"), filepath.Join(dir, "target"), filepath.Join(dir, "link")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	write(t, target, "the link's target")
	link(t, "target", linked)
	shows(t, "cd /run; for f in socket fifo link; do stat -c %F $f; done; cat link", "socket\nfifo\nregular file\nthe link's target",
		mounts.Mount{Source: socket, Target: "/run/socket"}, mounts.Mount{Source: fifo, Target: "/run/fifo", Writable: true}, mounts.Mount{Source: linked, Target: "/run/link"})
}

func TestAFifoConnectsInsideAndOutside(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	s := snug.Spec{}
	s.Mounts = []mounts.Mount{writable(fifo)}
	cmd := sh(s, "echo through >"+fifo)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(fifo)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(f)
	f.Close()
	if err := cmd.Wait(); err != nil || string(text) != "through\n" {
		t.Errorf("%q, %v", text, err)
	}
}

func TestOptionalSources(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	missing := mounts.Mount{Source: "/no/such/source", Target: "/run/missing", Optional: true}
	shows(t, "[ -e /run/missing ] || echo not there", "not there", missing)
	missing.Optional = false
	s := snug.Spec{}
	s.Mounts = []mounts.Mount{missing}
	err := snug.Command(s, "true").Run()
	if !errors.Is(err, unix.ENOENT) || !strings.Contains(err.Error(), "bind /no/such/source read-only at /run/missing: the source does not exist") || !strings.Contains(fix(err), "optional = true") {
		t.Errorf("got %v%s", err, fix(err))
	}
}

func TestAnUnreachableSourceIsNamed(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	const source = "/proc/1/cwd/inner"
	s := snug.Spec{}
	s.Mounts = []mounts.Mount{{Source: source, Target: "/run/x", Optional: true}}
	err := snug.Command(s, "true").Run()
	if !errors.Is(err, unix.EACCES) || !strings.Contains(err.Error(), "bind "+source+" read-only at /run/x: the source cannot be reached with the caller's permissions") {
		t.Errorf("got %v", err)
	}
}

func TestMountsBelowAnOptionalSource(t *testing.T) {
	list := []mounts.Mount{
		{Source: "/no/such/source", Target: "/run/base", Optional: true},
		{Type: mounts.Tmpfs, Target: "/run/base/a/b"},
		{Source: "/etc/passwd", Target: "/run/base/a/b/c/file"},
		{Type: mounts.File, Target: "/run/base/text", Content: "text"},
	}
	shows(t, "cd /run/base; head -c4 a/b/c/file; cat text", "roottext", list...)
}

func TestTmpfs(t *testing.T) {
	mode := units.FileMode(0o2750)
	shows(t, "stat -c %a:%F /run/t; touch /run/t/x && echo writable", "2750:directory\nwritable", mounts.Mount{Type: mounts.Tmpfs, Target: "/run/t", Mode: &mode})
	shows(t, "cd /run/t; cat kept; touch x 2>/dev/null || echo ' read-only'", "kept read-only",
		mounts.Mount{Type: mounts.Tmpfs, Target: "/run/t", ReadOnly: true}, mounts.Mount{Type: mounts.File, Target: "/run/t/kept", Content: "kept"})
	shows(t, "cd /run/t; head -c 200000 /dev/zero >f 2>/dev/null || stat -c %s f; stat -f -c %b . ", "102400\n25",
		mounts.Mount{Type: mounts.Tmpfs, Target: "/run/t", Size: 100 << 10})
	shows(t, "cp /bin/true /run/t/true; /run/t/true 2>/dev/null || echo no", "no", mounts.Mount{Type: mounts.Tmpfs, Target: "/run/t", Noexec: true})
	shows(t, "cp /bin/true /run/t/true; /run/t/true && echo yes", "yes", mounts.Mount{Type: mounts.Tmpfs, Target: "/run/t"})
}

func TestStickyDirectories(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	want(t, sh(snug.Spec{}, "stat -c %a /tmp /var/tmp /dev/shm /run; touch /tmp/x /var/tmp/x /dev/shm/x /run/x"), "1777\n1777\n1777\n755")
	s := snug.Spec{}
	s.Mounts = []mounts.Mount{{Type: mounts.Tmpfs, Target: "/tmp"}}
	want(t, sh(s, "stat -c %a /tmp"), "1777")
}

func TestTwoTmpfsAreTwo(t *testing.T) {
	// They may be directories of one file system. That must not show.
	shows(t, "cd /run; touch a/x b/x; mv a/x b/y 2>/dev/null; ls a b; ln a/x b/z 2>/dev/null || echo two", "a:\n\nb:\nx\ny\ntwo",
		mounts.Mount{Type: mounts.Tmpfs, Target: "/run/a"}, mounts.Mount{Type: mounts.Tmpfs, Target: "/run/b"})
}

func TestFileOnTopOfAFile(t *testing.T) {
	shows(t, "cat /etc/passwd; (echo >/etc/passwd) 2>/dev/null || echo ' read-only'", "mine read-only",
		mounts.Mount{Source: "/etc", Target: "/etc"}, mounts.Mount{Type: mounts.File, Target: "/etc/passwd", Content: "mine"})
}

func TestFileModesAndContent(t *testing.T) {
	mode := units.FileMode(0o755)
	binary := "\x00\x01\xff#\n\\"
	shows(t, "cd /run/d; stat -c %a:%s plain script empty big; ./script; od -An -tx1 plain", "644:6\n755:18\n644:0\n644:1000000\nrun\n 00 01 ff 23 0a 5c",
		mounts.Mount{Type: mounts.File, Target: "/run/d/plain", Content: binary},
		mounts.Mount{Type: mounts.File, Target: "/run/d/script", Content: "#!/bin/sh\necho run", Mode: &mode},
		mounts.Mount{Type: mounts.File, Target: "/run/d/empty"},
		mounts.Mount{Type: mounts.File, Target: "/run/d/big", Content: strings.Repeat("x", 1_000_000)})
}

func TestDirAndSymlink(t *testing.T) {
	mode := units.FileMode(0o3711)
	shows(t, "cd /run; stat -c %a a a/b; readlink l dangling; cat l/file; ls -d l/.", "3711\n2755\na/b\n/no where\ntextl/.",
		mounts.Mount{Type: mounts.Dir, Target: "/run/a", Mode: &mode}, mounts.Mount{Type: mounts.Dir, Target: "/run/a/b"},
		mounts.Mount{Type: mounts.Symlink, Target: "/run/l", Source: "a/b"}, mounts.Mount{Type: mounts.Symlink, Target: "/run/dangling", Source: "/no where"},
		mounts.Mount{Type: mounts.File, Target: "/run/a/b/file", Content: "text"})
}

func TestAMountThroughAnOwnLink(t *testing.T) {
	shows(t, "cat /run/real/dir/file; cat /run/link/dir/file", "texttext",
		mounts.Mount{Type: mounts.Dir, Target: "/run/real"}, mounts.Mount{Type: mounts.Symlink, Target: "/run/link", Source: "/run/real"},
		mounts.Mount{Type: mounts.File, Target: "/run/link/dir/file", Content: "text"})
}

func TestALinkOverSomethingIsRefused(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	s := snug.Spec{}
	s.Mounts = []mounts.Mount{{Type: mounts.Symlink, Target: "/usr/bin/new", Source: "x"}}
	if err := snug.Command(s, "true").Run(); err == nil || !strings.Contains(err.Error(), "/usr/bin/new") || !strings.Contains(err.Error(), "a link needs a place where nothing is yet") {
		t.Errorf("got %v", err)
	}
}

func TestMask(t *testing.T) {
	shows(t, `cat /etc/passwd 2>/dev/null || echo hidden file; ls /usr/share 2>/dev/null || echo hidden dir; ls /run/d; cat /run/mine 2>/dev/null || echo mine too`, "hidden file\nhidden dir\nmine too",
		mounts.Mount{Source: "/etc", Target: "/etc"}, mounts.Mount{Type: mounts.Dir, Target: "/run/d"}, mounts.Mount{Type: mounts.File, Target: "/run/mine", Content: "x"},
		mounts.Mount{Type: mounts.Mask, Target: "/etc/passwd"}, mounts.Mount{Type: mounts.Mask, Target: "/usr/share"},
		mounts.Mount{Type: mounts.Mask, Target: "/no/such/path"}, mounts.Mount{Type: mounts.Mask, Target: "/usr/no/such/path"}, mounts.Mount{Type: mounts.Mask, Target: "/run/mine"})
}

func TestRemount(t *testing.T) {
	dir := t.TempDir()
	mkdirs(t, dir+"/sub")
	tree := mounts.Mount{Source: dir, Target: "/run/tree", Writable: true}
	shows(t, "touch /run/tree/x 2>/dev/null || echo read-only", "read-only", tree, mounts.Mount{Type: mounts.Remount, Target: "/run/tree"})
	shows(t, "touch /run/tree/x && rm /run/tree/x && echo writable", "writable", mounts.Mount{Source: dir, Target: "/run/tree"}, mounts.Mount{Type: mounts.Remount, Target: "/run/tree", Writable: true})
	shows(t, "touch /run/tree/x 2>/dev/null || echo read-only; touch /run/tree/sub/x && echo writable below", "read-only\nwritable below",
		tree, mounts.Mount{Source: dir, Target: "/run/tree/sub", Writable: true}, mounts.Mount{Type: mounts.Remount, Target: "/run/tree"})
	s := snug.Spec{}
	s.Mounts = []mounts.Mount{{Type: mounts.Remount, Target: "/usr/share"}}
	if err := snug.Command(s, "true").Run(); err == nil || !strings.Contains(err.Error(), "remount /usr/share read-only: nothing is mounted there") {
		t.Errorf("got %v", err)
	}
}

func TestMqueue(t *testing.T) {
	kerneltest.Require(t, "mqueue")
	shows(t, "touch /run/mqueue/q && cat /run/mqueue/q | cut -d: -f1", "QSIZE", mounts.Mount{Type: mounts.Mqueue, Target: "/run/mqueue"})
}

func TestProcElsewhere(t *testing.T) {
	shows(t, "cat /run/proc/self/comm; ls /run/proc/1/comm; cat /run/proc/kcore 2>/dev/null || echo hidden", "cat\n/run/proc/1/comm\nhidden", mounts.Mount{Type: mounts.Proc, Target: "/run/proc"})
}

func TestDevElsewhere(t *testing.T) {
	shows(t, "cd /run/dev; head -c2 zero | wc -c; ls -d pts shm fd; touch x 2>/dev/null || echo read-only; touch shm/x", "2\nfd\npts\nshm\nread-only", mounts.Mount{Type: mounts.Dev, Target: "/run/dev"})
}

func TestSharedProcShowsTheHostsProcesses(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	s := snug.Spec{}
	s.Namespaces.PID = "share"
	out := output1(t, sh(s, fmt.Sprintf("cat /proc/%d/comm; touch /proc/sys/x 2>/dev/null || echo read-only; [ -w /proc/sys/kernel/core_pattern ] || echo so is this", os.Getpid())))
	if lines := strings.Split(out, "\n"); len(lines) != 3 || lines[1] != "read-only" {
		t.Errorf("got %q", out)
	}
}

func TestTheRootIsReadOnly(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	for _, base := range []string{mounts.BaseSystem, mounts.BaseHost, mounts.BaseEmpty} {
		s := snug.Spec{}
		s.Rootfs.Base = base
		if base == mounts.BaseEmpty {
			s.Mounts = emptyWithPrograms()
		}
		want(t, sh(s, "touch /new /usr/new /etc/new 2>/dev/null || ls /new /usr/new /etc/new 2>/dev/null | wc -l"), "0")
		if base == mounts.BaseHost {
			continue
		}
		s.Rootfs.Writable = true
		want(t, sh(s, "touch /new && mkdir /dir && ls -d /new /dir"), "/dir\n/new")
	}
}

const units770 = units.FileMode(0o770)
