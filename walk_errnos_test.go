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

// failStep runs a plan whose step i fails with errno.
func failStep(t *testing.T, s snug.Spec, p *plan.Plan, i int, errno syscall.Errno) {
	t.Helper()
	changed, _ := refuse(p, i, refuseENOSYS, false)
	changed.Program.Steps[i].Call.Nr = fails + uint32(errno)
	_, err := runPlan(s, changed)
	step := p.Program.Steps[i]
	failed := new(snug.StepError)
	switch {
	case err == nil && mayBeSkipped(&p.Program, i):
	case !errors.As(err, &failed) || failed.Step != i || failed.Errno != errno:
		t.Errorf("step %d (%s) fails with %v: %v", i, step.Label, errno, err)
	case !strings.Contains(err.Error(), step.Label):
		t.Errorf("step %d (%s) fails with %v: the message %q does not name it", i, step.Label, errno, err)
	}
}

func TestEveryErrnoOfEveryStepIsTold(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	before, walked := takeTraces(t), map[string]bool{}
	for _, name := range []string{"default", "strict", "shell", "build"} {
		loaded, err := profiles.Load(profiles.Default(), name)
		if err != nil {
			t.Fatal(err)
		}
		p := withFailingCalls(compiled(t, loaded.Spec))
		if _, err := runPlan(loaded.Spec, p); err != nil {
			t.Fatalf("%s, unchanged: %v", name, err)
		}
		for i := range p.Program.Steps {
			key := p.Program.Steps[i].Label + p.Program.FormatCall(i)
			// What comes after the command's own filter gets that one's errno.
			if i < 2 || p.Program.Steps[i].Fork || p.Program.Steps[i].Exec || walked[key] {
				continue
			}
			walked[key] = true
			for _, errno := range walkErrnos {
				failStep(t, loaded.Spec, p, i, errno)
			}
		}
	}
	if left := settle(t, before); left != "" || len(walked) < 100 {
		t.Errorf("%d steps; left behind: %s", len(walked), left)
	}
}
