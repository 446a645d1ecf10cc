package snug

import (
	"errors"
	"os"
	"slices"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/internal/child"
	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/internal/running"
	"github.com/snug-sandbox/snug/namespaces"
)

// Instance is a sandbox that runs. It can be written as JSON, and Command starts
// another command in it, from this process or another one of the same user.
type Instance struct {
	// PID is the process that stays beside the command, and Start when it was
	// started, in clock ticks after boot: the two together are used once.
	PID   int    `json:"pid"`
	Start uint64 `json:"start"`
	// CommandPID is the command, as the process that stays sees it.
	CommandPID int `json:"command_pid"`
	// Cgroup is the directory of its control group; empty when it has none.
	Cgroup string `json:"cgroup,omitempty"`
	// Network is the abstract unix socket that takes changes of its private
	// network; empty when it has none.
	Network string `json:"network,omitempty"`
	// Published are the host's ports that lead into its private network:
	// "127.0.0.1:8080 -> 80/tcp".
	Published []string `json:"published,omitempty"`
	// Namespaces are the inode numbers of the namespaces that are its own, by
	// their names in /proc/PID/ns.
	Namespaces map[string]uint64 `json:"namespaces"`
	// Descriptors are namespaces that the process Supervisor holds, by the same
	// names, after Hold.
	Descriptors     map[string]int `json:"descriptors,omitempty"`
	Supervisor      int            `json:"supervisor,omitempty"`
	SupervisorStart uint64         `json:"supervisor_start,omitempty"`
	// Spec is what a further command gets; what is mounted is not in it.
	Spec Spec `json:"spec"`
}

// entrance is what a command needs to enter a running sandbox.
type entrance struct {
	Instance
	namespaces []*os.File
	cgroup     *os.File
	program    *child.Copies
	exe        *os.File // what the process that enters is from, for the sandbox
	short      error    // there are too few descriptors to open the namespaces
}

// Command returns the Cmd to run another program in the sandbox: in all of its
// namespaces and its control group, with its profile's environment, limits and
// restrictions. The program and what it starts end with the sandbox, and with
// the Cmd. Its Spec may be changed before it starts, as far as nothing is
// mounted.
func (i Instance) Command(name string, args ...string) *Cmd {
	c := i.Enter()
	c.Spec.Command.Args = append([]string{name}, args...)
	return c
}

// Enter is Command for what i.Spec says to run.
func (i Instance) Enter() *Cmd { return &Cmd{Spec: i.Spec, enter: &entrance{Instance: i}} }

// errEnded is the reason when there is nothing to enter.
var errEnded = errors.New("the sandbox has ended")

// Alive reports whether the sandbox still runs.
func (i Instance) Alive() bool { return running.Alive(i.PID, i.Start) }

// Processes are the processes of the sandbox, as far as they can be told, the
// one that stays first.
func (i Instance) Processes() []int {
	return running.Processes(i.PID, i.Namespaces["pid"])
}

// lookInto notes which namespaces the sandbox has, while its first process is
// in them and nothing of the sandbox's runs that could change them.
func (c *Cmd) lookInto(pid int) {
	i := c.instance
	if i == nil {
		return
	}
	i.PID, i.Start, i.Namespaces = pid, running.StartTime(pid), map[string]uint64{}
	for _, k := range i.Spec.Namespaces.Own() {
		name := k.Name
		switch {
		case name == "time":
			name = "time_for_children"
		case name == "pid" && c.Spec.Command.PID1:
			continue
		}
		i.Namespaces[k.Name] = running.Namespace(pid, name)
	}
}

// locate completes what was noted, when the command runs.
func (c *Cmd) locate(p *child.Process) {
	i := c.instance
	if i == nil {
		return
	}
	i.CommandPID, i.Cgroup = p.Command(), c.cgroup.Path()
	if c.private != nil {
		i.Network, i.Published = c.private.changes, c.private.result.Published
	}
	if !c.Spec.Command.PID1 {
		return
	}
	// No process can leave its own pid namespace. For a moment after an execve it
	// cannot be looked at.
	for tries := 0; i.Namespaces["pid"] == 0 && tries < patience; tries++ {
		if i.Namespaces["pid"] = running.Namespace(i.CommandPID, "pid"); i.Namespaces["pid"] == 0 {
			time.Sleep(100 * time.Microsecond)
		}
	}
}

// patience is how many times is looked at what cannot be seen for a moment.
const patience = 20

// open opens the sandbox's namespaces, and its control group. They are taken from
// whoever holds them, or from any process that is in all of them: the command may
// have gone on to others, the process that stays shows nothing of itself. What a
// number of an inode means does not change as long as the sandbox runs.
func (e *entrance) open() error {
	for tries := 0; tries < patience && !e.openNamespaces() && e.short == nil && e.Alive(); tries++ {
		time.Sleep(time.Millisecond)
	}
	if e.short != nil {
		return e.short
	}
	if !e.Alive() {
		return errEnded
	}
	if e.namespaces == nil {
		return errors.New("none of its processes that can be looked at is in the namespaces that it began with")
	}
	var err error
	if e.program, err = child.CopyProgram(); err != nil {
		return err
	}
	if e.exe, err = emptyProgram(); err != nil || e.Cgroup == "" {
		return err
	}
	e.cgroup, err = os.Open(e.Cgroup)
	return err
}

// openNamespaces finds a process that is in all namespaces of the sandbox, and
// opens them.
func (e *entrance) openNamespaces() bool {
	own := e.Spec.Namespaces.Own()
	if e.Descriptors != nil && running.Alive(e.Supervisor, e.SupervisorStart) && e.openFrom("/proc/"+strconv.Itoa(e.Supervisor)+"/fd/", e.descriptor, own) {
		return true
	}
	return slices.ContainsFunc(e.Processes(), func(pid int) bool { return e.openOf(pid, own) })
}

// emptyProgram is an executable file that is nowhere, and does nothing. Where
// the system forbids such files it is one that is not executable.
func emptyProgram() (*os.File, error) {
	const name = "snug-exec"
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_EXEC)
	if err != nil {
		fd, err = unix.MemfdCreate(name, unix.MFD_CLOEXEC) // before Linux 6.3
	}
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// enterInstance gets everything ready that c needs to enter its sandbox.
func (c *Cmd) enterInstance() error {
	c.closers = append(c.closers, c.enter)
	if err := c.enter.open(); err != nil {
		return &problem.Problem{What: "enter the sandbox", Why: err.Error(), Err: err}
	}
	return nil
}

// openOf opens the namespaces of a process, if they are those of the sandbox.
func (e *entrance) openOf(pid int, own []namespaces.Kind) bool {
	return e.openFrom("/proc/"+strconv.Itoa(pid)+"/ns/", func(name string) string { return name }, own)
}

// descriptor is the number of the descriptor of a namespace that the supervisor
// holds.
func (e *entrance) descriptor(name string) string {
	if name == "time" {
		name = "time_for_children"
	}
	fd, ok := e.Descriptors[name]
	if !ok {
		return "none"
	}
	return strconv.Itoa(fd)
}

// openFrom opens namespaces as files in a directory, if they are those of the
// sandbox.
func (e *entrance) openFrom(dir string, file func(name string) string, own []namespaces.Kind) bool {
	files := []*os.File{} // it may have none
	for _, k := range own {
		f, err := os.OpenFile(dir+file(k.Name), os.O_RDONLY|unix.O_NONBLOCK, 0)
		if err == nil {
			files = append(files, f)
		}
		if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
			e.short = errors.Unwrap(err)
		}
		var st unix.Stat_t
		if err != nil || unix.Fstat(int(f.Fd()), &st) != nil || st.Ino != e.Namespaces[k.Name] {
			closeFiles(files)
			return false
		}
	}
	e.namespaces = files
	return true
}

// Close closes what open opened.
func (e *entrance) Close() error {
	closeFiles(append(e.namespaces, e.cgroup, e.exe))
	if e.program != nil {
		e.program.Free()
	}
	return nil
}

func closeFiles(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

// cloneEntering starts a child that enters a running sandbox. The kernel lets a
// process into a control group only from a place below one that is the
// caller's (cgroups(7), "Delegation containment").
func (c *Cmd) cloneEntering(options child.Options) (*child.Process, error) {
	if c.enter.cgroup != nil {
		options.CgroupFD = int(c.enter.cgroup.Fd())
	}
	p, err := child.Start(&c.plan.Program, options)
	refused := func() bool { return errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.EPERM) }
	if err != nil && refused() && options.CgroupFD != 0 && c.Delegate != nil && c.Delegate() == nil {
		p, err = child.Start(&c.plan.Program, options)
	}
	switch {
	case err == nil:
		return p, nil
	case errors.Is(err, syscall.ENOENT) || errors.Is(err, syscall.ENODEV):
		err = errEnded
	case refused():
		return nil, &problem.Problem{What: "enter the sandbox's control group", Why: "the kernel lets nothing in from the group that the caller is in", Err: err,
			Fix: "call it from a unit of the same user's systemd: systemd-run --user --scope snug exec …\nor from below the group that the sandbox was started in"}
	case errors.Is(err, syscall.EAGAIN):
		return nil, &problem.Problem{What: "enter the sandbox", Why: "its limit of processes is reached, or the caller's", Err: err, Fix: "allow more with snug update NAME --pids"}
	}
	return nil, &problem.Problem{What: "enter the sandbox", Why: err.Error(), Err: err}
}
