package userns

import (
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/snug-sandbox/snug/internal/host"
)

const (
	stepClone  = "clone CLONE_NEWUSER|CLONE_NEWNS|CLONE_NEWPID|CLONE_NEWNET"
	stepMap    = "map user 0 to 1000"
	stepMount  = "mount tmpfs at /tmp"
	stepProc   = "mount procfs at /proc"
	stepHelper = "map 65537 user ids with newuidmap"
	stepGroups = "map 65537 group ids with newgidmap"
)

// machine is an ordinary user's process where everything works.
func machine() host.Userns {
	return host.Userns{
		Facts: host.Facts{
			UID: 1000, GID: 1000, User: "ann", SubIDLogin: "ann",
			SubUIDs: []host.IDRange{{Start: 100000, Count: 65536}}, SubGIDs: []host.IDRange{{Start: 100000, Count: 65536}},
			FreeSubIDs: host.IDRange{Start: 165536, Count: 65536},
			Newuidmap:  "/usr/bin/newuidmap", Newgidmap: "/usr/bin/newgidmap",
			Distro: host.Distro{ID: "debian"},
		},
		Exe:          "/opt/snug/bin/snug",
		Namespaces:   []string{"cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"},
		Sysctls:      map[string]int{"user.max_user_namespaces": 60000, "user.max_net_namespaces": 60000},
		UIDMap:       []host.IDMap{{Count: 1<<32 - 1}},
		GIDMap:       []host.IDMap{{Count: 1<<32 - 1}},
		Proc:         host.ProcView{Mounted: true},
		MaxProcesses: -1,
		UIDPrivilege: host.Setuid, GIDPrivilege: host.Setuid,
	}
}

func nested(u *host.Userns) {
	u.UIDMap = []host.IDMap{{Inside: 1000, Outside: 1000, Count: 1}}
	u.GIDMap = u.UIDMap
}

var causeTests = []struct {
	name string
	err  error
	step string
	host func(u *host.Userns)
	why  string   // part of it
	fix  []string // parts of it
}{
	{"kernel without user namespaces", syscall.EINVAL, stepClone,
		func(u *host.Userns) { u.Namespaces = []string{"mnt", "net", "pid"} },
		"built without user namespaces", []string{"CONFIG_USER_NS=y"}},
	{"the same through clone3", syscall.ENOSYS, stepClone,
		func(u *host.Userns) { u.Namespaces = []string{"mnt", "net", "pid"} },
		"built without user namespaces", nil},
	{"kernel without another kind", syscall.EINVAL, stepClone,
		func(u *host.Userns) { u.Namespaces = []string{"mnt", "pid", "user"} },
		"without net namespaces", []string{"--share net"}},

	{"Debian's switch", syscall.EPERM, stepClone,
		func(u *host.Userns) { u.Sysctls["kernel.unprivileged_userns_clone"] = 0 },
		"kernel.unprivileged_userns_clone is 0", []string{
			"sudo sysctl -w kernel.unprivileged_userns_clone=1\n",
			"echo kernel.unprivileged_userns_clone=1 | sudo tee /etc/sysctl.d/60-unprivileged_userns_clone.conf"}},

	{"no user namespaces at all", syscall.ENOSPC, stepClone,
		func(u *host.Userns) { u.Sysctls["user.max_user_namespaces"] = 0 },
		"user.max_user_namespaces is 0", []string{"sudo sysctl -w user.max_user_namespaces=28633"}},
	{"the same in a container", syscall.ENOSPC, stepClone,
		func(u *host.Userns) { u.Sysctls["user.max_user_namespaces"] = 0; u.Container = "docker" },
		"user.max_user_namespaces is 0", []string{"outside of the docker container:\nsudo sysctl"}},
	{"a sandbox without nested ones", syscall.ENOSPC, stepClone,
		func(u *host.Userns) { nested(u); u.Sysctls["user.max_user_namespaces"] = 0 },
		"the sandbox around this process forbids", []string{"nested_userns = true", "--disable-userns"}},
	{"no net namespaces", syscall.ENOSPC, stepClone,
		func(u *host.Userns) { u.Sysctls["user.max_net_namespaces"] = 0 },
		"net namespaces are switched off", []string{"sudo sysctl -w user.max_net_namespaces="}},
	{"user namespaces used up", syscall.ENOSPC, stepClone,
		func(u *host.Userns) { u.Sysctls["user.max_user_namespaces"] = 3 },
		"the limit of 3 (user.max_user_namespaces) is reached", []string{"lsns", "user.max_user_namespaces=65536"}},
	{"nested too deep", syscall.ENOSPC, stepClone, nested,
		"nested 32 deep", []string{"lsns", "--disable-userns"}},
	{"nested too deep, before Linux 4.9", syscall.EUSERS, stepClone, nested, "nested 32 deep", nil},

	{"cgroup is full", syscall.EAGAIN, stepClone,
		func(u *host.Userns) { u.FullPIDs = "/sys/fs/cgroup/a"; u.MaxProcesses = 9 },
		"the cgroup /sys/fs/cgroup/a holds as many", []string{"TasksMax=", "--pids-limit"}},
	{"RLIMIT_NPROC", syscall.EAGAIN, stepClone,
		func(u *host.Userns) { u.MaxProcesses = 500 },
		"limit of 500 processes and threads for user ann", []string{"ulimit -u", "echo 'ann - nproc 2000'"}},
	{"RLIMIT_NPROC of a caller without a name, at the second clone", syscall.EAGAIN, "make the command's process",
		func(u *host.Userns) { u.MaxProcesses, u.SubIDLogin = 500, "" },
		"for user 1000 is reached", []string{"echo ':1000 - nproc 2000'"}},
	{"no memory", syscall.ENOMEM, stepClone, nil, "no memory left", []string{"memory limit"}},

	{"chroot", syscall.EPERM, stepClone,
		func(u *host.Userns) { u.Chrooted = true },
		"moved by chroot(2)", []string{"--rootfs DIR", "systemd-nspawn"}},
	{"user id not mapped", syscall.EPERM, stepClone,
		func(u *host.Userns) { u.UIDMap = []host.IDMap{{Outside: 5000, Count: 1000}} },
		"user id 1000 is not mapped", []string{"range of ids"}},
	{"no map written yet", syscall.EPERM, stepMap,
		func(u *host.Userns) { u.UIDMap, u.GIDMap = nil, nil },
		"user id 1000 is not mapped", nil},
	{"group id not mapped", syscall.EPERM, stepClone,
		func(u *host.Userns) { nested(u); u.GIDMap = []host.IDMap{{Count: 1}} },
		"group id 1000 is not mapped", nil},

	{"docker's seccomp filter", syscall.EPERM, stepClone,
		func(u *host.Userns) {
			u.Container, u.Seccomp, u.AppArmor = "docker", 2, "docker-default (enforce)"
			u.Proc.Covered = []string{"/proc/kcore"}
		},
		"a seccomp filter of the docker container around this process forbids it", []string{
			"--security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined"}},
	{"the same through clone3", syscall.ENOSYS, stepClone,
		func(u *host.Userns) { u.Container, u.Seccomp = "docker", 2 },
		"a seccomp filter of the docker container", []string{"docker run --security-opt seccomp=unconfined ..."}},
	{"podman's seccomp filter", syscall.EPERM, stepClone,
		func(u *host.Userns) { u.Container, u.Seccomp = "podman", 2 },
		"a seccomp filter of the podman container", []string{"podman run --security-opt seccomp=unconfined"}},
	{"kubernetes' seccomp filter", syscall.EPERM, stepClone,
		func(u *host.Userns) { u.Container, u.Seccomp = "kubernetes", 2 },
		"a seccomp filter of the kubernetes container", []string{"seccompProfile: {type: Unconfined}"}},
	{"an unknown seccomp filter", syscall.EPERM, stepClone,
		func(u *host.Userns) { u.Seccomp = 2 },
		"a seccomp filter of what this process was started by", []string{"RestrictNamespaces="}},
	{"another Snug's filter", syscall.EPERM, stepClone,
		func(u *host.Userns) { nested(u); u.Seccomp = 2 },
		"a seccomp filter of what", []string{"nested_userns = true"}},
	{"a filter against mounts", syscall.EPERM, stepMount,
		func(u *host.Userns) { u.Seccomp = 2 },
		"forbids it, most likely", nil},

	{"Ubuntu's AppArmor, at the map", syscall.EPERM, stepMap, restrictedByAppArmor,
		"AppArmor takes the capabilities", []string{
			"'profile opt.snug.bin.snug /opt/snug/bin/snug flags=(unconfined) {' '  userns,' ",
			" | sudo tee /etc/apparmor.d/opt.snug.bin.snug\n",
			"sudo apparmor_parser -r /etc/apparmor.d/opt.snug.bin.snug\n",
			"sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"}},
	{"Ubuntu's AppArmor, opening the map", syscall.EACCES, stepMap, restrictedByAppArmor, "AppArmor takes the capabilities", nil},
	{"Ubuntu's AppArmor, at a mount", syscall.EACCES, stepMount, restrictedByAppArmor, "AppArmor takes the capabilities", nil},
	{"Ubuntu's AppArmor, at the clone", syscall.EACCES, stepClone, restrictedByAppArmor, "AppArmor takes the capabilities", nil},
	{"Ubuntu's AppArmor, setting hidden", syscall.EPERM, stepMap,
		func(u *host.Userns) { u.HiddenSysctls = []string{appArmorSwitch}; u.AppArmor = "unconfined" },
		"AppArmor takes the capabilities", nil},
	{"docker's AppArmor profile", syscall.EACCES, stepMount,
		func(u *host.Userns) { u.Container, u.AppArmor = "docker", "docker-default (enforce)" },
		`the AppArmor profile "docker-default"`, []string{"docker run --security-opt apparmor=unconfined"}},
	{"some program's AppArmor profile", syscall.EACCES, stepClone,
		func(u *host.Userns) { u.AppArmor = "/usr/bin/man (enforce)" },
		`the AppArmor profile "/usr/bin/man" that this process runs under forbids it`, []string{"in the profile /usr/bin/man"}},
	{"SELinux", syscall.EACCES, stepClone,
		func(u *host.Userns) { u.SELinux = "guest_u:guest_r:guest_t:s0" },
		"SELinux, with the context guest_u:guest_r:guest_t:s0", []string{"ausearch -m avc"}},

	{"the others without a user namespace", syscall.EPERM, "clone CLONE_NEWNS|CLONE_NEWPID", nil,
		"the user namespace is shared", []string{"--share user"}},
	{"root without CAP_SETFCAP", syscall.EPERM, stepMap,
		func(u *host.Userns) { u.UID = 0 },
		"root without CAP_SETFCAP", []string{"--cap-add SETFCAP"}},
	{"ids that make no map", syscall.EINVAL, stepMap, nil, "takes no such map", []string{"uid and gid"}},
	{"no /proc to map through", syscall.ENOENT, stepMap,
		func(u *host.Userns) { *u = host.Userns{NoProc: true} },
		"there is no /proc", []string{"mount -t proc"}},
	{"/proc read-only", syscall.EROFS, stepMap, nil, "/proc is mounted read-only", []string{"writable /proc"}},

	{"covered /proc", syscall.EPERM, stepProc,
		func(u *host.Userns) {
			u.Container = "docker"
			u.Proc.Covered = []string{"/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/sys"}
		},
		"here /proc/acpi, /proc/kcore and 2 others are mounted over", []string{"systempaths=unconfined", `fallback = "bind"`}},
	{"read-only /proc", syscall.EPERM, stepProc,
		func(u *host.Userns) { u.Proc.ReadOnly = true },
		"/proc is read-only here", []string{`fallback = "bind"`}},
	{"parts of /proc", syscall.EPERM, stepProc,
		func(u *host.Userns) { u.Proc = host.ProcView{} },
		"only parts of it are mounted", nil},

	{"no newuidmap on Debian", exec.ErrNotFound, stepHelper,
		func(u *host.Userns) { u.Newuidmap = "" },
		"newuidmap is not installed", []string{"sudo apt install uidmap"}},
	{"no newuidmap on Fedora", exec.ErrNotFound, stepHelper,
		func(u *host.Userns) { u.Newuidmap = ""; u.Distro.ID = "fedora" },
		"newuidmap is not installed", []string{"sudo dnf install shadow-utils"}},
	{"no newgidmap on Arch", exec.ErrNotFound, stepGroups,
		func(u *host.Userns) { u.Newgidmap = ""; u.Distro.ID = "arch" },
		"newgidmap is not installed", []string{"sudo pacman -S shadow"}},
	{"no ranges", errors.New("exit status 1"), stepHelper,
		func(u *host.Userns) { u.SubUIDs, u.SubGIDs = nil, nil },
		"user ann has no range of ids in /etc/subuid and /etc/subgid",
		[]string{"sudo usermod --add-subuids 165536-231071 --add-subgids 165536-231071 ann"}},
	{"no range of users, and nobody else's", errors.New("exit status 1"), stepHelper,
		func(u *host.Userns) { u.SubUIDs = nil; u.FreeSubIDs.Start = 100000 },
		"no range of ids in /etc/subuid", []string{"sudo usermod --add-subuids 100000-165535 ann"}},
	{"no table", errors.New("exit status 1"), stepHelper,
		func(u *host.Userns) { u.SubGIDs = nil; u.NoSubIDFile = []string{"/etc/subgid"} },
		"no range of ids in /etc/subgid", []string{"sudo touch /etc/subgid\nsudo usermod --add-subgids 165536-231071 ann"}},
	{"no range and no name", errors.New("exit status 1"), stepHelper,
		func(u *host.Userns) { u.SubUIDs, u.SubGIDs, u.SubIDLogin = nil, nil, "" },
		"user 1000 has no range", []string{"echo 1000:165536:65536 | sudo tee -a /etc/subuid /etc/subgid"}},
	{"newuidmap not setuid", errors.New("newuidmap: write to uid_map failed: Operation not permitted"), stepHelper,
		func(u *host.Userns) { u.UIDPrivilege = host.Plain },
		"/usr/bin/newuidmap is neither setuid root", []string{"sudo chmod u+s /usr/bin/newuidmap"}},
	{"newgidmap not setuid", errors.New("newgidmap: write to gid_map failed: Operation not permitted"), stepGroups,
		func(u *host.Userns) { u.GIDPrivilege = host.Plain },
		"/usr/bin/newgidmap is neither setuid root", []string{"cap_setgid=ep /usr/bin/newgidmap"}},
	{"newuidmap on a nosuid mount", errors.New("exit status 1"), stepHelper,
		func(u *host.Userns) { u.UIDPrivilege = host.Nosuid },
		"mounted nosuid", []string{`map = "self"`}},
	{"no_new_privs", errors.New("newuidmap: write to uid_map failed: Operation not permitted"), stepHelper,
		func(u *host.Userns) { u.NoNewPrivs = true },
		"no_new_privs is set", []string{"no-new-privileges"}},
	{"range not mapped outside", errors.New("newuidmap: write to uid_map failed: Operation not permitted"), stepHelper,
		func(u *host.Userns) { u.UIDMap = []host.IDMap{{Count: 65536}} },
		"the range 100000-165535 of /etc/subuid is not mapped", []string{"/proc/self/uid_map"}},
	{"id outside the range", errors.New("newuidmap: uid range [1-70001) -> [100000-170000) not allowed"), stepHelper, nil,
		"an id lies outside of the ranges that /etc/subuid gives ann: 100000-165535", []string{"getsubids ann"}},

	{"nothing known, at the clone", syscall.EPERM, stepClone, nil, "though its settings allow it", []string{"dmesg"}},
	{"nothing can be known", syscall.EPERM, stepClone,
		func(u *host.Userns) { *u = host.Userns{NoProc: true} },
		"without /proc the reason cannot be seen", []string{"mount /proc"}},
	{"nothing known, later", syscall.EPERM, stepMount, nil, "operation not permitted", nil},
	{"nothing known of a helper", errors.New("newuidmap: something new"), stepHelper, nil, "newuidmap: something new", nil},
}

func restrictedByAppArmor(u *host.Userns) {
	u.Sysctls[appArmorSwitch], u.AppArmor = 1, "unconfined"
}

func TestDiagnose(t *testing.T) {
	for _, tt := range causeTests {
		t.Run(tt.name, func(t *testing.T) {
			u := machine()
			if tt.host != nil {
				tt.host(&u)
			}
			p := Diagnose(fmt.Errorf("wrapped: %w", tt.err), tt.step, u)
			if p.What != tt.step || !errors.Is(p, tt.err) {
				t.Errorf("what %q, error %v", p.What, p.Err)
			}
			if !strings.Contains(p.Why, tt.why) {
				t.Errorf("why: %q\nwant %q", p.Why, tt.why)
			}
			for _, part := range tt.fix {
				if !strings.Contains(p.Fix, part) {
					t.Errorf("fix: %q\nwant %q", p.Fix, part)
				}
			}
		})
	}
}

// TestCausesAreToldApart gives every failure to a machine where nothing is
// wrong: a cause must not be named where its own facts do not hold.
func TestCausesAreToldApart(t *testing.T) {
	whole := machine()
	for _, tt := range causeTests {
		if tt.host == nil {
			continue
		}
		u := machine()
		tt.host(&u)
		sick, healthy := Diagnose(tt.err, tt.step, u), Diagnose(tt.err, tt.step, whole)
		if sick.Why == healthy.Why {
			t.Errorf("%s: the same reason on a machine that has nothing of the kind: %q", tt.name, sick.Why)
		}
	}
}

func TestDiagnoseNothing(t *testing.T) {
	if p := Diagnose(nil, stepClone, machine()); p != nil {
		t.Errorf("got %v", p)
	}
}

// The first of two things that both would refuse it: certain before likely.
func TestDiagnoseOrder(t *testing.T) {
	u := machine()
	u.Container, u.Seccomp = "docker", 2
	restrictedByAppArmor(&u)
	expectWhy(t, Diagnose(syscall.EPERM, stepClone, u), "seccomp filter")
	expectWhy(t, Diagnose(syscall.EPERM, stepMap, u), "AppArmor takes")
	u.Chrooted = true
	expectWhy(t, Diagnose(syscall.EPERM, stepClone, u), "chroot(2)")
	u.Sysctls["kernel.unprivileged_userns_clone"] = 0
	expectWhy(t, Diagnose(syscall.EPERM, stepClone, u), "kernel.unprivileged_userns_clone")
}

func expectWhy(t *testing.T, p interface{ Error() string }, want string) {
	t.Helper()
	if !strings.Contains(p.Error(), want) {
		t.Errorf("got %q, want %q", p.Error(), want)
	}
}

// The machine's root is not touched by what restricts ordinary users.
func TestDiagnosePrivileged(t *testing.T) {
	u := machine()
	u.UID, u.GID, u.Caps = 0, 0, 1<<41-1
	restrictedByAppArmor(&u)
	u.Sysctls["kernel.unprivileged_userns_clone"] = 0
	expectWhy(t, Diagnose(syscall.EPERM, stepClone, u), "though its settings allow it")
	nested(&u)
	u.UIDMap, u.GIDMap = []host.IDMap{{Outside: 1000, Count: 1}}, []host.IDMap{{Outside: 1000, Count: 1}}
	expectWhy(t, Diagnose(syscall.EPERM, stepClone, u), "kernel.unprivileged_userns_clone")
}

// A program that has its own profile is not restricted.
func TestDiagnoseWithProfileLoaded(t *testing.T) {
	u := machine()
	restrictedByAppArmor(&u)
	u.AppArmor = "opt.snug.bin.snug (unconfined)"
	expectWhy(t, Diagnose(syscall.EPERM, stepMount, u), "operation not permitted")
	u.AppArmor = "unprivileged_userns (enforce)" // inside of a restricted program's namespace
	expectWhy(t, Diagnose(syscall.EPERM, stepMount, u), "AppArmor takes")
}

func TestKindOf(t *testing.T) {
	for step, want := range map[string]kind{
		"clone": cloning, stepClone: cloning, "unshare CLONE_NEWUSER": cloning,
		stepMap: mapping, "map group 0 to 1000": mapping, "give up setgroups": mapping, "write /proc/self/uid_map": mapping,
		stepHelper: helping, stepGroups: helping, "newuidmap": helping,
		stepProc: mountsFS, "mount /proc": mountsFS,
		stepMount: later, "bind /srv/clone of uid_map": later, "bind /usr/bin/newuidmap to /x": later, "bind /proc": later,
	} {
		if got := kindOf(step); got != want {
			t.Errorf("%q: got %d, want %d", step, got, want)
		}
	}
}

func TestAppArmorProfileOfOddPaths(t *testing.T) {
	for exe, want := range map[string][]string{
		"/usr/bin/snug":          {"apparmor.d/usr.bin.snug\n", "profile usr.bin.snug /usr/bin/snug flags"},
		"/home/ann/my apps/snug": {"apparmor.d/home.ann.my_apps.snug\n", `"/home/ann/my apps/snug" flags`},
		"/opt/a*b{c}/sn[u]g":     {"apparmor.d/opt.a_b_c_.sn_u_g\n", `"/opt/a\*b\{c\}/sn\[u\]g" flags`},
		`/x/$HOME"/snug`:         {"apparmor.d/x._HOME_.snug\n", `"/x/$HOME\"/snug" flags`},
		"":                       {"/usr/local/bin/snug flags"},
	} {
		got := appArmorProfileFor(exe)
		for _, part := range want {
			if !strings.Contains(got, part) {
				t.Errorf("%q: got\n%s\nwant %q", exe, got, part)
			}
		}
	}
}

// The first line of the remedy, up to sudo, in a real shell.
func TestAppArmorProfileInAShell(t *testing.T) {
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("needs sh")
	}
	for _, exe := range []string{"/usr/bin/snug", "/x/'; echo $HOME`id`/snug"} {
		command, _, _ := strings.Cut(appArmorProfileFor(exe), " | sudo tee ")
		out, err := exec.Command(shell, "-c", command).Output()
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(string(out), "\n")
		if len(lines) != 7 || lines[0] != "abi <abi/4.0>," || lines[3] != "  userns," || lines[5] != "}" {
			t.Errorf("got %q", out)
		}
		if !strings.HasSuffix(lines[2], globQuote(exe)+" flags=(unconfined) {") {
			t.Errorf("%s: got %q", exe, lines[2])
		}
	}
}

// Every manager of containers has words of its own for each remedy.
func TestRemediesByContainer(t *testing.T) {
	seen := map[string]string{}
	for _, name := range []string{"", "docker", "podman", "kubernetes", "lxc", "flatpak"} {
		u := machine()
		u.Container, u.Proc.Covered = name, []string{"/proc/kcore"}
		for _, fix := range []string{unfilter(u), unmaskProc(u) + " (proc)", unconfine(u, "x") + " (profile)"} {
			if other, twice := seen[fix]; twice && name != "flatpak" && name != "lxc" && name != "" {
				t.Errorf("%q and %q: %s", other, name, fix)
			}
			seen[fix] = name
		}
	}
}

func TestPowerlessHelper(t *testing.T) {
	u := machine()
	if p := PowerlessHelper("newuidmap", u); p != nil {
		t.Errorf("it is setuid, got %v", p)
	}
	u.GIDPrivilege = host.Plain
	if p := PowerlessHelper("newgidmap", u); p == nil || !strings.Contains(p.Fix, "/usr/bin/newgidmap") {
		t.Errorf("it has no privileges, got %v", p)
	}
	if p := PowerlessHelper("newuidmap", u); p != nil {
		t.Errorf("the other one is the broken one, got %v", p)
	}
	u.UID = 0
	if p := PowerlessHelper("newgidmap", u); p != nil {
		t.Errorf("root needs no setuid bit, got %v", p)
	}
}

func TestMissingForRange(t *testing.T) {
	if p := MissingForRange(machine().Facts); p != nil {
		t.Errorf("nothing is missing, got %v", p)
	}
	f := machine().Facts
	f.SubUIDs = nil
	if p := MissingForRange(f); p == nil || !strings.Contains(p.Fix, "usermod --add-subuids") {
		t.Errorf("got %v", p)
	}
}
