package snug_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug"
	"github.com/snug-sandbox/snug/cgroups"
	"github.com/snug-sandbox/snug/internal/host"
	"github.com/snug-sandbox/snug/internal/kerneltest"
	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/internal/systemd"
	"github.com/snug-sandbox/snug/internal/units"
	"github.com/snug-sandbox/snug/mounts"
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

func init() {
	// parent has a child use up memory and says what became of it.
	register("parent", func([]string) error {
		child := &exec.Cmd{Path: "/proc/self/exe", Args: []string{probePath, "eat", "200"}}
		fmt.Println(child.Run())
		return nil
	})
	// huge maps memory in pages of 2 MiB, one more each time, until it is refused,
	// and says how many there were.
	register("huge", func([]string) error {
		for n := 0; ; n++ {
			memory, err := unix.Mmap(-1, 0, 2<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_HUGETLB|unix.MAP_HUGE_2MB)
			if err != nil {
				fmt.Println(n)
				return nil
			}
			memory[0] = 1
		}
	})
}

// reached fails when others than these are the limits that a run came to.
func reached(t *testing.T, cmd *snug.Cmd, keys ...string) {
	t.Helper()
	if got := cmd.Result().LimitsReached; !slices.Equal(got, keys) {
		t.Errorf("reached %q, want %q; %+v", got, keys, cmd.Result().Usage)
	}
}

// limitedInside is inside for a Cmd that is limited.
func limitedInside(t *testing.T, s snug.Spec, name string, args ...string) *snug.Cmd {
	cmd := inside(t, s, name, args...)
	cmd.Delegate = limited(s, "").Delegate
	return cmd
}

// limited is a Cmd in a subtree that the user's systemd makes where there is
// none.
func limited(s snug.Spec, name string, args ...string) *snug.Cmd {
	cmd := snug.Command(s, name, args...)
	cmd.Delegate = func() error {
		return systemd.Scope(os.Getpid(), "snug test", fmt.Sprintf("snug-%d.scope", os.Getpid()))
	}
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
	cmd := limitedInside(t, s, "eat", "200")
	err := cmd.Run()
	r := cmd.Result()
	if r == nil || r.Cause != snug.CauseOOM || r.Code() != 137 || r.Usage == nil || r.Usage.OOMKills < 1 {
		t.Fatalf("%v, %+v", err, r)
	}
	if peak := r.Usage.MemoryPeak; peak != 0 && (peak > int64(65*mib) || peak < int64(32*mib)) {
		t.Errorf("the peak was %d", peak)
	}
	reached(t, cmd, "limits.memory")
	if by := cmd.Result().Held["limits.memory"]; by != "memory.max of the control group" {
		t.Errorf("held by %q", by)
	}
	cmd = limitedInside(t, s, "eat", "5")
	want(t, cmd, "5")
	reached(t, cmd)
	if u := cmd.Result().Usage; u == nil || u.OOMKills != 0 || u.MemoryMax != 0 {
		t.Errorf("%+v", u)
	}
	wantNoGroups(t)
}

func TestWhatIsKilledForMemory(t *testing.T) {
	kerneltest.Require(t, "userns", "proc", "cgroup2")
	var s snug.Spec
	s.Limits.Memory = 64 * mib
	cmd := limitedInside(t, s, "parent")
	want(t, cmd, "signal: killed")
	// The command lived on, and the result says what happened all the same.
	if r := cmd.Result(); r.Cause != snug.CauseExit || r.Usage.OOMKills != 1 {
		t.Errorf("%+v, %+v", r, r.Usage)
	}
	reached(t, cmd, "limits.memory")
	s.Limits.OOM = cgroups.OOMGroup
	cmd = limitedInside(t, s, "parent")
	if out, err := cmd.Output(); err == nil || len(out) > 0 || cmd.Result().Cause != snug.CauseOOM || cmd.Result().Code() != 137 {
		t.Errorf("%q, %v, %+v", out, err, cmd.Result())
	}
	reached(t, cmd, "limits.memory")
	wantNoGroups(t)
}

// A limit above the sandbox's own is not taken for it, and a subtree may be
// named.
func TestLimitOfAGroupAbove(t *testing.T) {
	kerneltest.Require(t, "userns", "proc", "cgroup2")
	var s snug.Spec
	s.Limits.PIDs = 1000
	divided := limited(s, "cat")
	in, err := divided.StdinPipe()
	if err == nil {
		err = divided.Start()
	}
	if err != nil {
		t.Fatal(err, fix(err))
	}
	outer := filepath.Join(subtree(t), "outer")
	if err := errors.Join(
		os.WriteFile(filepath.Join(subtree(t), "cgroup.subtree_control"), []byte("+memory"), 0), os.Mkdir(outer, 0o755),
		os.WriteFile(outer+"/memory.max", []byte("67108864"), 0), os.WriteFile(outer+"/pids.max", []byte("20"), 0),
	); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SNUG_CGROUP", outer)
	s.Limits.Memory = 512 * mib
	cmd := inside(t, s, "eat", "200")
	cmd.Run()
	if r := cmd.Result(); r.Cause != snug.CauseOOM || r.Usage == nil || r.Usage.OOMs != 0 {
		t.Errorf("%+v, %+v", r, r.Usage)
	}
	reached(t, cmd)
	cmd = inside(t, s, "fork")
	output1(t, cmd)
	reached(t, cmd)
	os.Unsetenv("SNUG_CGROUP")
	in.Close()
	if err := errors.Join(divided.Wait(), os.Remove(outer)); err != nil {
		t.Error(err)
	}
	wantNoGroups(t)
}

func TestAForkBombStops(t *testing.T) {
	kerneltest.Require(t, "userns", "proc", "cgroup2")
	var s snug.Spec
	s.Limits.PIDs, s.Limits.Timeout, s.Limits.Grace = 40, units.Duration(2e9), units.Duration(1)
	cmd := limited(s, "sh", "-c", "bomb() { bomb | bomb & }; bomb 2>/dev/null; sleep 60")
	cmd.Run()
	r := cmd.Result()
	if r.Usage == nil || r.Usage.PIDsRefused < 1 || r.Usage.PIDsPeak > 41 {
		t.Errorf("%+v, %+v", r, r.Usage)
	}
	if out, err := exec.Command("true").CombinedOutput(); err != nil {
		t.Errorf("the host: %s, %v", out, err)
	}
	wantNoGroups(t)
}

func TestLimitOfProcesses(t *testing.T) {
	kerneltest.Require(t, "userns", "proc", "cgroup2")
	var s snug.Spec
	s.Limits.PIDs = 30
	cmd := limitedInside(t, s, "fork")
	out := output1(t, cmd)
	n, reason, _ := strings.Cut(out, " ")
	if started, err := strconv.Atoi(n); err != nil || started < 5 || started > 30 || !strings.Contains(reason, "temporarily unavailable") {
		t.Errorf("%q", out)
	}
	if u := cmd.Result().Usage; u == nil || u.PIDsRefused < 1 {
		t.Errorf("%+v", u)
	}
	reached(t, cmd, "limits.pids")
	wantNoGroups(t)
}

func TestLimitOfCPUs(t *testing.T) {
	kerneltest.Require(t, "userns", "proc", "cgroup2", "cpu")
	var s snug.Spec
	s.Limits.CPUs = 0.2
	// A fast machine is held back by nothing that a slow one ends in time.
	for n := 12_000; ; n *= 4 {
		cmd := limited(s, "sh", "-c", fmt.Sprintf("i=0; while [ $i -lt %d ]; do i=$((i+1)); done", n))
		if err := cmd.Run(); err != nil {
			t.Fatal(err, fix(err))
		}
		// Of the time that the run took, the processes got their share and no more.
		r := cmd.Result()
		if most := r.Wall/5 + r.Wall/50 + 20e6; r.Usage.CPU > most || n > 10_000_000 {
			t.Fatalf("%v of CPU time in %v, %v held back", r.Usage.CPU, r.Wall, r.Usage.Throttled)
		}
		if r.Usage.Throttled > 0 {
			return
		}
	}
}

func TestLimitedSandboxesSeeTheirGroupAsRoot(t *testing.T) {
	kerneltest.Require(t, "userns", "proc", "cgroup2")
	var s snug.Spec
	s.Limits.Memory, s.Limits.MemoryHigh = 64*mib, 48*mib
	want(t, limited(s, "grep", "^0:", "/proc/self/cgroup"), "0::/")
}

func TestLimitsOfManyAtOnce(t *testing.T) {
	kerneltest.Require(t, "userns", "proc", "cgroup2")
	var s snug.Spec
	s.Limits.Memory, s.Limits.PIDs = 64*mib, 20
	var all sync.WaitGroup
	for range 100 {
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

func TestLimitOfCPUTime(t *testing.T) {
	kerneltest.Require(t, "userns", "proc", "cgroup2")
	var s snug.Spec
	s.Limits.CPUTime = units.Duration(500e6)
	// No process alone uses so much.
	cmd := limited(s, "sh", "-c", "trap 'echo ended; exit 3' TERM; while :; do sh -c 'i=0; while [ $i -lt 2000 ]; do i=$((i+1)); done'; done")
	out, err := cmd.Output()
	r := cmd.Result()
	if string(out) != "ended\n" || r.Cause != snug.CauseCPUTime || r.Code() != snug.CodeTimeout || r.ExitCode != 3 || r.Usage.CPU < 500e6 {
		t.Errorf("%q, %v, %+v", out, err, r)
	}
	reached(t, cmd, "limits.cpu_time")
	wantNoGroups(t)
}

func TestLimitOfTraffic(t *testing.T) {
	kerneltest.Require(t, "userns", "proc", "cgroup2", "io")
	dir := kerneltest.Disk(t)
	const rate = 4 << 20
	var s snug.Spec
	s.Mounts = []mounts.Mount{{Source: dir, Target: "/data", Writable: true}}
	s.Limits.IO = []cgroups.IO{{Path: dir, Read: 64 << 20, Write: rate, WriteIOPS: 1000}}
	s.Limits.Count = true
	cmd := limited(s, "dd", "if=/dev/zero", "of=/data/file", "bs=256k", "count=48", "oflag=direct", "status=none")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s, %v, %s", out, err, fix(err))
	}
	// Of the traffic in a run no more than what its time allows, and a start.
	r := cmd.Result()
	if most := int64(r.Wall.Seconds()*rate*1.1) + rate/4; r.Usage.WrittenBytes < 12<<20 || r.Usage.WrittenBytes > most {
		t.Errorf("%d bytes in %v, at most %d", r.Usage.WrittenBytes, r.Wall, most)
	}
	wantNoGroups(t)
}

func TestTrafficWithoutADevice(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	for path, says := range map[string]string{"/proc": "the type proc, which has no block device", "/nothing/here": "no such file", "/dev/null": "is not a block device"} {
		var s snug.Spec
		s.Limits.IO = []cgroups.IO{{Path: path, Read: 1 << 20}}
		if err := limited(s, "true").Run(); err == nil || !strings.Contains(err.Error(), "limits.io[0]: "+path) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestLimitOfCPUsThatAreChosen(t *testing.T) {
	kerneltest.Require(t, "userns", "proc", "cgroup2", "cpuset")
	var s snug.Spec
	s.Limits.CPUSet = "0,0-0"
	want(t, limited(s, "grep", "Cpus_allowed_list", "/proc/self/status"), "Cpus_allowed_list:\t0")
	s.Limits.CPUSet = "0-4095"
	err := limited(s, "true").Run()
	p := new(problem.Problem)
	if !errors.As(err, &p) || p.What != "limits.cpuset" || p.Fix == "" {
		t.Errorf("CPUs that are not there: %v", err)
	}
	wantNoGroups(t)
}

func TestLimitOfHugePages(t *testing.T) {
	kerneltest.Require(t, "userns", "proc", "cgroup2", "hugetlb")
	if text, _ := os.ReadFile("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages"); len(text) < 2 || text[0] == '0' || text[0] < '4' && len(text) == 2 {
		t.Skip("needs four free huge pages of 2 MiB")
	}
	var s snug.Spec
	s.Limits.Hugetlb = map[string]units.Bytes{"2MiB": 4 << 20}
	want(t, limitedInside(t, s, "huge"), "2")
	wantNoGroups(t)
}

// On any machine: with the best effort something runs, and the result says what
// holds what.
func TestBestEffort(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	var s snug.Spec
	s.Limits.Enforce = cgroups.BestEffort
	s.Limits.Memory, s.Limits.PIDs, s.Limits.CPUs, s.Limits.CPUSet, s.Limits.CPUWeight = 32*mib, 12, 1, "0", 50
	s.Limits.IO = []cgroups.IO{{Path: "/proc", Read: 1}}
	for command, says := range map[string]string{
		"grep Cpus_allowed_list /proc/self/status":                                              "\t0",
		"head -c 64m /dev/zero | tail -c 64m >/dev/null || echo refused":                        "refused",
		"for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14; do sleep 60 & done; echo started":           "",
		"sh -c 'for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14; do sleep 60 & done' || echo refused": "refused",
	} {
		cmd := limited(s, "sh", "-c", command+"; :")
		out, err := cmd.Output()
		r := cmd.Result()
		// The kernel kills the largest process, and which one that is it decides.
		killed := r.Usage != nil && r.Usage.OOMKills > 0
		if !killed && !strings.Contains(string(out), says) || says == "" && strings.Contains(string(out), "started") {
			t.Errorf("%s: %q, %v, %+v", command, out, err, r.Usage)
		}
		held := r.Held["limits.memory"]
		if held != "memory.max of the control group" && !strings.Contains(held, "RLIMIT_DATA") || r.Held["limits.io[0]"] != "nothing" || len(r.Notes) == 0 {
			t.Errorf("held %q, notes %q", r.Held, r.Notes)
		}
	}
}

func TestStrictIsTheDefault(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	if kerneltest.Probe("cgroup2") == nil {
		t.Skip("needs a machine without delegation")
	}
	var s snug.Spec
	s.Limits.Memory = 64 * mib
	err := limited(s, "true").Run()
	p := new(problem.Problem)
	if !errors.As(err, &p) || p.What != "limits.memory" || !strings.Contains(p.Fix, "best-effort") {
		t.Errorf("%v", err)
	}
}

func TestAccount(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	var s snug.Spec
	s.Limits.Count = true
	cmd := limited(s, "sh", "-c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done")
	if err := cmd.Run(); err != nil {
		t.Fatal(err, fix(err))
	}
	r := cmd.Result()
	switch {
	case r.Usage == nil && len(r.Notes) == 0:
		t.Errorf("%+v", r)
	case r.Usage != nil && (r.Usage.CPU == 0 || r.Usage.User == 0 || r.Usage.CPU < r.User || len(r.Usage.Controllers) == 0):
		t.Errorf("%+v, %+v", r, r.Usage)
	case r.Usage == nil && kerneltest.Probe("cgroup2") == nil:
		t.Errorf("not counted: %q", r.Notes)
	}
	if r.Usage != nil {
		wantNoGroups(t)
	}
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
