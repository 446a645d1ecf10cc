package snug_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug"
	"github.com/snug-sandbox/snug/internal/kerneltest"
	"github.com/snug-sandbox/snug/internal/plan"
	"github.com/snug-sandbox/snug/internal/program"
	"github.com/snug-sandbox/snug/internal/units"
	"github.com/snug-sandbox/snug/mounts"
)

// sessionSockets are what a session has, by the variable that names it, below
// the runtime or the home directory. Who talks to one of them is outside.
var sessionSockets = map[string]string{
	"DBUS_SESSION_BUS_ADDRESS": "run/bus", "SSH_AUTH_SOCK": "run/ssh-agent", "GPG_AGENT_INFO": "home/.gnupg/S.gpg-agent", "WAYLAND_DISPLAY": "run/wayland-0",
	"DOCKER_HOST": "run/docker.sock", "PULSE_SERVER": "run/pulse/native", "XAUTHORITY": "home/.Xauthority", "CONTAINER_HOST": "run/podman/podman.sock",
	"NOTIFY_SOCKET": "run/systemd/notify", "GNOME_KEYRING_CONTROL": "run/keyring/control", "TMUX": "home/tmux",
}

func TestSocketsOfTheSessionAreNotInside(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	dir := t.TempDir()
	t.Setenv("HOME", filepath.Join(dir, "home"))
	t.Setenv("XDG_RUNTIME_DIR", filepath.Join(dir, "run"))
	var paths []string
	for name, file := range sessionSockets {
		path := filepath.Join(dir, file)
		mkdirs(t, filepath.Dir(path))
		listen(t, "unix", path)
		t.Setenv(name, path)
		paths = append(paths, path)
	}
	s := snug.Spec{}
	s.Command.Workdir = "/"
	for _, path := range paths {
		want(t, inside(t, s, "dial", "unix", path), "refused")
	}
	out := output1(t, snug.Command(s, "env"))
	for name := range sessionSockets {
		if strings.Contains(out, name+"=") {
			t.Errorf("%s is in the environment", name)
		}
	}
	if strings.Contains(out, filepath.Join(dir, "run")) {
		t.Errorf("the runtime directory is named:\n%s", out)
	}
}

// A run's descriptors lead to no terminal of the caller, and the name of one is
// that of the sandbox's own, or of none.
func TestTheControllingTerminalIsNotTheCallers(t *testing.T) {
	kerneltest.Require(t, "userns", "proc", "pty")
	for name, s := range attackers() {
		cmd := sh(s, "(: </dev/tty) 2>/dev/null && echo opened; ps -o tty= -p $$")
		if out := output1(t, cmd); strings.TrimSpace(out) != "?" {
			t.Errorf("%s: %q", name, out)
		}
	}
}

// By CVE-2025-31133 of runc a mask was a bind of the image's own /dev/null, which
// may be a link to anything, and by CVE-2025-52565 so was /dev/console. Here what
// masks is a file of Snug's, and the devices are not the tree's.
func TestMasksAndDevicesAreNotTheTrees(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	h := newHostile(t)
	mkdirs(t, filepath.Join(h.tree, "dev/pts"))
	for _, name := range []string{"null", "zero", "full", "tty", "console", "ptmx", "pts/0", "pts/ptmx"} {
		link(t, h.victim+"/file", filepath.Join(h.tree, "dev", name))
	}
	before := listing(t, h.victim)
	s := snug.Spec{}
	h.roots()["root"](&s)
	const script = `for f in acpi interrupts kcore keys timer_list scsi; do
		[ -e /proc/$f ] || continue
		(echo x >/proc/$f) 2>/dev/null && echo wrote to $f
		[ -d /proc/$f ] && ls -A /proc/$f 2>/dev/null || cat /proc/$f 2>/dev/null
	done; echo x >/dev/null; echo x >/dev/zero; [ -c /dev/null ] && echo a device`
	want(t, sh(s, script), "a device")
	tty := sh(s, "echo to the console >/dev/console; sleep 0.1")
	tty.Spec.Terminal.TTY = "yes"
	if out, err := all(t, tty); err != nil || !strings.Contains(out, "to the console") {
		t.Errorf("%q %v", out, err)
	}
	if now := listing(t, h.victim); now != before {
		t.Errorf("the victim changed:\n%s\nwas\n%s", now, before)
	}
}

// By CVE-2025-52881 of runc what it wrote to its /proc went to other files, once
// a container had replaced that. Here nothing is written by a path after the first
// mount: what is written to /proc is the host's.
func TestThePlanWritesNothingThroughTheNewTree(t *testing.T) {
	for _, w := range walks(t) {
		p, err := snug.Compile(w.spec, fakeHost(nothing), snug.Streams{})
		if err != nil {
			continue // not on this host
		}
		mounted := false
		for _, step := range p.Program.Steps {
			mounted = mounted || slices.Contains([]string{"move_mount", "open_tree", "fsopen"}, step.Call.Name)
			if mounted && writesByPath(step) {
				t.Errorf("%s: %s: %s", w.name, step.Label, step.Call.Name)
			}
		}
	}
}

// writesByPath reports whether a step opens something outside of what the plan
// made itself for writing.
func writesByPath(s program.Step) bool {
	return s.Call.Name == "openat" && s.Args[0] == plan.Cwd && s.Args[2].Value&unix.O_ACCMODE != unix.O_RDONLY && s.Args[2].Value&unix.O_PATH == 0
}

func init() {
	register("dumpable", func([]string) error {
		for _, value := range []uintptr{1, 0, 1} {
			unix.Prctl(unix.PR_SET_DUMPABLE, value, 0, 0, 0)
			unix.Prctl(unix.PR_SET_PTRACER, ^uintptr(0), 0, 0, 0)
			for _, name := range []string{"environ", "mem", "fd", "exe", "root/etc"} {
				if got, err := lookAt("/proc/1/" + name); err == nil {
					fmt.Printf("%s: %.100q\n", name, got)
				}
			}
		}
		return nil
	})
	register("groups", func([]string) error {
		// A group that is denied by a file's mode would be left so: CVE-2018-7169.
		if err := unix.Setgroups(nil); err == nil {
			fmt.Println("the groups were given up")
		}
		for _, name := range []string{"setgroups", "gid_map", "uid_map"} {
			for _, text := range []string{"allow", "0 0 1\n", "0 0 4294967295\n"} {
				if err := os.WriteFile("/proc/self/"+name, []byte(text), 0); err == nil {
					fmt.Printf("%q was written to %s\n", text, name)
				}
			}
		}
		for _, id := range []int{0, 1, 65534} {
			if id != unix.Getgid() && unix.Setresgid(id, id, id) == nil {
				fmt.Println("group", id)
			}
			if id != unix.Getuid() && unix.Setresuid(id, id, id) == nil {
				fmt.Println("user", id)
			}
		}
		return nil
	})
	register("bomb", func([]string) error {
		var failed error
		started := 0
		for started < 500 {
			if _, failed = syscall.ForkExec("/bin/sleep", []string{"sleep", "604"}, nil); failed != nil {
				break
			}
			started++
		}
		fmt.Println(started < 100, errors.Is(failed, unix.EAGAIN))
		return nil
	})
}

func TestNoGameOfDumpableOpensProcessOne(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	for name, s := range attackers() {
		if out := output1(t, inside(t, s, "dumpable")); out != "" {
			t.Errorf("%s: %s", name, out)
		}
	}
}

func TestIdsAndGroupsAreNotChanged(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	root := snug.Spec{}
	root.Identity.Map = "root"
	for name, s := range map[string]snug.Spec{"ordinary": {}, "root": root, "fake root": fakeRoot()} {
		if out := output1(t, inside(t, s, "groups")); out != "" {
			t.Errorf("%s: %s", name, out)
		}
	}
}

func TestAForkBombEndsWithTheRun(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	leavesNothing(t)
	s := snug.Spec{}
	s.Limits.Nproc = units.SameRlimit(60)
	cmd := inside(t, s, "bomb")
	out, err := all(t, cmd)
	if strings.TrimSpace(out) != "true true" {
		t.Errorf("%q %v", out, err)
	}
}

// Files without a byte in them are the kernel's memory as well.
func TestFilesOfASizedTmpfsAreCounted(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	s := snug.Spec{}
	s.Mounts = []mounts.Mount{{Type: mounts.Tmpfs, Target: "/dev/shm", Size: 1 << 20}, {Type: mounts.Tmpfs, Target: "/tmp", Size: 64 << 20}}
	out := output1(t, sh(s, "stat -f -c %c /dev/shm /tmp; cd /dev/shm; i=0; while [ $i -lt 2000 ] && true 2>/dev/null >$i; do i=$((i+1)); done; [ $i -lt 1024 ] && echo few"))
	if out != "1024\n16384\nfew" {
		t.Errorf("%q", out)
	}
}

// vsyscall is machine code at a fixed address: the call is made by the kernel's
// emulation, or by nothing at all.
var vsyscall = []byte{
	0x48, 0xc7, 0xc0, 0x00, 0x00, 0x60, 0xff, // mov rax, 0xffffffffff600000 (gettimeofday)
	0x31, 0xff, // xor edi, edi
	0x31, 0xf6, // xor esi, esi
	0xff, 0xd0, // call rax
	0x89, 0xc7, // mov edi, eax
	0xf7, 0xdf, // neg edi
	0x83, 0xc7, 42, // add edi, 42
	0xb8, 60, 0, 0, 0, // mov eax, 60
	0x0f, 0x05, // syscall
}

func TestTheFilterHoldsForVsyscall(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	if runtime.GOARCH != "amd64" {
		t.Skip("the page is x86's")
	}
	run := func(rule ...string) *snug.Result {
		s := snug.Spec{}
		s.Security.Seccomp.Deny = rule
		file := elfFile(t, 64, vsyscall)
		s.Mounts = []mounts.Mount{bind(file)}
		cmd := snug.Command(s, file)
		cmd.Run()
		return cmd.Result()
	}
	free := run()
	if free.Signal == unix.SIGSEGV {
		t.Skip("this kernel has no vsyscall page (vsyscall=none)")
	}
	if free.ExitCode != 42 {
		t.Fatalf("without a rule: %+v", free)
	}
	if r := run("gettimeofday:EPERM"); r.ExitCode != 42+int(unix.EPERM) {
		t.Errorf("a call that is refused: %+v", r)
	}
	if r := run("gettimeofday:kill"); r.Signal != unix.SIGSYS {
		t.Errorf("a call that kills: %+v", r)
	}
}

func init() {
	register("hide-proc", func([]string) error {
		list, err := filepath.Glob("/proc/[0-9]*")
		_, status := os.ReadFile("/proc/1/status")
		_, info := os.Stat("/proc/meminfo")
		fmt.Println(len(list), status == nil, info == nil)
		return err
	})
}

func TestWhatProcShows(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	for _, c := range []struct {
		hide, subset, want string
	}{
		{"", "", "2 true true"}, {mounts.HideOff, mounts.SubsetAll, "2 true true"}, {mounts.HideNoAccess, "", "2 false true"},
		{mounts.HideInvisible, "", "1 false true"}, {mounts.HidePtraceable, "", "1 false true"}, {"", mounts.SubsetPID, "2 true false"},
	} {
		s := snug.Spec{}
		s.Security.HidePID, s.Security.ProcSubset = c.hide, c.subset
		if out := output1(t, inside(t, s, "hide-proc")); out != c.want {
			t.Errorf("hidepid %q, subset %q: %s, want %s", c.hide, c.subset, out, c.want)
		}
	}
	s := snug.Spec{}
	s.Namespaces.PID, s.Security.HidePID = "share", mounts.HideInvisible
	if _, err := snug.Compile(s, fakeHost(nothing), snug.Streams{}); err == nil || !strings.Contains(err.Error(), "hidepid") {
		t.Error(err)
	}
}
