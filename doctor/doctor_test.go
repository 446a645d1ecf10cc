package doctor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/snug-sandbox/snug"
	"github.com/snug-sandbox/snug/internal/host"
	"github.com/snug-sandbox/snug/internal/kerneltest"
	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/spec"
)

// With root: SNUG_TEST_ROOT=1 go test ./doctor -update
var update = flag.Bool("update", false, "rewrite the golden tables")

func TestMain(m *testing.M) { kerneltest.Main(m) }

// well is a desktop where everything works.
func well() seen {
	return seen{
		Userns: host.Userns{
			Facts: host.Facts{
				Kernel: host.Version{Major: 6, Minor: 8}, UID: 1000, GID: 1000, Groups: []int{1000},
				User: "ann", SubIDLogin: "ann",
				SubUIDs: []host.IDRange{{Start: 100000, Count: 65536}}, SubGIDs: []host.IDRange{{Start: 100000, Count: 65536}},
				FreeSubIDs: host.IDRange{Start: 165536, Count: 65536},
				Newuidmap:  "/usr/bin/newuidmap", Newgidmap: "/usr/bin/newgidmap",
				Distro: host.Distro{ID: "debian", Name: "Debian GNU/Linux 13 (trixie)"},
			},
			Exe:          "/usr/bin/snug",
			Namespaces:   host.NamespaceKinds(),
			Sysctls:      map[string]int{"user.max_user_namespaces": 60000},
			UIDMap:       []host.IDMap{{Count: 1<<32 - 1}},
			GIDMap:       []host.IDMap{{Count: 1<<32 - 1}},
			Proc:         host.ProcView{Mounted: true},
			MaxProcesses: -1,
			UIDPrivilege: host.Setuid, GIDPrivilege: host.FileCaps,
		},
		kinds: map[string]error{}, landlock: 4, overlayFS: true,
		cgroup:      "/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/app.slice/run-1.scope",
		cgroupFrom:  "a subtree that was left to the caller",
		controllers: []string{"cpuset", "cpu", "io", "memory", "pids"},
		bus:         "/run/user/1000/bus", systemd: true,
		programs: map[string]string{
			"fuse-overlayfs": "/usr/bin/fuse-overlayfs", "slirp4netns": "/usr/bin/slirp4netns",
			"pasta": "/usr/bin/pasta", "xdg-dbus-proxy": "/usr/bin/xdg-dbus-proxy",
		},
		groups: map[int]string{1000: "ann", 29: "audio", 44: "video"},
	}
}

// refuse makes every sandbox fail as err.
func (s *seen) refuse(err error) {
	s.sandbox, s.withoutProc, s.bare, s.overlay, s.idRange = err, err, err, errNotTried, errNotTried
}

var hosts = map[string]func(s *seen){
	"well": func(*seen) {},

	"ubuntu-apparmor": func(s *seen) {
		s.Distro = host.Distro{ID: "ubuntu", Like: []string{"debian"}, Name: "Ubuntu 24.04.1 LTS"}
		s.AppArmor = "unconfined"
		s.Sysctls["kernel.apparmor_restrict_unprivileged_userns"] = 1
		s.kinds["mnt"] = syscall.EACCES
		s.programs = map[string]string{}
		s.Newuidmap, s.Newgidmap = "", ""
		s.refuse(&problem.Problem{What: "map user 1000 to 1000", Why: "AppArmor refuses it", Fix: "see above"})
	},
	"docker": func(s *seen) {
		s.Container, s.Seccomp, s.AppArmor = "docker", 2, "docker-default (enforce)"
		s.UID, s.GID, s.User, s.SubIDLogin, s.Groups = 0, 0, "root", "root", []int{0}
		s.groups = map[int]string{0: "root"}
		s.SubUIDs, s.SubGIDs, s.Newuidmap, s.Newgidmap = nil, nil, "", ""
		s.NoSubIDFile = []string{"/etc/subuid", "/etc/subgid"}
		s.Proc.Covered, s.Proc.SysRO = []string{"/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/sys"}, true
		for _, kind := range host.NamespaceKinds() {
			s.kinds[kind] = syscall.EPERM
		}
		s.idMap = syscall.EPERM
		s.cgroup, s.controllers, s.cgroupNo = "", nil, "/sys/fs/cgroup is mounted read-only, as containers do it"
		s.bus, s.systemd, s.tun, s.programs = "", false, syscall.ENOENT, map[string]string{}
		s.refuse(&problem.Problem{What: "clone CLONE_NEWUSER", Why: "a seccomp filter forbids it", Fix: "docker run ..."})
	},
	"fedora-groups": func(s *seen) {
		s.Distro = host.Distro{ID: "fedora", Name: "Fedora Linux 42 (Workstation Edition)"}
		s.Groups = []int{1000, 29, 44, 44, 990}
		s.controllers = []string{"memory", "pids"}
		s.tun, s.landlockNo = syscall.EACCES, syscall.EOPNOTSUPP
		s.UIDPrivilege = host.Plain
		s.idRange = errNotTried
		delete(s.programs, "pasta")
	},
	"arch-noranges": func(s *seen) {
		s.Distro = host.Distro{ID: "arch", Name: "Arch Linux"}
		s.SubUIDs, s.SubGIDs = nil, nil
		s.cgroup, s.cgroupFrom = "/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/app.slice/snug-PID.scope", "a scope of the user's systemd, which is asked for"
		s.kinds["time"] = syscall.EINVAL
		s.kinds["net"] = syscall.ENOSPC
		s.Sysctls["user.max_net_namespaces"] = 0
		s.programs = map[string]string{}
		s.idRange = errNotTried
	},
	"nested": func(s *seen) {
		s.UIDMap, s.NoNewPrivs = []host.IDMap{{Inside: 1000, Outside: 1000, Count: 1}}, true
		s.GIDMap = s.UIDMap
		s.Proc.Covered = []string{"/proc/keys"}
		s.cgroup, s.controllers, s.cgroupNo = "", nil, "no cgroup v2 file system is mounted"
		s.bus, s.systemd = "", false
		s.refuse(&problem.Problem{What: "mount procfs at /proc", Why: "the outer one is covered"})
		s.withoutProc, s.overlay = nil, nil
	},
	"old": func(s *seen) {
		s.Kernel, s.Distro = host.Version{Major: 5, Minor: 10}, host.Distro{ID: "debian", Name: "Debian GNU/Linux 11 (bullseye)"}
		s.Sysctls["kernel.unprivileged_userns_clone"] = 0
		s.kinds["user"], s.idMap, s.mountAPI = syscall.EPERM, syscall.EPERM, os.NewSyscallError("mount_setattr", syscall.ENOSYS)
		s.landlockNo, s.seccomp = syscall.ENOSYS, syscall.EINVAL
		s.cgroup, s.controllers, s.cgroupNo = "", nil, "cgroup v1 host: there is no cgroup v2 hierarchy"
		s.tables = &problem.Problem{What: "/etc/subuid", Why: "the range 100000:0 holds no ids", Fix: "mend your line"}
		s.refuse(&problem.Problem{What: "clone CLONE_NEWUSER", Why: "this kernel gives user namespaces to root only"})
	},
}

func TestTables(t *testing.T) {
	for name, change := range hosts {
		t.Run(name, func(t *testing.T) {
			s := well()
			change(&s)
			var got bytes.Buffer
			if err := judge(s).Print(&got, false); err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("testdata", name+".txt")
			if *update {
				if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got.String() != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got.String(), want)
			}
		})
	}
}

func TestOK(t *testing.T) {
	for name, want := range map[string]bool{
		"well": true, "fedora-groups": true, "arch-noranges": true, "nested": true,
		"ubuntu-apparmor": false, "docker": false, "old": false,
	} {
		s := well()
		hosts[name](&s)
		r := judge(s)
		if r.OK != want {
			t.Errorf("%s: OK is %v", name, r.OK)
		}
		if broken := hasState(r, Broken); !want && !broken {
			t.Errorf("%s: not OK, and no line is broken", name)
		}
	}
}

func hasState(r Report, s State) bool {
	for _, c := range r.Checks {
		if c.State == s {
			return true
		}
	}
	return false
}

// Every line that is not well says what breaks.
func TestLinesAreComplete(t *testing.T) {
	for name, change := range hosts {
		s := well()
		change(&s)
		seen := map[string]bool{}
		for _, c := range judge(s).Checks {
			if c.Name == "" || c.Found == "" || seen[c.Name] {
				t.Errorf("%s: %+v", name, c)
			}
			seen[c.Name] = true
			follows := strings.HasPrefix(c.Found, "needs the")
			if c.State != OK && c.Breaks == "" && !follows || c.State == OK && c.Breaks+c.Mend != "" {
				t.Errorf("%s: %+v", name, c)
			}
		}
	}
}

// The commands fit the distribution.
func TestMendByDistro(t *testing.T) {
	for id, want := range map[string][]string{
		"debian": {"sudo apt install uidmap", "sudo apt install passt", "sudo update-grub"},
		"ubuntu": {"sudo apt install uidmap", "sudo apt install passt", "sudo update-grub"},
		"fedora": {"sudo dnf install shadow-utils", "sudo dnf install passt", "sudo grubby"},
		"arch":   {"sudo pacman -S shadow", "sudo pacman -S passt", "sudo grub-mkconfig"},
		"other":  {"install the program newuidmap", "install the program pasta", "start the kernel with the argument"},
	} {
		s := well()
		s.Distro = host.Distro{ID: id}
		s.Newuidmap, s.programs = "", map[string]string{}
		s.cgroup, s.cgroupNo = "", "cgroup v1 host: there is no cgroup v2 hierarchy"
		var all []string
		for _, c := range judge(s).Checks {
			all = append(all, c.Mend)
		}
		for _, part := range want {
			if !strings.Contains(strings.Join(all, "\n"), part) {
				t.Errorf("%s: no %q in\n%s", id, part, strings.Join(all, "\n"))
			}
		}
	}
}

func TestPrintEscapes(t *testing.T) {
	r := Report{OK: true, User: "a\x1b[31mb", Distro: host.Distro{Name: "x\x07"}, Checks: []Check{
		{Name: "one", State: Broken, Found: "p\x1bq", Breaks: "a\rb", Mend: "first\nsecond\x00"},
	}}
	var plain, colored bytes.Buffer
	if err := errors.Join(r.Print(&plain, false), r.Print(&colored, true)); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(plain.String(), "\x1b\x07\r\x00") {
		t.Errorf("control characters in %q", plain.String())
	}
	if got := strings.Count(colored.String(), "\x1b"); got != 2 || !strings.Contains(colored.String(), "\x1b[31mbroken   \x1b[0m") {
		t.Errorf("%d escapes in %q", got, colored.String())
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

func TestPrintReportsErrors(t *testing.T) {
	if err := judge(well()).Print(fullDisk{}, false); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("got %v", err)
	}
}

func TestJSON(t *testing.T) {
	text, err := json.Marshal(judge(well()))
	if err != nil {
		t.Fatal(err)
	}
	var back map[string]any
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if back["ok"] != true || back["kernel"] != "6.8" || back["user"] != "ann" {
		t.Errorf("got %s", text)
	}
	first := back["checks"].([]any)[0].(map[string]any)
	if first["name"] != "kernel" || first["state"] != "ok" || first["found"] != "Linux 6.8" {
		t.Errorf("got %v", first)
	}
}

// What is tried depends on what was found before.
func TestWhatIsTried(t *testing.T) {
	boom := errors.New("boom")
	for _, tt := range []struct {
		name   string
		change func(s *seen)
		fails  func(spec.Spec) bool
		runs   int
	}{
		{"all is well", func(*seen) {}, func(spec.Spec) bool { return false }, 4},
		{"no ranges", func(s *seen) { s.SubUIDs = nil }, func(spec.Spec) bool { return false }, 3},
		{"helpers without power", func(s *seen) { s.NoNewPrivs = true }, func(spec.Spec) bool { return false }, 3},
		{"nothing works", func(*seen) {}, func(spec.Spec) bool { return true }, 3},
		{"only without namespaces", func(*seen) {}, func(s spec.Spec) bool { return !s.Namespaces.None }, 3},
		{"only without proc", func(*seen) {}, func(s spec.Spec) bool { return len(s.Mounts) == 0 }, 5},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, runs := well(), 0
			tt.change(&s)
			s.runSandboxes(context.Background(), func(_ context.Context, sp spec.Spec) error {
				runs++
				if tt.fails(sp) {
					return boom
				}
				return nil
			})
			if runs != tt.runs {
				t.Errorf("%d runs, want %d", runs, tt.runs)
			}
			if works := !tt.fails(spec.Spec{}); (s.sandbox == nil) != works || (s.overlay == nil) != s.works() {
				t.Errorf("got %v, overlay %v", s.sandbox, s.overlay)
			}
			if tt.name == "only without proc" && (s.withoutProc != nil || !judge(s).OK) {
				t.Errorf("got %v", s.withoutProc)
			}
			if tt.name == "only without namespaces" && (s.bare != nil || !strings.Contains(smallest(s)[0].Breaks, "--no-namespaces, which ran")) {
				t.Errorf("got %v, %+v", s.bare, smallest(s))
			}
		})
	}
}

// What ran counts more than what a probe said.
func TestWhatRanIsBelieved(t *testing.T) {
	refused := func() seen {
		s := well()
		s.outerProc, s.idMap = true, syscall.EACCES
		for _, kind := range host.NamespaceKinds() {
			s.kinds[kind] = syscall.EACCES
		}
		return s
	}
	for name, fails := range map[string]func(*seen){
		"all of it": func(*seen) {}, "with the outer /proc": func(s *seen) { s.sandbox = syscall.EPERM },
	} {
		s := refused()
		fails(&s)
		s.believe()
		if r := judge(s); !r.OK || hasState(r, Broken) {
			t.Errorf("%s: a sandbox ran, and a line is broken: %+v", name, r.Checks)
		}
		if s.kinds["time"] == nil {
			t.Errorf("%s: the time namespace is not in the sandbox", name)
		}
	}
	s := refused()
	s.idMap = nil
	s.refuse(fmt.Errorf("start: %w", &snug.StepError{Label: "map user 0 to 0", Errno: syscall.EPERM}))
	if s.believe(); s.idMap != syscall.EPERM {
		t.Errorf("ids were refused, and the check-up says %v", s.idMap)
	}
	s = refused()
	s.idMap = nil
	s.refuse(&snug.StepError{Label: "mount procfs at /proc", Errno: syscall.EPERM})
	if s.believe(); s.idMap != nil {
		t.Errorf("ids were mapped, and the check-up says %v", s.idMap)
	}
}

func TestMountCallsThatTheSmallestSandboxDoesWithout(t *testing.T) {
	s := well()
	s.mountAPI = os.NewSyscallError("openat2", syscall.ENOSYS)
	if r := judge(s); !r.OK || hasState(r, Broken) || !hasState(r, Limited) {
		t.Errorf("got %+v", r.Checks)
	}
}

func TestNoProc(t *testing.T) {
	s := well()
	s.NoProc, s.Proc = true, host.ProcView{}
	s.refuse(syscall.ENOENT)
	for _, c := range judge(s).Checks {
		if c.Name == "procfs" && (c.State != Broken || !strings.Contains(c.Mend, "mount -t proc")) {
			t.Errorf("got %+v", c)
		}
	}
}

func TestAroundUs(t *testing.T) {
	s := well()
	s.UIDMap, s.outerProc = nil, true
	if got := around(s).Found; got != "a user namespace without ids, a pid namespace that /proc does not show" {
		t.Errorf("got %q", got)
	}
	s.Namespaces = []string{"mnt"} // a kernel without user namespaces has no maps
	if got := around(s).Found; strings.Contains(got, "user") {
		t.Errorf("got %q", got)
	}
}

// TestThisMachineFromAPIDNamespace has the check-up in a pid namespace with the
// /proc of the one around it, as after unshare --pid --fork. No line may be
// broken when the sandboxes run.
func TestThisMachineFromAPIDNamespace(t *testing.T) {
	const inside = "SNUG_TEST_INSIDE"
	if os.Getenv(inside) != "" {
		r := Run(context.Background())
		_ = json.NewEncoder(os.Stdout).Encode(r)
		os.Exit(0)
	}
	kerneltest.Require(t, "userns", "proc")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWPID,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 1000, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 1000, HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var r Report
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if !r.OK || hasState(r, Broken) || !strings.Contains(fmt.Sprint(r.Checks), "a pid namespace that /proc does not show") {
		t.Errorf("got %+v", r)
	}
}

// TestThisMachine is the check-up itself.
func TestThisMachine(t *testing.T) {
	r := Run(context.Background())
	works, err := kerneltest.Condition("userns")
	if err != nil {
		t.Fatal(err)
	}
	if fresh, _ := kerneltest.Condition("proc"); works && fresh && !r.OK {
		var table bytes.Buffer
		_ = r.Print(&table, false)
		t.Errorf("namespaces work, and no sandbox does:\n%s", table.String())
	}
	if !works && r.OK {
		t.Error("namespaces do not work, and the check-up has not noticed")
	}
	if r.UID != os.Getuid() || r.Kernel == "0.0" || len(r.Checks) < 20 {
		t.Errorf("got %+v", r)
	}
}

func TestThisMachineAgreesWithKerneltest(t *testing.T) {
	r := Run(context.Background())
	for name, feature := range map[string]string{
		"mnt namespace": "userns", "overlayfs": "overlay", "subuid ranges": "subid", "time namespace": "timens", "procfs": "proc",
	} {
		has, err := kerneltest.Condition(feature)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range r.Checks {
			if c.Name == name && (c.State == OK) != has {
				t.Errorf("%s is %s (%s), and kerneltest says about %s: %v", name, c.State, c.Found, feature, kerneltest.Probe(feature))
			}
		}
	}
}

func TestRunStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if r := Run(ctx); r.OK {
		t.Error("sandboxes ran though the context was done")
	}
}
