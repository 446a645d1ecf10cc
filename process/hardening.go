package process

import (
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/internal/plan"
	"github.com/snug-sandbox/snug/internal/program"
	"github.com/snug-sandbox/snug/internal/units"
)

// Hardening is the part of the table [security] that the process itself carries.
type Hardening struct {
	// MemoryDenyWriteExecute refuses memory that is writable and executable, at
	// once or one after the other (PR_SET_MDWE, Linux 6.3). Compilers that make
	// code while they run (browsers, Java, Node.js) do not work with it.
	MemoryDenyWriteExecute bool `toml:"memory_deny_write_execute"`

	// CoreScheduling lets no process from outside run beside the sandbox's on
	// the two threads of one CPU core (PR_SCHED_CORE, Linux 5.14): what leaks
	// between these leaks to nobody. It costs speed where cores are scarce.
	CoreScheduling bool `toml:"core_scheduling"`
}

// Plan appends the steps that the command's process takes.
func (h Hardening) Plan(p *plan.Builder) {
	if h.CoreScheduling {
		const create, wholeProcess = 1, 1 // PR_SCHED_CORE_CREATE, PIDTYPE_TGID
		p.Do("share no CPU core", plan.Prctl, plan.Num(unix.PR_SCHED_CORE), plan.Num(create), plan.Num(0), plan.Num(wholeProcess), plan.Num(0)).
			Accept(syscall.ENODEV). // each core has one thread
			Help(&program.Help{Errno: syscall.EINVAL, Why: "this kernel has no core scheduling (CONFIG_SCHED_CORE)", Fix: "leave core_scheduling out of [security]"})
	}
	if h.MemoryDenyWriteExecute {
		p.Do("refuse memory that is writable and executable", plan.Prctl, plan.Num(unix.PR_SET_MDWE), plan.Num(unix.PR_MDWE_REFUSE_EXEC_GAIN), plan.Num(0), plan.Num(0), plan.Num(0)).
			Help(&program.Help{Errno: syscall.EINVAL, Why: "this needs Linux 6.3 or newer", Fix: "leave memory_deny_write_execute out of [security]"})
	}
}

// planNoCore keeps the memory of a process that crashes from the program that
// kernel.core_pattern names: it runs outside, as root (core(5), CVE-2022-28655,
// CVE-2025-4598). For such a program a limit of 0 does not count, but one of 1
// byte does, and a file is as little written.
func planNoCore(p *plan.Builder) {
	p.Do("write no core dumps", plan.Prlimit, plan.Num(0), plan.Num(unix.RLIMIT_CORE), p.Words(1, 1), plan.Num(0)).
		Accept(syscall.EPERM) // the caller's limit is 0
}

// NoCore reports whether the command leaves no core dumps.
func (l Limits) NoCore() bool { return l.Core == nil || *l.Core == units.Rlimit{} }
