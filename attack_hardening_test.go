package snug_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug"
	"github.com/snug-sandbox/snug/internal/kerneltest"
	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/internal/units"
	"github.com/snug-sandbox/snug/mounts"
	"github.com/snug-sandbox/snug/userns"
)

func init() {
	register("write-execute", func([]string) error {
		_, _, atOnce := unix.RawSyscall6(unix.SYS_MMAP, 0, 4096, unix.PROT_READ|unix.PROT_WRITE|unix.PROT_EXEC, unix.MAP_PRIVATE|unix.MAP_ANON, ^uintptr(0), 0)
		at, _, _ := unix.RawSyscall6(unix.SYS_MMAP, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON, ^uintptr(0), 0)
		_, _, later := unix.RawSyscall(unix.SYS_MPROTECT, at, 4096, unix.PROT_READ|unix.PROT_EXEC)
		_, _, off := unix.RawSyscall6(unix.SYS_PRCTL, unix.PR_SET_MDWE, 0, 0, 0, 0, 0)
		fmt.Println(unix.ErrnoName(atOnce), unix.ErrnoName(later), unix.ErrnoName(off))
		return nil
	})
	// core prints the cookie of this process, and of one that it starts.
	register("core", func(args []string) error {
		const get = 0 // PR_SCHED_CORE_GET
		at, _, _ := unix.RawSyscall6(unix.SYS_MMAP, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON, ^uintptr(0), 0)
		_, _, errno := unix.RawSyscall6(unix.SYS_PRCTL, unix.PR_SCHED_CORE, get, 0, 0, at, 0)
		cookie := make([]byte, 8)
		mem, err := os.Open("/proc/self/mem")
		if err == nil {
			_, err = mem.ReadAt(cookie, int64(at))
		}
		if err != nil {
			return err
		}
		fmt.Printf("%x %s\n", cookie, unix.ErrnoName(errno))
		if len(args) == 0 {
			return nil
		}
		next := exec.Command("/proc/self/exe")
		next.Args, next.Stdout = []string{probePath, "core"}, os.Stdout
		return next.Run()
	})
	register("securebits", func([]string) error {
		bits, _, _ := unix.RawSyscall6(unix.SYS_PRCTL, unix.PR_GET_SECUREBITS, 0, 0, 0, 0, 0)
		_, _, change := unix.RawSyscall6(unix.SYS_PRCTL, unix.PR_SET_SECUREBITS, 0, 0, 0, 0, 0)
		_, _, ambient := unix.RawSyscall6(unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, unix.CAP_NET_RAW, 0, 0, 0)
		fmt.Printf("%#x %s %s\n", bits, unix.ErrnoName(change), unix.ErrnoName(ambient))
		return nil
	})
}

// Memory that is written and then executed, in one step or in two, for the
// command and for what it executes.
func TestMemoryIsNotWrittenAndExecuted(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	s := snug.Spec{}
	s.Security.MemoryDenyWriteExecute = true
	cmd := inside(t, s, "write-execute")
	out, err := all(t, cmd)
	if err != nil && strings.Contains(err.Error(), "Linux 6.3") {
		t.Skip(err)
	}
	if err != nil || strings.TrimSpace(out) != "EACCES EACCES EPERM" {
		t.Errorf("%q, %v", out, err)
	}
	cmd = inside(t, s, "write-execute")
	cmd.Spec.Command.Args = append([]string{"sh", "-c", `"$@"; exit $?`, "sh"}, cmd.Spec.Command.Args...)
	want(t, cmd, "EACCES EACCES EPERM")
}

// Each sandbox has a cookie of its own, which what it starts has as well
// (PR_SCHED_CORE). A kernel that cannot do it says so; one whose cores have one
// thread each has nothing to keep apart.
func TestCoreScheduling(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	s := snug.Spec{}
	s.Security.CoreScheduling = true
	seen := map[string]bool{"0000000000000000": true}
	for range 2 {
		out, err := all(t, inside(t, s, "core", "again"))
		if err != nil {
			var p *problem.Problem
			if failed := new(snug.StepError); !errors.As(err, &failed) || failed.Errno != unix.EINVAL || !errors.As(err, &p) || !strings.Contains(p.Why, "CONFIG_SCHED_CORE") || p.Fix == "" {
				t.Error(err)
			}
			t.Skip("needs CONFIG_SCHED_CORE")
		}
		words := strings.Fields(out)
		if len(words) == 4 && words[1] == "ENODEV" {
			t.Skip("needs cores with two threads; the command ran, as it should")
		}
		if len(words) != 2 || words[0] != words[1] || seen[words[0]] {
			t.Errorf("%q after %v", out, seen)
		}
		seen[words[0]] = true
	}
}

// Root inside, with and without a map of many ids, gains nothing by execve, and
// cannot change that.
func TestSecurebitsAreLocked(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	for name, c := range map[string]struct {
		identity userns.Config
		want     string
	}{
		"self": {userns.Config{}, "0xcb EPERM EPERM"}, "root": {userns.Config{Map: userns.MapRoot}, "0xcb EPERM EPERM"},
	} {
		s := snug.Spec{Identity: c.identity}
		if out := output1(t, inside(t, s, "securebits")); out != c.want {
			t.Errorf("%s: %s, want %s", name, out, c.want)
		}
		want(t, sh(s, "sh -c 'grep Cap /proc/self/status | grep -v 0000000000000000'; true"), "")
	}
}

// What kernel.core_pattern names runs outside, as root, on the memory of the
// command: CVE-2022-28655 and CVE-2025-5054 (apport), CVE-2025-4598
// (systemd-coredump). A limit of 0 does not keep the kernel from starting it, 1
// does (core(5)).
func TestNoCoreDumpIsMade(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	script := `grep "Max core" /proc/self/limits | tr -s ' ' | cut -d' ' -f5,6; cd /tmp; ulimit -c unlimited 2>/dev/null && echo raised; sh -c 'kill -SEGV $$'; ls`
	for _, core := range []*units.Rlimit{nil, units.SameRlimit(0)} {
		s := snug.Spec{}
		s.Limits.Core = core
		cmd := sh(s, script)
		out, err := cmd.Output()
		if lines := strings.Fields(string(out)); err != nil || len(lines) != 2 || lines[0] != lines[1] || lines[0] != "1" && lines[0] != "0" {
			t.Errorf("core %v: %q, %v", core, out, err)
		}
	}
}

// The way out by release_agent (CVE-2022-0492) and by the names of programs that
// the kernel runs: none can be written, by root of a nested namespace neither.
func TestProgramsThatTheKernelRunsAreNotNamed(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	const script = `for f in /proc/sys/kernel/core_pattern /proc/sys/kernel/modprobe /proc/sys/kernel/hotplug /proc/sys/kernel/poweroff_cmd \
		/proc/sys/fs/binfmt_misc/register /proc/sysrq-trigger /sys/kernel/uevent_helper /sys/fs/cgroup/*/release_agent /sys/fs/cgroup/release_agent; do
		(echo '|/bin/true' >$f) 2>/dev/null && echo wrote to $f; done; true`
	for name, s := range attackers() {
		if out := output1(t, sh(s, script)); out != "" {
			t.Errorf("%s: %s", name, out)
		}
	}
}

func init() {
	register("open-many", func([]string) error {
		for n := 0; ; n++ {
			if _, err := unix.Open("/dev/null", unix.O_RDONLY, 0); err != nil {
				fmt.Println(n < 64, unix.ErrnoName(err.(unix.Errno)))
				return nil
			}
		}
	})
}

// What runs out is the command's, and it gets an errno for it.
func TestExhaustionEndsInTheSandbox(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	leavesNothing(t)
	s := snug.Spec{}
	s.Limits.Nofile, s.Limits.Fsize = units.SameRlimit(64), units.SameRlimit(1<<20)
	want(t, inside(t, s, "open-many"), "true EMFILE")
	want(t, sh(s, "trap '' XFSZ; head -c 100M /dev/zero 2>/dev/null >/tmp/f; stat -c %s /tmp/f"), "1048576")
	s.Mounts = []mounts.Mount{{Type: mounts.Tmpfs, Target: "/dev/shm", Size: 1 << 16}}
	want(t, sh(s, "head -c 1M /dev/zero 2>/dev/null >/dev/shm/f; stat -c %s /dev/shm/f; echo left >/tmp/g && cat /tmp/g"), "65536\nleft")
}

// Neither by the calls nor by the offsets of a time namespace (time_namespaces(7)).
func TestTheClockIsNotChanged(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	for name, s := range attackers() {
		for _, call := range []string{
			fmt.Sprintf("%d 0 0", unix.SYS_CLOCK_SETTIME), fmt.Sprintf("%d 0 0", unix.SYS_SETTIMEOFDAY),
		} {
			if out := output1(t, inside(t, s, "call", strings.Fields(call)...)); out != "EPERM" {
				t.Errorf("%s: call %s: %s", name, call, out)
			}
		}
		if out := output1(t, sh(s, "(echo monotonic 5 0 >/proc/self/timens_offsets) 2>/dev/null && echo changed; true")); out != "" && !s.Security.NestedUserns {
			t.Errorf("%s: %s", name, out)
		}
	}
}

// Names with control characters drive no terminal.
func TestHostileNamesAreEscaped(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	err := snug.Command(snug.Spec{}, "/no/such\x1b]0;owned\x07\n\u009b31m").Run()
	if err == nil || !strings.Contains(err.Error(), "no/such") {
		t.Fatal(err)
	}
	var b strings.Builder
	problem.Print(&b, err)
	if strings.ContainsAny(b.String(), "\x1b\x07\u009b") {
		t.Errorf("%q", b.String())
	}
}
