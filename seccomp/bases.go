package seccomp

import "strings"

// groups are calls that serve one end, most of them by systemd's names
// (systemd.exec(5), SystemCallFilter=).
var groups = [...]struct{ name, calls string }{
	{"@attributes", "chmod chown chown32 fchmodat fchmodat2 fchownat futimesat lchown lchown32 lremovexattr lsetxattr removexattr removexattrat " +
		"setxattr setxattrat utime utimes"},
	{"@bpf", "bpf"},
	{"@clock", "clock_settime clock_settime64 settimeofday stime"},
	{"@cpu-emulation", "modify_ldt subpage_prot switch_endian vm86 vm86old"},
	{"@debug", "kcmp pidfd_getfd ptrace process_vm_readv process_vm_writev"},
	{"@handles", "open_by_handle_at"},
	{"@io-uring", "io_uring_enter io_uring_register io_uring_setup"},
	{"@keyring", "add_key keyctl request_key"},
	{"@module", "create_module delete_module finit_module get_kernel_syms init_module query_module"},
	{"@mount", "fsconfig fsmount fsopen fspick mount mount_setattr move_mount open_tree open_tree_attr pivot_root umount umount2"},
	{"@numa", "get_mempolicy mbind migrate_pages move_pages set_mempolicy set_mempolicy_home_node"},
	{"@obsolete", "_sysctl afs_syscall bdflush break epoll_ctl_old epoll_wait_old ftime getpmsg gtty idle lock mpx nfsservctl prof profil putpmsg " +
		"security stty sysfs tuxcall ulimit uselib ustat vserver"},
	{"@perf", "perf_event_open"},
	{"@privileged", "acct fanotify_init lookup_dcookie quotactl quotactl_fd syslog vhangup"},
	{"@raw-io", "ioperm iopl pciconfig_iobase pciconfig_read pciconfig_write"},
	{"@reboot", "kexec_file_load kexec_load reboot"},
	{"@swap", "swapoff swapon"},
	{"@sysv-ipc", "ipc msgctl msgget msgrcv msgsnd semctl semget semop semtimedop semtimedop_time64 shmat shmctl shmdt shmget"},
	{"@uts", "setdomainname sethostname"},
	{"@userfaultfd", "userfaultfd"},
}

// group returns the calls of a group, "" when there is none of this name.
func group(name string) string {
	for i := range groups {
		if groups[i].name == name {
			return groups[i].calls
		}
	}
	return ""
}

func groupNames() []string {
	names := make([]string, len(groups))
	for i := range groups {
		names[i] = groups[i].name
	}
	return names
}

// power is something about a sandbox that gives a line of a base reason to be
// left out.
type power uint8

const (
	nested power = 1 << iota // further user namespaces, and so mounts inside of them
	admin                    // CAP_SYS_ADMIN over the sandbox's namespaces
	chroots
	handles
	netAdmin
	traces
	compat // programs of the 32-bit architecture
)

// line is a rule of a base.
type line struct {
	deny   bool
	rule   string
	unless power // one of these leaves it out
	strict bool  // in the base "strict" only
}

// newNamespaces are the flags of all namespaces in clone(2), where that of the
// time namespace means something else.
const newNamespaces = "0x7e020000"

// guard is what holds whatever a profile allows: there are no further user
// namespaces (clone(2), unshare(2)). A filter cannot see the flags of clone3(2),
// which are in memory; programs that get ENOSYS use clone(2).
var guard = []line{
	{deny: true, rule: "clone(arg0 & CLONE_NEWUSER != 0):EPERM", unless: nested},
	{deny: true, rule: "unshare(arg0 & CLONE_NEWUSER != 0):EPERM", unless: nested},
	{deny: true, rule: "clone3:ENOSYS", unless: nested},
}

// bareLines stand for namespaces that are not there. A unix socket of the host
// that can be connected to may be as good as being outside (a service manager, a
// bus), and Landlock knows abstract ones only; one of a pair that is for datagrams
// can be connected elsewhere later on. System V objects, message queues and keys
// know neither files nor Landlock. What a profile allows by name is allowed.
var bareLines = []line{
	{deny: true, rule: "socket(arg0 == AF_UNIX):EAFNOSUPPORT"},
	{deny: true, rule: "socketpair(arg1 & 15 == SOCK_DGRAM):EPROTONOSUPPORT"},
	{deny: true, rule: "socketpair(arg1 & 15 == SOCK_RAW):EPROTONOSUPPORT"},
	{deny: true, rule: "socketcall:ENOSYS"},
	{deny: true, rule: "@io-uring:ENOSYS"},
	{deny: true, rule: "@sysv-ipc:ENOSYS"},
	{deny: true, rule: "@keyring:EPERM"},
	{deny: true, rule: "mq_open:ENOSYS"},
	{deny: true, rule: "mq_unlink:ENOSYS"},
	{deny: true, rule: "@attributes:EPERM", strict: true},
	{deny: true, rule: "utimensat(arg1 != 0):EPERM", strict: true},
}

// sharedPID are for who sees processes outside: a limit of processor time kills as
// a signal does (setrlimit(2)), and neither it nor priorities of whole groups know
// Landlock's scopes. Numbers of single processes are those of a program's own
// threads, too.
var sharedPID = []line{
	{deny: true, rule: "prlimit64(arg0 != 0, arg2 != 0):EPERM"},
	{deny: true, rule: "setpriority(arg0 != 0):EPERM"},
	{deny: true, rule: "ioprio_set(arg0 != 1):EPERM"},
}

// offline keeps from the host's network.
var offline = []line{{deny: true, rule: "socket:EAFNOSUPPORT"}}

// untruncated is what Landlock holds from version 3 on (Linux 6.2).
var untruncated = []line{{deny: true, rule: "truncate:EPERM"}, {deny: true, rule: "truncate64:EPERM"}}

// base is what "default" and "strict" say, in order; the first line that fits
// decides, and what none names is allowed.
//
// Where a program asks for a family of sockets or a ring that a kernel may be
// built without, it gets the errno of such a kernel, and does without.
var base = []line{
	// Keys belong to a user, whatever the namespace (CVE-2016-0728).
	{deny: true, rule: "@keyring:EPERM"},
	// Interpreters and counters in the kernel, each with a long list of holes
	// (CVE-2020-8835, CVE-2021-3490, CVE-2013-2094, CVE-2022-1729).
	{deny: true, rule: "@bpf:EPERM"},
	{deny: true, rule: "@perf:EPERM"},
	// What makes races in the kernel easy to win (CVE-2016-6187 and many others).
	{deny: true, rule: "@userfaultfd:EPERM"},
	// Its requests are system calls that no filter sees (CVE-2022-29582,
	// CVE-2023-2598, CVE-2024-0582).
	{deny: true, rule: "@io-uring:ENOSYS"},
	{deny: true, rule: "@module:EPERM"},
	{deny: true, rule: "@reboot:EPERM"},
	{deny: true, rule: "@swap:EPERM"},
	{deny: true, rule: "@clock:EPERM"},
	{deny: true, rule: "@raw-io:EPERM"},
	{deny: true, rule: "@privileged:EPERM"},
	{deny: true, rule: "@obsolete:ENOSYS"},
	{deny: true, rule: "@cpu-emulation:ENOSYS", unless: compat},
	{deny: true, rule: "@handles:EPERM", unless: handles},
	// Mounts and namespaces: masks and read-only binds stay (CVE-2022-0185,
	// CVE-2022-0492).
	{deny: true, rule: "chroot:EPERM", unless: nested | admin | chroots},
	{deny: true, rule: "@mount:EPERM", unless: nested | admin},
	{deny: true, rule: "@uts:EPERM", unless: nested | admin},
	{deny: true, rule: "setns:EPERM", unless: nested | admin},
	{deny: true, rule: "unshare(arg0 & " + newNamespaces + "|CLONE_NEWTIME != 0):EPERM", unless: nested | admin},
	{deny: true, rule: "clone(arg0 & " + newNamespaces + " != 0):EPERM", unless: nested | admin},
	// Typing into a terminal (CVE-2017-5226, CVE-2019-10063, CVE-2023-28339) and
	// what pastes into a virtual console (CVE-2023-28100); the console; line
	// disciplines, which load modules (CVE-2017-2636).
	{deny: true, rule: "ioctl(arg1 == TIOCSTI):EPERM"},
	{deny: true, rule: "ioctl(arg1 == TIOCLINUX):EPERM"},
	{deny: true, rule: "ioctl(arg1 == TIOCCONS):EPERM"},
	{deny: true, rule: "ioctl(arg1 == TIOCSETD):EPERM"},
	// Sockets that are no networking of programs: virtual machines' hosts
	// (AF_VSOCK knows no network namespaces), kernel crypto (AF_ALG), radios, field
	// busses, and protocols that load a module each (CVE-2017-6074, CVE-2021-26708,
	// CVE-2021-43267, CVE-2022-27666). Of netlink what tells about interfaces,
	// sockets and devices; not packet filters (CVE-2022-34918, CVE-2024-1086).
	{deny: false, rule: "socket(arg0 == AF_UNIX)"},
	{deny: true, rule: "socket(arg1 & 15 == SOCK_RAW, arg0 != AF_NETLINK):EPERM", unless: netAdmin},
	{deny: false, rule: "socket(arg0 == AF_INET)"},
	{deny: false, rule: "socket(arg0 == AF_INET6)"},
	{deny: true, rule: "socket:EAFNOSUPPORT", strict: true},
	{deny: false, rule: "socket(arg0 == AF_NETLINK, arg2 == NETLINK_ROUTE)"},
	{deny: false, rule: "socket(arg0 == AF_NETLINK, arg2 == NETLINK_SOCK_DIAG)"},
	{deny: false, rule: "socket(arg0 == AF_NETLINK, arg2 == NETLINK_AUDIT)"},
	{deny: false, rule: "socket(arg0 == AF_NETLINK, arg2 == NETLINK_KOBJECT_UEVENT)"},
	{deny: false, rule: "socket(arg0 == AF_NETLINK, arg2 == NETLINK_GENERIC)"},
	{deny: true, rule: "socket(arg0 == AF_NETLINK):EPROTONOSUPPORT", unless: netAdmin},
	{deny: true, rule: "socket(arg0 != AF_NETLINK, arg0 != AF_PACKET):EAFNOSUPPORT"},
	{deny: true, rule: "socket(arg0 == AF_PACKET):EAFNOSUPPORT", unless: netAdmin},
	// A memory map that makes exploits of this process easier is refused; what
	// debuggers and setarch(8) set is not (personality(2)).
	{deny: false, rule: "personality(arg0 & 0xffffffff == 0xffffffff)"},
	{deny: true, rule: "personality(arg0 != 0):EPERM", strict: true},
	{deny: true, rule: "personality(arg0 & 0xffd9fff7 != 0):EPERM"},
	{deny: true, rule: "@debug:EPERM", unless: traces, strict: true},
	{deny: true, rule: "@numa:EPERM", strict: true},
	{deny: true, rule: "@sysv-ipc:EPERM", strict: true},
	{deny: true, rule: "name_to_handle_at:EPERM", strict: true},
	{deny: true, rule: "memfd_secret:EPERM", strict: true},
	{deny: true, rule: "vmsplice:EPERM", strict: true},
}

// lines returns the rules of list that count for a sandbox with these powers.
func lines(list []line, have power, strict bool) []rule {
	var rules []rule
	for _, l := range list {
		if l.unless&have != 0 || l.strict && !strict {
			continue
		}
		r, err := parse(l.rule, l.deny, allowed)
		if err != nil {
			panic(err) // a test reads every line
		}
		rules = append(rules, r)
	}
	return rules
}

// inGroup returns the calls that a rule's name stands for.
func inGroup(name string) []string {
	if strings.HasPrefix(name, "@") {
		return strings.Fields(group(name))
	}
	return []string{name}
}
