package snug_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug"
	"github.com/snug-sandbox/snug/internal/kerneltest"
	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/mounts"
)

// probePath is where sandboxes of these tests show the test binary, and the
// name by which the binary knows that it is not to run tests.
const probePath = "/run/probe"

// probes are what the test binary does when it is started as probePath with
// their name: the half of a test that runs inside a sandbox, or in a process of
// its own. Each is registered beside the test that uses it.
var probes = map[string]func(args []string) error{}

func register(name string, f func(args []string) error) { probes[name] = f }

func TestMain(m *testing.M) {
	if os.Args[0] == probePath {
		os.Exit(runProbe(os.Args[1:]))
	}
	kerneltest.Drop()
	// Orphans come to this process, so that a test can see them.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	os.Exit(m.Run())
}

func runProbe(args []string) int {
	f := probes[args[0]]
	if f == nil {
		fmt.Fprintf(os.Stderr, "no probe %q\n", args[0])
		return 99
	}
	if err := f(args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 98
	}
	return 0
}

// testBinary is this program's file.
func testBinary(t testing.TB) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return exe
}

// inside is the Cmd that runs a probe in a sandbox.
func inside(t testing.TB, s snug.Spec, name string, args ...string) *snug.Cmd {
	t.Helper()
	s.Mounts = append(s.Mounts[:len(s.Mounts):len(s.Mounts)], mounts.Mount{Source: testBinary(t), Target: probePath})
	return snug.Command(s, probePath, append([]string{name}, args...)...)
}

// outside is a process of its own that runs a probe without a sandbox.
func outside(t testing.TB, name string, args ...string) *exec.Cmd {
	t.Helper()
	return &exec.Cmd{Path: testBinary(t), Args: append([]string{probePath, name}, args...)}
}

// want runs cmd, compares what it wrote to standard output, and wants exit code 0.
func want(t testing.TB, cmd *snug.Cmd, output string) {
	t.Helper()
	if got := output1(t, cmd); got != output {
		t.Errorf("wrote %q, want %q", got, output)
	}
}

// output1 runs cmd and returns what it wrote to standard output, without the
// last line's end.
func output1(t testing.TB, cmd *snug.Cmd) string {
	t.Helper()
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil || errs.Len() > 0 {
		t.Fatalf("%v%s\n%s%s", err, fix(err), out, errs.String())
	}
	return strings.TrimSuffix(string(out), "\n")
}

// fix is the remedy of an error, for a failed test's reader.
func fix(err error) string {
	if p, ok := err.(*problem.Problem); ok && p.Fix != "" {
		return "\n  try: " + p.Fix
	}
	return ""
}

// sh is the Cmd that runs a script of sh(1) in a sandbox.
func sh(s snug.Spec, script string) *snug.Cmd { return snug.Command(s, "sh", "-c", script) }

// all is every output of cmd, whatever its end.
func all(t testing.TB, cmd *snug.Cmd) (string, error) {
	t.Helper()
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func bind(source string) mounts.Mount     { return mounts.Mount{Source: source} }
func writable(source string) mounts.Mount { return mounts.Mount{Source: source, Writable: true} }
