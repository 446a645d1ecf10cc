package snug_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug"
	"github.com/snug-sandbox/snug/internal/host"
	"github.com/snug-sandbox/snug/internal/kerneltest"
	"github.com/snug-sandbox/snug/landlock"
	"github.com/snug-sandbox/snug/mounts"
	"github.com/snug-sandbox/snug/namespaces"
	"github.com/snug-sandbox/snug/network"
)

func init() {
	register("limits-outside", func(args []string) error {
		pid, _ := strconv.Atoi(args[0])
		var now unix.Rlimit
		if err := unix.Prlimit(pid, unix.RLIMIT_CPU, nil, &now); err != nil {
			return err
		}
		own := unix.Setrlimit(unix.RLIMIT_CPU, &now)
		const group, low = 2, 2<<13 | 7 // IOPRIO_WHO_PGRP, the last of IOPRIO_CLASS_BE
		_, _, io := unix.RawSyscall(unix.SYS_IOPRIO_SET, group, uintptr(unix.Getpgrp()), low)
		file := os.WriteFile(fmt.Sprintf("/proc/%d/oom_score_adj", pid), []byte(args[1]), 0)
		fmt.Println(file == nil, unix.Prlimit(pid, unix.RLIMIT_CPU, &now, nil) == nil, unix.Setpriority(unix.PRIO_PGRP, 0, 19) == nil, io == 0, own == nil)
		return nil
	})
}

// needLandlock skips where the kernel has not got this version.
func needLandlock(t *testing.T, version int) {
	t.Helper()
	kerneltest.Require(t, "userns", "proc")
	f, err := host.Gather(host.Want{Landlock: true})
	if err != nil {
		t.Fatal(err)
	}
	if f.Landlock < version {
		t.Skipf("needs version %d of Landlock; this kernel has %d", version, f.Landlock)
	}
}

// without is s with nothing but its mounts and namespaces.
func without(s snug.Spec) snug.Spec {
	s.Security.Landlock = landlock.No
	return s
}

// A file that is standard input lies outside of everything that is shown; its
// name in /dev/fd led to it, for writing too.
func TestStandardInputIsNotWrittenTo(t *testing.T) {
	needLandlock(t, 3)
	name := filepath.Join(t.TempDir(), "input")
	const script = "cat /dev/stdin; echo x >>/proc/self/fd/0; : >/proc/self/fd/0"
	for _, c := range []struct {
		spec snug.Spec
		safe bool
	}{{snug.Spec{}, true}, {without(snug.Spec{}), false}} {
		write(t, name, "precious")
		in, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		cmd := sh(c.spec, script)
		cmd.Stdin = in
		out, _ := all(t, cmd)
		in.Close()
		text, err := os.ReadFile(name)
		if err != nil || !strings.HasPrefix(out, "precious") || (string(text) == "precious") != c.safe {
			t.Errorf("safe %v: the file holds %q (%v) after\n%s", c.safe, text, err, out)
		}
	}
}

// What is standard output or error can be opened again by its name.
func TestStandardOutputCanBeOpenedAgain(t *testing.T) {
	needLandlock(t, 2)
	name := filepath.Join(t.TempDir(), "output")
	out, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := sh(snug.Spec{}, "echo one >>/dev/stdout; echo two >>/dev/stderr")
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if text, _ := os.ReadFile(name); string(text) != "one\ntwo\n" {
		t.Errorf("%q", text)
	}
}

// A directory of the host that is open by mistake is the hole of CVE-2024-21626
// (runc, "Leaky Vessels") and CVE-2016-9962. Here one is left open on purpose,
// past the steps that close all others.
func TestALeakedDirectoryOpensNothing(t *testing.T) {
	needLandlock(t, 2)
	dir := t.TempDir()
	write(t, filepath.Join(dir, "file"), secret)
	leak, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer leak.Close()
	for _, c := range []struct {
		spec snug.Spec
		safe bool
	}{{snug.Spec{}, true}, {without(snug.Spec{}), false}} {
		cmd := sh(c.spec, fmt.Sprintf("cat /proc/self/fd/%[1]d/file; echo x >/proc/self/fd/%[1]d/new; ls /proc/self/fd/%[1]d/; ls /proc/self/fd/%[1]d/..", leak.Fd()))
		p, err := cmd.CompileAs(nothing)
		if err != nil {
			t.Fatal(err)
		}
		for i := range p.Program.Steps {
			if s := &p.Program.Steps[i]; strings.Contains(s.Label, "close all other descriptors") {
				s.Call.Nr, s.Args = unix.SYS_GETPID, nil
			}
		}
		if _, err := unix.FcntlInt(leak.Fd(), unix.F_SETFD, 0); err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.StartChanged(p); err != nil {
			t.Fatal(err)
		}
		cmd.Wait()
		_, err = os.Stat(filepath.Join(dir, "new"))
		if safe := !strings.Contains(out.String(), secret) && errors.Is(err, os.ErrNotExist); safe != c.safe {
			t.Errorf("safe %v, want %v: %s", safe, c.safe, out.String())
		}
		os.Remove(filepath.Join(dir, "new"))
	}
}

func TestSharedNamespacesReachNoProcessesOutside(t *testing.T) {
	needLandlock(t, 6)
	abstract := listen(t, "unix", fmt.Sprintf("@snug-test-landlock-%d", os.Getpid()))
	s := snug.Spec{}
	s.Network.Mode = network.Host
	want(t, inside(t, s, "dial", "unix", abstract), "refused")
	want(t, inside(t, without(s), "dial", "unix", abstract), "reached")
	s = snug.Spec{}
	s.Namespaces.PID = namespaces.Share
	signal := fmt.Sprintf("kill -0 %d 2>/dev/null && echo reached; sleep 1000 & kill $! && echo own", os.Getpid())
	want(t, sh(s, signal), "own")
	want(t, sh(without(s), signal), "reached\nown")
}

// A limit of processor time ends a process as a signal does, and is no signal: where
// processes outside are seen, the filter keeps limits and priorities from them, but
// not from the command itself and what it starts. Their files in /proc are read-only,
// where no nested namespace needs them.
func TestLimitsOutsideAreNotChanged(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	s := snug.Spec{}
	s.Namespaces.PID = namespaces.Share
	score, err := os.ReadFile("/proc/self/oom_score_adj")
	if err != nil {
		t.Fatal(err)
	}
	args := []string{strconv.Itoa(os.Getpid()), strings.TrimSpace(string(score))}
	want(t, inside(t, s, "limits-outside", args...), "false false false false true")
	s.Security.Seccomp.Allow = []string{"prlimit64", "setpriority", "ioprio_set"}
	s.Security.NestedUserns = true
	want(t, inside(t, s, "limits-outside", args...), "true true true true true")
}

// Everything that the mounts allow is allowed.
func TestTheWallIsNoNarrowerThanTheMounts(t *testing.T) {
	needLandlock(t, 2)
	dir := t.TempDir()
	file := filepath.Join(dir, "single")
	write(t, file, "")
	mkdirs(t, filepath.Join(dir, "work"))
	s := snug.Spec{}
	s.Security.Landlock = landlock.Require
	s.Mounts = []mounts.Mount{
		{Source: filepath.Join(dir, "work"), Target: "/srv/work", Writable: true},
		{Source: file, Target: "/srv/single", Writable: true},
		{Type: mounts.Tmpfs, Target: "/srv/tmpfs"},
		{Type: mounts.Overlay, Target: "/srv/overlay", Lower: []string{filepath.Join(dir, "work")}, Writable: true},
	}
	want(t, sh(s, `set -e
		for d in /srv/work /srv/tmpfs /srv/overlay /tmp /dev/shm /run /var/tmp; do
			cd $d; mkdir -p a b; echo x >a/f; mv a/f b/g; ln b/g a/h; ln -s h a/l; mkfifo a/p; truncate -s 3 b/g; cp /bin/sh b/t; ./b/t -c :
			rm -r a b
		done
		echo x >/srv/single; echo 1000 >/proc/self/oom_score_adj; echo x >/dev/null; head -c1 /dev/zero >/dev/full 2>/dev/null || echo full; cat /proc/self/comm`), "full\ncat")
}

// Whoever may mount keeps doing so, and the scopes hold all the same.
func TestNestedSandboxesMayMount(t *testing.T) {
	needLandlock(t, 2)
	s := snug.Spec{}
	s.Security.NestedUserns = true
	if !hasUnshare() {
		t.Skip("needs unshare(1)")
	}
	want(t, sh(s, "unshare -Urm sh -c 'mount -t tmpfs t /tmp && echo mounted'"), "mounted")
}
