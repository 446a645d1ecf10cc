package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/snug-sandbox/snug/internal/kerneltest"
)

// started starts snug and returns once the command has written "ready".
func started(t *testing.T, args ...string) (*exec.Cmd, io.Reader) {
	t.Helper()
	cmd := exec.Command("snug", args...)
	cmd.Dir = t.TempDir()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	r := bufio.NewReader(out)
	if line, err := r.ReadString('\n'); err != nil || line != "ready\n" {
		t.Fatalf("got %q, %v", line, err)
	}
	return cmd, r
}

func TestSignalsReachTheCommand(t *testing.T) {
	kerneltest.Require(t, "userns")
	for name, sig := range map[string]syscall.Signal{
		"TERM": syscall.SIGTERM, "INT": syscall.SIGINT, "HUP": syscall.SIGHUP, "QUIT": syscall.SIGQUIT,
		"USR1": syscall.SIGUSR1, "USR2": syscall.SIGUSR2, "WINCH": syscall.SIGWINCH,
	} {
		script := fmt.Sprintf(`trap 'echo got; exit 9' %s; echo ready; while :; do sleep 0.05; done`, name)
		cmd, out := started(t, "run", "--", "sh", "-c", script)
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(out)
		cmd.Wait()
		if err != nil || string(text) != "got\n" || cmd.ProcessState.ExitCode() != 9 {
			t.Errorf("SIG%s: %q, %v, %v", name, text, cmd.ProcessState, err)
		}
	}
}

func TestSignalEndsTheCommand(t *testing.T) {
	kerneltest.Require(t, "userns")
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
		cmd, _ := started(t, "run", "--", "sh", "-c", "echo ready; exec sleep 1000")
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		cmd.Wait()
		if got, want := cmd.ProcessState.ExitCode(), 128+int(sig); got != want {
			t.Errorf("%v: exit code %d, want %d", sig, got, want)
		}
	}
}

// Nothing outlives a snug that was killed, however many processes the command
// has started.
func TestKilledSnugLeavesNoProcess(t *testing.T) {
	kerneltest.Require(t, "userns")
	mark := fmt.Sprintf("31%d.25", os.Getpid())
	cmd, _ := started(t, "run", "--", "sh", "-c", "setsid sleep "+mark+" & (sleep "+mark+" &); echo ready; sleep "+mark)
	waitFor(t, "the processes to start", func() bool { return len(processes(t, mark)) >= 3 })
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	waitFor(t, "the processes to end", func() bool { return len(processes(t, mark)) == 0 })
}

// processes lists those that have mark among their arguments.
func processes(t *testing.T, mark string) (pids []string) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range all {
		text, err := os.ReadFile(name)
		if err == nil && bytes.Contains(text, []byte(mark)) {
			pids = append(pids, strings.Split(name, "/")[2])
		}
	}
	return pids
}

// waitFor polls until ok, or until it is certain that it will not be.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 600 {
		if ok() {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("waited in vain for %s", what)
}
