package snug_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug"
	"github.com/snug-sandbox/snug/internal/kerneltest"
	"github.com/snug-sandbox/snug/internal/units"
	"github.com/snug-sandbox/snug/mounts"
	"github.com/snug-sandbox/snug/namespaces"
	"github.com/snug-sandbox/snug/userns"
)

func identity(c userns.Config) snug.Spec { return snug.Spec{Identity: c} }

func number(n int) *int { return &n }

func TestIDsInside(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	uid, gid := os.Getuid(), os.Getgid()
	for _, c := range []struct {
		config   userns.Config
		uid, gid int
	}{
		{userns.Config{}, uid, gid},
		{userns.Config{Map: userns.MapSelf}, uid, gid},
		{userns.Config{Map: userns.MapRoot}, 0, 0},
		{userns.Config{UID: number(4711)}, 4711, gid},
		{userns.Config{UID: number(0), GID: number(7)}, 0, 7},
		{userns.Config{Map: userns.MapRoot, UID: number(3), GID: number(4)}, 3, 4},
		{userns.Config{UID: number(4294967294), GID: number(4294967294)}, 4294967294, 4294967294},
	} {
		for _, pid1 := range []bool{false, true} {
			s := identity(c.config)
			s.Command.PID1 = pid1
			want(t, sh(s, "id -u; id -g; cat /proc/self/setgroups"), fmt.Sprintf("%d\n%d\ndeny", c.uid, c.gid))
		}
	}
}

func TestFilesBelongToTheCaller(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	dir := t.TempDir()
	for _, how := range []string{userns.MapSelf, userns.MapRoot} {
		s := identity(userns.Config{Map: how})
		s.Mounts = []mounts.Mount{writable(dir)}
		name := filepath.Join(dir, how)
		want(t, sh(s, "echo >"+name+"; stat -c %u:%g "+name+" /tmp /usr"), fmt.Sprintf("%s\n%[1]s\n65534:65534", output1(t, sh(s, "echo $(id -u):$(id -g)"))))
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		var st unix.Stat_t
		if err := unix.Stat(name, &st); err != nil || int(st.Uid) != os.Getuid() || info.Mode().Perm() != 0o644 {
			t.Errorf("outside it belongs to %d, mode %v", st.Uid, info.Mode())
		}
	}
}

func TestNamesOfTheUser(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	script := "echo $USER $LOGNAME $HOME $SHELL"
	want(t, sh(identity(userns.Config{Map: userns.MapRoot}), script), "root root /root "+callersShell())
	want(t, sh(identity(userns.Config{User: "ann", Home: "/home/ann", Shell: "/bin/bash"}), script), "ann ann /home/ann /bin/bash")
}

func callersShell() string {
	if shell := os.Getenv("SHELL"); strings.HasPrefix(shell, "/") {
		return shell
	}
	return "/bin/sh"
}

func TestRangeOfIDs(t *testing.T) {
	kerneltest.Require(t, "userns", "proc", "subid")
	leavesNothing(t)
	dir := t.TempDir()
	s := identity(userns.Config{Map: userns.MapRange})
	s.Security.Capabilities = []string{"CAP_CHOWN", "CAP_SETUID", "CAP_SETGID", "CAP_DAC_OVERRIDE", "CAP_FOWNER"}
	s.Mounts = []mounts.Mount{writable(dir)}
	os.Chmod(dir, 0o777)
	want(t, sh(s, "cd "+dir+"; id -u; id -g; touch a b; chown 33:44 b; stat -c %u:%g a b; setpriv --reuid 7 --regid 8 --clear-groups --inh-caps=-all sh -c 'id -u; id -g; touch c; stat -c %u:%g c'; wc -l </proc/self/uid_map; cat /proc/self/setgroups; rm a b c"),
		"0\n0\n0:0\n33:44\n7\n8\n7:8\n2\nallow")
}

func TestRangeWithAnID(t *testing.T) {
	kerneltest.Require(t, "userns", "proc", "subid")
	for _, pid1 := range []bool{false, true} {
		s := identity(userns.Config{Map: userns.MapRange, UID: number(5), GID: number(6)})
		s.Command.PID1 = pid1
		want(t, sh(s, "id -u; id -g; id -G; grep Cap /proc/self/status | grep -vc 0000000000000000; touch /tmp/x /run/x /dev/shm/x; stat -c %u:%g /tmp /run/x"), "5\n6\n6\n0\n5:6\n5:6")
	}
}

func TestFurtherGroups(t *testing.T) {
	kerneltest.Require(t, "userns", "proc", "subid")
	for _, c := range []struct {
		config userns.Config
		says   string
	}{
		{userns.Config{Groups: []int{4, 1000}}, "0 4 1000"}, {userns.Config{Groups: []int{}}, "0"},
		{userns.Config{UID: number(5), GID: number(6), Groups: []int{9}}, "6 9"},
	} {
		c.config.Map = userns.MapRange
		want(t, sh(identity(c.config), "id -G"), c.says)
	}
	refusedFor(t, identity(userns.Config{Map: userns.MapRange, Groups: []int{4294967294}}), "group id 4294967294 is not mapped")
	refusedFor(t, identity(userns.Config{Map: userns.MapRoot, Groups: []int{4}}), "identity.groups")
}

func refusedFor(t *testing.T, s snug.Spec, why string) {
	t.Helper()
	if err := sh(s, "true").Run(); err == nil || !strings.Contains(err.Error(), why) {
		t.Errorf("%v, want %q", err, why)
	}
}

func TestProcessesOfOtherIDsEndToo(t *testing.T) {
	kerneltest.Require(t, "userns", "proc", "subid")
	leavesNothing(t)
	s := identity(userns.Config{Map: userns.MapRange})
	s.Security.Capabilities = []string{"CAP_SETUID", "CAP_SETGID"}
	cmd := sh(s, "setpriv --reuid 7 --regid 8 --clear-groups setsid sleep 1000 & sleep 0.1; exit 0")
	if out, err := all(t, cmd); err != nil || cmd.Result().Left != 1 {
		t.Errorf("%s %v: %+v", out, err, cmd.Result())
	}
}

func capabilities(t *testing.T, s snug.Spec) string {
	t.Helper()
	return output1(t, sh(s, "grep Cap /proc/self/status | cut -f2"))
}

func TestCapabilities(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	set := func(bits uint64) string { return fmt.Sprintf("%016x", bits) }
	for _, how := range []string{userns.MapSelf, userns.MapRoot} {
		for _, pid1 := range []bool{false, true} {
			s := identity(userns.Config{Map: how})
			s.Command.PID1 = pid1
			if got, none := capabilities(t, s), set(0); got != strings.Join([]string{none, none, none, none, none}, "\n") {
				t.Errorf("%s: without any: %s", how, got)
			}
			s.Security.Capabilities = []string{"CAP_NET_BIND_SERVICE", "cap_chown", "Kill"}
			if got, some := capabilities(t, s), set(1<<unix.CAP_NET_BIND_SERVICE|1<<unix.CAP_CHOWN|1<<unix.CAP_KILL); got != strings.Join([]string{some, some, some, some, some}, "\n") {
				t.Errorf("%s: with some: %s", how, got)
			}
		}
	}
	s := snug.Spec{}
	s.Security.Capabilities = []string{"ALL"}
	if got := capabilities(t, s); !strings.HasPrefix(got, set(1<<len(userns.Capabilities)-1)) {
		t.Errorf("with all: %s", got)
	}
}

func TestCapabilitiesWork(t *testing.T) {
	kerneltest.Require(t, "userns", "proc", "net")
	listen := "python3 -c 'import socket; socket.socket().bind((\"127.0.0.1\", 80))' 2>/dev/null && echo bound || echo refused"
	s := snug.Spec{}
	if out := output1(t, sh(s, "command -v python3 || echo none")); out == "none" {
		t.Skip("needs python3")
	}
	want(t, sh(s, listen), "refused")
	s.Security.Capabilities = []string{"CAP_NET_BIND_SERVICE"}
	want(t, sh(s, listen), "bound")
}

func TestHostname(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	script := "cat /proc/sys/kernel/hostname /proc/sys/kernel/domainname"
	want(t, sh(snug.Spec{}, script), "snug\n(none)")
	s := snug.Spec{}
	s.Namespaces.Hostname, s.Namespaces.Domainname = strings.Repeat("h", 64), "example.org"
	want(t, sh(s, script), s.Namespaces.Hostname+"\nexample.org")
	s.Namespaces = namespaces.Config{UTS: namespaces.Share}
	theirs, _ := os.ReadFile("/proc/sys/kernel/hostname")
	want(t, sh(s, "cat /proc/sys/kernel/hostname"), strings.TrimSpace(string(theirs)))
}

func TestEachNamespaceIsNewOrShared(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	share := map[string]func(*namespaces.Config){
		"pid": func(c *namespaces.Config) { c.PID = namespaces.Share }, "net": func(c *namespaces.Config) { c.Net = namespaces.Share },
		"ipc": func(c *namespaces.Config) { c.IPC = namespaces.Share }, "uts": func(c *namespaces.Config) { c.UTS = namespaces.Share },
		"cgroup": func(c *namespaces.Config) { c.Cgroup = namespaces.Share }, "time": func(c *namespaces.Config) { c.Time = namespaces.Share },
		"": func(*namespaces.Config) {},
	}
	names := []string{"user", "mnt", "pid", "net", "ipc", "uts", "cgroup", "time"}
	for shared, change := range share {
		s := snug.Spec{}
		change(&s.Namespaces)
		script := "for n in " + strings.Join(names, " ") + "; do echo $n $(readlink /proc/self/ns/$n); done"
		for _, line := range strings.Split(output1(t, sh(s, script)), "\n") {
			name, inside, _ := strings.Cut(line, " ")
			outside, err := os.Readlink("/proc/self/ns/" + name)
			if err != nil {
				continue // this kernel does not have it
			}
			if (inside == outside) != (name == shared || name == "time") {
				t.Errorf("with %q shared: %s is %s inside and %s outside", shared, name, inside, outside)
			}
		}
	}
}

func TestClockOffsets(t *testing.T) {
	kerneltest.Require(t, "userns", "proc", "timens")
	s := snug.Spec{}
	s.Namespaces.BoottimeOffset = units.Duration(1e15) // 11.6 days
	s.Namespaces.MonotonicOffset = units.Duration(-1500e6)
	for _, pid1 := range []bool{false, true} {
		s.Command.PID1 = pid1
		out := output1(t, sh(s, "cut -d. -f1 /proc/uptime"))
		var up int
		fmt.Sscan(out, &up)
		if up < 1_000_000 {
			t.Errorf("up for %s seconds", out)
		}
	}
	s.Namespaces.MonotonicOffset = units.Duration(-1 << 62)
	if err := sh(s, "true").Run(); err == nil || !strings.Contains(err.Error(), "shift the clocks: a clock would be negative") {
		t.Errorf("got %v", err)
	}
}

func TestASandboxInASandbox(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	s := snug.Spec{}
	s.Security.NestedUserns = true
	want(t, inside(t, s, "nested", "2"), "three deep, process 2")
}

func init() {
	register("nested", func(args []string) error {
		s := snug.Spec{}
		s.Security.NestedUserns = true
		s.Mounts = []mounts.Mount{{Source: probePath}, {Type: mounts.Proc, Target: "/proc", Fallback: mounts.FallbackBind}}
		cmd := snug.Command(s, probePath, "nested", "1")
		if args[0] == "1" {
			cmd = sh(s, "echo three deep, process $$")
		}
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		return cmd.Run()
	})
}

// In a sandbox parts of /proc are hidden, and so the kernel gives no fresh one
// to a sandbox in it (mount_namespaces(7)).
func TestWithoutAFreshProc(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	s := snug.Spec{}
	s.Security.NestedUserns = true
	want(t, inside(t, s, "proc-refused", mounts.FallbackBind), `3 processes; hidden; read-only
["further user namespaces are forbidden by a seccomp filter, because /proc/sys/user cannot be written here" "no fresh procfs in this container; the outer /proc is shown, with the processes outside"]`)
	out := output1(t, inside(t, s, "proc-refused", mounts.FallbackNone))
	if !strings.Contains(out, "mount procfs at /proc: the kernel gives no fresh procfs where the outer /proc is partly hidden") || !strings.Contains(out, `fallback = "bind"`) {
		t.Errorf("got %s", out)
	}
}

func init() {
	register("proc-refused", func(args []string) error {
		s := snug.Spec{}
		s.Mounts = []mounts.Mount{{Type: mounts.Proc, Target: "/proc", Fallback: args[0]}}
		cmd := sh(s, `cd /proc; n=$(ls -d [0-9]* | wc -l); [ $n -ge 3 ] && echo -n "3 processes; "; [ -s kcore ] || echo -n "hidden; "; touch sys/x 2>/dev/null || echo read-only`)
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		if err := cmd.Run(); err != nil {
			fmt.Println(err, fix(err))
			return nil
		}
		fmt.Printf("%q\n", cmd.Result().Notes)
		return nil
	})
}
