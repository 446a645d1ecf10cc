package snug

import (
	"maps"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"github.com/snug-sandbox/snug/internal/child"
	"github.com/snug-sandbox/snug/internal/program"
	"github.com/snug-sandbox/snug/spec"
)

// Cause is why a run ended.
type Cause string

// Causes.
const (
	CauseExit    Cause = "exit"     // the command ended by itself
	CauseSignal  Cause = "signal"   // a signal ended the command
	CauseOOM     Cause = "oom"      // the command was killed because limits.memory was reached
	CauseTimeout Cause = "timeout"  // limits.timeout ended it
	CauseCPUTime Cause = "cpu_time" // limits.cpu_time ended it
	CauseNetwork Cause = "network"  // the network's helper ended, and network.required is set
	CauseCancel  Cause = "cancel"   // the context was done
	CauseExec    Cause = "exec"     // the command could not be executed
	CauseSetup   Cause = "setup"    // the sandbox could not be built
)

// Exit codes of a run that does not end with the command's own.
const (
	CodeTimeout  = 124 // a time limit ended the command, as timeout(1) says it
	CodeFailed   = 125 // Snug failed
	CodeRefused  = 126 // the command cannot be executed
	CodeNotFound = 127 // the command was not found
)

// Result is what became of a run.
type Result struct {
	// Reached is how far the run came: "compile", "setup", "exec" or "run".
	Reached string `json:"reached"`
	Cause   Cause  `json:"cause"`

	ExitCode int            `json:"exit_code"`        // the command's own, -1 if it has none
	Signal   syscall.Signal `json:"signal,omitempty"` // that ended the command
	Core     bool           `json:"core,omitempty"`   // it dumped core

	Wall   time.Duration `json:"wall_ns"`   // from the start of the sandbox to its end
	User   time.Duration `json:"user_ns"`   // CPU time of all processes that were waited for
	System time.Duration `json:"system_ns"` // the same, in the kernel
	MaxRSS int64         `json:"max_rss"`   // peak memory of the largest process in bytes, 0 if not known

	ReadBytes    int64 `json:"read_bytes"`    // from block devices, by processes that were waited for
	WrittenBytes int64 `json:"written_bytes"` // to the page cache of block devices, by the same

	Left    int        `json:"left"`  // processes that were killed when the command had ended, but for those that one of them had just waited for
	Notes   []string   `json:"notes"` // what could not be done as asked, and what was done instead
	Failure *StepError `json:"failure,omitempty"`

	// Usage is what the run's control group counted, where limits asked for one.
	Usage *Usage `json:"usage,omitempty"`

	// Network is what a private network was used for.
	Network *NetworkResult `json:"network,omitempty"`

	// LimitsReached are the limits that were reached, by their keys: "limits.memory".
	LimitsReached []string `json:"limits_reached,omitempty"`

	// Denials is what was refused, where security.seccomp's log_denials asks for it.
	Denials []Denial `json:"denials,omitempty"`

	// Held says what holds which guarantee of the run, and which limit.
	Held map[string]string `json:"held,omitempty"`

	err error
}

// Code returns the exit code for a shell: the command's own, 128 + N when signal
// N ended it, 124 at a time limit, 125, 126 and 127 when it did not start.
func (r *Result) Code() int {
	switch r.Cause {
	case CauseTimeout, CauseCPUTime:
		return CodeTimeout
	case CauseExit:
		return r.ExitCode
	case CauseSignal, CauseCancel, CauseOOM:
		if r.Signal != 0 {
			return 128 + int(r.Signal)
		}
		return r.ExitCode
	case CauseExec:
		if isNotFound(r.Failure.Errno) {
			return CodeNotFound
		}
		return CodeRefused
	}
	return CodeFailed
}

// ExitError is a command that did not end with exit code 0.
type ExitError struct {
	*Result
	Stderr []byte // the end of what it wrote, where Output captured it
}

// Error returns "exit status N" or "signal: NAME", as exec.ExitError does.
func (e *ExitError) Error() string {
	switch {
	case e.Cause == CauseTimeout:
		return "time limit exceeded"
	case e.Cause == CauseNetwork:
		return "the network's helper ended, which the run requires"
	case e.Cause == CauseCPUTime:
		return "limit of CPU time exceeded"
	case e.Result.Signal != 0:
		text := "signal: " + e.Result.Signal.String()
		if e.Core {
			text += " (core dumped)"
		}
		return text
	}
	return "exit status " + strconv.Itoa(e.ExitCode)
}

// StepError is a step of the plan that the kernel refused.
type StepError struct {
	Step  int           `json:"step"`           // its number in the plan
	Label string        `json:"label"`          // what it was to do
	From  string        `json:"from,omitempty"` // the entry of the Spec that it is part of, "mounts[2]"
	Call  string        `json:"call"`           // the system call
	Errno syscall.Errno `json:"errno"`
	// Detail is what was found instead, where that says more than the errno.
	Detail string `json:"detail,omitempty"`
	Name   string `json:"errno_name"` // of Errno, "ENOENT"

	exec bool // the step was to execute the command
}

// Error returns the label and the errno's text.
func (e *StepError) Error() string { return e.Label + ": " + e.Errno.Error() }

// Unwrap returns the errno.
func (e *StepError) Unwrap() error { return e.Errno }

// Is reports whether target is exec.ErrNotFound and the command was not found
// inside, as a program expects that was written for os/exec.
func (e *StepError) Is(target error) bool {
	return target == exec.ErrNotFound && e.exec && isNotFound(e.Errno)
}

func isNotFound(e syscall.Errno) bool { return e == syscall.ENOENT || e == syscall.ENOTDIR }

func stepError(p *program.Program, step int, errno syscall.Errno) *StepError {
	s := &StepError{Step: step, Errno: errno, Name: program.ErrnoName(errno)}
	if step >= 0 && step < len(p.Steps) {
		failed := &p.Steps[step]
		s.Label, s.From, s.Call, s.exec = failed.Label, failed.From, failed.Call.Name, failed.Exec
	}
	return s
}

// failure is the result of a run that never executed its command.
func failure(c *Cmd, cause Cause, err error) *Result {
	r := &Result{Reached: "compile", Cause: cause, ExitCode: -1, Notes: []string{}, err: err}
	if c.plan != nil {
		r.Reached = "setup"
		r.Notes = append(r.Notes, c.plan.Notes...)
	}
	if !c.started.IsZero() {
		r.Wall = time.Since(c.started)
	}
	return r
}

// success is the result of a run whose command was executed and has ended.
func success(c *Cmd, o child.Outcome, usage *Usage) *Result {
	r := &Result{
		Reached: "run", Cause: CauseExit, ExitCode: o.Status.ExitStatus(), Left: o.Left, Wall: time.Since(c.started),
		ReadBytes: o.Total.Inblock * 512, WrittenBytes: o.Total.Oublock * 512,
		User: time.Duration(o.Total.Utime.Nano()), System: time.Duration(o.Total.Stime.Nano()),
		Notes: append(append([]string{}, c.plan.Notes...), notes(c, o)...), Held: held(c), Usage: usage,
	}
	if o.Usage.Maxrss > o.Baseline {
		r.MaxRSS = o.Usage.Maxrss << 10
	}
	switch {
	case !o.Ended:
		r.Cause, r.ExitCode, r.Signal = CauseSignal, -1, syscall.SIGKILL
	case o.Status.Signaled():
		r.Cause, r.ExitCode, r.Signal, r.Core = CauseSignal, -1, o.Status.Signal(), o.Status.CoreDump()
	}
	switch {
	case usage != nil && usage.OOMKills > 0 && r.Signal == syscall.SIGKILL:
		r.Cause = CauseOOM
	case r.Signal == syscall.SIGXCPU && c.Spec.Limits.CPUTime > 0:
		r.Cause = CauseCPUTime
	}
	if c.canceled != nil {
		r.Cause = CauseCancel
	}
	if c.limit != "" {
		r.Cause = c.limit
	}
	r.LimitsReached = reaches(c.Spec.Limits, r)
	return r
}

func notes(c *Cmd, o child.Outcome) []string {
	var steps []int
	for _, n := range o.Notes {
		steps = append(steps, n.Step)
	}
	return c.plan.NotesDue(steps, o.Failed)
}

// reaches lists the limits that the run came to.
func reaches(l spec.Limits, r *Result) (keys []string) {
	add := func(key string, reached bool) {
		if reached {
			keys = append(keys, "limits."+key)
		}
	}
	add("timeout", r.Cause == CauseTimeout)
	add("cpu_time", r.Cause == CauseCPUTime)
	if u := r.Usage; u != nil {
		// Others than these were those of a group above.
		add("memory", u.OOMs > 0 && l.Memory != 0)
		add("pids", u.PIDsRefused > 0 && l.PIDs > 0 && (u.PIDsPeak == 0 || u.PIDsPeak > l.PIDs))
	}
	return keys
}

// held says which mechanism ends all processes, and what holds the limits.
func held(c *Cmd) map[string]string {
	how := map[child.Killer]string{
		child.KillNamespace: "pid namespace", child.KillCommand: "pid namespace", child.KillChildren: "child subreaper",
	}
	all := map[string]string{"processes end with the command": how[c.plan.Killer]}
	maps.Copy(all, c.plan.Held)
	return all
}
