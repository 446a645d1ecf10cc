package plan

import (
	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/internal/program"
)

// The system calls that plans are made of.
var (
	Bind             = program.Call{Name: "bind", Nr: unix.SYS_BIND}
	Capset           = program.Call{Name: "capset", Nr: unix.SYS_CAPSET}
	Chdir            = program.Call{Name: "chdir", Nr: unix.SYS_CHDIR}
	Clone            = program.Call{Name: "clone", Nr: unix.SYS_CLONE}
	Close            = program.Call{Name: "close", Nr: unix.SYS_CLOSE}
	CloseRange       = program.Call{Name: "close_range", Nr: unix.SYS_CLOSE_RANGE}
	Dup3             = program.Call{Name: "dup3", Nr: unix.SYS_DUP3}
	Eventfd          = program.Call{Name: "eventfd2", Nr: unix.SYS_EVENTFD2}
	Execve           = program.Call{Name: "execve", Nr: unix.SYS_EXECVE}
	Faccessat        = program.Call{Name: "faccessat", Nr: unix.SYS_FACCESSAT}
	Fchdir           = program.Call{Name: "fchdir", Nr: unix.SYS_FCHDIR}
	Fchmod           = program.Call{Name: "fchmod", Nr: unix.SYS_FCHMOD}
	Fchmodat         = program.Call{Name: "fchmodat", Nr: unix.SYS_FCHMODAT}
	Fcntl            = program.Call{Name: "fcntl", Nr: unix.SYS_FCNTL}
	Fsconfig         = program.Call{Name: "fsconfig", Nr: unix.SYS_FSCONFIG}
	Fsmount          = program.Call{Name: "fsmount", Nr: unix.SYS_FSMOUNT}
	Fsopen           = program.Call{Name: "fsopen", Nr: unix.SYS_FSOPEN}
	Futex            = program.Call{Name: "futex", Nr: unix.SYS_FUTEX}
	Getpid           = program.Call{Name: "getpid", Nr: unix.SYS_GETPID}
	Getrandom        = program.Call{Name: "getrandom", Nr: unix.SYS_GETRANDOM}
	Ioctl            = program.Call{Name: "ioctl", Nr: unix.SYS_IOCTL}
	Keyctl           = program.Call{Name: "keyctl", Nr: unix.SYS_KEYCTL}
	LandlockCreate   = program.Call{Name: "landlock_create_ruleset", Nr: unix.SYS_LANDLOCK_CREATE_RULESET}
	LandlockRestrict = program.Call{Name: "landlock_restrict_self", Nr: unix.SYS_LANDLOCK_RESTRICT_SELF}
	LandlockRule     = program.Call{Name: "landlock_add_rule", Nr: unix.SYS_LANDLOCK_ADD_RULE}
	MemfdCreate      = program.Call{Name: "memfd_create", Nr: unix.SYS_MEMFD_CREATE}
	Mkdirat          = program.Call{Name: "mkdirat", Nr: unix.SYS_MKDIRAT}
	Mknodat          = program.Call{Name: "mknodat", Nr: unix.SYS_MKNODAT}
	MountSetattr     = program.Call{Name: "mount_setattr", Nr: unix.SYS_MOUNT_SETATTR}
	Mount            = program.Call{Name: "mount", Nr: unix.SYS_MOUNT}
	MoveMount        = program.Call{Name: "move_mount", Nr: unix.SYS_MOVE_MOUNT}
	Mmap             = program.Call{Name: "mmap", Nr: unix.SYS_MMAP}
	Mprotect         = program.Call{Name: "mprotect", Nr: unix.SYS_MPROTECT}
	Mremap           = program.Call{Name: "mremap", Nr: unix.SYS_MREMAP}
	Munmap           = program.Call{Name: "munmap", Nr: unix.SYS_MUNMAP}
	Openat           = program.Call{Name: "openat", Nr: unix.SYS_OPENAT}
	Openat2          = program.Call{Name: "openat2", Nr: unix.SYS_OPENAT2}
	OpenTree         = program.Call{Name: "open_tree", Nr: unix.SYS_OPEN_TREE}
	PivotRoot        = program.Call{Name: "pivot_root", Nr: unix.SYS_PIVOT_ROOT}
	Pread            = program.Call{Name: "pread64", Nr: unix.SYS_PREAD64}
	Prctl            = program.Call{Name: "prctl", Nr: unix.SYS_PRCTL}
	Prlimit          = program.Call{Name: "prlimit64", Nr: unix.SYS_PRLIMIT64}
	ProcessVMReadv   = program.Call{Name: "process_vm_readv", Nr: unix.SYS_PROCESS_VM_READV}
	Read             = program.Call{Name: "read", Nr: unix.SYS_READ}
	Readlinkat       = program.Call{Name: "readlinkat", Nr: unix.SYS_READLINKAT}
	Recvfrom         = program.Call{Name: "recvfrom", Nr: unix.SYS_RECVFROM}
	RtSigaction      = program.Call{Name: "rt_sigaction", Nr: unix.SYS_RT_SIGACTION}
	RtSigprocmask    = program.Call{Name: "rt_sigprocmask", Nr: unix.SYS_RT_SIGPROCMASK}
	SchedSetaffinity = program.Call{Name: "sched_setaffinity", Nr: unix.SYS_SCHED_SETAFFINITY}
	Seccomp          = program.Call{Name: "seccomp", Nr: unix.SYS_SECCOMP}
	Sendmsg          = program.Call{Name: "sendmsg", Nr: unix.SYS_SENDMSG}
	Sendto           = program.Call{Name: "sendto", Nr: unix.SYS_SENDTO}
	Setdomainname    = program.Call{Name: "setdomainname", Nr: unix.SYS_SETDOMAINNAME}
	Setgid           = program.Call{Name: "setresgid", Nr: unix.SYS_SETRESGID}
	Setgroups        = program.Call{Name: "setgroups", Nr: unix.SYS_SETGROUPS}
	Sethostname      = program.Call{Name: "sethostname", Nr: unix.SYS_SETHOSTNAME}
	Setns            = program.Call{Name: "setns", Nr: unix.SYS_SETNS}
	Setpgid          = program.Call{Name: "setpgid", Nr: unix.SYS_SETPGID}
	Setpriority      = program.Call{Name: "setpriority", Nr: unix.SYS_SETPRIORITY}
	Setsid           = program.Call{Name: "setsid", Nr: unix.SYS_SETSID}
	Setuid           = program.Call{Name: "setresuid", Nr: unix.SYS_SETRESUID}
	Signalfd         = program.Call{Name: "signalfd4", Nr: unix.SYS_SIGNALFD4}
	Setsockopt       = program.Call{Name: "setsockopt", Nr: unix.SYS_SETSOCKOPT}
	Socket           = program.Call{Name: "socket", Nr: unix.SYS_SOCKET}
	Statx            = program.Call{Name: "statx", Nr: unix.SYS_STATX}
	Symlinkat        = program.Call{Name: "symlinkat", Nr: unix.SYS_SYMLINKAT}
	Umask            = program.Call{Name: "umask", Nr: unix.SYS_UMASK}
	Umount           = program.Call{Name: "umount2", Nr: unix.SYS_UMOUNT2}
	Unlinkat         = program.Call{Name: "unlinkat", Nr: unix.SYS_UNLINKAT}
	Unshare          = program.Call{Name: "unshare", Nr: unix.SYS_UNSHARE}
	Write            = program.Call{Name: "write", Nr: unix.SYS_WRITE}
)
