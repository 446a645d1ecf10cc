package namespaces

import (
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/internal/plan"
	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/internal/program"
)

// DefaultHostname is the host name of a new uts namespace.
const DefaultHostname = "snug"

const maxName = 64 // __NEW_UTS_LEN

// Validate reports what makes no sense on any machine.
func (c Config) Validate() error {
	var list problem.List
	bad := func(key, why, fix string) {
		list = append(list, &problem.Problem{What: "namespaces." + key, Why: why, Fix: fix})
	}
	for key, value := range map[string]string{"user": c.User, "pid": c.PID, "net": c.Net, "ipc": c.IPC, "uts": c.UTS, "cgroup": c.Cgroup, "time": c.Time} {
		if value != "" && value != New && value != Share {
			bad(key, strconv.Quote(value)+" is neither new nor share", "\"new\" or \"share\"")
		}
	}
	for key, name := range map[string]string{"hostname": c.Hostname, "domainname": c.Domainname} {
		switch {
		case len(name) > maxName:
			bad(key, fmt.Sprintf("%d bytes are more than the 64 that a name may have", len(name)), "")
		case name != "" && c.None:
			bad(key, "without namespaces the caller's name stays", "leave it out")
		case name != "" && c.UTS == Share:
			bad(key, "a shared uts namespace keeps its name", "leave out namespaces.uts = \"share\"")
		case strings.ContainsAny(name, "\x00\n"):
			bad(key, "the name holds a control character", "")
		}
	}
	if c.None && c.NewTime() {
		bad("time", "without namespaces the caller's clocks stay", "leave the offsets out")
	} else if c.Time == Share && (c.MonotonicOffset != 0 || c.BoottimeOffset != 0) {
		bad("time", "a shared time namespace has no offsets of its own", "leave out namespaces.time = \"share\"")
	}
	return list.Err()
}

// Settled returns c with None said in every kind: they are the caller's.
func (c Config) Settled() Config {
	if c.None {
		c.User, c.PID, c.Net, c.IPC, c.UTS, c.Cgroup = Share, Share, Share, Share, Share, Share
	}
	return c
}

// Name returns the host name inside a new uts namespace.
func (c Config) Name() string {
	if c.Hostname != "" {
		return c.Hostname
	}
	return DefaultHostname
}

// NewTime reports whether the command gets a time namespace of its own.
func (c Config) NewTime() bool {
	return c.Time == New || c.MonotonicOffset != 0 || c.BoottimeOffset != 0
}

// Flags returns the clone(2) flags of the namespaces that are new. That of the
// pid namespace is apart, because a command that is process 1 itself gets its
// own clone. The time namespace has no flag there.
func (c Config) Flags() (flags, pid uint64) {
	if c.None {
		return 0, 0
	}
	flags = unix.CLONE_NEWNS
	for _, ns := range []struct {
		value string
		flag  uint64
	}{
		{c.User, unix.CLONE_NEWUSER}, {c.Net, unix.CLONE_NEWNET}, {c.IPC, unix.CLONE_NEWIPC},
		{c.UTS, unix.CLONE_NEWUTS}, {c.Cgroup, unix.CLONE_NEWCGROUP},
	} {
		joined := ns.flag == unix.CLONE_NEWUSER && c.Join.User != nil || ns.flag == unix.CLONE_NEWNET && c.Join.Net != nil
		if ns.value != Share && !joined {
			flags |= ns.flag
		}
	}
	if c.PID != Share {
		pid = unix.CLONE_NEWPID
	}
	return flags, pid
}

// Plan appends the steps that name the host and shift the clocks. They belong
// after the id maps and before the host's /proc is gone.
func (c Config) Plan(p *plan.Builder) {
	if c.UTS != Share && (c.Hostname != "" || !c.KeepName) {
		setName(p, "name the host "+c.Name(), plan.Sethostname, c.Name())
	}
	if c.UTS != Share && c.Domainname != "" {
		setName(p, "name the domain "+c.Domainname, plan.Setdomainname, c.Domainname)
	}
	if !c.NewTime() {
		return
	}
	// The process that calls unshare stays where it is: the namespace is that of
	// its next child, the command (time_namespaces(7), Linux 5.6).
	p.Do("make a time namespace", plan.Unshare, plan.Bits(unix.CLONE_NEWTIME, &plan.UnshareFlags)).
		Help(&program.Help{Errno: syscall.EINVAL, Why: "this kernel has no time namespaces", Fix: "leave out namespaces.time and the offsets"})
	if text := c.offsets(); text != "" {
		_, write := p.WriteFile("shift the clocks", plan.Cwd, "/proc/self/timens_offsets", text)
		write.Help(&program.Help{Errno: syscall.ERANGE, Why: "a clock would be negative or run for more than 146 years"})
	}
}

func setName(p *plan.Builder, label string, call program.Call, name string) {
	p.Do(label, call, p.Text(name), plan.Num(uint64(len(name))))
}

// offsets is the text of /proc/PID/timens_offsets. Nanoseconds are never negative.
func (c Config) offsets() string {
	var b strings.Builder
	for _, clock := range []struct {
		name   string
		offset time.Duration
	}{{"monotonic", time.Duration(c.MonotonicOffset)}, {"boottime", time.Duration(c.BoottimeOffset)}} {
		if clock.offset == 0 {
			continue
		}
		sec, nsec := clock.offset/time.Second, clock.offset%time.Second
		if nsec < 0 {
			sec, nsec = sec-1, nsec+time.Second
		}
		fmt.Fprintf(&b, "%s %d %d\n", clock.name, sec, nsec)
	}
	return b.String()
}
