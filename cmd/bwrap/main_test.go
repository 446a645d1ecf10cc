package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/snug-sandbox/snug/internal/kerneltest"
)

// The test binary is bwrap when it is called by that name, or by its own inside.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == "bwrap" || os.Args[0] == "/proc/self/exe" {
		main()
	}
	kerneltest.Main(m)
}

// installed is bubblewrap itself; SNUG_TEST_BWRAP names another one.
var installed = cmp.Or(os.Getenv("SNUG_TEST_BWRAP"), "/usr/bin/bwrap")

// this is the program of this folder.
func this(t testing.TB) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return exe
}

// ended is what became of a script.
type ended struct {
	out, err string
	code     int
}

// script runs a bash script in which "bwrap" is the given program, $R shows the
// whole host read-only, and the working directory is a fresh one. Its name is
// DIR in what was printed.
func script(t testing.TB, program, text string) ended {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	bin, work := filepath.Join(dir, "bin"), filepath.Join(dir, "work")
	for _, err := range []error{os.Mkdir(bin, 0o755), os.Mkdir(work, 0o755), os.Symlink(program, filepath.Join(bin, "bwrap"))} {
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", text)
	cmd.Dir, cmd.WaitDelay = work, 10*time.Second
	cmd.Env = []string{"PATH=" + bin + ":/usr/bin:/bin", "HOME=/root", "LC_ALL=C", "R=--ro-bind / /", "SECRET=correct horse", "PROGRAM=" + program}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Errorf("%v\n%s%s", err, &out, &errs)
	}
	clean := func(b *bytes.Buffer) string { return strings.ReplaceAll(b.String(), work, "DIR") }
	return ended{clean(&out), clean(&errs), cmd.ProcessState.ExitCode()}
}

// wants runs a script with this program and compares its standard output.
func wants(t *testing.T, text, output string) {
	t.Helper()
	got := script(t, this(t), text)
	if strings.TrimSpace(got.out) != strings.TrimSpace(output) || got.err != "" {
		t.Errorf("%s\nprinted\n%s%s\nwant\n%s", text, got.out, got.err, output)
	}
}
