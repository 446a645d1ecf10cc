package snug_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/snug-sandbox/snug"
	"github.com/snug-sandbox/snug/internal/host"
	"github.com/snug-sandbox/snug/internal/kerneltest"
	"github.com/snug-sandbox/snug/internal/systemd"
	"github.com/snug-sandbox/snug/internal/units"
)

const mib = units.Memory(1 << 20)

func init() {
	// eat uses up memory, in MiB.
	register("eat", func(args []string) error {
		n, err := strconv.Atoi(args[0])
		if err != nil {
			return err
		}
		var all [][]byte
		for range n {
			all = append(all, bytes.Repeat([]byte{1}, 1<<20))
		}
		fmt.Println(len(all))
		return nil
	})
	// fork starts processes until one is refused, and says how many there were.
	register("fork", func([]string) error {
		started := 0
		for ; started < 1000; started++ {
			pid, err := syscall.ForkExec("/bin/sleep", []string{"sleep", "60"}, nil)
			if err != nil {
				fmt.Println(started, err)
				return nil
			}
			defer syscall.Kill(pid, syscall.SIGKILL)
		}
		return errors.New("nothing stopped it")
	})
	// limited runs a sandbox with limits until it is told to end.
	register("limited", func([]string) error {
		var s snug.Spec
		s.Limits.Memory, s.Limits.PIDs = 64*mib, 20
		cmd := limited(s, "sh", "-c", "echo runs; cat")
		cmd.Stdin, cmd.Stdout = os.Stdin, os.Stdout
		return cmd.Run()
	})
}

// limited is a Cmd in a subtree that the user's systemd makes where there is
// none.
func limited(s snug.Spec, name string, args ...string) *snug.Cmd {
	cmd := snug.Command(s, name, args...)
	cmd.Delegate = func() error { return systemd.Scope(os.Getpid(), "snug test") }
	return cmd
}

// subtree is where this process makes control groups.
func subtree(t *testing.T) string {
	t.Helper()
	f, err := host.Gather(host.Want{Cgroup: true})
	if err != nil || f.CgroupDir == "" {
		t.Fatalf("%v; %s", err, f.CgroupWhy)
	}
	return f.CgroupDir
}

// wantNoGroups fails when groups of runs are left.
func wantNoGroups(t *testing.T) {
	t.Helper()
	left, err := filepath.Glob(subtree(t) + "/snug-[0-9]*")
	if err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

func TestLimitOfMemory(t *testing.T) {
	kerneltest.Require(t, "userns", "proc", "cgroup2")
	var s snug.Spec
	s.Limits.Memory = 64 * mib
	cmd := inside(t, s, "eat", "200")
	cmd.Delegate = limited(s, "").Delegate
	err := cmd.Run()
	r := cmd.Result()
	if r == nil || r.Cause != snug.CauseOOM || r.Code() != 137 || r.Usage == nil || r.Usage.OOMKills < 1 {
		t.Fatalf("%v, %+v", err, r)
	}
	if peak := r.Usage.MemoryPeak; peak != 0 && (peak > int64(65*mib) || peak < int64(32*mib)) {
		t.Errorf("the peak was %d", peak)
	}
	cmd = inside(t, s, "eat", "5")
	cmd.Delegate = limited(s, "").Delegate
	want(t, cmd, "5")
	if u := cmd.Result().Usage; u == nil || u.OOMKills != 0 || u.MemoryMax != 0 {
		t.Errorf("%+v", u)
	}
	wantNoGroups(t)
}

func TestLimitOfProcesses(t *testing.T) {
	kerneltest.Require(t, "userns", "proc", "cgroup2")
	var s snug.Spec
	s.Limits.PIDs = 30
	cmd := inside(t, s, "fork")
	cmd.Delegate = limited(s, "").Delegate
	out := output1(t, cmd)
	n, reason, _ := strings.Cut(out, " ")
	if started, err := strconv.Atoi(n); err != nil || started < 5 || started > 30 || !strings.Contains(reason, "temporarily unavailable") {
		t.Errorf("%q", out)
	}
	if u := cmd.Result().Usage; u == nil || u.PIDsRefused < 1 {
		t.Errorf("%+v", u)
	}
	wantNoGroups(t)
}

func TestLimitOfCPUs(t *testing.T) {
	kerneltest.Require(t, "userns", "proc", "cgroup2")
	var s snug.Spec
	s.Limits.CPUs = 0.2
	cmd := limited(s, "sh", "-c", "i=0; while [ $i -lt 50000 ]; do i=$((i+1)); done")
	if err := cmd.Run(); err != nil {
		t.Fatal(err, fix(err))
	}
	// Of the time that the run took, the processes got their share and no more.
	r := cmd.Result()
	if most := r.Wall/5 + r.Wall/50 + 20e6; r.Usage.Throttled == 0 || r.Usage.CPU > most {
		t.Errorf("%v of CPU time in %v, %v held back", r.Usage.CPU, r.Wall, r.Usage.Throttled)
	}
}

func TestLimitedSandboxesSeeTheirGroupAsRoot(t *testing.T) {
	kerneltest.Require(t, "userns", "proc", "cgroup2")
	var s snug.Spec
	s.Limits.Memory, s.Limits.MemoryHigh, s.Limits.CPUWeight = 64*mib, 48*mib, 50
	want(t, limited(s, "grep", "^0:", "/proc/self/cgroup"), "0::/")
}

func TestLimitsOfManyAtOnce(t *testing.T) {
	kerneltest.Require(t, "userns", "proc", "cgroup2")
	var s snug.Spec
	s.Limits.Memory, s.Limits.PIDs = 64*mib, 20
	var all sync.WaitGroup
	for range 30 {
		all.Go(func() {
			if err := limited(s, "true").Run(); err != nil {
				t.Error(err, fix(err))
			}
		})
	}
	all.Wait()
	wantNoGroups(t)
}

func TestLimitsOfAKilledSupervisor(t *testing.T) {
	kerneltest.Require(t, "userns", "proc", "cgroup2")
	cmd := outside(t, "limited")
	cmd.Stderr = os.Stderr
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err := errors.Join(err1, err2, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	if line := make([]byte, 5); true {
		if _, err := io.ReadFull(out, line); err != nil || string(line) != "runs\n" {
			t.Fatalf("%q, %v", line, err)
		}
	}
	cmd.Process.Kill()
	// The end of the output is the end of everything inside.
	if rest, err := io.ReadAll(out); err != nil || len(rest) > 0 {
		t.Errorf("%q, %v", rest, err)
	}
	in.Close()
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) {
		t.Error(err)
	}
	// Its group is collected by the next run.
	var s snug.Spec
	s.Limits.PIDs = 20
	if err := limited(s, "true").Run(); err != nil {
		t.Fatal(err, fix(err))
	}
	wantNoGroups(t)
}

func TestLimitsWithoutAController(t *testing.T) {
	kerneltest.Require(t, "userns", "proc", "cgroup2")
	var s snug.Spec
	s.Limits.CPUSet = "0-100000" // no machine has them
	err := snug.Command(s, "true").Run()
	if err == nil {
		t.Error("CPUs that are not there were limited")
	}
	wantNoGroups(t)
}
