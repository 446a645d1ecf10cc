package userns

import (
	"errors"
	"strings"
	"syscall"

	"github.com/snug-sandbox/snug/internal/host"
	"github.com/snug-sandbox/snug/internal/problem"
)

// Diagnose says why the host refused step, and what mends it. It serves the
// steps that only work where the host lets an ordinary user have user
// namespaces: the clone, the id maps, newuidmap(1) and newgidmap(1), and
// whatever needs a capability afterwards, mounts above all. step is the step's
// label, err what it failed with, and u the facts, gathered after the failure.
//
// Of several things that would refuse it, the one that is certain is named
// before one that is likely. A failure that has none of the known causes keeps
// its errno's words. The result is nil only when err is.
func Diagnose(err error, step string, u host.Userns) *problem.Problem {
	if err == nil {
		return nil
	}
	f := failure{kind: kindOf(step), step: step, text: err.Error(), Userns: u}
	errors.As(err, &f.errno)
	p := &problem.Problem{What: step, Err: err}
	for _, cause := range causes() {
		if why, fix := cause(f); why != "" {
			p.Why, p.Fix = why, fix
			return p
		}
	}
	p.Why, p.Fix = unknownCause(f)
	return p
}

// failure is what the causes judge.
type failure struct {
	kind  kind
	step  string
	text  string // the error's words, which may be newuidmap's
	errno syscall.Errno
	host.Userns
}

// kind is what a step does, as far as the causes differ by it.
type kind int

const (
	later    kind = iota // anything that needs a capability in the new namespace
	cloning              // clone(2) or unshare(2)
	mapping              // writing setgroups, uid_map or gid_map
	helping              // running newuidmap(1) or newgidmap(1)
	mountsFS             // mounting a fresh procfs
)

// kindOf knows a step by how its label begins, and a helper by how it ends: in
// between there may be anybody's paths.
func kindOf(step string) kind {
	switch {
	case strings.HasSuffix(step, "newuidmap"), strings.HasSuffix(step, "newgidmap"):
		return helping
	case begins(step, "map", "give up setgroups", "write /proc/self/"):
		return mapping
	case begins(step, "clone", "unshare"):
		return cloning
	case begins(step, "mount proc", "mount /proc"):
		return mountsFS
	}
	return later
}

func begins(step string, words ...string) bool {
	for _, w := range words {
		if strings.HasPrefix(step, w) {
			return true
		}
	}
	return false
}

// is reports whether the failure's errno is one of list.
func (f failure) is(list ...syscall.Errno) bool {
	for _, errno := range list {
		if f.errno == errno {
			return true
		}
	}
	return false
}

// privileged reports whether the caller is the machine's own root, whom the
// limits for ordinary users do not touch.
func (f failure) privileged() bool { return f.Holds(capSysAdmin) && !f.Nested() }

// The capabilities that decide here, by their numbers (capabilities(7)).
const (
	capSysAdmin = 21
	capSetfcap  = 31
)

// forbidsIt ends a sentence about a cause that cannot be seen at work. Steps
// that come later fail for reasons of their own too.
func (f failure) forbidsIt() string {
	if f.kind == later {
		return "forbids it, most likely"
	}
	return "forbids it"
}

// unknownCause is for a refusal that nothing explains. For the clone it names
// what is left: the kernel does not tell a chroot to a mount point from a ban by
// a security module.
func unknownCause(f failure) (why, fix string) {
	if f.errno == 0 {
		return f.text, ""
	}
	switch {
	case f.kind != cloning || !f.is(syscall.EPERM, syscall.EACCES):
		return f.errno.Error(), ""
	case f.NoProc:
		return "the kernel refuses it (" + f.errno.Error() + "), and without /proc the reason cannot be seen: often a chroot(2)",
			"mount /proc, then run snug doctor"
	}
	return "the kernel refuses it (" + f.errno.Error() + ") though its settings allow it: " +
			"this process was moved by chroot(2), or a security module forbids it",
		"stay outside of a chroot: snug run --rootfs DIR\n" +
			"or look for the reason in the kernel's log: sudo dmesg | tail"
}
