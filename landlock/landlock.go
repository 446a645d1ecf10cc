// Package landlock is a second wall behind the mounts (landlock(7)): what the
// mount namespace does not show, the command may not open either, by whatever
// path or descriptor it came there; and in namespaces that it shares with the
// caller, it reaches no signals and no abstract unix sockets of others.
package landlock

import (
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/internal/plan"
	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/internal/program"
)

// Values of Config.Landlock.
const (
	Auto    = "auto"    // what this kernel can hold
	No      = "no"      // nothing
	Require = "require" // fail where the kernel cannot hold all of it
)

// Config is the part of the table [security] that Landlock carries.
type Config struct {
	// Landlock is "auto" (default: whatever the kernel has of it), "no", or
	// "require" (a kernel that lacks a part of what the sandbox asks for is an
	// error). Where the command may mount, with nested_userns or CAP_SYS_ADMIN,
	// files are left to the mounts, because Landlock forbids every mount.
	Landlock string `toml:"landlock"`

	// OpenAbstract leaves abstract sockets alone: a client of X11 gives up when
	// one is refused.
	OpenAbstract bool `toml:"-"`
}

// Validate reports what makes no sense on any machine.
func (c Config) Validate() error {
	switch c.Landlock {
	case "", Auto, No, Require:
		return nil
	}
	return &problem.Problem{What: "security.landlock", Why: strconv.Quote(c.Landlock) + " is not a way to use Landlock", Fix: "one of auto, no, require"}
}

// Access is what may be done with files.
type Access uint64

// Rights of landlock(7), with the version of the interface that has them.
const (
	execute   Access = unix.LANDLOCK_ACCESS_FS_EXECUTE
	writeFile Access = unix.LANDLOCK_ACCESS_FS_WRITE_FILE
	readFile  Access = unix.LANDLOCK_ACCESS_FS_READ_FILE
	readDir   Access = unix.LANDLOCK_ACCESS_FS_READ_DIR
	first     Access = 1<<13 - 1 // all of version 1
	refer     Access = unix.LANDLOCK_ACCESS_FS_REFER
	truncate  Access = unix.LANDLOCK_ACCESS_FS_TRUNCATE
	ioctlDev  Access = unix.LANDLOCK_ACCESS_FS_IOCTL_DEV

	ofFiles = execute | writeFile | readFile | truncate | ioctlDev // what a file can have that is no directory
)

// What a Rule gives.
const (
	Read    = readFile | readDir | execute
	Devices = readFile | writeFile | readDir | truncate | ioctlDev // and nothing is made or removed
	All     = first | refer | truncate | ioctlDev
	Look    = readFile | ioctlDev // an open file, again
	Change  = Look | writeFile | truncate
)

// Rule gives access to a file, or to a directory with all below it.
type Rule struct {
	Path   string
	Access Access
	Dir    bool // it is surely a directory, if it is there
	Needed bool // that it is not there is an error
}

// Open gives access to a file that the command already has open: its path in
// /dev/fd can be opened again.
type Open struct {
	Descriptor int
	Access     Access
}

// Wall is what the command is kept to.
type Wall struct {
	Files   bool // by the rules; without it files are left alone
	Rules   []Rule
	Open    []Open
	Signals bool // none to processes outside
	Sockets bool // no abstract unix sockets of processes outside
	TCP     bool // no TCP at all
}

// The first version of the interface that has a part. Without the right to
// refer, of version 2, no file could be moved to another directory.
const (
	filesSince  = 2
	tcpSince    = 4
	scopesSince = 6
)

// On returns the part of w that version abi of the interface can hold, 0 being a
// kernel without, and the names of what it cannot.
func (w Wall) On(abi int) (held Wall, lacks []string) {
	held = w
	drop := func(on *bool, since int, name string) {
		if *on && abi < since {
			*on = false
			lacks = append(lacks, name)
		}
	}
	drop(&held.Files, filesSince, "files")
	drop(&held.TCP, tcpSince, "TCP")
	drop(&held.Signals, scopesSince, "signals")
	drop(&held.Sockets, scopesSince, "abstract sockets")
	return held, lacks
}

// Empty reports whether w keeps the command from nothing.
func (w Wall) Empty() bool { return !w.Files && !w.Signals && !w.Sockets && !w.TCP }

// Plan appends the steps that put the command behind the wall. It belongs after
// its descriptors are in place, into the process that becomes the command.
func (c Config) Plan(w Wall, abi int, p *plan.Builder) error {
	if c.Landlock == No {
		return nil
	}
	held, lacks := w.On(abi)
	if c.Landlock == Require && len(lacks) > 0 {
		return missing(lacks, abi)
	}
	if held.Empty() {
		return nil
	}
	const label = "restrict with Landlock"
	set := p.Do(label, plan.LandlockCreate, p.Words(uint64(held.handled(abi)), held.net(), held.scopes()), plan.Num(attrSize(abi)), plan.Num(0)).Keep("rules")
	if held.Files {
		for _, r := range w.Rules {
			planRule(r, set, abi, p)
		}
		for _, o := range w.Open {
			// A pipe or a socket needs no rule, and cannot have one.
			p.Do("let descriptor "+strconv.Itoa(o.Descriptor)+" be opened again", plan.LandlockRule, plan.Reg(set), plan.Num(pathBeneath), beneath(p, o.Access&known(abi), o.Descriptor), plan.Num(0)).
				Accept(syscall.EBADFD, syscall.EINVAL, syscall.EBADF)
		}
	}
	p.Do(label, plan.LandlockRestrict, plan.Reg(set), plan.Num(0)).
		Help(&program.Help{Errno: syscall.E2BIG, Why: "16 sandboxes with Landlock are around this one already", Fix: "set landlock = \"no\" in [security]"})
	p.Close(set)
	return nil
}

func missing(lacks []string, abi int) error {
	why := "this kernel has no Landlock, or it is switched off (lsm= on the kernel's command line)"
	if abi > 0 {
		why = "version " + strconv.Itoa(abi) + " of Landlock, which this kernel has, cannot hold"
		for i, name := range lacks {
			if i > 0 {
				why += ","
			}
			why += " " + name
		}
	}
	return &problem.Problem{What: "security.landlock = \"require\"", Why: why, Fix: "Linux 6.12 or newer holds all of it; or set landlock = \"auto\""}
}

const pathBeneath = unix.LANDLOCK_RULE_PATH_BENEATH

// beneath is a struct landlock_path_beneath_attr, which is packed.
func beneath(p *plan.Builder, a Access, fd int) program.Arg {
	return p.Words(uint64(a), uint64(uint32(fd)))
}

// planRule appends the steps of one rule. What is not there needs none, and what
// is no directory takes no rights of directories.
func planRule(r Rule, set program.Reg, abi int, p *plan.Builder) {
	label := "let " + r.Path + " be " + r.Access.String()
	rights := r.Access & known(abi)
	attr := beneath(p, rights, -1)
	word := attr
	word.Value += 8
	open := p.Do(label, plan.Openat, plan.Cwd, p.Text(r.Path), plan.Bits(unix.O_PATH|unix.O_CLOEXEC, &plan.OpenFlags), plan.Num(0)).
		Store(word)
	if r.Needed {
		open.Help(neededHelp)
	} else {
		open.Accept(syscall.ENOENT, syscall.ENOTDIR, syscall.EACCES)
	}
	fd := open.Keep("path")
	add := func(at program.Arg) plan.Step {
		return p.Do(label, plan.LandlockRule, plan.Reg(set), plan.Num(pathBeneath), at, plan.Num(0))
	}
	whole := add(attr)
	if r.Dir {
		p.Close(fd)
		open.ElseHere()
		return
	}
	whole.Accept(syscall.EINVAL)
	fileAttr := beneath(p, rights&ofFiles, -1)
	word.Value = fileAttr.Value + 8
	p.Do(label, plan.Fcntl, plan.Reg(fd), plan.Num(unix.F_DUPFD_CLOEXEC), plan.Num(0)).Store(word).Keep("file")
	file := p.Last().Out()
	add(fileAttr)
	p.Close(file)
	whole.ThenHere()
	p.Close(fd)
	open.ElseHere()
}

var neededHelp = &program.Help{Errno: syscall.ENOENT, Why: "it does not exist", Fix: "create it, or set optional = true for the mount",
	Next: &program.Help{Errno: syscall.EACCES, Why: "it cannot be reached with the caller's permissions"}}

// Noexec is a without the right to execute.
func (a Access) Noexec() Access { return a &^ execute }

// Writes reports whether a lets files be written to.
func (a Access) Writes() bool { return a&writeFile != 0 }

// Truncates reports whether version abi of the interface knows truncate(2): for
// an older one any file of the user can be emptied by its path.
func Truncates(abi int) bool { return known(abi)&truncate != 0 }

// String is what a person calls the access.
func (a Access) String() string {
	switch {
	case a&refer != 0:
		return "changed"
	case a&writeFile != 0:
		return "written to"
	}
	return "read"
}

// known are the rights that version abi of the interface has.
func known(abi int) Access {
	a := first
	if abi >= 2 {
		a |= refer
	}
	if abi >= 3 {
		a |= truncate
	}
	if abi >= 5 {
		a |= ioctlDev
	}
	return a
}

func (w Wall) handled(abi int) Access {
	if !w.Files {
		return 0
	}
	return known(abi)
}

func (w Wall) net() uint64 {
	if !w.TCP {
		return 0
	}
	return unix.LANDLOCK_ACCESS_NET_BIND_TCP | unix.LANDLOCK_ACCESS_NET_CONNECT_TCP
}

func (w Wall) scopes() (bits uint64) {
	if w.Sockets {
		bits |= unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET
	}
	if w.Signals {
		bits |= unix.LANDLOCK_SCOPE_SIGNAL
	}
	return bits
}

// attrSize is the size of struct landlock_ruleset_attr that abi knows: older
// kernels take no longer one.
func attrSize(abi int) uint64 {
	switch {
	case abi >= scopesSince:
		return 24
	case abi >= tcpSince:
		return 16
	}
	return 8
}
