package snug_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug"
	"github.com/snug-sandbox/snug/internal/host"
	"github.com/snug-sandbox/snug/internal/kerneltest"
	"github.com/snug-sandbox/snug/landlock"
	"github.com/snug-sandbox/snug/mounts"
	"github.com/snug-sandbox/snug/network"
	"github.com/snug-sandbox/snug/seccomp"
)

// bareTarget is what attacks from a sandbox without namespaces aim at.
type bareTarget struct {
	dir      string // holds secret, stream and datagrams, all of the caller
	pid      int    // a process of the caller
	abstract string
	tcp      string
}

func (b bareTarget) args() []string {
	return []string{b.dir, strconv.Itoa(b.pid), b.abstract, b.tcp}
}

// bareAttacks return nil where they work.
func bareAttacks(args []string) map[string]func() error {
	dir, abstract, tcp := args[0], args[2], args[3]
	pid, _ := strconv.Atoi(args[1])
	file, proc := filepath.Join(dir, "secret"), "/proc/"+args[1]
	dial := func(kind, address string) func() error {
		return func() error {
			c, err := net.Dial(kind, address)
			if err == nil {
				c.Close()
			}
			return err
		}
	}
	call := func(nr uintptr, args ...uintptr) func() error {
		return func() error {
			var a [6]uintptr
			copy(a[:], args)
			if _, _, errno := unix.Syscall6(nr, a[0], a[1], a[2], a[3], a[4], a[5]); errno != 0 {
				return errno
			}
			return nil
		}
	}
	reads := func(name string) func() error {
		return func() error { _, err := os.ReadFile(name); return err }
	}
	list := map[string]func() error{
		"read a file":           reads(file),
		"list a directory":      func() error { _, err := os.ReadDir(dir); return err },
		"write to a file":       func() error { f, err := os.OpenFile(file, os.O_WRONLY|os.O_APPEND, 0); f.Close(); return err },
		"truncate a file":       func() error { return os.Truncate(file, 5) },
		"make a file":           func() error { return os.WriteFile(filepath.Join(dir, "new"), nil, 0o600) },
		"make a directory":      func() error { return os.MkdirAll(filepath.Join(dir, "newdir", "x"), 0o700) },
		"rename a file":         func() error { return os.Rename(file, file) },
		"take a file's place":   func() error { return os.Symlink("x", filepath.Join(dir, "link")) },
		"remove a file":         func() error { return os.Remove(filepath.Join(dir, "victim")) },
		"link a file":           func() error { return os.Link(file, filepath.Join(dir, "second")) },
		"environ":               reads(proc + "/environ"),
		"auxv":                  reads(proc + "/auxv"),
		"maps":                  reads(proc + "/maps"),
		"fd":                    func() error { _, err := os.Readlink(proc + "/fd/0"); return err },
		"cwd":                   func() error { _, err := os.ReadDir(proc + "/cwd/."); return err },
		"root":                  func() error { _, err := os.ReadFile(proc + "/root" + file); return err },
		"oom_score_adj":         func() error { return os.WriteFile(proc+"/oom_score_adj", []byte("500"), 0) },
		"signal":                call(unix.SYS_KILL, uintptr(pid), 0),
		"limits":                func() error { return unix.Prlimit(pid, unix.RLIMIT_CORE, &unix.Rlimit{}, nil) },
		"priority of all":       call(unix.SYS_SETPRIORITY, unix.PRIO_USER, 0, 0),
		"stream socket":         dial("unix", filepath.Join(dir, "stream")),
		"datagram socket":       dial("unixgram", filepath.Join(dir, "datagrams")),
		"a pair's other end":    func() error { return redirected(filepath.Join(dir, "datagrams")) },
		"abstract socket":       dial("unix", abstract),
		"TCP":                   dial("tcp", tcp),
		"UDP":                   dial("udp", tcp),
		"listen":                func() error { l, err := net.Listen("tcp", "127.0.0.1:0"); closeIf(l, err); return err },
		"shared memory":         call(unix.SYS_SHMGET, 0, 4096, unix.IPC_CREAT|0o600),
		"semaphores":            call(unix.SYS_SEMGET, 0, 1, unix.IPC_CREAT|0o600),
		"a user namespace":      func() error { return exec.Command("unshare", "-U", "true").Run() },
		"process_vm_readv":      func() error { return attackMemory(pid) },
		"ptrace":                func() error { return trace(pid) },
		"descriptors (pidfd)":   func() error { return takeDescriptor(pid) },
		"permissions of memory": func() error { _, err := os.OpenFile(proc+"/mem", os.O_RDWR, 0); return err },
	}
	return list
}

func closeIf(l net.Listener, err error) {
	if err == nil {
		l.Close()
	}
}

// redirected sends to another socket through one of a pair.
func redirected(path string) error {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	return unix.Sendto(pair[0], []byte("x"), 0, &unix.SockaddrUnix{Name: path})
}

func attackMemory(pid int) error {
	p := make([]byte, 8)
	local := unix.Iovec{Base: &p[0]}
	local.SetLen(8)
	_, err := unix.ProcessVMReadv(pid, []unix.Iovec{local}, []unix.RemoteIovec{{Base: 0, Len: 8}}, 0)
	if errors.Is(err, unix.EFAULT) {
		return nil // it was allowed to look
	}
	return err
}

func trace(pid int) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := unix.PtraceSeize(pid)
	if err == nil {
		unix.PtraceDetach(pid)
	}
	return err
}

func takeDescriptor(pid int) error {
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return err
	}
	defer unix.Close(pidfd)
	fd, err := unix.PidfdGetfd(pidfd, 0, 0)
	if err == nil {
		unix.Close(fd)
	}
	return err
}

func init() {
	register("attack-bare", func(args []string) error {
		for name, attack := range bareAttacks(args) {
			if len(args) > 4 && !slices.Contains(args[4:], name) {
				continue
			}
			if attack() == nil {
				fmt.Println(name)
			}
		}
		return nil
	})
}

// bareSpec is a sandbox without namespaces that shows no more than programs.
func bareSpec() snug.Spec {
	s := snug.Spec{}
	s.Namespaces.None = true
	return s
}

// bareProbe runs a probe without namespaces.
func bareProbe(t *testing.T, s snug.Spec, name string, args ...string) *snug.Cmd {
	t.Helper()
	exe := testBinary(t)
	s.Mounts = append(slices.Clip(s.Mounts), mounts.Mount{Source: exe})
	s.Command.Argv0 = probePath
	return snug.Command(s, exe, append([]string{name}, args...)...)
}

// aimBare makes what the attacks aim at.
func aimBare(t *testing.T) bareTarget {
	t.Helper()
	needLandlock(t, 6)
	b := bareTarget{dir: t.TempDir(), abstract: fmt.Sprintf("@snug-bare-%d", os.Getpid())}
	write(t, filepath.Join(b.dir, "secret"), secret)
	write(t, filepath.Join(b.dir, "victim"), secret)
	listen(t, "unix", filepath.Join(b.dir, "stream"))
	listen(t, "unix", b.abstract)
	b.tcp = listen(t, "tcp", "127.0.0.1:0")
	packets, err := net.ListenPacket("unixgram", filepath.Join(b.dir, "datagrams"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { packets.Close() })
	victim := exec.Command("sleep", "600")
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { victim.Process.Kill(); victim.Wait() })
	b.pid = victim.Process.Pid
	return b
}

func TestWithoutNamespacesNothingOutsideIsReached(t *testing.T) {
	b := aimBare(t)
	if out := output1(t, bareProbe(t, bareSpec(), "attack-bare", b.args()...)); out != "" {
		t.Errorf("worked:\n%s", out)
	}
	// The same works for anybody outside, but for what is the machine's to forbid.
	out, err := outside(t, "attack-bare", b.args()...).Output()
	if err != nil {
		t.Fatal(err)
	}
	worked := strings.Split(string(out), "\n")
	for name := range bareAttacks(b.args()) {
		switch name {
		case "priority of all", "a user namespace", "ptrace", "process_vm_readv", "descriptors (pidfd)", "permissions of memory": // kernel.yama.ptrace_scope
		default:
			if !slices.Contains(worked, name) {
				t.Errorf("%q does not even work outside: it shows nothing", name)
			}
		}
	}
}

// On the host's network there are no unix sockets all the same: a bus or a
// service manager behind one of them starts programs outside.
func TestWithoutNamespacesTheNetworkIsThatOfTheMode(t *testing.T) {
	b := aimBare(t)
	s := bareSpec()
	s.Network.Mode = network.Host
	got := strings.Fields(output1(t, bareProbe(t, s, "attack-bare", append(b.args(), "TCP", "UDP", "listen", "stream socket", "abstract socket", "datagram socket", "a pair's other end")...)))
	slices.Sort(got)
	if want := []string{"TCP", "UDP", "listen"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	s.Security.Seccomp.Allow = []string{"socket(arg0 == AF_UNIX)"}
	if out := output1(t, bareProbe(t, s, "attack-bare", append(b.args(), "stream socket", "abstract socket")...)); out != "stream socket" {
		t.Errorf("with what the profile allows: %q", out)
	}
}

// Version 2 of Landlock, that of Linux 6.1, does not know truncate(2).
func TestWithoutNamespacesOlderLandlockTruncatesNothing(t *testing.T) {
	b := aimBare(t)
	cmd := bareProbe(t, bareSpec(), "attack-bare", append(b.args(), "truncate a file", "read a file", "write to a file")...)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	p, err := cmd.CompileAs(func(f *host.Facts) { f.Landlock = 2 })
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(strings.Join(p.Notes, "\n"), "send signals to your processes") {
		t.Errorf("what version 2 does not hold is not told: %q", p.Notes)
	}
	if err := cmd.StartChanged(p); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil || out.Len() > 0 {
		t.Errorf("%v: %s", err, out.String())
	}
}

// What a profile says and Landlock cannot hold is refused, never left out.
func TestWithoutNamespacesAProfileIsHeldOrRefused(t *testing.T) {
	facts := fakeHost(func(f *host.Facts) { f.Landlock = 7 })
	dir := mounts.Mount{Source: "/srv/data", Writable: true}
	for _, c := range []struct {
		change func(*snug.Spec)
		says   string
	}{
		{func(*snug.Spec) {}, ""},
		{func(s *snug.Spec) { s.Mounts = []mounts.Mount{dir} }, ""},
		{func(s *snug.Spec) { s.Mounts = []mounts.Mount{dir, {Source: "/srv/data/x", Writable: true}} }, ""},
		{func(s *snug.Spec) {
			s.Mounts = []mounts.Mount{{Source: "/srv/data"}, {Source: "/srv/data/x", Writable: true}}
		}, ""},
		{func(s *snug.Spec) { s.Mounts = []mounts.Mount{dir, {Source: "/srv/data/x"}} }, "it is below /srv/data"},
		{func(s *snug.Spec) {
			s.Mounts = []mounts.Mount{{Source: "/srv/data", Writable: true, Noexec: true}, {Source: "/srv/data/x", Writable: true}}
		}, ""},
		{func(s *snug.Spec) {
			s.Mounts = []mounts.Mount{dir, {Source: "/srv/data/x", Writable: true, Noexec: true}}
		}, "it is below /srv/data"},
		{func(s *snug.Spec) { s.Mounts = []mounts.Mount{dir, {Type: mounts.Tmpfs, Target: "/srv/data/x"}} }, "cannot hide"},
		{func(s *snug.Spec) { s.Mounts = []mounts.Mount{dir, {Type: mounts.Mask, Target: "/srv/data/x"}} }, "cannot hide"},
		{func(s *snug.Spec) { s.Mounts = []mounts.Mount{{Type: mounts.Mask, Target: "/etc/ssl"}} }, "cannot hide"},
		{func(s *snug.Spec) { s.Mounts = []mounts.Mount{{Type: mounts.Mask, Target: "/srv/x"}} }, ""},
		{func(s *snug.Spec) { s.Mounts = []mounts.Mount{{Source: "/srv/a", Target: "/srv/b"}} }, "at its own place only"},
		{func(s *snug.Spec) { s.Mounts = []mounts.Mount{{Source: "/dev/kvm"}} }, "devices"},
		{func(s *snug.Spec) {
			s.Mounts = []mounts.Mount{{Type: mounts.DevBind, Source: "/dev/kvm", Writable: true}}
		}, ""},
		{func(s *snug.Spec) { s.Mounts = []mounts.Mount{{Type: mounts.File, Target: "/x"}} }, "needs a mount namespace"},
		{func(s *snug.Spec) { s.Mounts = []mounts.Mount{{Type: mounts.Symlink, Source: "a", Target: "/x"}} }, "cannot be made"},
		{func(s *snug.Spec) { s.Rootfs.Base = mounts.BaseHost }, "cannot hide"},
		{func(s *snug.Spec) { s.Rootfs.Path = "/srv" }, "rootfs"},
		{func(s *snug.Spec) { s.Security.Landlock = landlock.No }, "security.landlock"},
		{func(s *snug.Spec) { s.Security.NestedUserns = true }, "security.nested_userns"},
		{func(s *snug.Spec) { s.Security.Capabilities = []string{"CAP_KILL"} }, "security.capabilities"},
		{func(s *snug.Spec) { s.Identity.Map = "root" }, "identity.map"},
		{func(s *snug.Spec) { s.Command.PID1 = true }, "command.pid1"},
		{func(s *snug.Spec) { s.Namespaces.Hostname = "x" }, "namespaces.hostname"},
		{func(s *snug.Spec) { s.Namespaces.MonotonicOffset = 1 }, "namespaces.time"},
	} {
		s := bareSpec()
		c.change(&s)
		p, err := snug.Compile(s, facts, snug.Streams{})
		if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%+v: %v, want %q", s.Mounts, err, c.says)
		}
		if err == nil && (p.Namespaces != 0 || len(p.Notes) == 0) {
			t.Errorf("%+v: namespaces %#x, notes %q", s.Mounts, p.Namespaces, p.Notes)
		}
	}
	facts.Landlock = 1
	if _, err := snug.Compile(bareSpec(), facts, snug.Streams{}); err == nil || !strings.Contains(err.Error(), "no Landlock") {
		t.Errorf("with nothing to hold files: %v", err)
	}
	off := bareSpec()
	off.Security.Seccomp = seccomp.Config{Base: seccomp.None}
	facts.Landlock = 7
	if p, err := snug.Compile(off, facts, snug.Streams{}); err != nil || !strings.Contains(p.Notes[0], "every socket") {
		t.Errorf("without a filter: %v %v", err, p)
	}
}

func TestWithoutNamespacesTemporaryFilesAreThrownAway(t *testing.T) {
	needLandlock(t, 6)
	base := t.TempDir()
	t.Setenv("TMPDIR", base)
	out := output1(t, sh(bareSpec(), `cd "$TMPDIR" && mkdir a && echo text >a/b && cat a/b && chmod 0 a . && echo fine`))
	if out != "text\nfine" {
		t.Errorf("%q", out)
	}
	left, err := os.ReadDir(base)
	if err != nil || len(left) > 0 {
		t.Errorf("%v is left in %s (%v)", left, base, err)
	}
}

func TestWithoutNamespacesAllProcessesEnd(t *testing.T) {
	needLandlock(t, 6)
	kerneltest.Require(t, "proc")
	cmd := sh(bareSpec(), "sleep 601 & setsid sleep 602 & (setsid sleep 603 &) ; exit 3")
	err := cmd.Run()
	if exit := new(snug.ExitError); !errors.As(err, &exit) || exit.ExitCode != 3 || exit.Left == 0 {
		t.Errorf("%v %+v", err, cmd.Result())
	}
	for n := 601; n <= 603; n++ {
		if out, _ := exec.Command("pgrep", "-f", fmt.Sprintf("^sleep %d$", n)).Output(); len(out) > 0 {
			t.Errorf("sleep %d runs on: %s", n, out)
		}
	}
}
