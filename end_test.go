package snug_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug"
	"github.com/snug-sandbox/snug/internal/kerneltest"
	"github.com/snug-sandbox/snug/internal/program"
	"github.com/snug-sandbox/snug/namespaces"
)

// kinds are the three ways in which everything is ended.
func kinds() map[string]snug.Spec {
	var reaper, pid1, shared snug.Spec
	pid1.Command.PID1 = true
	shared.Namespaces.PID = namespaces.Share
	return map[string]snug.Spec{"reaper": reaper, "pid1": pid1, "shared pid": shared}
}

// forEachKind runs f as a subtest for each of kinds.
func forEachKind(t *testing.T, f func(t *testing.T, s snug.Spec)) {
	kerneltest.Require(t, "userns", "proc")
	for name, s := range kinds() {
		t.Run(name, func(t *testing.T) {
			leavesNothing(t)
			f(t, s)
		})
	}
}

// daemons leaves processes behind that want to stay: in other sessions, orphaned
// at once, deaf to signals.
const daemons = `
	trap '' TERM HUP INT
	: >/tmp/up
	up() { echo >>/tmp/up; exec sleep 1000; }
	up &
	setsid sh -c 'echo >>/tmp/up; exec sleep 1000' &
	(setsid sh -c 'trap "" TERM HUP INT; sh -c "echo >>/tmp/up; exec sleep 1000"; sleep 1000' &)
	(up &)
	while [ $(wc -l </tmp/up) -lt 4 ]; do sleep 0.01; done
`

func TestBackgroundProcessesEndWithTheCommand(t *testing.T) {
	forEachKind(t, func(t *testing.T, s snug.Spec) {
		cmd := sh(s, daemons+"exit 6")
		cmd.Run()
		if r := cmd.Result(); r.ExitCode != 6 || r.Cause != snug.CauseExit {
			t.Errorf("%+v", r)
		}
		// The kernel ends what is left below a command that is process 1 itself.
		// One of the five waits for another, and may take its end with it: woken by
		// its own it looks for that first (wait(2)).
		if r := cmd.Result(); r.Left != 5 && r.Left != 4 && !s.Command.PID1 {
			t.Errorf("%d processes were left, want 5", r.Left)
		}
	})
}

func TestKillEndsDaemonsToo(t *testing.T) {
	forEachKind(t, func(t *testing.T, s snug.Spec) {
		cmd := sh(s, daemons+"echo ready; sleep 1000")
		expectLine(t, lines(t, cmd), "ready")
		cmd.Kill()
		cmd.Wait()
		if r := cmd.Result(); r.Signal != syscall.SIGKILL {
			t.Errorf("%+v", r)
		}
	})
}

func TestNobodyElseIsKilled(t *testing.T) {
	forEachKind(t, func(t *testing.T, s snug.Spec) {
		bystander := exec.Command("sleep", "1000")
		if err := bystander.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() {
			bystander.Process.Kill()
			bystander.Wait()
		}()
		if out, err := all(t, sh(s, daemons)); err != nil {
			t.Fatal(err, out)
		}
		if err := bystander.Process.Signal(syscall.Signal(0)); err != nil {
			t.Errorf("a process outside is gone: %v", err)
		}
	})
}

// What the command does may be heard of before it is known that it has started.
func TestTheProcessThatStaysIsKnownBefore(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	cmd, before := snug.Command(snug.Spec{}, "true"), 0
	cmd.WhileBuilt(func(pid int) { before = pid })
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if before == 0 || before != cmd.PID() {
		t.Errorf("it was %d, and is %d", before, cmd.PID())
	}
	cmd.Wait()
}

func TestLingerWaitsForAll(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	for _, pid := range []string{"", namespaces.Share} {
		leavesNothing(t)
		s := snug.Spec{}
		s.Command.Linger = true
		s.Namespaces.PID = pid
		cmd := sh(s, "(while kill -0 $$; do sleep 0.01; done 2>/dev/null; echo late) & (setsid sleep 0.1 &); echo early; exit 4")
		out, err := all(t, cmd)
		if out != "early\nlate\n" || cmd.Result().ExitCode != 4 || cmd.Result().Left != 0 {
			t.Errorf("pid = %q: %q, %v, %+v", pid, out, err, cmd.Result())
		}
	}
}

func TestKillEndsALingeringSandbox(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	leavesNothing(t)
	s := snug.Spec{}
	s.Command.Linger = true
	// The shell ends after its line was read: sooner or later.
	for pause := 20 * time.Millisecond; ; pause *= 4 {
		cmd := sh(s, "sleep 1000 & echo $!; exit 4")
		nextLine(t, lines(t, cmd))
		time.Sleep(pause)
		cmd.Kill()
		cmd.Wait()
		r := cmd.Result()
		if r.ExitCode == 4 && r.Left == 1 {
			return
		}
		if pause > 4*time.Second {
			t.Fatalf("%+v", r)
		}
	}
}

func TestAForkBombEndsWithTheCommand(t *testing.T) {
	forEachKind(t, func(t *testing.T, s snug.Spec) {
		cmd := sh(s, "i=0; while [ $i -lt 300 ]; do (setsid sleep 1000 &); i=$((i+1)); done; exit 0")
		if err := cmd.Run(); err != nil {
			t.Fatal(err)
		}
		if r := cmd.Result(); r.Left < 300 && !s.Command.PID1 {
			t.Errorf("%d processes were left, want 300", r.Left)
		}
	})
}

func init() {
	register("supervisor", func(args []string) error {
		s, ok := kinds()[args[0]]
		if !ok {
			return errors.New("no kind " + args[0])
		}
		cmd := sh(s, args[1])
		cmd.Stdout = os.Stdout
		if len(args) > 2 {
			// The child waits in front of a step as long as this program runs.
			p, err := cmd.CompileAs(nothing)
			if err != nil {
				return err
			}
			step, err := strconv.Atoi(args[2])
			if err != nil {
				return err
			}
			holdUp(p, step, args[3:])
			err = cmd.StartChanged(p)
			return errors.Join(err, cmd.Wait())
		}
		return cmd.Run()
	})
}

func TestKillingTheSupervisorEndsEverything(t *testing.T) {
	forEachKind(t, func(t *testing.T, s snug.Spec) {
		super, out := supervise(t, kindOf(s), daemons+"echo ready; sleep 1000")
		expectOutput(t, out, "ready")
		super.Process.Kill()
		super.Wait()
		reapOrphans(t)
	})
}

func TestKillingTheSupervisorEndsAStoppedCommand(t *testing.T) {
	forEachKind(t, func(t *testing.T, s snug.Spec) {
		super, out := supervise(t, kindOf(s), "echo ready; kill -STOP $$; sleep 1000")
		expectOutput(t, out, "ready")
		super.Process.Kill()
		super.Wait()
		reapOrphans(t)
	})
}

// Killed while the child waits in front of each step that builds the sandbox.
func TestKillingTheSupervisorDuringSetUp(t *testing.T) {
	forEachKind(t, func(t *testing.T, s snug.Spec) {
		p := compiled(t, s)
		forks := slices.IndexFunc(p.Program.Steps, func(s program.Step) bool { return s.Fork || s.Exec })
		held := 0
		for step := range forks {
			// The first closes the parent's end of the socket by which the child
			// would not see the parent's end before.
			if step == 0 || mayBeSkipped(&p.Program, step) {
				continue
			}
			held++
			super, out := supervise(t, kindOf(s), "sleep 1000", strconv.Itoa(step), "sh", "-c", "echo held up >/proc/$PPID/fd/1; exec sleep 2000")
			expectOutput(t, out, "held up")
			super.Process.Kill()
			super.Wait()
			endBarrier(t)
			reapOrphans(t)
		}
		if held < 20 {
			t.Errorf("only %d steps were held up", held)
		}
	})
}

// endBarrier kills the program of a barrier, which is an orphan, too.
func endBarrier(t *testing.T) {
	t.Helper()
	eventually(t, "the barrier's program", func() bool {
		for _, pid := range children(t) {
			words, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
			if string(words) == "sleep\x002000\x00" {
				return unix.Kill(pid, unix.SIGKILL) == nil
			}
		}
		return false
	})
}

// Killed at a moment that nobody chose.
func TestKillingTheSupervisorAtAnyMoment(t *testing.T) {
	forEachKind(t, func(t *testing.T, s snug.Spec) {
		for i := range 25 {
			super, _ := supervise(t, kindOf(s), "sleep 1000")
			time.Sleep(time.Duration(i) * 400 * time.Microsecond)
			super.Process.Kill()
			super.Wait()
			reapOrphans(t)
		}
	})
}

func kindOf(s snug.Spec) string {
	switch {
	case s.Command.PID1:
		return "pid1"
	case s.Namespaces.PID == namespaces.Share:
		return "shared pid"
	}
	return "reaper"
}

// supervise starts a process that runs a script in a sandbox.
func supervise(t *testing.T, args ...string) (*exec.Cmd, *bufio.Reader) {
	t.Helper()
	super := outside(t, "supervisor", args...)
	super.Stderr = os.Stderr
	out, err := super.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := super.Start(); err != nil {
		t.Fatal(err)
	}
	return super, bufio.NewReader(out)
}

func expectOutput(t *testing.T, out *bufio.Reader, want string) {
	t.Helper()
	if line, err := out.ReadString('\n'); strings.TrimSpace(line) != want {
		t.Fatalf("wrote %q, %v; want %q", line, err, want)
	}
}

// children are the processes whose parent we are.
func children(t *testing.T) (pids []int) {
	for _, pid := range takeTraces(t).children {
		n := 0
		fmt.Sscan(pid, &n)
		pids = append(pids, n)
	}
	return pids
}

// reapOrphans waits for the ends of processes that came to us as their
// subreaper. One that does not end fails the test.
func reapOrphans(t *testing.T) {
	t.Helper()
	eventually(t, "the end of all orphans", func() bool {
		for _, pid := range children(t) {
			unix.Wait4(pid, nil, unix.WNOHANG, nil)
		}
		return len(children(t)) == 0
	})
}
