package hook

import (
	"bytes"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// event waits until something has happened.
func (r *runner) event(what string, happened func() bool) {
	r.Helper()
	for end := time.Now().Add(time.Minute); !happened(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			r.Fatalf("%s: it did not happen", what)
		}
	}
}

func (r *runner) there(name string) func() bool {
	return func() bool {
		_, err := os.Stat(r.path(name))
		return err == nil
	}
}

// cancel starts a command, waits until it is on its way, and does what a runner
// does with a job that is canceled.
func (r *runner) cancel(name string, args any, state json.RawMessage, s syscall.Signal, onItsWay func() bool) (*exec.Cmd, string) {
	r.Helper()
	cmd, _, out := r.command(name, args, state)
	if err := cmd.Start(); err != nil {
		r.Fatal(err)
	}
	r.event(name, onItsWay)
	cmd.Process.Signal(s)
	cmd.Wait()
	return cmd, out.String()
}

// nothingLeft holds that no process and no file of a job is there.
func (r *runner) nothingLeft(when string) {
	r.Helper()
	if left := r.left(); len(left) > 0 {
		r.Errorf("%s: these run on: %q", when, left)
	}
	if left, err := os.ReadDir(r.path("_work/_temp/_snug")); err == nil {
		r.Errorf("%s: left behind: %v", when, left)
	}
}

// ofTheRepository is a volume that a service may have.
func (r *runner) ofTheRepository() []volume {
	return []volume{{r.path("_work/repo/repo"), "/repo", false}}
}

func TestCanceledWhileAServiceIsNotReady(t *testing.T) {
	r := newRunner(t)
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		os.Remove(r.path("_work/repo/repo/asked"))
		args := prepareArgs{r.jobContainer("debian"), []container{{ContextName: "slow", Image: "debian", EntryPoint: "sleep", EntryPointArgs: []string{"1000"}, UserMountVolumes: r.ofTheRepository(),
			CreateOptions: `--health-cmd "touch /repo/asked; sleep 1000" --health-interval 1h --health-retries 1000`}}}
		cmd, out := r.cancel("prepare_job", args, nil, s, r.there("_work/repo/repo/asked"))
		if code := cmd.ProcessState.ExitCode(); code != 128+int(s) || !strings.Contains(out, "the job was canceled") {
			t.Errorf("%v: %v, %s", s, cmd.ProcessState, out)
		}
		r.nothingLeft(s.String())
		if got := r.hook("cleanup_job", nil, nil); got.code != 0 {
			t.Errorf("%s", got.out)
		}
	}
}

// TestCanceledWhilePulling has a registry that takes connections and says
// nothing.
func TestCanceledWhilePulling(t *testing.T) {
	r := newRunner(t)
	for _, command := range []string{"prepare_job", "run_container_step"} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		image := l.Addr().String() + "/silent:1"
		var args any = container{Image: image}
		if command == "prepare_job" {
			args = prepareArgs{Container: &container{Image: image}}
		}
		cmd, out := r.cancel(command, args, nil, syscall.SIGINT, func() bool {
			c, err := l.Accept()
			if err == nil {
				t.Cleanup(func() { c.Close() })
			}
			return true
		})
		if code := cmd.ProcessState.ExitCode(); code != 130 || !strings.Contains(out, "the job was canceled") {
			t.Errorf("%s: %v, %s", command, cmd.ProcessState, out)
		}
		r.nothingLeft(command)
	}
}

func TestCanceledContainerStep(t *testing.T) {
	r := newRunner(t)
	a := r.prepare(r.jobContainer("debian"))
	for _, state := range []json.RawMessage{a.state, nil} {
		for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
			os.Remove(r.path("_work/repo/repo/up"))
			args := container{Image: "debian", EntryPoint: "sh", EntryPointArgs: []string{"-c", "trap 'echo caught; exit 9' INT TERM; touch /repo/up; while true; do sleep 0.05; done"}, UserMountVolumes: r.ofTheRepository()}
			cmd, out := r.cancel("run_container_step", args, state, s, r.there("_work/repo/repo/up"))
			if cmd.ProcessState.ExitCode() != 9 || !strings.HasSuffix(out, "caught\n") {
				t.Errorf("%v: %v, %s", s, cmd.ProcessState, out)
			}
		}
	}
	if got := r.step(a, "echo still"); got.out != "still\n" {
		t.Errorf("the job's container: %d, %s", got.code, got.out)
	}
	r.hook("cleanup_job", nil, a.state)
	r.nothingLeft("after the steps")
}

func TestCanceledScriptStep(t *testing.T) {
	r := newRunner(t)
	a := r.prepare(r.jobContainer("debian"))
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		os.Remove(r.path("_work/repo/repo/up"))
		cmd, out := r.cancel("run_script_step", shellStep("trap 'echo interrupted; exit 9' INT TERM; touch up; while true; do sleep 0.05; done"), a.state, s, r.there("_work/repo/repo/up"))
		if cmd.ProcessState.ExitCode() != 9 || !strings.Contains(out, "interrupted") {
			t.Errorf("%v: %v, %s", s, cmd.ProcessState, out)
		}
	}
	// One that hears nothing is killed by the runner in the end, hook and all.
	os.Remove(r.path("_work/repo/repo/up"))
	deaf := shellStep("trap '' INT TERM; echo $$ >pid; touch up; while true; do sleep 0.05; done")
	cmd, _, _ := r.command("run_script_step", deaf, a.state)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r.event("the deaf step", r.there("_work/repo/repo/up"))
	cmd.Process.Signal(syscall.SIGINT)
	cmd.Process.Signal(syscall.SIGTERM)
	cmd.Process.Kill()
	cmd.Wait()
	if got := r.step(a, "while kill -0 $(cat pid) 2>/dev/null; do sleep 0.01; done; echo gone"); got.out != "gone\n" {
		t.Errorf("the step of a hook that was killed runs on: %s", got.out)
	}
}

// TestSignalsFromTheFirstMomentOfAStep has an agent that sends the hook, which is
// this process here, a signal as soon as it hears of a step.
func TestSignalsFromTheFirstMomentOfAStep(t *testing.T) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	h := &Hook{Out: null, Err: null, host: host{temp: t.TempDir()}, state: State{Pod: "pod"}}
	if err := h.makeDir(); err != nil {
		t.Fatal(err)
	}
	path, f, err := at(h.dir(), agentSocket)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	l, err := listen(unix.AF_UNIX, &unix.SockaddrUnix{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT} {
		go func() {
			c, err := accept(l)
			if err != nil {
				return
			}
			defer c.Close()
			unix.Kill(os.Getpid(), s)
			_, files, _ := receive(c, 3)
			for _, f := range files {
				f.Close()
			}
			in := json.NewDecoder(c)
			var first, second order
			in.Decode(&first)
			in.Decode(&second)
			json.NewEncoder(c).Encode(report{Code: int(second.Signal)})
		}()
		if code, err := h.order(order{Args: []string{"true"}}); code != int(s) || err != nil {
			t.Errorf("%v: the agent heard of signal %d, %v", s, code, err)
		}
	}
}

// TestKilledWhilePreparing has the runner kill a hook that has begun, which
// cannot clean up: the next command does.
func TestKilledWhilePreparing(t *testing.T) {
	r := newRunner(t)
	args := prepareArgs{r.jobContainer("debian"), []container{{ContextName: "slow", Image: "debian", EntryPoint: "sleep", EntryPointArgs: []string{"1000"}, UserMountVolumes: r.ofTheRepository(),
		CreateOptions: `--health-cmd "touch /repo/asked; false" --health-interval 1h --health-retries 1000`}}}
	cmd, _ := r.cancel("prepare_job", args, nil, syscall.SIGKILL, r.there("_work/repo/repo/asked"))
	if cmd.ProcessState.Success() {
		t.Error("it was not killed")
	}
	if got := r.hook("cleanup_job", nil, nil); got.code != 0 || bytes.Contains([]byte(got.out), []byte("snug:")) {
		t.Errorf("%d: %s", got.code, got.out)
	}
	r.nothingLeft("after a hook that was killed")
}
