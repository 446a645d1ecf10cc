package snug_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/snug-sandbox/snug"
	"github.com/snug-sandbox/snug/internal/kerneltest"
	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/internal/units"
	"github.com/snug-sandbox/snug/mounts"
)

func TestExitCodesPass(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	for code := range 256 {
		cmd := sh(snug.Spec{}, fmt.Sprint("exit ", code))
		err := cmd.Run()
		r := cmd.Result()
		if r.ExitCode != code || r.Code() != code || r.Cause != snug.CauseExit || r.Signal != 0 || r.Failure != nil {
			t.Fatalf("exit %d: %+v", code, r)
		}
		if exit := new(snug.ExitError); (code != 0) != errors.As(err, &exit) {
			t.Fatalf("exit %d: the error is %v", code, err)
		}
	}
}

func TestErrorsReadAsThoseOfExec(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	for _, script := range []string{"exit 7", "kill -TERM $$", "kill -KILL $$", "kill -SEGV $$"} {
		ours, theirs := sh(snug.Spec{}, script).Run(), exec.Command("sh", "-c", script).Run()
		if strip(ours) != strip(theirs) {
			t.Errorf("%s: %q, exec says %q", script, ours, theirs)
		}
	}
}

// strip drops what depends on limits of the machine.
func strip(err error) string { return strings.TrimSuffix(err.Error(), " (core dumped)") }

func TestSignalsPass(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	for _, sig := range []syscall.Signal{
		syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGILL, syscall.SIGABRT, syscall.SIGBUS, syscall.SIGFPE,
		syscall.SIGKILL, syscall.SIGUSR1, syscall.SIGSEGV, syscall.SIGUSR2, syscall.SIGPIPE, syscall.SIGALRM, syscall.SIGTERM,
		syscall.SIGXCPU, syscall.SIGSYS, 34, 64,
	} {
		cmd := snug.Command(coreless(), "sh", "-c", fmt.Sprintf("kill -%d $$", sig))
		cmd.Run()
		if r := cmd.Result(); r.Signal != sig || r.Code() != 128+int(sig) || r.ExitCode != -1 || r.Cause != snug.CauseSignal {
			t.Errorf("signal %d: %+v", sig, r)
		}
	}
}

// coreless keeps the machine clean.
func coreless() snug.Spec {
	s := snug.Spec{}
	s.Limits.Core = new(units.Rlimit)
	return s
}

func TestACommandThatCannotBeExecuted(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	file := func(target, content string, mode units.FileMode) mounts.Mount {
		return mounts.Mount{Type: mounts.File, Target: target, Content: content, Mode: &mode}
	}
	s := snug.Spec{}
	s.Mounts = []mounts.Mount{
		file("/run/plain", "#!/bin/sh\n", 0o644),
		file("/run/garbage", "\x00\x01\x02", 0o755),
		file("/run/orphan", "#!/no/such/interpreter\n", 0o755),
		{Type: mounts.Tmpfs, Target: "/run/noexec", Noexec: true},
		file("/run/noexec/script", "#!/bin/sh\n", 0o755),
		file("/run/path/true", "not executable", 0o644),
	}
	s.Env.Set = map[string]string{"PATH": "/run/path:/nonexistent"}
	for _, c := range []struct {
		name  string
		code  int
		errno syscall.Errno
		says  string
	}{
		{"no-such-program", 127, syscall.ENOENT, "run no-such-program: not found inside the sandbox"},
		{"/no/such/program", 127, syscall.ENOENT, "run /no/such/program: not found inside the sandbox"},
		{"/etc/passwd/sh", 127, syscall.ENOTDIR, "not found"},
		{"/run/orphan", 127, syscall.ENOENT, "not found"},
		{"/run/plain", 126, syscall.EACCES, "permission denied"},
		{"/run", 126, syscall.EACCES, "permission denied"},
		{"/run/noexec/script", 126, syscall.EACCES, "permission denied"},
		{"/run/garbage", 126, syscall.ENOEXEC, "not a program"},
		{"true", 126, syscall.EACCES, "permission denied"},
	} {
		cmd := snug.Command(s, c.name)
		err := cmd.Run()
		r := cmd.Result()
		p := new(problem.Problem)
		if !errors.As(err, &p) || !errors.Is(err, c.errno) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %v and %q", c.name, err, c.errno, c.says)
		}
		if errors.Is(err, exec.ErrNotFound) != (c.code == 127) || errors.Is(err, fs.ErrNotExist) != (c.errno == syscall.ENOENT) ||
			errors.Is(err, fs.ErrPermission) != (c.errno == syscall.EACCES) {
			t.Errorf("%s: %#v is not the error that os/exec and io/fs know", c.name, err)
		}
		if c.code == 127 && !strings.Contains(p.Fix, "first line (#!)") {
			t.Errorf("%s: %q does not name the interpreter", c.name, p.Fix)
		}
		if r.Code() != c.code || r.Cause != snug.CauseExec || r.Reached != "exec" {
			t.Errorf("%s: code %d, cause %q, reached %q", c.name, r.Code(), r.Cause, r.Reached)
		}
	}
}

// A missing source is no missing command.
func TestAStepThatFindsNothingIsNoMissingCommand(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	s := snug.Spec{Mounts: []mounts.Mount{{Type: mounts.Bind, Source: "/no/such/source", Target: "/x"}}}
	if err := snug.Command(s, "true").Run(); errors.Is(err, exec.ErrNotFound) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

// What is in the way is named.
func TestATargetThatIsTaken(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	for _, m := range []mounts.Mount{
		{Type: mounts.Bind, Source: "/etc/passwd", Target: "/dev/null"},
		{Type: mounts.Bind, Source: "/etc", Target: "/dev/null"},
		{Type: mounts.Symlink, Source: "zero", Target: "/dev/null"},
		{Type: mounts.Dir, Target: "/dev/null"},
		{Type: mounts.File, Target: "/dev/null"},
	} {
		err := snug.Command(snug.Spec{Mounts: []mounts.Mount{m}}, "true").Run()
		p := new(problem.Problem)
		if !errors.As(err, &p) || !errors.Is(err, fs.ErrExist) || !strings.Contains(p.Why, "at /dev/null already, from the step before: bind /dev/null") || p.Fix == "" {
			t.Errorf("%s: %v", m.Type, err)
		}
	}
}

func TestPathIsSearchedInOrder(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	mode := units.FileMode(0o755)
	plain := units.FileMode(0o644)
	s := snug.Spec{}
	s.Mounts = []mounts.Mount{
		{Type: mounts.File, Target: "/run/a/tool", Content: "#!/bin/sh\necho a\n", Mode: &plain},
		{Type: mounts.File, Target: "/run/b/tool", Content: "#!/bin/sh\necho b $0\n", Mode: &mode},
		{Type: mounts.File, Target: "/run/c/tool", Content: "#!/bin/sh\necho c\n", Mode: &mode},
	}
	s.Env.Set = map[string]string{"PATH": "/nowhere:/run/a:/run/b:/run/c:/bin"}
	want(t, snug.Command(s, "tool"), "b /run/b/tool")
	s.Env.Set["PATH"] = "/run/c:/run/b"
	want(t, snug.Command(s, "tool"), "c")
	s.Env.Set["PATH"] = ":/bin"
	s.Command.Workdir = "/run/b"
	want(t, snug.Command(s, "tool"), "b tool")
}

func TestStartTwiceAndWaitTwice(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	cmd := snug.Command(snug.Spec{}, "true")
	if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "not started") {
		t.Errorf("Wait before Start: %v", err)
	}
	if err := cmd.Signal(syscall.SIGTERM); err == nil || !strings.Contains(err.Error(), "not started") {
		t.Errorf("Signal before Start: %v", err)
	}
	if cmd.Result() != nil || cmd.PID() != 0 {
		t.Error("there is a result or a process before Start")
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err == nil || !strings.Contains(err.Error(), "already started") {
		t.Errorf("second Start: %v", err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "already called") {
		t.Errorf("second Wait: %v", err)
	}
	if err := cmd.Kill(); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("Kill after the end: %v", err)
	}
}

func TestStartAfterAFailedStart(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	cmd := snug.Command(snug.Spec{}, "/no/such/program")
	if cmd.Start() == nil {
		t.Fatal("it started")
	}
	if err := cmd.Wait(); err == nil {
		t.Error("Wait without a process is fine")
	}
	if err := cmd.Start(); err == nil {
		t.Error("a Cmd was used twice")
	}
}

func TestSignalReachesTheCommand(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGWINCH, syscall.SIGCONT} {
		name := strings.TrimPrefix(nameOf(sig), "SIG")
		cmd := sh(snug.Spec{}, fmt.Sprintf("trap 'echo got %s; exit 0' %s; echo ready; while :; do sleep 0.01; done", name, name))
		out := lines(t, cmd)
		expectLine(t, out, "ready")
		if err := cmd.Signal(sig); err != nil {
			t.Fatal(err)
		}
		expectLine(t, out, "got "+name)
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOtherSignalsAreRefused(t *testing.T) {
	if err := snug.Command(snug.Spec{}, "true").Signal(fakeSignal{}); err == nil {
		t.Error("a signal that is none was taken")
	}
}

type fakeSignal struct{}

func (fakeSignal) Signal()        {}
func (fakeSignal) String() string { return "fake" }

func TestKillEndsEverything(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	cmd := sh(snug.Spec{}, "trap '' TERM INT HUP; (trap '' TERM; sleep 1000) & echo ready; wait")
	out := lines(t, cmd)
	expectLine(t, out, "ready")
	if err := cmd.Kill(); err != nil {
		t.Fatal(err)
	}
	err := cmd.Wait()
	if r := cmd.Result(); r.Signal != syscall.SIGKILL || r.Code() != 137 || err == nil {
		t.Errorf("%v: %+v", err, r)
	}
}

func TestContextCancelEndsTheCommand(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	ctx, cancel := context.WithCancel(context.Background())
	cmd := snug.CommandContext(ctx, snug.Spec{}, "sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := cmd.Wait(); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if r := cmd.Result(); r.Cause != snug.CauseCancel || r.Code() != 137 {
		t.Errorf("%+v", r)
	}
}

func TestContextDeadline(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	err := snug.CommandContext(ctx, snug.Spec{}, "sleep", "1000").Run()
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestContextThatIsDoneStartsNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	cmd := snug.CommandContext(ctx, snug.Spec{}, "true")
	if err := cmd.Run(); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if r := cmd.Result(); r == nil || r.Code() != snug.CodeFailed {
		t.Errorf("%+v", r)
	}
}

func TestContextThatOutlivesTheCommand(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if err := snug.CommandContext(ctx, snug.Spec{}, "true").Run(); err != nil {
		t.Error(err)
	}
}

func TestCancelOfTheCallersOwn(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	ctx, cancel := context.WithCancel(context.Background())
	cmd := sh2(ctx, "trap 'echo asked; exit 5' TERM; echo ready; while :; do sleep 0.01; done")
	cmd.Cancel = func() error { return cmd.Signal(syscall.SIGTERM) }
	out := lines(t, cmd)
	expectLine(t, out, "ready")
	cancel()
	expectLine(t, out, "asked")
	if err := cmd.Wait(); !errors.Is(err, context.Canceled) || cmd.Result().ExitCode != 5 {
		t.Errorf("%v: %+v", err, cmd.Result())
	}
}

func sh2(ctx context.Context, script string) *snug.Cmd {
	return snug.CommandContext(ctx, snug.Spec{}, "sh", "-c", script)
}

func TestTimeLimit(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	s := snug.Spec{}
	s.Limits.Timeout = units.Duration(50 * time.Millisecond)
	cmd := snug.Command(s, "sleep", "1000")
	err := cmd.Run()
	if r := cmd.Result(); err == nil || r.Cause != snug.CauseTimeout || r.Code() != 124 || r.Signal != syscall.SIGTERM {
		t.Errorf("%v: %+v", err, r)
	}
}

func TestTimeLimitKillsWhatDoesNotListen(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	s := snug.Spec{}
	s.Limits.Grace = units.Duration(50 * time.Millisecond)
	// The shell stops listening in time: sooner or later.
	for limit := 200 * time.Millisecond; ; limit *= 4 {
		s.Limits.Timeout = units.Duration(limit)
		cmd := sh(s, "trap '' TERM; while :; do sleep 1000; done")
		cmd.Run()
		r := cmd.Result()
		if r.Cause != snug.CauseTimeout || r.Code() != 124 {
			t.Fatalf("%+v", r)
		}
		if r.Signal == syscall.SIGKILL {
			return
		}
		if limit > 10*time.Second {
			t.Fatalf("after %v: %+v", limit, r)
		}
	}
}

func TestTimeLimitReachesAStoppedCommand(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	s := snug.Spec{}
	s.Limits.Timeout = units.Duration(50 * time.Millisecond)
	cmd := sh(s, "kill -STOP $$")
	cmd.Run()
	if r := cmd.Result(); r.Cause != snug.CauseTimeout || r.Signal != syscall.SIGTERM {
		t.Errorf("%+v", r)
	}
}

func TestTimeLimitThatIsNotReached(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	s := snug.Spec{}
	s.Limits.Timeout = units.Duration(time.Hour)
	cmd := sh(s, "exit 3")
	cmd.Run()
	if r := cmd.Result(); r.Cause != snug.CauseExit || r.Code() != 3 {
		t.Errorf("%+v", r)
	}
}

func TestResultSaysWhatWasUsed(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	cmd := snug.Command(snug.Spec{}, "python3", "-c", "x = bytearray(500 << 20); sum(range(1000000))")
	if out, err := all(t, cmd); err != nil {
		t.Skip("needs python3: ", out)
	}
	r := cmd.Result()
	// Less than this program has itself would not be told.
	if r.MaxRSS < 500<<20 || r.MaxRSS > 700<<20 {
		t.Errorf("peak memory %d, want about 500 MiB", r.MaxRSS)
	}
	if r.Wall <= 0 || r.User <= 0 || r.User > r.Wall*16 {
		t.Errorf("wall %v, user %v", r.Wall, r.User)
	}
}
