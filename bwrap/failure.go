package bwrap

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/snug-sandbox/snug/mounts"
)

// Failed is an error in bubblewrap's words, for a system call's error.
func Failed(what string, err error) error { return &failure{what, err} }

// message is an error that says everything itself.
func message(text string) error { return &failure{what: text} }

type failure struct {
	what string
	err  error
}

func (f *failure) Error() string {
	if f.err == nil {
		return f.what
	}
	return f.what + ": " + errnoText(f.err)
}

func (f *failure) Unwrap() error { return f.err }

// errnoText is what strerror(3) says.
func errnoText(err error) string {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return err.Error()
	}
	text := errno.Error()
	return strings.ToUpper(text[:1]) + text[1:]
}

// Step is a step of the set-up that the kernel refused.
type Step struct {
	Label string
	From  string // the mount of the Spec that it is part of, "mounts[2]"
	Call  string
	Errno syscall.Errno
	// Detail is what was found instead of what was expected.
	Detail string
}

// Message returns what bubblewrap says where a step of the set-up fails.
func (r *Request) Message(s Step) string {
	text := errnoText(s.Errno)
	if op, ok := r.operation(s.From); ok {
		return op.message(s, text)
	}
	if strings.HasPrefix(s.Label, "lock ") && s.Call == "openat" {
		return "Unable to open lock file " + strings.TrimPrefix(s.Label, "lock ") + ": " + text
	}
	for _, known := range [...]struct{ label, message string }{
		{"map user", "setting up uid map"},
		{"map group", "setting up gid map"},
		{"give up setgroups", "error writing to setgroups"},
		{"bring up the loopback", "loopback: Failed RTM_NEWLINK"},
		{"name the host", "Can't set hostname to " + stringOf(r.Hostname)},
		{"load a seccomp filter", "prctl(PR_SET_SECCOMP)"},
		{"go to ", "Can't chdir to " + strings.TrimPrefix(s.Label, "go to ")},
		{"lock ", "Unable to lock file " + strings.TrimPrefix(s.Label, "lock ")},
		{"go on in these namespaces", "Creating new namespace failed"},
		{"set the SELinux context of the command", "label exec " + r.ExecLabel},
		{"join the pid", "Setting pidns failed"},
		{"make it the root", "pivot_root"},
	} {
		if strings.HasPrefix(s.Label, known.label) {
			return known.message + ": " + text
		}
	}
	switch {
	case strings.HasPrefix(s.Label, "assert "):
		return "creation of new user namespaces was not disabled as requested"
	case strings.HasPrefix(s.Label, "join the user"):
		return r.joinMessage(s, text)
	case s.Call == "execve":
		return "execvp " + r.Args[0] + ": " + text
	}
	return s.Label + ": " + text
}

func (r *Request) joinMessage(s Step, text string) string {
	if r.User2FD != nil && strings.HasSuffix(s.Label, " "+strconv.Itoa(*r.User2FD)) {
		return "Setting userns2 failed: " + text
	}
	if s.Errno == syscall.EINVAL {
		return "Joining the specified user namespace failed, it might not be a descendant of the current user namespace."
	}
	return "Joining specified user namespace failed: " + text
}

// CloneMessage is what bubblewrap says where the kernel gives no namespaces.
func CloneMessage(errno syscall.Errno) string {
	switch errno {
	case syscall.EINVAL:
		return "Creating new namespace failed, likely because the kernel does not support user namespaces.  bwrap must be installed setuid on such systems."
	case syscall.EPERM:
		return "No permissions to create a new namespace, likely because the kernel does not allow non-privileged user namespaces. On e.g. debian this can be enabled with 'sysctl kernel.unprivileged_userns_clone=1'."
	case syscall.ENOSPC:
		return "Creating new namespace failed: nesting depth or /proc/sys/user/max_*_namespaces exceeded (ENOSPC)"
	}
	return "Creating new namespace failed: " + errnoText(errno)
}

func stringOf(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// operation is the one that a mount comes from. A --dev may stand for two.
func (r *Request) operation(from string) (Operation, bool) {
	number, ok := strings.CutPrefix(from, "mounts[")
	n, err := strconv.Atoi(strings.TrimSuffix(number, "]"))
	if !ok || err != nil || n >= len(r.origins) {
		return Operation{}, false
	}
	return r.Operations[r.origins[n]], true
}

// Refusal is the message for an operation whose target cannot be: a file, or links
// without an end, are on the way. From is the entry of the Spec that was made of it.
func (r *Request) Refusal(from string, errno syscall.Errno) (string, bool) {
	op, ok := r.operation(from)
	step := Step{Call: "mkdirat", Errno: errno}
	if errno == syscall.ENOTDIR {
		step.Label = mounts.Above
	}
	return op.message(step, errnoText(errno)), ok
}

func (op Operation) message(s Step, text string) string {
	dest := strings.TrimLeft(op.Dest, "/")
	inside, source := "/newroot/"+dest, "/oldroot"+filepath.Join("/", op.Source)
	notThrough := s.Call == "openat2" && s.Errno == syscall.ENOTDIR && op.Kind != Dir && op.Kind != RemountRO && op.Kind != Chmod
	if strings.HasSuffix(s.Label, mounts.Above) || notThrough {
		return "Can't mkdir parents for " + op.Dest + ": " + text
	}
	switch {
	case s.Call == "mkdirat" && (op.Kind == File || op.Kind == Symlink || strings.HasSuffix(op.Dest, "/")):
		return "Can't mkdir parents for " + op.Dest + ": " + text
	case s.Call == "mkdirat":
		return "Can't mkdir " + op.Dest + ": " + text
	case s.Call == "mknodat":
		return "Can't create file at " + op.Dest + ": " + text
	}
	if s.Call == "move_mount" && (s.Errno == syscall.EINVAL || s.Errno == syscall.ENOTDIR) {
		return op.kindMessage()
	}
	switch op.Kind {
	case Bind, ROBind, DevBind, BindFD, ROBindFD:
		if s.Call == "futex" {
			return "Race condition binding dirfd"
		}
		if s.Call == "open_tree" && s.Errno != syscall.EINVAL {
			return "Can't find source path " + op.Source + ": " + text
		}
		return "Can't bind mount " + source + " on " + inside + ": " + text
	case RemountRO:
		switch {
		case s.Call == "openat2":
			text = "realpath(destination): " + text
		case s.Errno == syscall.EINVAL:
			text = "Unable to find \"" + inside + "\" in mount table"
		}
		return "Can't remount readonly on " + inside + ": " + text
	case Overlay, TmpOverlay, ROOverlay:
		if s.Call == "openat" {
			return "Can't find source path " + strings.TrimPrefix(s.Label, "mount an overlay at "+filepath.Join("/", op.Dest)+": ") + ": " + text
		}
		return "Can't make overlay mount on " + inside + ": " + text
	case Proc:
		return "Can't mount proc on " + inside + ": " + text
	case Dev:
		if strings.Contains(s.Label, "terminals") {
			return "Can't mount devpts on " + inside + "/pts: " + text
		}
		return "Can't mount tmpfs on " + inside + ": " + text
	case Tmpfs:
		return "Can't mount tmpfs on " + inside + ": " + text
	case Mqueue:
		return "Can't mount mqueue on " + inside + ": " + text
	case Dir:
		return "Can't mkdir " + op.Dest + ": " + text
	case File:
		return "Can't create file " + op.Dest + ": " + text
	case BindData, ROBindData:
		return "Can't create tmpfile for " + op.Dest + ": " + text
	case Symlink:
		return op.linkMessage(s, text)
	case Chmod:
		return "Can't chmod " + cOctal(*op.Perms) + " " + op.Dest + ": " + text
	}
	return s.Label + ": " + text
}

// cOctal is a number as C's %#o prints it.
func cOctal(n int) string {
	if n == 0 {
		return "0"
	}
	return "0" + strconv.FormatInt(int64(n), 8)
}

// kindMessage is said where one of what is mounted and its destination is a
// directory and the other is not.
func (op Operation) kindMessage() string {
	if op.mountsFile() {
		return "Can't create file at " + op.Dest + ": " + errnoText(syscall.EISDIR)
	}
	return op.message(Step{Call: "mkdirat", Errno: syscall.ENOTDIR}, errnoText(syscall.ENOTDIR))
}

func (op Operation) mountsFile() bool {
	switch op.Kind {
	case BindData, ROBindData:
		return true
	case Bind, ROBind, DevBind, BindFD, ROBindFD:
		info, err := os.Stat(op.Source)
		return err != nil || !info.IsDir()
	}
	return false
}

func (op Operation) linkMessage(s Step, text string) string {
	at := "Can't make symlink at " + op.Dest
	switch {
	case s.Call == "readlinkat" && s.Errno == syscall.EINVAL, filepath.Join("/", op.Dest) == "/":
		return at + ": destination exists and is not a symlink"
	case s.Call == "futex":
		return at + ": existing destination is " + s.Detail
	}
	return at + ": " + text
}
