package snug_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug"
	"github.com/snug-sandbox/snug/internal/kerneltest"
	"github.com/snug-sandbox/snug/landlock"
	"github.com/snug-sandbox/snug/mounts"
	"github.com/snug-sandbox/snug/namespaces"
	"github.com/snug-sandbox/snug/network"
)

func init() {
	register("dial", func(args []string) error {
		c, err := net.Dial(args[0], args[1])
		if err == nil {
			c.Close()
			fmt.Println("reached")
			return nil
		}
		fmt.Println("refused")
		return nil
	})
}

// listen gives a socket of the host.
func listen(t *testing.T, network, address string) string {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

func TestTheHostsSocketsAreNotReached(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	abstract := listen(t, "unix", fmt.Sprintf("@snug-test-%d", os.Getpid()))
	loopback := listen(t, "tcp", "127.0.0.1:0")
	named := listen(t, "unix", filepath.Join(t.TempDir(), "socket"))
	open := snug.Spec{}
	open.Network.Mode = network.Host
	open.Security.Landlock = landlock.No // see TestSharedNamespacesReachNoProcessesOutside
	for _, c := range []struct{ kind, address, shared string }{
		{"unix", abstract, "reached"}, {"tcp", loopback, "reached"}, {"unix", named, "refused"},
	} {
		want(t, inside(t, snug.Spec{}, "dial", c.kind, c.address), "refused")
		want(t, inside(t, fakeRoot(), "dial", c.kind, c.address), "refused")
		want(t, inside(t, open, "dial", c.kind, c.address), c.shared)
	}
	shown := snug.Spec{}
	shown.Mounts = []mounts.Mount{bind(named)}
	want(t, inside(t, shown, "dial", "unix", named), "reached")
}

func init() {
	register("loopback", func([]string) error {
		for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
			l, err := net.Listen("tcp", address)
			if err != nil {
				return err
			}
			c, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				return err
			}
			c.Close()
			l.Close()
		}
		list, err := net.Interfaces()
		if err != nil {
			return err
		}
		for _, i := range list {
			fmt.Println(i.Name, i.Flags)
		}
		_, err = net.Dial("udp", "192.0.2.1:53")
		if !errors.Is(err, unix.ENETUNREACH) {
			return fmt.Errorf("the world: %v", err)
		}
		return nil
	})
}

func TestThereIsLoopbackAndNothingElse(t *testing.T) {
	kerneltest.Require(t, "userns", "proc", "net")
	out := output1(t, inside(t, snug.Spec{}, "loopback"))
	for line := range strings.Lines(out) {
		// Modules of some kernels put tunnels that are down into every namespace.
		if name, flags, _ := strings.Cut(strings.TrimSpace(line), " "); name == "lo" != strings.Contains(flags, "up") {
			t.Errorf("the interface %s has the flags %s", name, flags)
		}
	}
}

func init() {
	register("read-key", func(args []string) error {
		for _, ring := range []int{unix.KEY_SPEC_SESSION_KEYRING, unix.KEY_SPEC_USER_KEYRING, unix.KEY_SPEC_USER_SESSION_KEYRING, unix.KEY_SPEC_THREAD_KEYRING, unix.KEY_SPEC_PROCESS_KEYRING} {
			if id, err := unix.KeyctlSearch(ring, "user", args[0], 0); err == nil {
				fmt.Println("found in keyring", ring, id)
			}
		}
		for _, serial := range args[1:] {
			id, err := strconv.Atoi(serial)
			if err != nil {
				return err
			}
			if n, err := unix.KeyctlBuffer(unix.KEYCTL_READ, id, make([]byte, 100), 0); err == nil {
				fmt.Println("read", n, "bytes of key", id)
			}
		}
		return nil
	})
}

func TestTheCallersKeysAreNotReached(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	runtime.LockOSThread() // keyrings belong to threads
	defer runtime.UnlockOSThread()
	if _, err := unix.KeyctlJoinSessionKeyring("snug-test"); err != nil {
		t.Skip("needs keyrings: ", err)
	}
	name := fmt.Sprint("snug-test-", os.Getpid())
	id, err := unix.AddKey("user", name, []byte(secret), unix.KEY_SPEC_SESSION_KEYRING)
	if err != nil {
		t.Skip("needs keyrings: ", err)
	}
	other, err := unix.AddKey("user", name+"-user", []byte(secret), unix.KEY_SPEC_USER_KEYRING)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.KeyctlInt(unix.KEYCTL_UNLINK, other, unix.KEY_SPEC_USER_KEYRING, 0, 0)
	if n, err := unix.KeyctlBuffer(unix.KEYCTL_READ, id, make([]byte, 100), 0); err != nil || n != len(secret) {
		t.Fatal("the caller cannot read its own key: ", err)
	}
	for kind, s := range attackers() {
		for _, n := range []string{name, name + "-user"} {
			if out := output1(t, inside(t, s, "read-key", n, strconv.Itoa(id), strconv.Itoa(other))); out != "" {
				t.Errorf("%s: %s", kind, out)
			}
		}
	}
}

func TestOtherProcessesAreNotSeen(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	for name, s := range attackers() {
		out := output1(t, snug.Command(s, "sh", "-c", "cd /proc; echo [0-9]*"))
		if out != "1 2" {
			t.Errorf("%s: processes %s", name, out)
		}
	}
}

func TestSystemVObjectsAreNotSeen(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	id, err := unix.SysvShmGet(unix.IPC_PRIVATE, 4096, unix.IPC_CREAT|0o600)
	if err != nil {
		t.Skip("needs System V shared memory: ", err)
	}
	defer unix.SysvShmCtl(id, unix.IPC_RMID, nil)
	want(t, sh(snug.Spec{}, "wc -l </proc/sysvipc/shm"), "1")
	s := snug.Spec{}
	s.Namespaces.IPC = namespaces.Share
	if out := output1(t, sh(s, "wc -l </proc/sysvipc/shm")); out == "0" || out == "1" {
		t.Errorf("%s lines where ipc is shared", out)
	}
}

// namespaceAttacks try to make a user namespace in every way there is.
var namespaceAttacks = map[string]*syscall.SysProcAttr{
	"clone":   {Cloneflags: unix.CLONE_NEWUSER},
	"clone3":  {Cloneflags: unix.CLONE_NEWUSER, UseCgroupFD: true, CgroupFD: 0},
	"unshare": {Unshareflags: unix.CLONE_NEWUSER},
}

func init() {
	register("new-user-namespace", func(args []string) error {
		for name, attr := range namespaceAttacks {
			err := (&exec.Cmd{Path: "/bin/true", Args: []string{"true"}, SysProcAttr: attr, Stdin: os.Stdin}).Run()
			refused := errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EPERM) || name == "clone3" && errors.Is(err, unix.ENOSYS)
			if refused != (args[0] == "refused") {
				fmt.Printf("%s: %v\n", name, err)
			}
		}
		if err := os.WriteFile("/proc/sys/user/max_user_namespaces", []byte("1000"), 0); err == nil {
			fmt.Println("the limit was raised")
		}
		return nil
	})
}

func TestFurtherUserNamespacesAreRefused(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	specs := map[string]snug.Spec{"ordinary": {}}
	add := func(name string, change func(*snug.Spec)) {
		s := snug.Spec{}
		change(&s)
		specs[name] = s
	}
	add("root", func(s *snug.Spec) { s.Identity.Map = "root" })
	add("all capabilities", func(s *snug.Spec) { s.Identity.Map, s.Security.Capabilities = "root", []string{"ALL"} })
	add("unmasked", func(s *snug.Spec) { s.Security.Unmask = []string{"ALL"} })
	add("unmasked with all capabilities", func(s *snug.Spec) { s.Security.Unmask, s.Security.Capabilities = []string{"ALL"}, []string{"ALL"} })
	add("resource", func(s *snug.Spec) {
		s.Security.Unmask, s.Security.Capabilities = []string{"/proc/sys"}, []string{"CAP_SYS_RESOURCE"}
	})
	add("pid1", func(s *snug.Spec) { s.Command.PID1 = true })
	for name, s := range specs {
		out := output1(t, inside(t, s, "new-user-namespace", "refused"))
		// What CAP_SYS_RESOURCE raises does not help: a filter forbids it.
		if out != "" && out != "the limit was raised" {
			t.Errorf("%s: %s", name, out)
		}
	}
}

func TestFurtherUserNamespacesWorkWhereTheyAreAllowed(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	s := snug.Spec{}
	s.Security.NestedUserns = true
	want(t, inside(t, s, "new-user-namespace", "allowed"), "")
	want(t, sh(s, "unshare -Urm sh -c 'mount -t tmpfs none /tmp && id -u'"), "0")
}

func TestTheOwnersOfTheNamespacesAreNotReached(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	for name, s := range attackers() {
		if out := output1(t, inside(t, s, "parents")); out != "" {
			t.Errorf("%s: %s", name, out)
		}
	}
}

func init() {
	register("parents", func([]string) error {
		for _, ns := range []string{"user", "pid"} {
			f, err := os.Open("/proc/self/ns/" + ns)
			if err != nil {
				return err
			}
			if _, err := unix.IoctlRetInt(int(f.Fd()), unix.NS_GET_PARENT); !errors.Is(err, unix.EPERM) {
				fmt.Printf("the parent of the %s namespace: %v\n", ns, err)
			}
			f.Close()
		}
		return nil
	})
}

func TestNothingOfTheHostIsMounted(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	s := snug.Spec{}
	s.Rootfs.Base = mounts.BaseEmpty
	for _, dir := range []string{"/usr", "/lib", "/lib64", "/bin"} {
		s.Mounts = append(s.Mounts, mounts.Mount{Source: dir, Optional: true})
	}
	s.Mounts = append(s.Mounts, mounts.Mount{Type: mounts.Proc, Target: "/proc"})
	out := output1(t, sh(s, "cat /proc/self/mountinfo"))
	for line := range strings.Lines(out) {
		at := strings.Fields(line)[4]
		switch {
		case at == "/", at == "/lib", at == "/lib64", at == "/bin":
		case at == "/usr" || strings.HasPrefix(at, "/usr/"):
		case at == "/proc" || strings.HasPrefix(at, "/proc/"):
		default:
			t.Errorf("this is mounted: %s", line)
		}
	}
}

func init() {
	register("escape", func([]string) error {
		here, err := inode("/")
		if err != nil {
			return err
		}
		for _, name := range []string{"/..", "/../../../..", "/proc/self/root", "/proc/self/root/..", "/proc/self/cwd/../../../../.."} {
			if there, err := inode(name); err == nil && there != here {
				fmt.Println(name, "is another root")
			}
		}
		// chroot into a directory with a descriptor of one that is outside of it,
		// and go up from there (chroot(2)).
		dir, err := os.Open("/")
		if err != nil {
			return err
		}
		if os.Mkdir("/tmp/jail", 0o755); unix.Chroot("/tmp/jail") != nil {
			return nil // no CAP_SYS_CHROOT
		}
		unix.Fchdir(int(dir.Fd()))
		for range 100 {
			unix.Chdir("..")
		}
		unix.Chroot(".")
		if there, err := inode("/"); err != nil || there != here {
			fmt.Println("chroot led out")
		}
		for _, target := range []string{"/", "/."} {
			unix.Unmount(target, unix.MNT_DETACH)
		}
		if there, err := inode("/"); err == nil && there != here {
			fmt.Println("umount led out")
		}
		return nil
	})
}

func inode(name string) (string, error) {
	var st unix.Stat_t
	err := unix.Stat(name, &st)
	return fmt.Sprint(st.Dev, ":", st.Ino), err
}

func TestTheHostsRootIsNotReached(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	for name, s := range attackers() {
		if out := output1(t, inside(t, s, "escape")); out != "" {
			t.Errorf("%s: %s", name, out)
		}
	}
}

// A descriptor of a directory that was handed over leads above it: that is what
// the caller asked for, and nothing else does.
func TestTheWorkingDirectoryDoesNotLeadOut(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	dir := t.TempDir()
	t.Chdir(dir)
	s := snug.Spec{}
	s.Mounts = []mounts.Mount{{Source: dir, Target: "/run/work"}}
	s.Command.Workdir = "/run/work"
	want(t, sh(s, "cd ../..; pwd -P; ls -d home 2>/dev/null; cd ../../..; pwd -P"), "/\n/")
}
