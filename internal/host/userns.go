package host

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Userns is what decides whether this process may make user namespaces and
// work in them. It is gathered when something failed, or for a check-up; no
// run pays for it.
type Userns struct {
	Facts // the caller, the ranges, the distribution

	Exe string // path of the running program, for an AppArmor profile

	// NoProc says that /proc is not there, so that nothing below is known.
	NoProc bool
	// Namespaces are the kinds that the kernel has: the names in /proc/self/ns.
	Namespaces []string
	// Sysctls are the settings of sysctlNames that the kernel has.
	Sysctls map[string]int
	// HiddenSysctls are those that exist and may not be read.
	HiddenSysctls []string

	Caps       uint64 // effective capabilities (CapEff)
	NoNewPrivs bool   // setuid helpers have no effect
	Seccomp    int    // 0 off, 1 strict, 2 a filter

	// AppArmor is the caller's label: "unconfined", "docker-default (enforce)";
	// empty without AppArmor.
	AppArmor string
	// SELinux is the caller's context where SELinux enforces, else empty.
	SELinux string

	// Container is what the caller runs in: "docker", "podman", "kubernetes",
	// "lxc", "systemd-nspawn", "flatpak", another manager's name, or "".
	Container string
	// Chrooted says that the root directory is no mount: chroot(2) was called.
	// False may also mean a chroot to a mount point, which cannot be told.
	Chrooted bool

	// UIDMap and GIDMap are the caller's user namespace's own maps.
	UIDMap, GIDMap []IDMap
	// Proc is what of procfs is hidden from the caller.
	Proc ProcView

	// MaxProcesses is RLIMIT_NPROC, -1 for none or unknown.
	MaxProcesses int
	// FullPIDs is a cgroup around the caller that holds as many tasks as its
	// pids.max allows, or "".
	FullPIDs string

	// UIDPrivilege and GIDPrivilege are how newuidmap and newgidmap get theirs.
	UIDPrivilege, GIDPrivilege Privilege
}

// IDMap is a line of /proc/PID/uid_map: Count ids from Inside up are those
// from Outside up in the namespace around it.
type IDMap struct {
	Inside, Outside, Count int64
}

// sysctlNames are the settings that forbid or limit user namespaces.
// kernel.unprivileged_userns_clone is Debian's and Arch's, the AppArmor ones
// are Ubuntu's.
func sysctlNames() []string {
	return []string{
		"kernel.unprivileged_userns_clone",
		"kernel.apparmor_restrict_unprivileged_userns",
		"user.max_user_namespaces",
		"user.max_mnt_namespaces",
		"user.max_pid_namespaces",
		"user.max_net_namespaces",
		"user.max_ipc_namespaces",
		"user.max_uts_namespaces",
		"user.max_cgroup_namespaces",
		"user.max_time_namespaces",
	}
}

// GatherUserns reads the facts from the files below root, "/" but in tests.
// What cannot be read is left empty.
func GatherUserns(root string) Userns {
	u := Userns{MaxProcesses: -1}
	u.gatherWho(root)
	if _, err := os.Stat(filepath.Join(root, "proc/self/status")); err != nil {
		u.NoProc = true
		return u
	}
	u.gatherSysctls(root)
	u.gatherNamespaces(root)
	u.gatherConfinement(root)
	mounts := readMounts(root)
	u.Chrooted = len(mounts) > 0 && !slices.ContainsFunc(mounts, func(m mountEntry) bool { return m.point == "/" })
	u.Container = container(root, mounts)
	u.Proc = viewProc(mounts)
	u.UIDMap = readIDMap(filepath.Join(root, "proc/self/uid_map"))
	u.GIDMap = readIDMap(filepath.Join(root, "proc/self/gid_map"))
	u.MaxProcesses = maxProcesses(root)
	u.FullPIDs = fullPIDs(root, mounts)
	return u
}

// gatherWho ignores what is wrong with the ranges: the caller is on the way to
// report something else, and missing ranges show as such.
func (u *Userns) gatherWho(root string) {
	u.UID, u.GID = os.Geteuid(), os.Getegid()
	u.Groups, _ = unix.Getgroups()
	u.gatherStatus(filepath.Join(root, "proc/self/status"))
	u.Kernel, _ = kernelVersion()
	u.User, u.Home = identity(os.Getenv, root, u.UID)
	_ = u.gatherSubIDs(root)
	u.Distro = ReadDistro(root)
	u.Exe, _ = os.Readlink(filepath.Join(root, "proc/self/exe"))
	u.Exe = strings.TrimSuffix(u.Exe, " (deleted)")
	if u.Newuidmap != "" {
		u.UIDPrivilege = HelperPrivilege(u.Newuidmap, unix.CAP_SETUID)
	}
	if u.Newgidmap != "" {
		u.GIDPrivilege = HelperPrivilege(u.Newgidmap, unix.CAP_SETGID)
	}
}

// gatherStatus reads proc_pid_status(5). The ids are in it too, which lets a
// test say who calls.
func (u *Userns) gatherStatus(name string) {
	for line := range strings.Lines(readSmall(name)) {
		key, value, _ := strings.Cut(line, ":")
		field := strings.Fields(value)
		if len(field) == 0 {
			continue
		}
		switch key {
		case "Uid":
			u.UID = effective(field, u.UID)
		case "Gid":
			u.GID = effective(field, u.GID)
		case "CapEff":
			u.Caps, _ = strconv.ParseUint(field[0], 16, 64)
		case "NoNewPrivs":
			u.NoNewPrivs = field[0] == "1"
		case "Seccomp":
			u.Seccomp, _ = strconv.Atoi(field[0])
		}
	}
}

// effective picks the second of the real, effective, saved and file system id.
func effective(field []string, otherwise int) int {
	if len(field) < 2 {
		return otherwise
	}
	id, err := strconv.Atoi(field[1])
	if err != nil {
		return otherwise
	}
	return id
}

func (u *Userns) gatherSysctls(root string) {
	u.Sysctls = make(map[string]int)
	for _, name := range sysctlNames() {
		file := filepath.Join(root, "proc/sys", strings.ReplaceAll(name, ".", "/"))
		text, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrPermission) {
			u.HiddenSysctls = append(u.HiddenSysctls, name)
		}
		if value, bad := strconv.Atoi(strings.TrimSpace(string(text))); err == nil && bad == nil {
			u.Sysctls[name] = value
		}
	}
}

func (u *Userns) gatherNamespaces(root string) {
	entries, _ := os.ReadDir(filepath.Join(root, "proc/self/ns"))
	for _, entry := range entries {
		u.Namespaces = append(u.Namespaces, entry.Name())
	}
}

func (u *Userns) gatherConfinement(root string) {
	label := readSmall(filepath.Join(root, "proc/self/attr/apparmor/current"))
	if label == "" && exists(filepath.Join(root, "sys/module/apparmor")) {
		label = readSmall(filepath.Join(root, "proc/self/attr/current")) // before Linux 5.8
	}
	u.AppArmor = strings.TrimSpace(label)
	if strings.TrimSpace(readSmall(filepath.Join(root, "sys/fs/selinux/enforce"))) == "1" {
		u.SELinux = strings.TrimRight(readSmall(filepath.Join(root, "proc/self/attr/current")), "\x00\n")
	}
}

// Sysctl returns a setting and whether the kernel has it and shows it.
func (u Userns) Sysctl(name string) (value int, ok bool) {
	value, ok = u.Sysctls[name]
	return value, ok
}

// SysctlIs reports whether the setting is known and has the value.
func (u Userns) SysctlIs(name string, value int) bool {
	v, ok := u.Sysctls[name]
	return ok && v == value
}

// Nested reports whether the caller is in a user namespace other than the
// machine's first.
func (u Userns) Nested() bool {
	return len(u.UIDMap) > 0 && (len(u.UIDMap) != 1 || u.UIDMap[0] != IDMap{0, 0, 1<<32 - 1})
}

// Holds reports whether the caller has a capability, one of unix.CAP_*.
func (u Userns) Holds(capability uint) bool { return u.Caps&(1<<capability) != 0 }

// HasNamespace reports whether the kernel has this kind of namespace, and
// whether that is known at all.
func (u Userns) HasNamespace(kind string) (has, known bool) {
	return slices.Contains(u.Namespaces, kind), len(u.Namespaces) > 0
}

// Maps reports whether one of the maps' lines holds id, as it is inside.
func Maps(list []IDMap, id int) bool {
	return slices.ContainsFunc(list, func(m IDMap) bool {
		return int64(id) >= m.Inside && int64(id)-m.Inside < m.Count
	})
}

func readIDMap(name string) []IDMap {
	var list []IDMap
	for line := range strings.Lines(readSmall(name)) {
		field := strings.Fields(line)
		if len(field) != 3 {
			continue
		}
		var m IDMap
		var err [3]error
		m.Inside, err[0] = strconv.ParseInt(field[0], 10, 64)
		m.Outside, err[1] = strconv.ParseInt(field[1], 10, 64)
		m.Count, err[2] = strconv.ParseInt(field[2], 10, 64)
		if errors.Join(err[:]...) == nil {
			list = append(list, m)
		}
	}
	return list
}

func maxProcesses(root string) int {
	for line := range strings.Lines(readSmall(filepath.Join(root, "proc/self/limits"))) {
		if rest, ok := strings.CutPrefix(line, "Max processes"); ok {
			if field := strings.Fields(rest); len(field) > 0 {
				if n, err := strconv.Atoi(field[0]); err == nil {
					return n
				}
			}
		}
	}
	return -1
}

func readInt(name string) (int, bool) {
	n, err := strconv.Atoi(strings.TrimSpace(readSmall(name)))
	return n, err == nil
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}
