package snug_test

import (
	"encoding/binary"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug"
	"github.com/snug-sandbox/snug/internal/kerneltest"
	"github.com/snug-sandbox/snug/seccomp"
)

// x32 is the bit that makes a number one of the x32 ABI.
const x32 = 0x40000000

// deniedCalls are calls that the default filter refuses, with arguments that the
// kernel would refuse for another reason where it refuses them at all.
var deniedCalls = []struct {
	name  string
	errno syscall.Errno
	nr    uintptr
	args  [3]uintptr
}{
	// Keys are a user's, in every namespace: CVE-2016-0728, CVE-2021-33034.
	{"keyctl", unix.EPERM, unix.SYS_KEYCTL, [3]uintptr{unix.KEYCTL_GET_KEYRING_ID, ^uintptr(3), 1}},
	{"add_key", unix.EPERM, unix.SYS_ADD_KEY, [3]uintptr{}},
	{"request_key", unix.EPERM, unix.SYS_REQUEST_KEY, [3]uintptr{}},
	// CVE-2020-8835, CVE-2021-3490, CVE-2022-23222.
	{"bpf", unix.EPERM, unix.SYS_BPF, [3]uintptr{^uintptr(0)}},
	// CVE-2013-2094, CVE-2022-1729.
	{"perf_event_open", unix.EPERM, unix.SYS_PERF_EVENT_OPEN, [3]uintptr{}},
	// CVE-2016-6187 and CVE-2017-6074 won their races with it.
	{"userfaultfd", unix.EPERM, unix.SYS_USERFAULTFD, [3]uintptr{1}},
	// CVE-2022-29582, CVE-2023-2598, CVE-2024-0582.
	{"io_uring_setup", unix.ENOSYS, unix.SYS_IO_URING_SETUP, [3]uintptr{1}},
	{"io_uring_enter", unix.ENOSYS, unix.SYS_IO_URING_ENTER, [3]uintptr{^uintptr(0)}},
	{"io_uring_register", unix.ENOSYS, unix.SYS_IO_URING_REGISTER, [3]uintptr{^uintptr(0)}},
	{"kexec_load", unix.EPERM, unix.SYS_KEXEC_LOAD, [3]uintptr{}},
	{"kexec_file_load", unix.EPERM, unix.SYS_KEXEC_FILE_LOAD, [3]uintptr{}},
	{"reboot", unix.EPERM, unix.SYS_REBOOT, [3]uintptr{}},
	{"init_module", unix.EPERM, unix.SYS_INIT_MODULE, [3]uintptr{}},
	{"finit_module", unix.EPERM, unix.SYS_FINIT_MODULE, [3]uintptr{}},
	{"delete_module", unix.EPERM, unix.SYS_DELETE_MODULE, [3]uintptr{}},
	// The new mount calls check before they ask for privileges: CVE-2022-0185 was
	// in fsconfig.
	{"fsconfig", unix.EPERM, unix.SYS_FSCONFIG, [3]uintptr{^uintptr(0)}},
	{"fsopen", unix.EPERM, unix.SYS_FSOPEN, [3]uintptr{0, ^uintptr(0)}},
	{"fsmount", unix.EPERM, unix.SYS_FSMOUNT, [3]uintptr{^uintptr(0), ^uintptr(0)}},
	{"fspick", unix.EPERM, unix.SYS_FSPICK, [3]uintptr{^uintptr(0)}},
	{"open_tree", unix.EPERM, unix.SYS_OPEN_TREE, [3]uintptr{^uintptr(0), 0, ^uintptr(0)}},
	{"move_mount", unix.EPERM, unix.SYS_MOVE_MOUNT, [3]uintptr{}},
	{"mount_setattr", unix.EPERM, unix.SYS_MOUNT_SETATTR, [3]uintptr{^uintptr(0), 0, ^uintptr(0)}},
	{"mount", unix.EPERM, unix.SYS_MOUNT, [3]uintptr{}},
	{"umount2", unix.EPERM, unix.SYS_UMOUNT2, [3]uintptr{0, ^uintptr(0)}},
	{"pivot_root", unix.EPERM, unix.SYS_PIVOT_ROOT, [3]uintptr{}},
	{"chroot", unix.EPERM, unix.SYS_CHROOT, [3]uintptr{}},
	{"setns", unix.EPERM, unix.SYS_SETNS, [3]uintptr{^uintptr(0)}},
	{"unshare(CLONE_NEWUSER)", unix.EPERM, unix.SYS_UNSHARE, [3]uintptr{unix.CLONE_NEWUSER}},
	{"unshare(CLONE_NEWNS)", unix.EPERM, unix.SYS_UNSHARE, [3]uintptr{unix.CLONE_NEWNS}},
	{"unshare(CLONE_NEWTIME)", unix.EPERM, unix.SYS_UNSHARE, [3]uintptr{unix.CLONE_NEWTIME}},
	{"clone(CLONE_NEWUSER)", unix.EPERM, unix.SYS_CLONE, [3]uintptr{unix.CLONE_NEWUSER | unix.CLONE_THREAD}},
	// The upper half of a register counts for no call that takes an int.
	{"clone(CLONE_NEWNET, hidden)", unix.EPERM, unix.SYS_CLONE, [3]uintptr{1<<40 | unix.CLONE_NEWNET | unix.CLONE_THREAD}},
	// Its flags are in memory, where no filter looks.
	{"clone3", unix.ENOSYS, unix.SYS_CLONE3, [3]uintptr{}},
	// CVE-2017-5226 (bubblewrap), CVE-2017-5923 (nsjail), CVE-2023-1523 (snapd).
	{"ioctl(TIOCSTI)", unix.EPERM, unix.SYS_IOCTL, [3]uintptr{^uintptr(0), 0x5412}},
	// CVE-2019-10063 (flatpak): the filter compared 64 bits, the kernel 32.
	{"ioctl(TIOCSTI, hidden)", unix.EPERM, unix.SYS_IOCTL, [3]uintptr{^uintptr(0), 1<<32 | 0x5412}},
	// CVE-2023-28100 (flatpak).
	{"ioctl(TIOCLINUX)", unix.EPERM, unix.SYS_IOCTL, [3]uintptr{^uintptr(0), 0x541c}},
	// CVE-2017-2636: line disciplines load modules.
	{"ioctl(TIOCSETD)", unix.EPERM, unix.SYS_IOCTL, [3]uintptr{^uintptr(0), 0x5423}},
	{"settimeofday", unix.EPERM, unix.SYS_SETTIMEOFDAY, [3]uintptr{1}},
	{"clock_settime", unix.EPERM, unix.SYS_CLOCK_SETTIME, [3]uintptr{^uintptr(0)}},
	{"swapon", unix.EPERM, unix.SYS_SWAPON, [3]uintptr{}},
	{"acct", unix.EPERM, unix.SYS_ACCT, [3]uintptr{1}},
	{"quotactl", unix.EPERM, unix.SYS_QUOTACTL, [3]uintptr{^uintptr(0)}},
	{"syslog", unix.EPERM, unix.SYS_SYSLOG, [3]uintptr{^uintptr(0)}},
	{"fanotify_init", unix.EPERM, unix.SYS_FANOTIFY_INIT, [3]uintptr{^uintptr(0)}},
	{"open_by_handle_at", unix.EPERM, unix.SYS_OPEN_BY_HANDLE_AT, [3]uintptr{}},
	{"sethostname", unix.EPERM, unix.SYS_SETHOSTNAME, [3]uintptr{}},
	// AF_VSOCK knows no network namespaces; CVE-2021-26708 and CVE-2025-21756 were
	// in it.
	{"socket(AF_VSOCK)", unix.EAFNOSUPPORT, unix.SYS_SOCKET, [3]uintptr{unix.AF_VSOCK, unix.SOCK_STREAM}},
	{"socket(AF_VSOCK, hidden)", unix.EAFNOSUPPORT, unix.SYS_SOCKET, [3]uintptr{1<<32 | unix.AF_VSOCK, unix.SOCK_STREAM}},
	{"socket(AF_ALG)", unix.EAFNOSUPPORT, unix.SYS_SOCKET, [3]uintptr{unix.AF_ALG, unix.SOCK_SEQPACKET}},
	{"socket(AF_PACKET)", unix.EAFNOSUPPORT, unix.SYS_SOCKET, [3]uintptr{unix.AF_PACKET, unix.SOCK_DGRAM}},
	{"socket(AF_CAN)", unix.EAFNOSUPPORT, unix.SYS_SOCKET, [3]uintptr{unix.AF_CAN, unix.SOCK_DGRAM}},
	// CVE-2021-43267.
	{"socket(AF_TIPC)", unix.EAFNOSUPPORT, unix.SYS_SOCKET, [3]uintptr{unix.AF_TIPC, unix.SOCK_STREAM}},
	{"socket(AF_RDS)", unix.EAFNOSUPPORT, unix.SYS_SOCKET, [3]uintptr{unix.AF_RDS, unix.SOCK_SEQPACKET}},
	// nf_tables: CVE-2022-34918, CVE-2023-32233, CVE-2024-1086.
	{"socket(NETLINK_NETFILTER)", unix.EPROTONOSUPPORT, unix.SYS_SOCKET, [3]uintptr{unix.AF_NETLINK, unix.SOCK_DGRAM, unix.NETLINK_NETFILTER}},
	// CVE-2022-27666.
	{"socket(NETLINK_XFRM)", unix.EPROTONOSUPPORT, unix.SYS_SOCKET, [3]uintptr{unix.AF_NETLINK, unix.SOCK_DGRAM, unix.NETLINK_XFRM}},
	{"personality(READ_IMPLIES_EXEC)", unix.EPERM, unix.SYS_PERSONALITY, [3]uintptr{0x0400000}},
	{"a call that nobody knows", unix.ENOSYS, 999, [3]uintptr{}},
	{"x32 getpid", unix.ENOSYS, x32 | unix.SYS_GETPID, [3]uintptr{}},
	{"a negative number", unix.ENOSYS, ^uintptr(0), [3]uintptr{}},
}

func init() {
	register("denied-calls", func(args []string) error {
		runtime.LockOSThread()
		for _, c := range deniedCalls {
			if slices.Contains(args, c.name) {
				continue
			}
			_, _, errno := unix.RawSyscall(c.nr, c.args[0], c.args[1], c.args[2])
			if errno != c.errno {
				fmt.Printf("%s: %v, want %v\n", c.name, errno, c.errno)
			}
		}
		return nil
	})
	register("call", func(args []string) error {
		var n [4]uint64
		for i, arg := range args {
			var err error
			if n[i], err = strconv.ParseUint(arg, 0, 64); err != nil {
				return err
			}
		}
		_, _, errno := unix.RawSyscall(uintptr(n[0]), uintptr(n[1]), uintptr(n[2]), uintptr(n[3]))
		fmt.Println(unix.ErrnoName(errno))
		return nil
	})
}

// filtered is a sandbox with a filter of one word.
func filtered(base string) snug.Spec {
	s := snug.Spec{}
	s.Security.Seccomp.Base = base
	return s
}

func TestTheFilterRefusesCalls(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	for _, base := range []string{"", seccomp.Default, seccomp.Strict} {
		want(t, inside(t, filtered(base), "denied-calls", "socket(NETLINK_NETFILTER)", "socket(NETLINK_XFRM)"), "")
	}
	want(t, inside(t, filtered(""), "denied-calls"), "")
	// Without a filter most of these are answered by the kernel, otherwise.
	out := output1(t, inside(t, filtered(seccomp.None), "denied-calls"))
	for _, name := range []string{"keyctl:", "io_uring_setup:", "clone3:", "ioctl(TIOCSTI):", "fsconfig:", "personality(READ_IMPLIES_EXEC)"} {
		if !strings.Contains(out, name) {
			t.Errorf("%s is refused without a filter too:\n%s", name, out)
		}
	}
}

// With nested_userns the calls for namespaces and mounts are there; the others
// are not, in nested namespaces either.
func TestTheFilterHoldsInNestedNamespaces(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	nested := filtered("")
	nested.Security.NestedUserns = true
	opened := []string{"clone3", "setns", "chroot", "mount", "umount2", "pivot_root", "move_mount", "mount_setattr", "open_tree", "fsopen", "fsmount", "fsconfig", "fspick",
		"sethostname", "unshare(CLONE_NEWUSER)", "unshare(CLONE_NEWNS)", "unshare(CLONE_NEWTIME)", "clone(CLONE_NEWUSER)", "clone(CLONE_NEWNET, hidden)"}
	for _, prefix := range [][]string{nil, {"unshare", "-Urmn"}} {
		cmd := inside(t, nested, "denied-calls", opened...)
		cmd.Spec.Command.Args = append(prefix, cmd.Spec.Command.Args...)
		want(t, cmd, "")
	}
}

// Whatever else a profile allows: clone3, and so user namespaces in hiding.
func TestNoRuleAllowsUserNamespaces(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	all := []string{"clone", "clone3", "unshare", "setns", "@mount"}
	for _, base := range []string{"", seccomp.None} {
		s := filtered(base)
		s.Security.Seccomp.Allow = all
		s.Security.Capabilities = []string{"ALL"}
		for call, errno := range map[string]string{
			fmt.Sprint(unix.SYS_CLONE3):                                                    "ENOSYS",
			fmt.Sprintf("%d %#x", unix.SYS_UNSHARE, unix.CLONE_NEWUSER):                    "EPERM",
			fmt.Sprintf("%d %#x", unix.SYS_CLONE, unix.CLONE_NEWUSER|int(syscall.SIGCHLD)): "EPERM",
		} {
			want(t, inside(t, s, "call", strings.Fields(call)...), errno)
		}
	}
}

func TestRulesOfAProfile(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	file := filepath.Join(t.TempDir(), "filter.json")
	write(t, file, `{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["getcwd"],"action":"SCMP_ACT_ERRNO","errnoRet":5}]}`)
	for name, c := range map[string]struct {
		config      seccomp.Config
		call, errno string
	}{
		"denied":              {seccomp.Config{Deny: []string{"getcwd"}}, fmt.Sprint(unix.SYS_GETCWD), "EPERM"},
		"denied with errno":   {seccomp.Config{Deny: []string{"getcwd:EXDEV"}}, fmt.Sprint(unix.SYS_GETCWD), "EXDEV"},
		"errno of all":        {seccomp.Config{Deny: []string{"getcwd"}, Errno: "EIO"}, fmt.Sprint(unix.SYS_GETCWD), "EIO"},
		"on a condition":      {seccomp.Config{Deny: []string{"close(arg0 >= 1000):EXDEV"}}, fmt.Sprint(unix.SYS_CLOSE, 1000), "EXDEV"},
		"not on a condition":  {seccomp.Config{Deny: []string{"close(arg0 >= 1000):EXDEV"}}, fmt.Sprint(unix.SYS_CLOSE, 999), "EBADF"},
		"allowed":             {seccomp.Config{Allow: []string{"add_key"}}, fmt.Sprint(unix.SYS_ADD_KEY), "EFAULT"},
		"logged is allowed":   {seccomp.Config{Log: []string{"getcwd"}}, fmt.Sprint(unix.SYS_GETCWD), "ERANGE"},
		"denied wins":         {seccomp.Config{Allow: []string{"getcwd"}, Deny: []string{"getcwd"}}, fmt.Sprint(unix.SYS_GETCWD), "EPERM"},
		"without a base":      {seccomp.Config{Base: seccomp.None, Deny: []string{"getcwd"}}, fmt.Sprint(unix.SYS_ADD_KEY), "EFAULT"},
		"of a file":           {seccomp.Config{File: file}, fmt.Sprint(unix.SYS_GETCWD), "EIO"},
		"of a file, beside":   {seccomp.Config{File: file, Deny: []string{"add_key:EXDEV"}}, fmt.Sprint(unix.SYS_ADD_KEY), "EXDEV"},
		"denials in the log":  {seccomp.Config{LogDenials: true}, fmt.Sprint(unix.SYS_ADD_KEY), "EPERM"},
		"x32 with everything": {seccomp.Config{Base: seccomp.None, Deny: []string{"getcwd"}, Compat: true}, fmt.Sprint(x32 | unix.SYS_GETPID), "ENOSYS"},
	} {
		s := snug.Spec{}
		s.Security.Seccomp = c.config
		if got := output1(t, inside(t, s, "call", strings.Fields(c.call)...)); got != c.errno {
			t.Errorf("%s: %s, want %s", name, got, c.errno)
		}
	}
}

func TestACallThatKillsIsToldAsSuch(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	s := snug.Spec{}
	s.Security.Seccomp.Deny = []string{"getcwd:kill"}
	cmd := inside(t, s, "call", fmt.Sprint(unix.SYS_GETCWD))
	cmd.Run()
	if r := cmd.Result(); r.Signal != unix.SIGSYS {
		t.Errorf("%+v", r)
	}
}

// Machine code of x86. A program ends with 42 when its call was made, with the
// errno when it was refused.
var (
	// In a 64-bit program: getppid(2) by int 0x80.
	int80 = []byte{
		0xb8, 64, 0, 0, 0, // mov eax, 64
		0xcd, 0x80, // int 0x80
		0xbf, 42, 0, 0, 0, // mov edi, 42
		0xb8, 60, 0, 0, 0, // mov eax, 60
		0x0f, 0x05, // syscall
	}
	// In a 32-bit program: exit(42).
	exit42 = []byte{
		0xbb, 42, 0, 0, 0, // mov ebx, 42
		0xb8, 1, 0, 0, 0, // mov eax, 1
		0xcd, 0x80, // int 0x80
	}
	// In a 32-bit program: exit(-add_key(...)).
	addKey = []byte{
		0xb8, 0x1e, 1, 0, 0, // mov eax, 286
		0x31, 0xdb, // xor ebx, ebx
		0xcd, 0x80, // int 0x80
		0x89, 0xc3, // mov ebx, eax
		0xf7, 0xdb, // neg ebx
		0xb8, 1, 0, 0, 0, // mov eax, 1
		0xcd, 0x80, // int 0x80
	}
)

// elfFile writes a static program of a few instructions (elf(5)).
func elfFile(t *testing.T, bits int, code []byte) string {
	t.Helper()
	const base = 0x400000
	var b []byte
	le := binary.LittleEndian
	u16 := func(v uint16) { b = le.AppendUint16(b, v) }
	u32 := func(v uint32) { b = le.AppendUint32(b, v) }
	word := func(v uint32) {
		u32(v)
		if bits == 64 {
			u32(0)
		}
	}
	header, machine, class, phdr := uint32(64+56), uint16(62), byte(2), uint16(56)
	if bits == 32 {
		header, machine, class, phdr = 52+32, 3, 1, 32
	}
	b = append(b, 0x7f, 'E', 'L', 'F', class, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	u16(2) // ET_EXEC
	u16(machine)
	u32(1)
	word(base + header)               // entry
	word(header - uint32(phdr))       // program headers
	word(0)                           // section headers
	u32(0)                            // flags
	u16(uint16(header) - phdr)        // size of this
	u16(phdr)                         // of a program header
	u16(1)                            // of which there is one
	b = append(b, make([]byte, 6)...) // sections
	size := header + uint32(len(code))
	u32(1) // PT_LOAD
	if bits == 64 {
		u32(5) // PF_R | PF_X
	}
	word(0)
	word(base)
	word(base)
	word(size)
	word(size)
	if bits == 32 {
		u32(5)
	}
	word(0x1000)
	name := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(name, append(b, code...), 0o755); err != nil {
		t.Fatal(err)
	}
	return name
}

// A filter that judges 32-bit calls by the table of 64-bit ones, or allows what
// it does not know, is walked round with one instruction.
func TestCallsOfOtherArchitecturesAreRefused(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	if runtime.GOARCH != "amd64" {
		t.Skip("the machine code is x86's")
	}
	for name, c := range map[string]struct {
		bits   int
		code   []byte
		compat int // the exit code with security.seccomp.compat
	}{
		"int 0x80":                     {64, int80, 42},
		"a 32-bit program":             {32, exit42, 42},
		"a 32-bit program's forbidden": {32, addKey, int(unix.EPERM)},
	} {
		program := elfFile(t, c.bits, c.code)
		plain := exec.Command(program)
		plain.Run()
		if code := plain.ProcessState.ExitCode(); code != 42 && code != int(unix.EFAULT) && code != int(unix.EPERM) {
			t.Logf("%s does not work outside either: %v", name, plain.ProcessState)
			continue
		}
		for _, base := range []string{"", seccomp.Strict} {
			s := filtered(base)
			s.Mounts = append(s.Mounts, bind(filepath.Dir(program)))
			cmd := snug.Command(s, program)
			cmd.Run()
			if r := cmd.Result(); r.Signal != unix.SIGSYS {
				t.Errorf("%s, %q: %+v", name, base, r)
			}
			s.Security.Seccomp.Compat = true
			cmd = snug.Command(s, program)
			cmd.Run()
			if r := cmd.Result(); r.ExitCode != c.compat {
				t.Errorf("%s, %q with compat: %+v, want code %d", name, base, r, c.compat)
			}
		}
	}
}

// What people run under the default filter. A program that is not installed is
// told of.
func TestProgramsWorkUnderTheFilter(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	scripts := map[string]string{
		"sh":      `x=$(echo a | cat; (exit 3) || echo b); echo "$x" | wc -l | grep -q 2`,
		"bash":    `cat <(echo x) >/dev/null; [[ $(echo x | tr x y) == y ]]`,
		"gcc":     `cd /tmp; echo 'int main(){return 0;}' >x.c; gcc -O2 -pipe -o x x.c && ./x`,
		"make":    `cd /tmp; printf 'all: a b\na b:\n\t@true\n' >Makefile; make -j4 >/dev/null`,
		"python3": `python3 -c 'import multiprocessing, socket, threading, tempfile, mmap, select; multiprocessing.Pool(2).map(abs, [1]); socket.socketpair(); mmap.mmap(-1, 4096); select.epoll()'`,
		"perl":    `perl -e 'fork // exit 1; wait'`,
		"node":    `node -e 'new (require("worker_threads").Worker)("0", {eval: true}); require("child_process").execSync("true")'`,
		"git":     `cd /tmp; git init -q r; cd r; git -c user.name=a -c user.email=a@b commit -qm x --allow-empty; git gc -q`,
		"gdb":     `gdb -q -batch -ex run -ex quit true >/dev/null 2>&1`,
		"strace":  `strace -f -o /dev/null sh -c 'true; true'`,
		"tar":     `cd /tmp; tar cf x.tar /etc/passwd 2>/dev/null; tar xf x.tar`,
		"ss":      `ss -tunlx >/dev/null`,
		"ip":      `ip addr >/dev/null`,
	}
	for _, name := range slices.Sorted(maps.Keys(scripts)) {
		if _, err := exec.LookPath(name); err != nil {
			t.Logf("%s is not installed here", name)
			continue
		}
		shell := "sh"
		if name == "bash" {
			shell = "bash"
		}
		if out, err := all(t, snug.Command(snug.Spec{}, shell, "-ec", scripts[name])); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

// The filter is the command's, and what it starts.
func TestTheFilterCannotBeTakenOff(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	want(t, sh(snug.Spec{}, "sh -c 'grep -E ^Seccomp: /proc/self/status'"), "Seccomp:\t2")
	for nr, args := range map[int]string{unix.SYS_PRCTL: "22 0", unix.SYS_SECCOMP: "0 0 0"} {
		out := output1(t, inside(t, snug.Spec{}, "call", append([]string{fmt.Sprint(nr)}, strings.Fields(args)...)...))
		if out != "EINVAL" {
			t.Errorf("call %d: %s", nr, out)
		}
	}
}
