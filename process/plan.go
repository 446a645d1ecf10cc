package process

import (
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/internal/child"
	"github.com/snug-sandbox/snug/internal/host"
	"github.com/snug-sandbox/snug/internal/plan"
	"github.com/snug-sandbox/snug/internal/program"
	"github.com/snug-sandbox/snug/internal/units"
)

// Setup is what starting a command needs beside its own tables.
type Setup struct {
	Command Command
	Inherit *Inherit // nil: the command gets nothing of the caller
	Limits  Limits
	Environ []string // of the command
	Workdir string   // working directory inside
	Shell   string   // what runs when Command.Args is empty

	Files     int         // descriptors of the caller that the plan hands over
	Targets   []int       // their numbers inside, ascending
	Terminals []int       // which of these become Terminal
	Terminal  program.Reg // slave end of the sandbox's own terminal, 0: none

	OpenFiles     [2]uint64 // the caller's soft and hard limit of open files, 0: not known
	ArgumentPages [2]uint64 // address and size of the caller's arguments and environment, 0: not known

	Enterable bool // what leads to the namespaces is kept for who enters them later

	Program host.ProgramPages // what is mapped of the caller's program, where its file has to be forgotten

	children program.Reg // the list of the reaper's children, 0: not needed
	own      program.Reg // the directory of its own namespaces, 0: not needed
	hidden   bool        // PlanHide was called

	// Name is what the process that stays is called; default snug-init.
	Name string

	NiceAtLeast *int // a nice value to take where the caller's is lower, and Command has none

	CPUs []int // those that the command may run on; nil: all

	SharedPID bool // no pid namespace of its own
	Reports   bool // something is sent to the parent right before execve
	NoKeys    bool // a filter keeps the command from every keyring
	Opened    bool // the first steps are the same for every command
	NewTime   bool // the command is in another time namespace than the process that stays
}

// PlanBegin appends the first steps of the child: it lets go of the parent.
func (s Setup) PlanBegin(p *plan.Builder) {
	p.Do("close the parent's end of the control socket", plan.Close, plan.Reg(child.RegSupervisor))
	p.Do("give up privileges of executed files", plan.Prctl, plan.Num(unix.PR_SET_NO_NEW_PRIVS), plan.Num(1), plan.Num(0), plan.Num(0), plan.Num(0))
	if s.Inherit == nil {
		p.Do("leave the caller's session", plan.Setsid)
	}
	s.Inherit.planDrop(p)
	s.Inherit.planFileLabel(p)
	// Keys of the caller's session are reachable by possession, whatever the
	// namespace (keyrings(7), session-keyring(7)).
	leave := planKeyring("leave the caller's session keyring", p)
	if !s.NoKeys && !s.Opened {
		leave.Note(keyringNote)
	}
}

const keyringNote = "the caller's session keyring could not be left"

// PlanOwn appends what others will enter the namespaces by, once the process is in all of
// them.
func (s *Setup) PlanOwn(p *plan.Builder) {
	if s.Enterable {
		s.own = p.Do("keep what leads to the namespaces", plan.Openat, plan.Cwd, p.Text("/proc/self/ns"), plan.Bits(unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, &plan.OpenFlags), plan.Num(0)).
			Accept(syscall.ENOENT, syscall.ENOTDIR, syscall.EACCES).Keep("own")
	}
}

// planKeys appends, where no filter keeps the command from keyrings, and the step that
// leaves the caller's is the same for all, another one that says so if it cannot be left.
func (s Setup) planKeys(p *plan.Builder) {
	if !s.NoKeys && s.Opened {
		planKeyring("make sure that the caller's session keyring was left", p).Note(keyringNote)
	}
}

func planKeyring(label string, p *plan.Builder) plan.Step {
	return p.Do(label, plan.Keyctl, plan.Num(unix.KEYCTL_JOIN_SESSION_KEYRING), plan.Num(0), plan.Num(0), plan.Num(0), plan.Num(0)).
		Accept(syscall.ENOSYS, syscall.EPERM, syscall.EDQUOT, syscall.EACCES)
}

// PlanSignals appends the steps that put all signals into their initial state: what the
// caller ignores must not be ignored inside. They stay blocked until right before execve.
func (s Setup) PlanSignals(p *plan.Builder) {
	initial := p.Space(32)
	for first := 1; first <= 64; first++ {
		last := first
		for last <= 64 && !s.Inherit.ignores(last) {
			last++
		}
		if last > first {
			p.Do("reset the action of every signal", plan.RtSigaction, plan.Num(uint64(first)), initial, plan.Num(0), plan.Num(8)).Repeat(last - first).Accept(syscall.EINVAL)
		}
		first = last
	}
}

// PlanOuter appends what needs the caller's /proc, before the root changes, and what
// not every command needs.
func (s *Setup) PlanOuter(p *plan.Builder) {
	s.planKeys(p)
	if s.SharedPID {
		s.PlanChildren(0, p) // now, while the host's /proc can be seen
	}
	if adj := s.Command.OOMScoreAdj; adj != nil {
		label := "set oom_score_adj to " + strconv.Itoa(*adj)
		_, write := p.WriteFile(label, plan.Cwd, "/proc/self/oom_score_adj", strconv.Itoa(*adj))
		write.Help(&program.Help{Errno: syscall.EACCES, Why: "lowering it needs privilege", Fix: "choose a value that is not below the caller's"})
	}
}

// PlanChildren appends the step that opens what the process that stays ends its
// descendants by, where they do not end with a pid namespace. Without a /proc it
// ends the command only, not what that left.
func (s *Setup) PlanChildren(flags uint64, p *plan.Builder) {
	s.children = p.Do("open the list of the reaper's children", plan.Openat, plan.Cwd, p.Text("/proc/thread-self/children"), plan.Bits(unix.O_RDONLY|unix.O_CLOEXEC|flags, &plan.OpenFlags), plan.Num(0)).
		Accept(syscall.ENOENT, syscall.ENOTDIR, syscall.EACCES).Keep("children")
}

// PlanHide appends the steps that leave others nothing to see of a process but
// a name: not its memory, not its descriptors, not what it was called with.
func (s *Setup) PlanHide(p *plan.Builder) {
	s.hidden = true
	name := "snug-init"
	if s.Name != "" {
		name = s.Name
	}
	if s.Inherit != nil {
		name = s.Inherit.Name
	}
	p.Do("name the reaper", plan.Prctl, plan.Num(unix.PR_SET_NAME), p.Text(name), plan.Num(0), plan.Num(0), plan.Num(0))
	if s.Inherit == nil {
		// No ptrace, no /proc/1/environ, mem, fd or maps (proc(5), ptrace(2)). The
		// command is dumpable again after its execve.
		p.Do("close the reaper's memory to all others", plan.Prctl, plan.Num(unix.PR_SET_DUMPABLE), plan.Num(0), plan.Num(0), plan.Num(0), plan.Num(0))
	}
	if at, size := s.ArgumentPages[0], s.ArgumentPages[1]; size > 0 {
		p.Do("forget the caller's arguments and environment", plan.Munmap, plan.Hex(at), plan.Hex(size))
	}
}

// PlanFork appends the clone that makes the process of the command, after the
// steps that prepare the one that stays. Neither its memory nor what the kernel
// shows of it gives anything of the caller away.
func (s Setup) PlanFork(flags uint64, p *plan.Builder) {
	label := "prepare the reaper"
	signals := p.Do(label, plan.Signalfd, plan.Int(-1), p.Words(1<<(uint(unix.SIGCHLD)-1)), plan.Num(8), plan.Num(unix.SFD_CLOEXEC|unix.SFD_NONBLOCK)).Keep("signals")
	k := kept{signals: signals, own: s.own}
	if s.children != 0 {
		p.Do(label, plan.Prctl, plan.Num(unix.PR_SET_CHILD_SUBREAPER), plan.Num(1), plan.Num(0), plan.Num(0), plan.Num(0))
		k.children = s.children
	}
	if !s.hidden {
		s.PlanHide(p)
	}
	s.openHeld(p, &k)
	if s.Inherit != nil {
		planForget(p)
	}
	planForgetProgram(s.Program, p)
	flags |= unix.CLONE_VFORK | uint64(unix.SIGCHLD)
	if !s.NewTime {
		// A process that shares memory cannot be in another time namespace
		// (clone(2)); all others save the copy.
		flags |= unix.CLONE_VM
	}
	p.Do("make the command's process", plan.Clone, plan.Bits(flags, &plan.CloneFlags)).Fork()
	p.KeepLater(func() { s.planKeep(p, k) })
}

// planKeep appends the steps of the process that stays. It keeps nothing open
// but what it waits for: an end of a pipe that it held would never be seen closed.
func (s Setup) planKeep(p *plan.Builder, k kept) {
	const label = "close all but what the reaper waits for"
	keep := []program.Reg{child.ControlFD: child.RegControl, child.SignalFD: k.signals}
	if k.children != 0 {
		keep = append(keep, k.children)
	}
	if k.own != 0 {
		p.NamespacesFD = len(keep)
		keep = append(keep, k.own)
	}
	keep = append(keep, k.more...)
	// What may not be there, because there is no /proc.
	missing := func(r program.Reg) bool { return r != 0 && (r == k.children || r == k.own) }
	for _, r := range keep {
		moved := p.Do(label, plan.Fcntl, plan.Reg(r), plan.Num(unix.F_DUPFD_CLOEXEC), plan.Num(uint64(len(keep)))).Into(r)
		if missing(r) {
			moved.Accept(syscall.EBADF)
		}
	}
	for fd, r := range keep {
		if missing(r) {
			p.Do(label, plan.Close, plan.Num(uint64(fd))).Accept(syscall.EBADF) // or it would stay
		}
		placed := p.Do(label, plan.Dup3, plan.Reg(r), plan.Num(uint64(fd)), plan.Num(unix.O_CLOEXEC))
		if missing(r) {
			placed.Accept(syscall.EBADF)
		}
	}
	p.Do(label, plan.CloseRange, plan.Num(uint64(len(keep))), plan.Num(1<<32-1), plan.Num(0))
	if s.Inherit != nil {
		planOverwrite(p)
	}
}

// PlanExec appends the steps of the command's process up to its credentials. It
// returns the environment for PlanExecve.
func (s Setup) PlanExec(p *plan.Builder) program.Arg {
	switch {
	case s.Inherit != nil:
		if s.Inherit.NewSession {
			p.Do("start a session", plan.Setsid).Accept(syscall.EPERM)
		}
	case s.Command.PID1:
		p.Do("start a session", plan.Setsid)
		s.PlanTerminal(p)
	default:
		// Not the reaper's process group: that would be an orphaned one once the
		// terminal stops the command, and the stop would be lost.
		p.Do("start a process group", plan.Setpgid, plan.Num(0), plan.Num(0))
	}
	if s.Terminal != 0 {
		pid := p.Space(8)
		p.Do("find the process group", plan.Getpid).Store(pid)
		p.Do("make it the terminal's foreground group", plan.Ioctl, plan.Reg(s.Terminal), plan.Hex(unix.TIOCSPGRP), pid)
	}
	if s.Inherit == nil {
		// Before the working directory is looked up: a link to /proc/self/fd/N must
		// not find a directory of the caller's there.
		s.planDescriptors(p)
	}
	env := s.planWorkdir(p)
	mask := units.FileMode(0o022)
	if s.Command.Umask != nil {
		mask = *s.Command.Umask
	}
	p.Do("set the umask to "+mask.String(), plan.Umask, plan.Octal(uint32(mask)))
	if n := s.Command.Nice; n != nil {
		p.Do("set the nice value to "+strconv.Itoa(*n), plan.Setpriority, plan.Num(unix.PRIO_PROCESS), plan.Num(0), plan.Int(*n)).
			Help(&program.Help{Errno: syscall.EACCES, Why: "lowering it needs privilege", Fix: "choose a value that is not below the caller's"})
	}
	if n := s.NiceAtLeast; n != nil && s.Command.Nice == nil {
		p.Do("set the nice value to "+strconv.Itoa(*n), plan.Setpriority, plan.Num(unix.PRIO_PROCESS), plan.Num(0), plan.Int(*n)).
			Accept(syscall.EACCES, syscall.EPERM) // it is higher
	}
	if s.Inherit != nil {
		s.Inherit.planWait(p)
	}
	s.planAffinity(p)
	limits := s.Limits
	if s.Inherit == nil && limits.NoCore() {
		limits.Core = nil
		planNoCore(p)
	}
	s.planOpenFiles(p)
	limits.plan(p)
	return env
}

var workdirHelp = &program.Help{Errno: syscall.ENOENT, Why: "the directory does not exist inside", Fix: "bind it, or choose another one with --workdir",
	Next: &program.Help{Errno: syscall.EACCES, Why: "the command's user may not enter the directory", Next: &program.Help{Errno: syscall.ENOTDIR, Why: "it is not a directory"}}}

// PlanTerminal makes the sandbox's terminal the controlling one of the session
// that the calling process leads.
func (s Setup) PlanTerminal(p *plan.Builder) {
	if s.Terminal != 0 {
		p.Do("make the terminal the controlling one", plan.Ioctl, plan.Reg(s.Terminal), plan.Hex(unix.TIOCSCTTY), plan.Num(0))
	}
}

// planDescriptors puts every descriptor in its place and closes all others.
func (s Setup) planDescriptors(p *plan.Builder) {
	high := uint64(s.Targets[len(s.Targets)-1] + 1)
	help := &program.Help{Errno: syscall.EBADF, Why: "it is not open", Fix: "open it in the caller, or leave it out of --fd",
		Next: &program.Help{Errno: syscall.EINVAL, Why: "the number is above the limit of open files (RLIMIT_NOFILE)"}}
	if s.Reports {
		const label = "keep the control socket until execve"
		p.Control = p.Do(label, plan.Fcntl, plan.Reg(child.RegControl), plan.Num(unix.F_DUPFD_CLOEXEC), plan.Num(high+1)).Keep("control")
	}
	moved := make([]program.Reg, len(s.Targets))
	for i, target := range s.Targets {
		from := p.File(i)
		if s.Terminal != 0 && slices.Contains(s.Terminals, target) {
			from = s.Terminal
		}
		moved[i] = p.Do("pass descriptor "+strconv.Itoa(target), plan.Fcntl, plan.Reg(from), plan.Num(unix.F_DUPFD_CLOEXEC), plan.Num(high)).Help(help).Keep("fd" + strconv.Itoa(target))
	}
	next := 0
	for i, target := range s.Targets {
		p.Do("pass descriptor "+strconv.Itoa(target), plan.Dup3, plan.Reg(moved[i]), plan.Num(uint64(target)), plan.Num(0))
		if target > next {
			p.Do("close all other descriptors", plan.CloseRange, plan.Num(uint64(next)), plan.Num(uint64(target-1)), plan.Num(0))
		}
		next = target + 1
	}
	if s.Reports {
		// What is at this number now has been passed already.
		p.Do("keep the control socket until execve", plan.Dup3, plan.Reg(p.Control), plan.Num(high), plan.Num(unix.O_CLOEXEC)).Into(p.Control)
		next++
	}
	p.Do("close all other descriptors", plan.CloseRange, plan.Num(uint64(next)), plan.Num(1<<32-1), plan.Num(0))
}

// PlanExecve appends the last steps: one execve for each place where the
// program may be.
func (s Setup) PlanExecve(env program.Arg, p *plan.Builder) {
	for _, c := range s.candidates() {
		run := p.Do("run "+c.file, plan.Execve, p.Text(c.file), p.Texts(c.args), env).Exec().Accept(syscall.ENOENT, syscall.ENOTDIR, syscall.EACCES)
		if s.Inherit != nil {
			run.Accept(syscall.ENOENT, syscall.ENOTDIR, syscall.EACCES, syscall.ENOEXEC)
			s.planShell(p, c, env)
		}
	}
}

// PlanUnblock appends the last step before execve but for a filter: signals are
// delivered again.
func PlanUnblock(p *plan.Builder) {
	p.Do("unblock all signals", plan.RtSigprocmask, plan.Num(2), p.Space(8), plan.Num(0), plan.Num(8))
}

type candidate struct {
	file string
	args []string
}

// candidates are the files to try, in the order of PATH (execvp(3)). A missing
// program, or one that must not be executed, leads on to the next place.
func (s Setup) candidates() []candidate {
	if len(s.Command.Args) == 0 {
		list := []candidate{{s.Shell, []string{path.Base(s.Shell)}}}
		if s.Shell != "/bin/sh" {
			list = append(list, candidate{"/bin/sh", []string{"sh"}})
		}
		return list
	}
	args := slices.Clone(s.Command.Args)
	name := args[0]
	if s.Command.Argv0 != "" {
		args[0] = s.Command.Argv0
	}
	if strings.Contains(name, "/") {
		return []candidate{{name, args}}
	}
	var list []candidate
	for _, dir := range strings.Split(s.searchPath(), ":") {
		if dir == "" {
			dir = "."
		}
		list = append(list, candidate{path.Join(dir, name), args})
	}
	return list
}

// resource is one of the kinds of setrlimit(2).
type resource struct {
	key  string
	nr   uint64
	most units.Limit // the highest value that makes sense; 0: any
	at   **units.Rlimit
}

func (l *Limits) resources() []resource {
	return []resource{
		{"nofile", unix.RLIMIT_NOFILE, 0, &l.Nofile}, {"core", unix.RLIMIT_CORE, 0, &l.Core}, {"fsize", unix.RLIMIT_FSIZE, 0, &l.Fsize},
		{"stack", unix.RLIMIT_STACK, 0, &l.Stack}, {"data", unix.RLIMIT_DATA, 0, &l.Data}, {"as", unix.RLIMIT_AS, 0, &l.AS},
		{"memlock", unix.RLIMIT_MEMLOCK, 0, &l.Memlock}, {"nproc", unix.RLIMIT_NPROC, 0, &l.Nproc}, {"msgqueue", unix.RLIMIT_MSGQUEUE, 0, &l.Msgqueue},
		{"sigpending", unix.RLIMIT_SIGPENDING, 0, &l.Sigpending}, {"rtprio", unix.RLIMIT_RTPRIO, 99, &l.Rtprio},
		{"rttime", unix.RLIMIT_RTTIME, 0, &l.Rttime}, {"nice", unix.RLIMIT_NICE, 40, &l.Nice},
	}
}

// Rlimits are the names of the limits of setrlimit(2) among the keys.
func Rlimits() []string {
	var names []string
	for _, r := range new(Limits).resources() {
		names = append(names, r.key)
	}
	return names
}

// Rlimit is the field of the key name; nil when there is none.
func (l *Limits) Rlimit(name string) **units.Rlimit {
	for _, r := range l.resources() {
		if r.key == name {
			return r.at
		}
	}
	return nil
}

// planAffinity appends the step that binds the command to CPUs.
func (s Setup) planAffinity(p *plan.Builder) {
	if len(s.CPUs) == 0 {
		return
	}
	mask := make([]uint64, slices.Max(s.CPUs)/64+1)
	for _, n := range s.CPUs {
		mask[n/64] |= 1 << (n % 64)
	}
	p.Do("bind the command to its CPUs", plan.SchedSetaffinity, plan.Num(0), plan.Num(uint64(8*len(mask))), p.Words(mask...)).
		Help(&program.Help{Errno: syscall.EINVAL, Why: "none of these CPUs may be used", Fix: "choose from those that nproc and taskset -p $$ show"})
}

// planOpenFiles takes back that Go raises the soft limit of open files: programs
// that use select(2), or close every descriptor up to it, are not made for that.
func (s Setup) planOpenFiles(p *plan.Builder) {
	if soft, hard := s.OpenFiles[0], s.OpenFiles[1]; soft != hard && s.Limits.Nofile == nil {
		p.Do("give back the limit of open files", plan.Prlimit, plan.Num(0), plan.Num(unix.RLIMIT_NOFILE), p.Words(soft, hard), plan.Num(0)).
			Accept(syscall.EPERM) // the hard limit was lowered since
	}
}

func (l Limits) plan(p *plan.Builder) {
	const infinity = ^uint64(0)
	bits := func(l units.Limit) uint64 {
		if l == units.Unlimited {
			return infinity
		}
		return uint64(l)
	}
	set := func(key string, nr, soft, hard uint64) {
		p.Do("set limits."+key, plan.Prlimit, plan.Num(0), plan.Num(nr), p.Words(soft, hard), plan.Num(0)).
			Help(&program.Help{Errno: syscall.EPERM, Why: "the value is above the caller's own hard limit", Fix: "choose a smaller value; ulimit -H shows the limit"})
	}
	for _, r := range l.resources() {
		if limit := *r.at; limit != nil {
			set(r.key, r.nr, bits(limit.Soft), bits(limit.Hard))
		}
	}
	if l.CPUTime > 0 {
		soft := seconds(l.CPUTime)
		set("cpu_time", unix.RLIMIT_CPU, soft, soft+seconds(l.GraceTime()))
	}
}

// seconds rounds up.
func seconds(d units.Duration) uint64 {
	return uint64((time.Duration(d) + time.Second - 1) / time.Second)
}

// GraceTime is the time between SIGTERM and SIGKILL.
func (l Limits) GraceTime() units.Duration {
	if l.Grace == 0 {
		return units.Duration(10 * time.Second)
	}
	return l.Grace
}
