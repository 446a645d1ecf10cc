package host

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// MinKernel is the oldest kernel that Snug runs on: the first with
// mount_setattr(2).
func MinKernel() Version { return Version{5, 12} }

// NamespaceKinds are the kinds of namespaces as /proc/self/ns names them, in
// the order in which a check-up lists them.
func NamespaceKinds() []string {
	return []string{"user", "mnt", "pid", "net", "ipc", "uts", "cgroup", "time"}
}

// noProgram can never be executed: the kernel refuses the name itself. A clone
// whose execve says ENAMETOOLONG therefore got through everything before it,
// without running any program or leaving anything behind.
func noProgram() string { return strings.Repeat("x", unix.PathMax+1) }

// ProbeClone makes a user namespace and nothing else.
func ProbeClone() error {
	return probe(&syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER})
}

// ProbeMap makes a user namespace and maps the caller's own ids into it. It
// takes a /proc that knows this process: see KnownToProc.
func ProbeMap() error { return probe(ownMap()) }

// ProbeMount makes a user and a mount namespace and changes a mount in it, which
// takes a capability that AppArmor may deny where it allows the namespace.
func ProbeMount() error {
	// Go makes / private then: mount(2).
	return probe(&syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER, Unshareflags: unix.CLONE_NEWNS})
}

// ProbeNamespace makes a namespace of a kind from NamespaceKinds in a user
// namespace of its own. No ids are mapped into that: only a /proc of this
// process's own pid namespace allows it from outside, and nothing here needs it.
func ProbeNamespace(kind string) error {
	attr := &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER}
	switch kind {
	case "user":
	case "mnt":
		return ProbeMount()
	case "pid":
		attr.Cloneflags |= unix.CLONE_NEWPID
	case "net":
		attr.Cloneflags |= unix.CLONE_NEWNET
	case "ipc":
		attr.Cloneflags |= unix.CLONE_NEWIPC
	case "uts":
		attr.Cloneflags |= unix.CLONE_NEWUTS
	case "cgroup":
		attr.Cloneflags |= unix.CLONE_NEWCGROUP
	case "time":
		attr.Unshareflags = unix.CLONE_NEWTIME // clone(2) has no room for this bit
	default:
		return errors.New("there is no such namespace")
	}
	return probe(attr)
}

// KnownToProc reports whether the pids in /proc are those of this process's pid
// namespace. After unshare(1) --pid they are still those of the one around it.
func KnownToProc() bool {
	self, err := os.Readlink("/proc/self")
	return err == nil && self == strconv.Itoa(os.Getpid())
}

func ownMap() *syscall.SysProcAttr {
	uid, gid := os.Geteuid(), os.Getegid()
	return &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: uid, HostID: uid, Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: gid, HostID: gid, Size: 1}},
	}
}

func probe(attr *syscall.SysProcAttr) error {
	pid, err := syscall.ForkExec(noProgram(), []string{"probe"}, &syscall.ProcAttr{Sys: attr})
	if err == nil {
		// Cannot happen; but if it does, leave no child behind.
		_ = syscall.Kill(pid, syscall.SIGKILL)
		_, err = syscall.Wait4(pid, nil, 0, nil)
		return err
	}
	if errors.Is(err, unix.ENAMETOOLONG) {
		return nil
	}
	return err
}

// ProbeMountAPI asks whether the calls that mounts are built with exist:
// openat2(2), open_tree(2) and mount_setattr(2). A filter may hide them where
// the kernel has them.
func ProbeMountAPI() error {
	fd, err := unix.Openat2(unix.AT_FDCWD, "/", &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC})
	if err != nil {
		return named("openat2", err)
	}
	unix.Close(fd)
	if fd, err = unix.OpenTree(unix.AT_FDCWD, "/", unix.OPEN_TREE_CLOEXEC); err != nil {
		return named("open_tree", err)
	}
	unix.Close(fd)
	// Nothing to set: a kernel that has the call says yes or, without
	// privileges, EPERM.
	err = unix.MountSetattr(unix.AT_FDCWD, "/", 0, &unix.MountAttr{})
	if err != nil && !errors.Is(err, unix.EPERM) {
		return named("mount_setattr", err)
	}
	return nil
}

func named(call string, err error) error { return os.NewSyscallError(call, err) }

// LandlockABI returns the version of Landlock's interface, 1 or more
// (landlock(7)). ENOSYS means a kernel without it, EOPNOTSUPP one that was
// started without it.
func LandlockABI() (int, error) {
	abi, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET,
		0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return 0, errno
	}
	return int(abi), nil
}

// ProbeSeccomp asks whether filters can be installed: the kernel gets as far as
// reading the filter from a null pointer (seccomp(2)).
func ProbeSeccomp() error {
	err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, 0, 0, 0)
	if errors.Is(err, unix.EFAULT) {
		return nil
	}
	return err
}

// ProbeTun opens /dev/net/tun, which makes no interface yet.
func ProbeTun() error {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

// ProbeFuse opens /dev/fuse, which connects to nothing yet.
func ProbeFuse() error {
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

// ProbeMemoryAttributes sets an attribute of a user in memory, which tmpfs takes
// since Linux 6.6.
func ProbeMemoryAttributes() error {
	fd, err := unix.MemfdCreate("probe", unix.MFD_CLOEXEC)
	if err != nil {
		return err
	}
	return errors.Join(unix.Fsetxattr(fd, "user.probe", nil, 0), unix.Close(fd))
}

// HasFilesystem reports whether the kernel has this file system ready; a module
// that is not loaded yet does not count.
func HasFilesystem(name string) bool {
	for line := range strings.Lines(readSmall("/proc/filesystems")) {
		if field := strings.Fields(line); len(field) > 0 && field[len(field)-1] == name {
			return true
		}
	}
	return false
}

// UserBus returns the path of the session's D-Bus socket when there is one and
// the caller may connect to it, and whether a systemd user manager stands
// behind it.
func UserBus() (socket string, systemd bool) {
	dir := "/run/user/" + strconv.Itoa(os.Getuid())
	if own := os.Getenv("XDG_RUNTIME_DIR"); own != "" && (exists(own+"/bus") || exists(own+"/systemd")) {
		dir = own
	}
	if unix.Access(dir+"/bus", unix.W_OK) == nil {
		socket = dir + "/bus"
	}
	return socket, exists(dir + "/systemd/private")
}
