package snug_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug"
	"github.com/snug-sandbox/snug/internal/host"
	"github.com/snug-sandbox/snug/internal/kerneltest"
	"github.com/snug-sandbox/snug/internal/plan"
	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/internal/program"
	"github.com/snug-sandbox/snug/internal/units"
	"github.com/snug-sandbox/snug/mounts"
	"github.com/snug-sandbox/snug/namespaces"
	"github.com/snug-sandbox/snug/process"
	"github.com/snug-sandbox/snug/userns"
)

// walk is a spec to walk through.
type walk struct {
	name   string
	spec   snug.Spec
	change func(*host.Facts)
}

func (w walk) compiled(t *testing.T) *plan.Plan {
	t.Helper()
	p, err := snug.Command(w.spec, "true").CompileAs(w.change)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// walks are specs whose plans hold, together, every kind of step.
func walks(t *testing.T) []walk {
	dir := t.TempDir()
	for _, name := range []string{"tree/usr", "tree/etc", "tree/proc", "tree/dev", "tree/tmp", "tree/run", "tree/lib64", "tree/lib", "tree/bin", "lower", "upper", "upper.work"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	var all []walk
	with := func(name string, change func(*snug.Spec)) {
		s := snug.Spec{}
		change(&s)
		all = append(all, walk{name, s, nothing})
	}
	with("default", func(s *snug.Spec) {})
	with("host", func(s *snug.Spec) {
		s.Rootfs.Base = mounts.BaseHost
		s.Mounts = []mounts.Mount{writable(dir), {Type: mounts.Mqueue, Target: "/dev/mqueue"}, {Type: mounts.Mask, Target: "/etc/passwd"}, {Type: mounts.Mask, Target: "/root"}}
	})
	with("overlay", func(s *snug.Spec) {
		// With another driver fuse-overlayfs would stand in for what is refused.
		s.Rootfs = mounts.Rootfs{Path: filepath.Join(dir, "tree"), Overlay: mounts.OverlayDiscard, Driver: mounts.DriverKernel}
		for _, name := range []string{"/usr", "/lib", "/lib64", "/bin"} {
			s.Mounts = append(s.Mounts, mounts.Mount{Source: name, Target: name, Optional: true})
		}
		s.Mounts = append(s.Mounts,
			mounts.Mount{Type: mounts.Overlay, Target: "/srv/a/b", Lower: []string{filepath.Join(dir, "lower"), "/usr"}, Upper: filepath.Join(dir, "upper")},
			mounts.Mount{Type: mounts.Tmpfs, Target: "/new/tmpfs", Size: 1 << 20, ReadOnly: true},
			mounts.Mount{Type: mounts.File, Target: "/new/tmpfs/file", Content: "text"},
			mounts.Mount{Type: mounts.Symlink, Target: "/new/tmpfs/link", Source: "file"},
			mounts.Mount{Type: mounts.Dir, Target: "/new/tmpfs/dir"},
			mounts.Mount{Source: "/etc/passwd", Target: "/new/tmpfs/passwd"},
			mounts.Mount{Type: mounts.Remount, Target: "/usr", Noexec: false})
	})
	with("pid1", func(s *snug.Spec) { s.Command.PID1 = true })
	with("shared", func(s *snug.Spec) {
		s.Namespaces = namespaces.Config{PID: namespaces.Share, Net: namespaces.Share, IPC: namespaces.Share, UTS: namespaces.Share, Cgroup: namespaces.Share}
	})
	with("bare", func(s *snug.Spec) {
		s.Namespaces.None, s.Mounts, s.Terminal.TTY = true, []mounts.Mount{writable(dir)}, process.TTYYes
	})
	with("denials", func(s *snug.Spec) { s.Security.Seccomp.LogDenials = true })
	with("terminal", func(s *snug.Spec) { s.Terminal.TTY = process.TTYYes })
	with("terminal pid1", func(s *snug.Spec) { s.Terminal.TTY, s.Command.PID1 = process.TTYYes, true })
	with("process", func(s *snug.Spec) {
		number, most := 5, 1000 // a session may begin with more than a little
		s.Command.Nice, s.Command.OOMScoreAdj, s.Limits.Nofile, s.Limits.CPUTime = &number, &most, units.SameRlimit(1000), units.Duration(9e9)
		s.Security.Capabilities = []string{"CAP_NET_BIND_SERVICE", "CAP_SYS_ADMIN"}
		s.Identity.Map = userns.MapRoot
		s.Namespaces.Domainname = "domain"
	})
	all = append(all, walk{"program", snug.Spec{}, forgetful(t)})
	if kerneltest.Probe("timens") == nil {
		with("time", func(s *snug.Spec) { s.Namespaces.MonotonicOffset = units.Duration(5e9) })
	}
	if kerneltest.Probe("subid") == nil {
		with("range", func(s *snug.Spec) {
			id := 7
			s.Identity = userns.Config{Map: userns.MapRange, UID: &id, GID: &id}
		})
	}
	return all
}

// A refusal takes the place of a step's call.
type refusal struct {
	errno syscall.Errno
	make  func(p *program.Program, s *program.Step)
}

// call replaces the step's call by one that the kernel refuses with the errno.
func call(nr uint32, args ...program.Arg) func(*program.Program, *program.Step) {
	return func(_ *program.Program, s *program.Step) {
		s.Call.Nr, s.Args, s.Repeat = nr, args, 0
	}
}

// path replaces it by an openat of a path that leads to the errno.
func path(name string) func(*program.Program, *program.Step) {
	return func(p *program.Program, s *program.Step) {
		at := uint64(len(p.Data))
		p.Data = append(append(p.Data, name...), 0)
		for len(p.Data)%8 != 0 {
			p.Data = append(p.Data, 0)
		}
		s.Call.Nr, s.Repeat = unix.SYS_OPENAT, 0
		s.Args = []program.Arg{plan.Cwd, {Value: at, Kind: program.Address}, plan.Num(unix.O_RDONLY)}
	}
}

const noSuchCall = 100_000

var (
	refuseENOSYS = refusal{unix.ENOSYS, func(_ *program.Program, s *program.Step) { s.Call.Nr = noSuchCall }}
	refusals     = []refusal{
		refuseENOSYS,
		{unix.EPERM, call(unix.SYS_SETTIMEOFDAY)},
		{unix.EINVAL, call(unix.SYS_PRCTL, plan.Int(-1))},
		{unix.EBADF, call(unix.SYS_CLOSE, plan.Int(-1))},
		{unix.ENOENT, path("/proc/self/no such file")},
		{unix.ENOTDIR, path("/proc/self/status/x")},
	}
	// The call is made and succeeds: what it made must go too.
	refuseEIO = refusal{unix.EIO, func(_ *program.Program, s *program.Step) { s.Min = 1 << 62 }}
)

// refuse returns a copy of p whose step i is refused. A clone is refused by its flags.
func refuse(p *plan.Plan, i int, r refusal, accepted bool) (*plan.Plan, syscall.Errno) {
	c := *p
	c.Program.Steps, c.Program.Data = slices.Clone(p.Program.Steps), slices.Clone(p.Program.Data)
	s := &c.Program.Steps[i]
	if !accepted {
		s.Accept = [program.MaxAccept]syscall.Errno{}
	}
	if s.Fork {
		s.Args = []program.Arg{plan.Num(unix.CLONE_THREAD | uint64(unix.SIGCHLD))}
		return &c, unix.EINVAL
	}
	if r.errno != unix.EIO && strings.HasPrefix(s.Label, "hand the listener") {
		// What the filter refuses, or looks at, would wait for a listener that is not
		// handed over.
		r = refusal{unix.EINVAL, call(unix.SYS_PRCTL, plan.Int(-1))}
	}
	r.make(&c.Program, s)
	return &c, r.errno
}

// mayBeSkipped reports whether a run need not come to step i.
func mayBeSkipped(p *program.Program, i int) bool {
	for j := range i {
		if s := p.Steps[j]; s.Then > i || s.Else > i || s.Exec && p.Steps[i].Exec {
			return true
		}
	}
	return false
}

func compiled(t *testing.T, s snug.Spec) *plan.Plan {
	t.Helper()
	return walk{spec: s, change: nothing}.compiled(t)
}

func runPlan(s snug.Spec, p *plan.Plan) (*snug.Result, error) {
	cmd := snug.Command(s, "true")
	err := cmd.StartChanged(p)
	if err == nil {
		err = cmd.Wait()
	}
	return cmd.Result(), err
}

// kind tells plans apart in which the same step fails in another process, or
// with others around it.
func (w walk) kind() string {
	if key := strings.TrimPrefix(w.name, "terminal "); key == "pid1" || key == "shared" {
		return key
	}
	return ""
}

// picked chooses the steps to try: of those that do the same for one mount and
// for another, in plans that run alike, a few. SNUG_TEST_WHOLE=1 chooses all that
// differ in anything.
type picked map[string]int

func (seen picked) take(w walk, p *program.Program, i int) bool {
	verb, _, _ := strings.Cut(p.Steps[i].Label, " ")
	whole := w.kind() + p.Steps[i].Label + p.FormatCall(i)
	alike := w.kind() + "\x00" + verb + p.Steps[i].Call.Name
	seen[whole]++
	if seen[whole] > 1 {
		return false
	}
	seen[alike]++
	return seen[alike] <= 3 || os.Getenv("SNUG_TEST_WHOLE") != ""
}

// side does the tries side by side, but those that share an upper directory.
func (w walk) side(tries []func() int) int {
	if w.name == "overlay" {
		return sideBySide(1, tries)
	}
	return sideBySide(8, tries)
}

// sideBySide returns the sum of what the tries return, of which so many are made
// at a time: a sandbox waits for the kernel most of its time.
func sideBySide(workers int, tries []func() int) int {
	var group sync.WaitGroup
	var next, sum atomic.Int64
	for range workers {
		group.Go(func() {
			for i := int(next.Add(1)); i <= len(tries); i = int(next.Add(1)) {
				sum.Add(int64(tries[i-1]()))
			}
		})
	}
	group.Wait()
	return int(sum.Load())
}

// Every step is refused once, with one errno after the other by turns; of every
// third the call is made before it fails. TestEveryErrnoHasAMessage is about all
// of them.
func TestEveryStepThatIsRefusedIsNamed(t *testing.T) {
	kerneltest.Require(t, "userns", "proc", "overlay")
	turn, seen := 0, picked{}
	for _, w := range append(walks(t), builtIns(t)...) {
		t.Run(w.name, func(t *testing.T) {
			s, whole := w.spec, withFailingCalls(w.compiled(t))
			p := &whole.Program
			if r, err := runPlan(s, whole); err != nil {
				t.Fatalf("unchanged: %v %+v", err, r)
			}
			before := takeTraces(t)
			var tries []func() int
			for i := failingSteps; i < len(p.Steps); i++ {
				if !seen.take(w, p, i) {
					continue
				}
				how := failsWith(p, i, walkErrnos[turn%len(walkErrnos)])
				tries = append(tries, func() int { return walkStep(t, s, whole, i, how) })
				if step := &p.Steps[i]; turn%3 == 0 && !step.Fork && !step.Exec && w.kind() == "" {
					tries = append(tries, func() int { return walkStep(t, s, whole, i, refuseEIO) })
				}
				turn++
			}
			skipped := w.side(tries)
			if left := settle(t, before); left != "" {
				t.Errorf("refused steps left behind:\n%s", left)
			}
			t.Logf("%d steps, %d tries, %d refusals on paths that were not taken", len(p.Steps), len(tries), skipped)
			if len(tries) > 100 && skipped > len(tries)/2 {
				t.Error("most steps are on paths that were not taken")
			}
		})
	}
	if turn < 250 {
		t.Errorf("only %d steps", turn)
	}
}

// walkStep refuses one step, and returns 1 when the run never came to it.
func walkStep(t *testing.T, s snug.Spec, p *plan.Plan, i int, how refusal) int {
	t.Helper()
	step := p.Program.Steps[i]
	made := how.errno == unix.EIO
	changed, errno := refuse(p, i, how, made)
	r, err := runPlan(s, changed)
	if err == nil && (mayBeSkipped(&p.Program, i) || made && step.Accept[0] != 0) {
		return 1
	}
	failed, told := new(snug.StepError), new(problem.Problem)
	switch {
	case !errors.As(err, &failed) || failed.Step != i || failed.Errno != errno || failed.Label != step.Label || failed.Call != step.Call.Name:
		t.Errorf("step %d (%s) refused with %v: %v, %+v", i, step.Label, errno, err, failed)
	case !errors.Is(err, errno) || r.Failure == nil || *r.Failure != *failed:
		t.Errorf("step %d (%s) refused with %v: %v, %+v", i, step.Label, errno, err, r)
	case !errors.As(err, &told) || told.What != step.Label && !step.Exec || told.Why == "":
		t.Errorf("step %d (%s): the problem is %+v", i, step.Label, told)
	case step.Exec && r.Code() != snug.CodeRefused || !step.Exec && r.Code() != snug.CodeFailed:
		t.Errorf("step %d (%s): code %d", i, step.Label, r.Code())
	}
	return 0
}

// Accepted refusals lead on: to the end, or to another step that says why not.
func TestAcceptedRefusalsLeadOn(t *testing.T) {
	kerneltest.Require(t, "userns", "proc", "overlay")
	seen := picked{}
	for _, w := range walks(t) {
		s := w.spec
		t.Run(w.name, func(t *testing.T) {
			p := w.compiled(t)
			before := takeTraces(t)
			var tries []func() int
			for i, step := range p.Program.Steps {
				if step.Exec || step.Accept[0] == 0 || !seen.take(w, &p.Program, i) {
					continue
				}
				for _, how := range refusals {
					if slices.Contains(step.Accept[:], how.errno) {
						tries = append(tries, func() int { return acceptedStep(t, s, p, i, how) })
					}
				}
			}
			w.side(tries)
			if left := settle(t, before); left != "" {
				t.Errorf("steps whose refusal is accepted left behind:\n%s", left)
			}
		})
	}
}

func acceptedStep(t *testing.T, s snug.Spec, p *plan.Plan, i int, how refusal) int {
	t.Helper()
	changed, errno := refuse(p, i, how, true)
	r, err := runPlan(s, changed)
	step := p.Program.Steps[i]
	failed := new(snug.StepError)
	switch {
	case err == nil && step.Note != "" && !mayBeSkipped(&p.Program, i) && !slices.Contains(r.Notes, step.Note):
		t.Errorf("step %d (%s) refused with %v: no note %q in %q", i, step.Label, errno, step.Note, r.Notes)
	case err == nil:
	case !errors.As(err, &failed) || failed.Step <= i:
		t.Errorf("step %d (%s) refused with %v: %v", i, step.Label, errno, err)
	default:
		t.Logf("step %d (%s) refused with %v: %v", i, step.Label, errno, err)
	}
	return 0
}

// A step of the process that stays fails when the command runs already.
func TestTheCommandEndsWhenItsReaperCannotStay(t *testing.T) {
	forEachKind(t, func(t *testing.T, s snug.Spec) {
		before := takeTraces(t)
		p, err := snug.Command(s, "sleep", "1000").CompileAs(nothing)
		if err != nil {
			t.Fatal(err)
		}
		for i := p.Program.Keep; i < len(p.Program.Steps); i++ {
			changed, errno := refuse(p, i, refuseENOSYS, false)
			if err := snug.Command(s, "sleep", "1000").StartChanged(changed); !errors.Is(err, errno) {
				t.Errorf("step %d: %v", i, err)
			}
			if left := settle(t, before); left != "" {
				t.Fatalf("step %d (%s) left behind:\n%s", i, p.Program.Steps[i].Label, left)
			}
		}
	})
}

func TestASetUpThatIsKilledSaysSo(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	leavesNothing(t)
	s := snug.Spec{}
	p := compiled(t, s)
	holdUp(p, inTheMiddle, []string{"sh", "-c", "kill -9 {pid}"})
	_, err := runPlan(s, p)
	if err == nil || !strings.Contains(err.Error(), "build the sandbox: its process was killed") {
		t.Errorf("got %v", err)
	}
}

func TestABarrierThatFailsSaysWhy(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	leavesNothing(t)
	s := snug.Spec{}
	for command, says := range map[string]string{
		"echo the words of the helper >&2; exit 1": "hold the child up: the words of the helper",
		"exit 3": "hold the child up: exit status 3",
	} {
		p := compiled(t, s)
		holdUp(p, inTheMiddle, []string{"sh", "-c", command})
		if _, err := runPlan(s, p); err == nil || err.Error() != says {
			t.Errorf("%q: %v", command, err)
		}
	}
	p := compiled(t, s)
	holdUp(p, inTheMiddle, []string{"/no/such/helper"})
	if _, err := runPlan(s, p); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a helper that does not exist: %v", err)
	}
}
