package kerneltest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// probe tries one feature. outside runs in the test process; inside, where
// there is one, runs in a new process in new namespaces.
type probe struct {
	outside func() error
	inside  func() error
}

// probes is filled by an initialiser, not by a literal: the functions in it
// look into it.
var probes map[string]*probe

// insideEnv tells a copy of the test binary which probe's inner half it is.
const insideEnv = "SNUG_KERNELTEST_INSIDE"

// init comes before any test and any TestMain, so that probing works in every
// test binary without the help of its TestMain.
func init() {
	probes = map[string]*probe{
		"userns":  {inNamespaces("userns"), mountTmpfs},
		"proc":    {inNamespaces("proc"), mountProc},
		"overlay": {inNamespaces("overlay"), mountOverlay},
		"net":     {inNamespaces("net"), loopbackUp},
		"mqueue":  {inNamespaces("mqueue"), mountMqueue},
		"timens":  {inNamespaces("timens"), newTimeNamespace},
		"subid":   {mapRange, waitForMap},
		"pty":     {openPty, nil},

		"landlock": {landlockFiles, nil},

		"fuse":    {fuseOverlayfs, nil},
		"cgroup2": {controllers("memory", "pids"), nil},
		"cpu":     {controllers("cpu"), nil},
		"cpuset":  {controllers("cpuset"), nil},
		"io":      {limitsIO, nil},
		"hugetlb": {controllers("hugetlb"), nil},
	}
	if p := probes[os.Getenv(insideEnv)]; p != nil {
		os.Exit(runInside(p))
	}
}

// landlockFiles asks for version 2 of Landlock's interface, which can hold files.
func landlockFiles() error {
	abi, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 || abi < 2 {
		return fmt.Errorf("version %d of Landlock: %w", int(abi), errno)
	}
	return nil
}

func runInside(p *probe) int {
	// Attributes such as a namespace belong to a thread.
	runtime.LockOSThread()
	if err := p.inside(); err != nil {
		fmt.Fprint(os.Stderr, err)
		return 1
	}
	return 0
}

// allNamespaces are those that a sandbox has by default.
const allNamespaces = unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET |
	unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWCGROUP

// insideCommand is the inner half of a probe, in new namespaces.
func insideCommand(name string, stderr *bytes.Buffer) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), insideEnv+"="+name)
	cmd.Stderr = stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: allNamespaces}
	return cmd
}

// inNamespaces runs a probe's inner half as root of new namespaces.
func inNamespaces(name string) func() error {
	return func() error {
		var stderr bytes.Buffer
		cmd := insideCommand(name, &stderr)
		one := func(id int) []syscall.SysProcIDMap { return []syscall.SysProcIDMap{{HostID: id, Size: 1}} }
		cmd.SysProcAttr.UidMappings = one(os.Getuid())
		cmd.SysProcAttr.GidMappings = one(os.Getgid())
		return withReason(cmd.Run(), &stderr)
	}
}

func withReason(err error, stderr *bytes.Buffer) error {
	if err == nil || stderr.Len() == 0 {
		return err
	}
	return fmt.Errorf("%s", strings.TrimSpace(stderr.String()))
}

// mount is mount(2) with an error that says what was mounted.
func mount(source, target, fstype string, flags uintptr, data string) error {
	if err := unix.Mount(source, target, fstype, flags, data); err != nil {
		return fmt.Errorf("mount %s at %s: %w", fstype, target, err)
	}
	return nil
}

// mountTmpfs hides /tmp under a file system of our own.
func mountTmpfs() error {
	if err := mount("", "/", "no propagation", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	return mount("tmpfs", "/tmp", "tmpfs", 0, "")
}

// inScratch makes directories in a fresh tmpfs at /tmp.
func inScratch(names ...string) error {
	if err := mountTmpfs(); err != nil {
		return err
	}
	for _, name := range names {
		if err := os.Mkdir("/tmp/"+name, 0o755); err != nil {
			return err
		}
	}
	return nil
}

func mountProc() error {
	if err := inScratch("proc"); err != nil {
		return err
	}
	return mount("proc", "/tmp/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
}

func mountOverlay() error {
	if err := inScratch("lower", "upper", "work", "all"); err != nil {
		return err
	}
	const data = "lowerdir=/tmp/lower,upperdir=/tmp/upper,workdir=/tmp/work,userxattr"
	if err := mount("overlay", "/tmp/all", "overlay", 0, data); err != nil {
		return err
	}
	return os.WriteFile("/tmp/all/file", []byte("x"), 0o644)
}

func mountMqueue() error {
	if err := inScratch("mqueue"); err != nil {
		return err
	}
	return mount("mqueue", "/tmp/mqueue", "mqueue", 0, "")
}

// loopbackUp is `ip link set lo up`.
func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	defer unix.Close(fd)
	ifr, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	ifr.SetUint16(unix.IFF_UP)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, ifr); err != nil {
		return fmt.Errorf("set the loopback interface up: %w", err)
	}
	return nil
}

// newTimeNamespace sets a clock offset; time_namespaces(7).
func newTimeNamespace() error {
	if err := unix.Unshare(unix.CLONE_NEWTIME); err != nil {
		return fmt.Errorf("unshare(CLONE_NEWTIME): %w", err)
	}
	// Initialisers run on the first thread, which is the one that the kernel
	// means by /proc/self.
	return os.WriteFile("/proc/self/timens_offsets", []byte("monotonic 1000 0\n"), 0)
}

// fuseOverlayfs is fuse-overlayfs(1) for an ordinary user.
func fuseOverlayfs() error {
	if _, err := exec.LookPath("fuse-overlayfs"); err != nil {
		return err
	}
	return unix.Access("/dev/fuse", unix.R_OK|unix.W_OK)
}
