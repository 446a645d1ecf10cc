package snug_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug"
	"github.com/snug-sandbox/snug/internal/kerneltest"
	"github.com/snug-sandbox/snug/mounts"
	"github.com/snug-sandbox/snug/userns"
)

// ownMounts makes a process root of a user and a mount namespace of its own, where
// it may mount what it likes.
func ownMounts(attr *syscall.SysProcAttr) *syscall.SysProcAttr {
	if attr == nil {
		attr = &syscall.SysProcAttr{}
	}
	attr.Cloneflags |= unix.CLONE_NEWUSER | unix.CLONE_NEWNS
	attr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
	attr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	return attr
}

func init() {
	register("with-submounts", func(args []string) error {
		dir := args[0]
		for _, sub := range []string{"sub", "sub/deep", "sub/deep/er"} {
			if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
				return err
			}
			if err := unix.Mount("tmpfs", filepath.Join(dir, sub), "tmpfs", 0, ""); err != nil {
				return fmt.Errorf("mount: %w", err)
			}
		}
		s := snug.Spec{}
		s.Mounts = []mounts.Mount{{Source: dir, Target: "/run/tree", Writable: args[1] == "writable"}}
		cmd := sh(s, `cd /run/tree; for d in . sub sub/deep sub/deep/er; do touch $d/file 2>/dev/null && echo wrote to $d; done; grep -c tree /proc/self/mountinfo; grep /run/tree /proc/self/mountinfo | grep -vc nosuid,nodev`)
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		if err := cmd.Run(); err != nil && cmd.Result().ExitCode != 1 {
			return err
		}
		return nil
	})
}

func TestReadOnlyIsRecursive(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	for mode, says := range map[string]string{
		"read-only": "4\n0\n",
		"writable":  "wrote to .\nwrote to sub\nwrote to sub/deep\nwrote to sub/deep/er\n4\n0\n",
	} {
		cmd := outside(t, "with-submounts", t.TempDir(), mode)
		cmd.SysProcAttr = ownMounts(nil)
		if out, err := cmd.CombinedOutput(); err != nil || string(out) != says {
			t.Errorf("%s: %q, %v", mode, out, err)
		}
	}
}

// almostAll is every capability but CAP_SYS_ADMIN, whose holder may change the
// mounts of its own namespace: mount(8) is what it is for.
func almostAll() snug.Spec {
	s := fakeRoot()
	s.Security.Capabilities = slices.DeleteFunc(slices.Clone(userns.Capabilities[:]), func(name string) bool { return name == "CAP_SYS_ADMIN" })
	return s
}

func init() {
	register("change-mounts", func(args []string) error {
		attempts := map[string]error{
			"remount writable": unix.Mount("", args[0], "", unix.MS_REMOUNT|unix.MS_BIND, ""),
			"remount suid":     unix.Mount("", args[0], "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""),
			"mount_setattr":    unix.MountSetattr(unix.AT_FDCWD, args[0], 0, &unix.MountAttr{Attr_clr: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV}),
			"umount a bind":    unix.Unmount(args[0], unix.MNT_DETACH),
			"umount a mask":    unix.Unmount("/proc/kcore", unix.MNT_DETACH),
			"umount /proc/sys": unix.Unmount("/proc/sys", unix.MNT_DETACH),
			"umount /":         unix.Unmount("/", unix.MNT_DETACH),
			"write":            os.WriteFile(filepath.Join(args[0], "written"), nil, 0o644),
		}
		for name, err := range attempts {
			if err == nil {
				fmt.Println(name, "worked")
			}
		}
		return nil
	})
}

func TestReadOnlyMountsStaySo(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	dir := t.TempDir()
	nested := snug.Spec{}
	nested.Security.NestedUserns = true
	for name, c := range map[string]struct {
		spec   snug.Spec
		prefix []string
	}{
		"ordinary":                       {snug.Spec{}, nil},
		"all but CAP_SYS_ADMIN":          {almostAll(), nil},
		"root of a namespace of its own": {nested, []string{"unshare", "-Urm", "--propagation", "unchanged"}},
	} {
		c.spec.Mounts = []mounts.Mount{{Source: dir, Target: "/run/kept"}}
		cmd := inside(t, c.spec, "change-mounts", "/run/kept")
		cmd.Spec.Command.Args = append(c.prefix, cmd.Spec.Command.Args...)
		if out := output1(t, cmd); out != "" {
			t.Errorf("%s: %s", name, out)
		}
	}
	if list, _ := os.ReadDir(dir); len(list) > 0 {
		t.Error("something was written to the host's directory:", list)
	}
}

// The fields of a line of mountinfo (proc(5)) that tests look at.
type mountLine struct{ at, flags, kind string }

func mountTable(t *testing.T, s snug.Spec) (list []mountLine) {
	t.Helper()
	for line := range strings.Lines(output1(t, snug.Command(s, "cat", "/proc/self/mountinfo"))) {
		fields := strings.Fields(line)
		kind := fields[slices.Index(fields, "-")+1]
		list = append(list, mountLine{fields[4], fields[5], kind})
	}
	if len(list) < 5 {
		t.Fatalf("only %d mounts", len(list))
	}
	return list
}

func TestNothingGivesPrivilegesAndOnlyDevHasDevices(t *testing.T) {
	kerneltest.Require(t, "userns", "proc", "mqueue")
	devices := []string{"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/pts", "/run/null"}
	host, system := snug.Spec{}, snug.Spec{}
	host.Rootfs.Base = mounts.BaseHost
	for _, s := range []snug.Spec{host, system} {
		s.Mounts = []mounts.Mount{
			writable(t.TempDir()),
			{Type: mounts.DevBind, Source: "/dev/null", Target: "/run/null"},
			{Type: mounts.Tmpfs, Target: "/run/tmpfs", Size: 1 << 20},
			{Type: mounts.Mqueue, Target: "/run/mqueue"},
			{Type: mounts.File, Target: "/etc/passwd", Content: "text"},
			{Type: mounts.Mask, Target: "/etc/group"},
		}
		for _, m := range mountTable(t, s) {
			flags := strings.Split(m.flags, ",")
			if !slices.Contains(flags, "nosuid") {
				t.Errorf("%s has no nosuid: %s", m.at, m.flags)
			}
			if !slices.Contains(flags, "nodev") && !slices.Contains(devices, m.at) && !strings.HasPrefix(m.at, "/proc/") {
				t.Errorf("%s has no nodev: %s", m.at, m.flags)
			}
		}
	}
}

func TestProtectedPathsOfProc(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	for name, s := range attackers() {
		if out := output1(t, inside(t, s, "protected")); out != "" {
			t.Errorf("%s: %s", name, out)
		}
	}
	cmd := inside(t, snug.Spec{}, "protected")
	cmd.Spec.Rootfs.Base = mounts.BaseHost
	want(t, cmd, "")
}

func init() {
	register("protected", func([]string) error {
		for _, p := range mounts.MaskedPaths {
			name := "/proc/" + p.Path
			if list, err := os.ReadDir(name); err == nil && len(list) > 0 {
				fmt.Println(name, "lists", list)
			}
			if text, err := os.ReadFile(name); err == nil && len(text) > 0 {
				fmt.Println(name, "holds", len(text), "bytes")
			}
		}
		for _, p := range mounts.ReadonlyPaths {
			name := "/proc/" + p.Path
			var fs unix.Statfs_t
			if err := unix.Statfs(name, &fs); err == nil && fs.Flags&unix.ST_RDONLY == 0 {
				fmt.Println(name, "is writable")
			}
		}
		for _, name := range []string{"sys/kernel/core_pattern", "sys/kernel/modprobe", "sys/kernel/hostname", "sys/vm/drop_caches", "sysrq-trigger", "irq/default_smp_affinity"} {
			f, err := os.OpenFile("/proc/"+name, os.O_WRONLY, 0)
			if err == nil {
				f.Close()
				fmt.Println(name, "was opened for writing")
			} else if !errors.Is(err, unix.EROFS) && !errors.Is(err, unix.EACCES) && !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.ENOENT) {
				fmt.Println(name, err)
			}
		}
		return nil
	})
}

func TestUnmaskLiftsWhatItNames(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	count := func(unmask ...string) int {
		s := snug.Spec{}
		s.Security.Unmask = unmask
		n := 0
		for _, m := range mountTable(t, s) {
			if strings.HasPrefix(m.at, "/proc/") {
				n++
			}
		}
		return n
	}
	if all, none, one := count(), count("ALL"), count("/proc/sys"); none != 0 || one != all-1 || all < 3 {
		t.Errorf("%d paths are protected, %d with /proc/sys lifted, %d with all lifted", all, one, none)
	}
}

func TestMinimalDev(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	for name, s := range attackers() {
		want(t, sh(s, "cd /dev; echo *"), "core fd full null ptmx pts random shm stderr stdin stdout tty urandom zero")
		if out := output1(t, inside(t, s, "devices")); out != "" {
			t.Errorf("%s: %s", name, out)
		}
	}
	host := snug.Spec{}
	host.Rootfs.Base = mounts.BaseHost
	want(t, sh(host, "cd /dev; echo *"), "core fd full null ptmx pts random shm stderr stdin stdout tty urandom zero")
}

func init() {
	register("devices", func([]string) error {
		if err := os.WriteFile("/dev/null", []byte("x"), 0); err != nil {
			fmt.Println("/dev/null:", err)
		}
		if err := os.WriteFile("/dev/full", []byte("x"), 0); !errors.Is(err, unix.ENOSPC) {
			fmt.Println("/dev/full:", err)
		}
		for _, name := range []string{"/dev/zero", "/dev/urandom", "/dev/random"} {
			f, err := os.Open(name)
			if err != nil {
				return err
			}
			if _, err := f.Read(make([]byte, 8)); err != nil {
				fmt.Println(name, err)
			}
			f.Close()
		}
		for _, dir := range []string{"/dev", "/tmp", "/dev/shm"} {
			for _, kind := range []uint32{unix.S_IFCHR, unix.S_IFBLK} {
				if err := unix.Mknod(dir+"/node", kind|0o666, int(unix.Mkdev(1, 3))); err == nil {
					fmt.Println("a device was made in", dir)
				}
			}
		}
		if err := os.WriteFile("/dev/new", nil, 0o600); !errors.Is(err, unix.EROFS) {
			fmt.Println("a file in /dev:", err)
		}
		return nil
	})
}

func TestABindOfADeviceIsNone(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	s := snug.Spec{}
	s.Mounts = []mounts.Mount{{Source: "/dev/zero", Target: "/run/zero", Writable: true}, {Type: mounts.DevBind, Source: "/dev/zero", Target: "/run/device"}}
	want(t, sh(s, "head -c1 /run/zero 2>/dev/null | wc -c; head -c1 /run/device | wc -c"), "0\n1")
}

// Mounts on / pile up on one another while the sandbox is built. None of them,
// least of all the host's root, may be left where "/.." leads.
func TestNothingCoversTheRoot(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	system := emptyWithPrograms()
	host, missing := mounts.Mount{Source: "/", Target: "/"}, mounts.Mount{Source: "/nonexistent", Target: "/", Optional: true}
	maybe := host
	maybe.Optional = true
	dev := mounts.Mount{Type: mounts.Dev, Target: "/"}
	for name, first := range map[string][]mounts.Mount{
		"nothing": nil, "a tmpfs": {tmpfs("/")}, "two of them": {tmpfs("/"), tmpfs("/")}, "the host's root and a tmpfs": {host, tmpfs("/")},
		"an optional one": {maybe, tmpfs("/")}, "a missing one": {missing}, "a missing one on a tmpfs": {tmpfs("/"), missing},
		"devices": {dev}, "devices on a tmpfs": {tmpfs("/"), dev}, "the host's root in a directory": {tmpfs("/"), {Source: "/", Target: "/host"}, tmpfs("/")},
	} {
		s := snug.Spec{OrderedMounts: true}
		s.Rootfs.Base = mounts.BaseEmpty
		s.Mounts = append(slices.Clone(first), system...)
		t.Run(name, func(t *testing.T) {
			want(t, sh(s, "cd /; test . -ef .. && test / -ef /.. && test ! -e ../etc/passwd && echo closed"), "closed")
		})
	}
	for _, last := range []mounts.Mount{host, maybe} {
		s := snug.Spec{OrderedMounts: true}
		s.Rootfs.Base = mounts.BaseEmpty
		s.Mounts = append(slices.Clone(system), last)
		want(t, sh(s, "cd /; test . -ef .. && test / -ef /.. && echo closed"), "closed")
	}
}
