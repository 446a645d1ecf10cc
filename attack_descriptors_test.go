package snug_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug"
	"github.com/snug-sandbox/snug/internal/kerneltest"
)

// A link in somebody else's root names a descriptor of the caller's, which is
// still open while the working directory is entered.
func TestTheWorkingDirectoryIsNoDescriptorOfTheCallers(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	h := newHostile(t)
	dir, err := os.Open(h.victim)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	link(t, fmt.Sprint("/proc/self/fd/", dir.Fd()), filepath.Join(h.tree, "work"))
	for _, pid1 := range []bool{false, true} {
		s := snug.Spec{}
		h.roots()["root"](&s)
		s.Command.Workdir, s.Command.PID1 = "/work", pid1
		if out, err := all(t, sh(s, "cat file; cat ../../../../../../../../etc/passwd; echo x >new")); err == nil || strings.Contains(out, "precious") || strings.Contains(out, "root:") {
			t.Errorf("pid1 %v: %.200q, %v", pid1, out, err)
		}
		if _, err := os.Stat(filepath.Join(h.victim, "new")); err == nil {
			t.Error("a file was made in the host's tree")
		}
	}
}

// The nodes of /dev are the host's own inodes. For a caller that is root, the
// command owns them: chmod(1) of /dev/null reached every process of the machine.
func TestTheHostsDeviceNodesAreNotChanged(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	for _, name := range []string{"null", "zero", "full", "random", "urandom", "tty"} {
		out, err := all(t, sh(snug.Spec{}, "touch -c /dev/"+name+" && echo touched; chmod 666 /dev/"+name))
		if strings.Contains(out, "touched") || !strings.Contains(out, "Read-only") {
			t.Errorf("/dev/%s: %q, %v", name, out, err)
		}
	}
}

// Signals that are sent while the sandbox ends go to no other descriptor.
func TestALateSignalGoesNowhere(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	var stop atomic.Bool
	done := make(chan string)
	go func() {
		stray := ""
		for !stop.Load() {
			var ends []int
			for range 16 {
				if p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0); err == nil {
					ends = append(ends, p[0], p[1])
				}
			}
			for range 20 {
				for _, fd := range ends {
					p := make([]byte, 16)
					if n, _ := unix.Read(fd, p); n > 0 {
						stray += fmt.Sprint(p[:n])
					}
				}
			}
			for _, fd := range ends {
				unix.Close(fd)
			}
		}
		done <- stray
	}()
	for range 50 {
		cmd := snug.Command(snug.Spec{}, "true")
		if err := cmd.Start(); err != nil {
			t.Error(err)
			break
		}
		var ended atomic.Bool
		for range 3 {
			go func() {
				for !ended.Load() {
					cmd.Signal(syscall.SIGURG)
				}
			}()
		}
		cmd.Wait()
		ended.Store(true)
	}
	stop.Store(true)
	if stray := <-done; stray != "" {
		t.Errorf("sockets of the caller's own got %.200s", stray)
	}
}

// Kill works whatever was sent before and is not read yet.
func TestKillIsNotLostBehindSignals(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	cmd := snug.Command(snug.Spec{}, "sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := cmd.PID()
	syscall.Kill(pid, syscall.SIGSTOP)
	for range 10000 {
		cmd.Signal(syscall.SIGURG)
	}
	err := cmd.Kill()
	syscall.Kill(pid, syscall.SIGCONT)
	done := make(chan struct{})
	go func() { cmd.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(patience):
		t.Errorf("Kill said %v, and the command runs on", err)
		syscall.Kill(pid, syscall.SIGKILL)
		<-done
	}
}

// exec.Cmd returns the context's error here.
func TestACommandThatEndsWellWhenCanceled(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	ctx, cancel := context.WithCancel(context.Background())
	cmd := snug.CommandContext(ctx, snug.Spec{}, "sh", "-c", "trap 'exit 0' TERM; echo ready; while :; do sleep 0.01; done")
	cmd.Cancel = func() error { return cmd.Signal(syscall.SIGTERM) }
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	out.Read(make([]byte, 6))
	cancel()
	if err := cmd.Wait(); err != nil && err != context.Canceled {
		t.Errorf("%v", err)
	}
}
