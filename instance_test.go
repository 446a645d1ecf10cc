package snug_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug"
	"github.com/snug-sandbox/snug/internal/host"
	"github.com/snug-sandbox/snug/internal/kerneltest"
	"github.com/snug-sandbox/snug/internal/units"
	"github.com/snug-sandbox/snug/namespaces"
	"github.com/snug-sandbox/snug/process"
	"github.com/snug-sandbox/snug/userns"
)

// running starts cmd, whose first line of output says that it is ready, and
// returns the sandbox as another process would learn of it, and what follows.
func running(t *testing.T, cmd *snug.Cmd) (snug.Instance, io.Reader) {
	t.Helper()
	var record []byte
	cmd.Started = func(i snug.Instance) { record, _ = json.Marshal(i) }
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err := errors.Join(err1, err2, cmd.Start()); err != nil {
		t.Fatal(err, fix(err))
	}
	t.Cleanup(func() {
		cmd.Kill()
		in.Close()
		cmd.Wait()
	})
	lines := bufio.NewReader(out)
	if line, err := lines.ReadString('\n'); err != nil || line != "ready\n" {
		t.Fatalf("%q, %v", line, err)
	}
	var i snug.Instance
	if err := json.Unmarshal(record, &i); err != nil {
		t.Fatal(err)
	}
	return i, lines
}

// waits is a command that runs until its input ends.
func waits(s snug.Spec) *snug.Cmd { return sh(s, "echo ready; cat") }

// enteredSpecs are sandboxes of every kind that can be entered.
func enteredSpecs() map[string]snug.Spec {
	with := func(change func(*snug.Spec)) snug.Spec {
		s := snug.Spec{}
		change(&s)
		return s
	}
	mask, limit := units.FileMode(0o027), units.Rlimit{Soft: 100, Hard: 100}
	specs := map[string]snug.Spec{
		"default": {},
		"root":    fakeRoot(),
		"pid1":    with(func(s *snug.Spec) { s.Command.PID1 = true }),
		"shared": with(func(s *snug.Spec) {
			s.Namespaces = namespaces.Config{PID: namespaces.Share, Net: namespaces.Share, IPC: namespaces.Share, UTS: namespaces.Share, Cgroup: namespaces.Share}
		}),
		"tables": with(func(s *snug.Spec) {
			s.Command.Umask, s.Limits.Nofile = &mask, &limit
			s.Security.Capabilities, s.Identity.Map = []string{"CAP_NET_BIND_SERVICE"}, userns.MapRoot
			s.Env.Set = map[string]string{"LEVEL": "3"}
		}),
	}
	if kerneltest.Probe("timens") == nil {
		specs["time"] = with(func(s *snug.Spec) { s.Namespaces.MonotonicOffset = units.Duration(5e9) })
	}
	if kerneltest.Probe("subid") == nil {
		specs["range"] = with(func(s *snug.Spec) {
			id := 7
			s.Identity = userns.Config{Map: userns.MapRange, UID: &id, GID: &id}
		})
	}
	return specs
}

// A further command has everything that the first one has, and nothing more.
func TestEnteredIsLikeTheFirst(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	const look = `readlink /proc/self/ns/*; grep -E '^(Uid|Gid|Groups|Cap|NoNew|Seccomp:|Sig(Blk|Ign)|Umask)' /proc/self/status; ` +
		`ulimit -n; env | sort; pwd; cat /proc/self/oom_score_adj; ls -l /proc/self/root /proc/self/cwd | sed 's/.*->//'; ls /proc/self/fd | wc -l`
	for name, s := range enteredSpecs() {
		t.Run(name, func(t *testing.T) {
			first := sh(s, look+"; echo ready; cat")
			var record snug.Instance
			first.Started = func(i snug.Instance) { record = i }
			in, _ := first.StdinPipe()
			out, _ := first.StdoutPipe()
			if err := first.Start(); err != nil {
				t.Fatal(err, fix(err))
			}
			defer first.Wait()
			defer in.Close()
			var mine strings.Builder
			for lines := bufio.NewScanner(out); lines.Scan() && lines.Text() != "ready"; {
				mine.WriteString(lines.Text() + "\n")
			}
			second := record.Command("sh", "-c", look)
			if got := output1(t, second) + "\n"; got != mine.String() {
				t.Errorf("it has\n%s\nthe first one has\n%s", got, mine.String())
			}
		})
	}
}

func TestARecordHoldsEverything(t *testing.T) {
	for name, s := range enteredSpecs() {
		s.Security.Filters = [][]byte{{1, 2, 3, 0, 255}}
		i := snug.Instance{PID: 7, Start: 9, CommandPID: 2, Cgroup: "/x", Namespaces: map[string]uint64{"pid": 1 << 40}, Spec: s.ForEntering(host.Facts{UID: 5, GID: 6, User: "ann", Home: "/home/ann"})}
		text, err := json.Marshal(i)
		var read snug.Instance
		if err != nil || json.Unmarshal(text, &read) != nil || !reflect.DeepEqual(i, read) {
			t.Errorf("%s: %v\n%+v\n%+v", name, err, i, read)
		}
	}
}

// Filters are loaded for a further command as for the first one.
func TestEnteredCommandsAreFiltered(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	var s snug.Spec
	// mkdir(2) and mkdirat(2) are EPERM: two comparisons, one refusal.
	s.Security.Filters = [][]byte{filterOf(
		[4]uint32{unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, 0, 0, 0},
		[4]uint32{unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, 0, 1, unix.SYS_MKDIRAT},
		[4]uint32{unix.BPF_RET | unix.BPF_K, 0, 0, unix.SECCOMP_RET_ERRNO | uint32(unix.EACCES)},
		[4]uint32{unix.BPF_RET | unix.BPF_K, 0, 0, unix.SECCOMP_RET_ALLOW},
	)}
	first := inside(t, s, "mkdirat")
	want(t, first, "permission denied")
	box := waits(s)
	box.Spec.Mounts = first.Spec.Mounts
	i, _ := running(t, box)
	want(t, i.Command(probePath, "mkdirat"), "permission denied")
}

func init() {
	register("mkdirat", func([]string) error {
		fmt.Println(unix.Mkdirat(unix.AT_FDCWD, "/tmp/x", 0o755))
		return nil
	})
}

// filterOf is a seccomp filter of the instructions code, jt, jf, k.
func filterOf(list ...[4]uint32) []byte {
	var b bytes.Buffer
	for _, i := range list {
		b.Write([]byte{byte(i[0]), byte(i[0] >> 8), byte(i[1]), byte(i[2]), byte(i[3]), byte(i[3] >> 8), byte(i[3] >> 16), byte(i[3] >> 24)})
	}
	return b.Bytes()
}

func TestEnteredEndsWithTheSandbox(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	for name, s := range enteredSpecs() {
		box := waits(s)
		i, _ := running(t, box)
		r, w := pipe(t)
		cmd := i.Command("sh", "-c", "setsid sleep 1000 & echo ready; exec sleep 1000")
		cmd.ExtraFiles = []*os.File{w}
		out, _ := cmd.StdoutPipe()
		if err := cmd.Start(); err != nil {
			t.Fatal(name, err, fix(err))
		}
		w.Close()
		io.ReadFull(out, make([]byte, 6))
		box.Kill()
		// The end of the pipe is the end of everything that entered.
		r.Read(make([]byte, 1))
		var exit *snug.ExitError
		if err := cmd.Wait(); !errors.As(err, &exit) || exit.Code() != 137 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What a command leaves behind ends with it, and the sandbox goes on.
func TestEnteredLeavesNothingBehind(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	i, _ := running(t, waits(snug.Spec{}))
	r, w := pipe(t)
	cmd := i.Command("sh", "-c", "(setsid sleep 1000 &) ; sleep 1000 & (sleep 1000 & sleep 1000 &) & true")
	cmd.ExtraFiles = []*os.File{w}
	if err := cmd.Run(); err != nil {
		t.Fatal(err, fix(err))
	}
	w.Close()
	r.Read(make([]byte, 1))
	wantProcesses(t, i, 3) // its first one, the shell and cat
	want(t, i.Command("echo", "on"), "on")
}

// A large heap is left out of what is cloned; the copy of the program is not.
func TestACallerWithMuchMemoryEnters(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	i, _ := running(t, waits(snug.Spec{}))
	much := bytes.Repeat([]byte{1}, 64<<20)
	want(t, i.Command("echo", "in"), "in")
	runtime.KeepAlive(much)
}

func TestEnteredEndsWithItsSupervisor(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	i, _ := running(t, waits(snug.Spec{}))
	text, _ := json.Marshal(i)
	cmd := outside(t, "enter", string(text), "sh", "-c", "echo ready; exec sleep 1000")
	out, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, 6)); err != nil {
		t.Fatal(err)
	}
	cmd.Process.Kill()
	if rest, err := io.ReadAll(out); err != nil || len(rest) > 0 {
		t.Errorf("%q, %v", rest, err)
	}
	cmd.Wait()
}

func init() {
	register("enter", func(args []string) error {
		var i snug.Instance
		if err := json.Unmarshal([]byte(args[0]), &i); err != nil {
			return err
		}
		cmd := i.Command(args[1], args[2:]...)
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		return cmd.Run()
	})
}

// Whoever inherits what snug exec leaves may never wait for it, as many a process
// 1 of a container. A zombie in its pid namespace would keep the sandbox from ending.
func TestEnteringLeavesNoZombie(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	before := entering() // the tests' process is the one that inherits
	i, _ := running(t, waits(snug.Spec{}))
	text, _ := json.Marshal(i)
	for range 3 {
		if out, err := outside(t, "enter as main", string(text), "true").CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	for _, pid := range entering() {
		if !slices.Contains(before, pid) {
			t.Errorf("process %d was left to whoever inherits it", pid)
			unix.Wait4(pid, nil, 0, nil) // the sandbox is to end
		}
	}
}

// entering are the children of this process that enter a sandbox, or did.
func entering() []int {
	var list []int
	files, _ := filepath.Glob("/proc/self/task/*/children")
	for _, file := range files {
		text, _ := os.ReadFile(file)
		for _, word := range strings.Fields(string(text)) {
			pid, _ := strconv.Atoi(word)
			if name, _ := os.ReadFile("/proc/" + word + "/comm"); string(name) == "snug-exec\n" {
				list = append(list, pid)
			}
		}
	}
	return list
}

func init() {
	register("enter as main", func(args []string) error {
		var i snug.Instance
		if err := json.Unmarshal([]byte(args[0]), &i); err != nil {
			return err
		}
		_, err := snug.Main(i.Command(args[1], args[2:]...))
		return err
	})
}

// Who enters can be killed by what is inside. That is said, and not that memory
// was short.
func TestWhoEntersIsKilledInside(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	i, _ := running(t, sh(snug.Spec{}, `echo ready
		while :; do
			for p in /proc/[0-9]*; do
				name=; read -r name < $p/comm
				if [ "$name" = snug-exec ]; then kill -KILL ${p#/proc/}; fi
			done
		done 2>/dev/null`))
	for range 50 {
		err := i.Command("sleep", "1000").Run()
		if err == nil || strings.Contains(err.Error(), "build the sandbox") {
			t.Fatalf("%v", err)
		}
	}
}

func TestNothingToEnter(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	box := waits(snug.Spec{})
	i, _ := running(t, box)
	later := i
	later.Start++ // the number belongs to another process by now
	if err := later.Command("true").Run(); err == nil || !strings.Contains(err.Error(), "the sandbox has ended") {
		t.Errorf("%v", err)
	}
	box.Kill()
	for i.Alive() {
		time.Sleep(time.Millisecond)
	}
	if err := i.Command("true").Run(); err == nil || !strings.Contains(err.Error(), "the sandbox has ended") {
		t.Errorf("%v", err)
	}
}

// A command that went into namespaces of its own making cannot lead anybody there.
func TestNamespacesOfTheCommandsOwnAreNotEntered(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	if _, err := exec.LookPath("unshare"); err != nil {
		t.Skip("needs unshare(1)")
	}
	var s snug.Spec
	s.Security.NestedUserns = true
	for _, flags := range []string{"-Ur", "-Urm", "-Urn"} {
		i, _ := running(t, snug.Command(s, "unshare", flags, "sh", "-c", "echo ready; cat"))
		err := i.Command("true").Run()
		if err == nil || !strings.Contains(err.Error(), "in the namespaces that it began with") {
			t.Errorf("%s: %v", flags, err)
		}
	}
}

func TestEnteredTerminal(t *testing.T) {
	kerneltest.Require(t, "userns", "proc", "pty")
	i, _ := running(t, waits(snug.Spec{}))
	cmd := i.Command("sh", "-c", "tty; test -t 0 && test -t 1 && echo terminal; ps -o tty= -p $$")
	cmd.Spec.Terminal.TTY = process.TTYYes
	out, err := all(t, cmd)
	if err != nil || !strings.Contains(out, "/dev/pts/0\r\nterminal\r\npts/0") {
		t.Errorf("%q, %v", out, err)
	}
}

// Each step of entering that the kernel refuses is named, and leaves nothing.
func TestEveryStepOfEnteringFails(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	var s snug.Spec
	s.Security.Capabilities = []string{"CAP_NET_BIND_SERVICE"}
	i, _ := running(t, waits(s))
	cmd := i.Command("true")
	whole, err := cmd.CompileAs(func(*host.Facts) {})
	if err != nil {
		t.Fatal(err)
	}
	for step := range whole.Program.Steps {
		if s := &whole.Program.Steps[step]; s.Fork || s.Move {
			continue
		}
		broken, errno := refuse(whole, step, refuseENOSYS, false)
		cmd := i.Command("true")
		err := cmd.EnterChanged(broken)
		if err == nil {
			err = cmd.Wait()
		}
		var failed *snug.StepError
		if s := &whole.Program.Steps[step]; step >= whole.Program.Keep || err == nil && (s.Exec || s.Label == "forbid further user namespaces") {
			continue // the command ran already, or the step is one of two ways
		}
		if !errors.As(err, &failed) || failed.Errno != errno || failed.Step != step {
			t.Errorf("step %d, %s: %v", step, whole.Program.Steps[step].Label, err)
		}
	}
	wantProcesses(t, i, 3) // its first one, the shell and cat
}

// wantProcesses waits until as many processes are in the sandbox: the last one of
// a command that entered has a moment to live when its end is known.
func wantProcesses(t *testing.T, i snug.Instance, n int) {
	t.Helper()
	var list []int
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if list = i.Processes(); len(list) == n {
			return
		}
	}
	t.Errorf("the processes %v are in the sandbox, want %d", list, n)
}

// Whoever enters has nothing of the caller's left when the sandbox can see it.
func TestOrderOfEntering(t *testing.T) {
	for name, s := range enteredSpecs() {
		i := snug.Instance{Spec: s.ForEntering(host.Facts{UID: 1000, GID: 1000, User: "ann", Home: "/home/ann"})}
		cmd := i.Command("true")
		p, err := cmd.CompileAs(func(f *host.Facts) { f.ArgumentPages = [2]uint64{1 << 20, 4096} })
		if err != nil {
			t.Fatal(err)
		}
		at := func(call string, arg int, value uint64) int {
			for n, s := range p.Program.Steps {
				if s.Call.Name == call && len(s.Args) > arg && s.Args[arg].Value == value {
					return n
				}
			}
			t.Fatalf("%s: no %s with %d as argument %d\n%v", name, call, value, arg, p)
			return 0
		}
		joins := at("setns", 1, unix.CLONE_NEWNS)
		if s.Namespaces.User != namespaces.Share {
			joins = at("setns", 1, unix.CLONE_NEWUSER)
		}
		for _, before := range []int{at("prctl", 0, unix.PR_SET_NO_NEW_PRIVS), at("prctl", 0, unix.PR_SET_DUMPABLE), at("munmap", 0, 1<<20), at("close_range", 1, 1<<32-1)} {
			if before > joins {
				t.Errorf("%s: step %d comes after %d\n%v", name, before, joins, p)
			}
		}
		if last := at("setns", 1, unix.CLONE_NEWNS); !p.Program.Steps[last+2].Move {
			t.Errorf("%s: the files do not change last\n%v", name, p)
		}
	}
}

// A sandbox whose command has gone on to namespaces of its own is entered where it
// began.
func TestEnteringASandboxThatNobodyIsInAnyMore(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	for name, s := range enteredSpecs() {
		if name == "tables" {
			continue // its command cannot become root once more
		}
		t.Run(name, func(t *testing.T) {
			s.Security.NestedUserns = true
			first := sh(s, "exec unshare -Urmin sh -c 'echo ready; exec sleep 1000'")
			var i snug.Instance
			first.Started = func(started snug.Instance) { i = started }
			out, err := first.StdoutPipe()
			if err := errors.Join(err, first.Start()); err != nil {
				t.Fatal(err, fix(err))
			}
			ended := make(chan error)
			go func() { ended <- first.Wait() }()
			bufio.NewReader(out).ReadString('\n')
			first.Hold(&i)
			if len(i.Descriptors) != len(s.Namespaces.Own()) {
				t.Errorf("held: %v", i.Descriptors)
			}
			if got := output1(t, i.Command("sh", "-c", "hostname; readlink /proc/self/ns/mnt")); !strings.Contains(got, fmt.Sprintf("mnt:[%d]", i.Namespaces["mnt"])) {
				t.Error(got)
			}
			first.Kill()
			<-ended
			if _, err := os.Stat(fmt.Sprintf("/proc/self/fd/%d", i.Descriptors["mnt"])); err == nil {
				if to, _ := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", i.Descriptors["mnt"])); to == fmt.Sprintf("mnt:[%d]", i.Namespaces["mnt"]) {
					t.Error("the mount namespace is still held")
				}
			}
		})
	}
}
