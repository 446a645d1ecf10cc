package seccomp

import (
	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/internal/plan"
	"github.com/snug-sandbox/snug/internal/problem"
)

// PathCall is a call that names files, and which of its arguments do.
type PathCall struct {
	Name   string
	Dir    int8 // the argument with the descriptor of a directory; -1: none
	Path   int8
	Flags  int8 // the argument with flags of open(2); -1: none
	Writes bool // it always changes something
}

// pathCalls are those whose paths a report of refusals names. What creates,
// opens or executes a file, or changes a directory, is looked at while it waits.
var pathCalls = [...]PathCall{
	{"open", -1, 0, 1, false}, {"openat", 0, 1, 2, false}, {"openat2", 0, 1, -1, false}, {"creat", -1, 0, -1, true},
	{"execve", -1, 0, -1, false}, {"execveat", 0, 1, -1, false}, {"truncate", -1, 0, -1, true},
	{"mkdir", -1, 0, -1, true}, {"mkdirat", 0, 1, -1, true}, {"rmdir", -1, 0, -1, true}, {"unlink", -1, 0, -1, true}, {"unlinkat", 0, 1, -1, true},
	{"rename", -1, 0, -1, true}, {"renameat", 0, 1, -1, true}, {"renameat2", 0, 1, -1, true},
	{"symlink", -1, 1, -1, true}, {"symlinkat", 1, 2, -1, true}, {"link", -1, 1, -1, true}, {"linkat", 2, 3, -1, true}, {"mknodat", 0, 1, -1, true},
}

// refusedPaths are arguments of calls that are named when the filter refuses them.
var refusedPaths = [...]PathCall{
	{"mount", -1, 1, -1, false}, {"umount2", -1, 0, -1, false}, {"chroot", -1, 0, -1, false}, {"pivot_root", -1, 0, -1, false},
	{"open_tree", 0, 1, -1, false}, {"move_mount", 2, 3, -1, false}, {"name_to_handle_at", 0, 1, -1, false}, {"swapon", -1, 0, -1, false},
	{"chmod", -1, 0, -1, false}, {"fchmodat", 0, 1, -1, false}, {"chown", -1, 0, -1, false}, {"lchown", -1, 0, -1, false}, {"fchownat", 0, 1, -1, false},
}

// Looked reports whether a call is one that a report looks at though the filter
// allows it, and how.
func Looked(name string) (PathCall, bool) { return find(pathCalls[:], name) }

// Named says which argument of a refused call is a path.
func Named(name string) (PathCall, bool) {
	if c, ok := find(pathCalls[:], name); ok {
		return c, true
	}
	return find(refusedPaths[:], name)
}

func find(list []PathCall, name string) (PathCall, bool) {
	for _, c := range list {
		if c.Name == name {
			return c, true
		}
	}
	return PathCall{}, false
}

// notifying is p with a question to the listener (seccomp_unotify(2)) where a
// call is refused, or looked at.
func (p policy) notifying() policy {
	p.asks = true
	return p
}

// ask is v, or the question.
func (p policy) ask(v verdict, name string) verdict {
	if !p.asks {
		return v
	}
	_, looked := Looked(name)
	if v&actionMask == refused || looked && v == allowed {
		return asked
	}
	return v
}

// planListener appends the steps that load the filter with a listener, and send
// that to the parent. Only one filter of a process can have one: inside of
// another sandbox that reports refusals, the plain filter is loaded.
func (c Config) planListener(x Context, plain []byte, p *plan.Builder) error {
	if Judge(plain, Call{Arch: nativeAudit(x.Arch), Nr: plan.Sendmsg.Nr}) != 0 {
		return &problem.Problem{What: "security.seccomp.log_denials", Why: "the filter refuses sendmsg, by which the listener is handed over", Fix: "allow sendmsg, or leave --log-denials out"}
	}
	filter, err := remembered(c, x, true, func() ([]byte, error) {
		policy, err := c.policy(x)
		if err != nil {
			return nil, err
		}
		return checked(policy.notifying().compile(x.Arch, c.Compat))
	})
	if err != nil {
		return err
	}
	flags := uint64(unix.SECCOMP_FILTER_FLAG_NEW_LISTENER | unix.SECCOMP_FILTER_FLAG_LOG)
	if x.Killable {
		flags |= unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
	}
	p.SendListener(label, flags, filter, plain)
	return nil
}

func nativeAudit(arch string) uint32 {
	native, _ := machines(arch)
	return native.audit
}
