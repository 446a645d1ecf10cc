package snug_test

import (
	"encoding/binary"
	"errors"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug"
	"github.com/snug-sandbox/snug/internal/kerneltest"
	"github.com/snug-sandbox/snug/internal/plan"
	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/internal/program"
	"github.com/snug-sandbox/snug/network"
	"github.com/snug-sandbox/snug/profiles"
)

// walkErrnos are what each step of a built-in profile fails with, once.
var walkErrnos = []syscall.Errno{unix.EPERM, unix.EINVAL, unix.ENOSYS, unix.EMFILE, unix.ENOMEM, unix.EINTR}

// fails is the number of a system call that fails with an errno, the number
// above it, once failingCalls has been loaded.
const fails = 5000

// failingCalls is a filter of system calls: numbers from fails up fail with the
// errno that they are above it, all others are made.
var failingCalls = []unix.SockFilter{
	{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0},
	{Code: unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K, Jt: 0, Jf: 4, K: fails},
	{Code: unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K, Jt: 3, Jf: 0, K: fails + 4096},
	{Code: unix.BPF_ALU | unix.BPF_SUB | unix.BPF_K, K: fails},
	{Code: unix.BPF_ALU | unix.BPF_OR | unix.BPF_K, K: 0x00050000},
	{Code: unix.BPF_RET | unix.BPF_A},
	{Code: unix.BPF_RET | unix.BPF_K, K: 0x7fff0000},
}

// withFailingCalls puts the steps that load the filter before all others of p.
func withFailingCalls(p *plan.Plan) *plan.Plan {
	var code []byte
	for _, i := range failingCalls {
		code = binary.NativeEndian.AppendUint16(code, i.Code)
		code = append(code, i.Jt, i.Jf)
		code = binary.NativeEndian.AppendUint32(code, i.K)
	}
	b := &plan.Builder{Plan: *p}
	b.Program.Steps = nil
	b.Do("give up privileges of executed files", plan.Prctl, plan.Num(unix.PR_SET_NO_NEW_PRIVS), plan.Num(1), plan.Num(0), plan.Num(0), plan.Num(0))
	b.Filter("make calls that fail", code)
	n := len(b.Program.Steps)
	later := func(i int) int {
		if i == 0 {
			return 0
		}
		return i + n
	}
	for _, s := range p.Program.Steps {
		s.Then, s.Else = later(s.Then), later(s.Else)
		b.Program.Steps = append(b.Program.Steps, s)
	}
	b.Program.Keep = later(p.Program.Keep)
	return &b.Plan
}

// failingSteps is the number of steps that withFailingCalls puts first.
const failingSteps = 2

// failsWith has step i fail with errno. What comes after the command's own filter
// gets that one's ENOSYS.
func failsWith(p *program.Program, i int, errno syscall.Errno) refusal {
	if p.Steps[i].Exec {
		return refuseENOSYS
	}
	return refusal{errno, func(_ *program.Program, s *program.Step) { s.Call.Nr = fails + uint32(errno) }}
}

// builtIns are the built-in profiles.
func builtIns(t *testing.T) []walk {
	t.Helper()
	list, err := profiles.List(profiles.Inputs{})
	if err != nil {
		t.Fatal(err)
	}
	var all []walk
	for _, e := range list {
		loaded, err := profiles.Load(profiles.Default(), e.Name)
		if err != nil {
			t.Fatal(err)
		}
		if loaded.Spec.Network.Mode == network.Private {
			loaded.Spec.Network = network.Config{} // its helper is another program
		}
		all = append(all, walk{"profile " + e.Name, loaded.Spec, nothing})
	}
	return all
}

// What is said of every step, should the kernel refuse it. That the kernel does
// is TestEveryStepThatIsRefusedIsNamed's; the interpreter treats all errnos alike
// (TestEveryErrnoEndsTheProgram in internal/child).
func TestEveryErrnoHasAMessage(t *testing.T) {
	kerneltest.Require(t, "userns", "proc", "overlay")
	told := map[string]bool{}
	for _, w := range append(walks(t), builtIns(t)...) {
		p := w.compiled(t)
		for i := range p.Program.Steps {
			step := &p.Program.Steps[i]
			if told[step.Label] || step.Exec {
				continue
			}
			told[step.Label] = true
			for _, errno := range walkErrnos {
				err := snug.FailedStep(w.spec, p, i, errno)
				failed, says := new(snug.StepError), new(problem.Problem)
				if !errors.As(err, &failed) || failed.Step != i || failed.Errno != errno || !errors.As(err, &says) ||
					says.What != step.Label || says.Why == "" || !strings.HasPrefix(err.Error(), step.Label+": ") {
					t.Errorf("%s, step %d (%s) with %v: %v", w.name, i, step.Label, errno, err)
				}
			}
		}
	}
	if len(told) < 100 {
		t.Errorf("only %d labels", len(told))
	}
}
