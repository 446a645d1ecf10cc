package userns

import (
	"fmt"
	"strings"
	"syscall"

	"github.com/snug-sandbox/snug/internal/host"
)

// causes are asked in order. Each returns "" when it is not the reason. It is a
// function so that no start of Snug pays for the table.
func causes() []func(failure) (why, fix string) {
	return []func(failure) (string, string){
		// told apart by errno alone; the latter three hit the second clone too
		notBuiltIn, kindNotBuiltIn, notRoot, switchedOff, kindSwitchedOff, usedUp,
		groupFull, processLimit, noMemory,
		// the helpers
		noHelperOrRange, helperPowerless, rangeNotOuter, outsideRange,
		// what certainly refuses
		procMissing, procReadOnly, debianSwitch, chrooted, notMapped, rootCannotMap, badMap, procCovered,
		// what most likely refuses
		appArmorRestricts, appArmorProfile, seLinux, seccompFilter,
	}
}

// notBuiltIn: a kernel without CONFIG_USER_NS does not know the flag.
func notBuiltIn(f failure) (why, fix string) {
	has, known := f.HasNamespace("user")
	if f.kind != cloning || !f.is(syscall.EINVAL, syscall.ENOSYS) || has || !known && f.errno == syscall.ENOSYS {
		return "", ""
	}
	return "this kernel was built without user namespaces",
		"boot a kernel with CONFIG_USER_NS=y (every current distribution's has it)\n" +
			"grep CONFIG_USER_NS /boot/config-$(uname -r)   # shows what this one has"
}

// kindNotBuiltIn: one of the other namespaces that the clone asks for is not there.
func kindNotBuiltIn(f failure) (why, fix string) {
	if f.kind != cloning || f.errno != syscall.EINVAL {
		return "", ""
	}
	for _, k := range otherKinds() {
		has, known := f.HasNamespace(k.name)
		if known && !has && strings.Contains(f.step, k.flag) {
			return "this kernel was built without " + k.name + " namespaces",
				"share the caller's: --share " + k.name + ", or boot a kernel that has them"
		}
	}
	return "", ""
}

// notRoot: without a new user namespace the others are for root only. Several
// flags at once are a sandbox's; doctor tries one at a time, inside a new one.
func notRoot(f failure) (why, fix string) {
	if f.kind != cloning || f.errno != syscall.EPERM || f.Holds(capSysAdmin) ||
		strings.Contains(f.step, "CLONE_NEWUSER") || !strings.Contains(f.step, "|") {
		return "", ""
	}
	return "the user namespace is shared, and then the kernel gives the others to root only",
		"leave --share user (user = \"share\" in [namespaces]) out"
}

// otherKinds are the namespaces beside the user namespace: /proc/self/ns's name
// and clone(2)'s flag.
func otherKinds() []struct{ name, flag string } {
	return []struct{ name, flag string }{
		{"mnt", "CLONE_NEWNS"}, {"pid", "CLONE_NEWPID"}, {"net", "CLONE_NEWNET"},
		{"ipc", "CLONE_NEWIPC"}, {"uts", "CLONE_NEWUTS"}, {"cgroup", "CLONE_NEWCGROUP"}, {"time", "CLONE_NEWTIME"},
	}
}

const maxUserNamespaces = "user.max_user_namespaces"

// switchedOff: a limit of 0, set by an administrator or by the sandbox around us.
func switchedOff(f failure) (why, fix string) {
	if f.kind != cloning || !f.is(syscall.ENOSPC, syscall.EUSERS) || !f.SysctlIs(maxUserNamespaces, 0) {
		return "", ""
	}
	if f.Nested() {
		return "the sandbox around this process forbids further user namespaces (" + maxUserNamespaces + " is 0)",
			allowNested
	}
	return "user namespaces are switched off: " + maxUserNamespaces + " is 0",
		setSysctl(f.Userns, maxUserNamespaces, "28633")
}

const allowNested = "when another Snug made it: set nested_userns = true in [security] of that profile\n" +
	"with bubblewrap: leave out --disable-userns"

// kindSwitchedOff: the same for one of the other namespaces.
func kindSwitchedOff(f failure) (why, fix string) {
	if f.kind != cloning || !f.is(syscall.ENOSPC, syscall.EUSERS) {
		return "", ""
	}
	for _, k := range otherKinds() {
		name := "user.max_" + k.name + "_namespaces"
		if f.SysctlIs(name, 0) {
			return k.name + " namespaces are switched off: " + name + " is 0", setSysctl(f.Userns, name, "28633")
		}
	}
	return "", ""
}

// usedUp: a limit above 0 is reached, ours or that of a namespace around us,
// which cannot be seen (bubblewrap's --disable-userns works that way); or 32
// namespaces are nested.
func usedUp(f failure) (why, fix string) {
	if f.kind != cloning || !f.is(syscall.ENOSPC, syscall.EUSERS) {
		return "", ""
	}
	const ended = "end other sandboxes; lsns lists the namespaces that are in use"
	if f.Nested() {
		return "too many namespaces: a sandbox around this process allows no further ones, or they are nested 32 deep",
			allowNested + "\notherwise: " + ended
	}
	limit := "the limit"
	if n, ok := f.Sysctl(maxUserNamespaces); ok {
		limit = fmt.Sprintf("the limit of %d (%s)", n, maxUserNamespaces)
	}
	return "too many namespaces: " + limit + " is reached", ended + ", or raise the limit:\n" +
		setSysctl(f.Userns, maxUserNamespaces, "65536")
}

// groupFull: fork fails in a cgroup that holds as many tasks as it may.
func groupFull(f failure) (why, fix string) {
	if f.kind == helping || f.errno != syscall.EAGAIN || f.FullPIDs == "" {
		return "", ""
	}
	return "the cgroup " + f.FullPIDs + " holds as many processes as its pids.max allows",
		"end other processes, or raise the limit: TasksMax= in systemd, --pids-limit in docker and podman"
}

// processLimit: the user's own limit, which counts threads everywhere.
func processLimit(f failure) (why, fix string) {
	if f.kind == helping || f.errno != syscall.EAGAIN {
		return "", ""
	}
	if f.MaxProcesses <= 0 {
		return "the limit of processes is reached (RLIMIT_NPROC, kernel.threads-max or pids.max)",
			"end other processes, or raise the limit: ulimit -u"
	}
	who := f.login()
	if f.SubIDLogin == "" {
		who = ":" + who // limits.conf(5) takes a bare number for a name
	}
	return fmt.Sprintf("the limit of %d processes and threads for user %s is reached (RLIMIT_NPROC)", f.MaxProcesses, f.login()),
		"end other processes, or raise the limit with ulimit -u; for good:\n" +
			fmt.Sprintf("echo '%s - nproc %d' | sudo tee /etc/security/limits.d/60-%s.conf", who, 4*f.MaxProcesses, f.login())
}

// noMemory: the kernel found none for its own structures.
func noMemory(f failure) (why, fix string) {
	if f.kind == helping || f.errno != syscall.ENOMEM {
		return "", ""
	}
	return "the kernel has no memory left for a new process", "end other processes, or raise the memory limit of the container or cgroup"
}

// procMissing: the maps are written through /proc.
func procMissing(f failure) (why, fix string) {
	if f.kind != mapping || !f.is(syscall.ENOENT, syscall.ENOTDIR) || !f.NoProc {
		return "", ""
	}
	return "there is no /proc, through which the ids are mapped", "sudo mount -t proc proc /proc"
}

// procReadOnly: the same, where a container shows /proc read-only.
func procReadOnly(f failure) (why, fix string) {
	if f.kind != mapping || f.errno != syscall.EROFS {
		return "", ""
	}
	return "/proc is mounted read-only, and the ids are mapped through it", unmaskProc(f.Userns)
}

// debianSwitch is a patch that Debian, Arch's hardened kernel and others carry.
func debianSwitch(f failure) (why, fix string) {
	const name = "kernel.unprivileged_userns_clone"
	if f.kind != cloning || f.errno != syscall.EPERM || !f.SysctlIs(name, 0) || f.privileged() {
		return "", ""
	}
	return "this kernel gives user namespaces to root only: " + name + " is 0", setSysctl(f.Userns, name, "1")
}

// chrooted: a chroot could be escaped with a mount namespace.
func chrooted(f failure) (why, fix string) {
	if f.kind != cloning || f.errno != syscall.EPERM || !f.Chrooted {
		return "", ""
	}
	return "this process was moved by chroot(2), and the kernel gives it no user namespaces (user_namespaces(7))",
		"stay outside of the chroot: snug run --rootfs DIR\n" +
			"or enter it another way: sudo systemd-nspawn -D DIR"
}

// notMapped: the caller's ids mean nothing in the namespace around it, so they
// cannot own or be mapped into a new one.
func notMapped(f failure) (why, fix string) {
	if f.kind != cloning && f.kind != mapping || f.errno != syscall.EPERM || f.NoProc {
		return "", ""
	}
	id := fmt.Sprintf("user id %d", f.UID)
	if host.Maps(f.UIDMap, f.UID) {
		if host.Maps(f.GIDMap, f.GID) {
			return "", ""
		}
		id = fmt.Sprintf("group id %d", f.GID)
	}
	return id + " is not mapped in the user namespace around this process",
		"start the container or sandbox around it with a range of ids that holds it, or as a user that is mapped"
}

// rootCannotMap: since Linux 5.12 whoever maps id 0 of the outside needs a
// capability that a root without privileges may lack.
func rootCannotMap(f failure) (why, fix string) {
	if f.kind != mapping && f.kind != helping || f.errno != syscall.EPERM && f.errno != 0 || f.UID != 0 || f.Holds(capSetfcap) {
		return "", ""
	}
	return "the caller is root without CAP_SETFCAP, and may therefore not map user id 0",
		"run as another user, or keep the capability: --cap-add SETFCAP in docker and podman, --cap SETFCAP in another Snug"
}

// badMap: the kernel understood the map and does not like the numbers.
func badMap(f failure) (why, fix string) {
	if f.kind != mapping || f.errno != syscall.EINVAL {
		return "", ""
	}
	return "the kernel takes no such map: ids go from 0 to 4294967294 and may not overlap", "choose other values for uid and gid"
}

// procCovered: mount_too_revealing() in the kernel's fs/namespace.c.
func procCovered(f failure) (why, fix string) {
	if f.kind != mountsFS || f.errno != syscall.EPERM || f.NoProc || f.Proc.Fresh() {
		return "", ""
	}
	fix = unmaskProc(f.Userns) + "\nor show the outer one: fallback = \"bind\" for the mount of type proc"
	switch {
	case !f.Proc.Mounted:
		return "the kernel gives a fresh procfs only to who sees one already, and here only parts of it are mounted", fix
	case len(f.Proc.Covered) == 0:
		return "the kernel gives a fresh procfs only to who sees a writable one already, and /proc is read-only here", fix
	}
	return "the kernel gives a fresh procfs only to who sees the whole of it already, and here " + some(f.Proc.Covered) + " mounted over", fix
}

// some names the first of a list of paths, with its verb.
func some(paths []string) string {
	switch n := len(paths); n {
	case 1:
		return paths[0] + " is"
	case 2, 3:
		return strings.Join(paths[:n-1], ", ") + " and " + paths[n-1] + " are"
	default:
		return fmt.Sprintf("%s and %d others are", strings.Join(paths[:2], ", "), n-2)
	}
}

const appArmorSwitch = "kernel.apparmor_restrict_unprivileged_userns"

// appArmorRestricts: on Ubuntu since 24.04 an unconfined program gets its user
// namespace, but every use of a capability in it is refused. Where the profile
// unprivileged_userns is not loaded the clone itself fails, with EACCES.
func appArmorRestricts(f failure) (why, fix string) {
	if f.kind == helping || !f.is(syscall.EPERM, syscall.EACCES) || f.privileged() || !f.underRestriction() {
		return "", ""
	}
	if f.kind == cloning && f.errno == syscall.EPERM && f.Seccomp == 2 {
		return "", "" // a filter comes before AppArmor, and AppArmor says EACCES
	}
	return "AppArmor takes the capabilities in a user namespace away from programs without a profile of their own (" + appArmorSwitch + " is 1)",
		appArmorProfileFor(f.Exe) + "\n# or, for all programs:\n" + setSysctl(f.Userns, appArmorSwitch, "0")
}

// underRestriction also takes a setting that exists and may not be read for one
// that is on.
func (f failure) underRestriction() bool {
	on := f.SysctlIs(appArmorSwitch, 1)
	for _, name := range f.HiddenSysctls {
		on = on || name == appArmorSwitch
	}
	label, _, _ := strings.Cut(f.AppArmor, " ")
	return on && (label == "" || label == "unconfined" || strings.HasPrefix(label, "unprivileged_userns"))
}

// appArmorProfile: the caller itself is confined, as in a container of docker.
func appArmorProfile(f failure) (why, fix string) {
	label, ok := strings.CutSuffix(f.AppArmor, " (enforce)")
	if f.kind == helping || f.errno != syscall.EACCES || !ok {
		return "", ""
	}
	return fmt.Sprintf("the AppArmor profile %q that this process runs under %s", label, f.forbidsIt()), unconfine(f.Userns, label)
}

// seLinux refuses with EACCES, which nothing else here does.
func seLinux(f failure) (why, fix string) {
	if f.kind == helping || f.errno != syscall.EACCES || f.SELinux == "" {
		return "", ""
	}
	fix = "sudo ausearch -m avc -ts recent   # shows the rule that refused it"
	if f.Container == "podman" || f.Container == "docker" {
		fix = f.Container + " run --security-opt label=disable ...\n" + fix
	}
	return "SELinux, with the context " + f.SELinux + ", " + f.forbidsIt(), fix
}

// seccompFilter comes last: a filter is there, but what it holds cannot be read.
// clone3(2) is answered with ENOSYS by filters that cannot look at its flags.
func seccompFilter(f failure) (why, fix string) {
	if f.kind == helping || f.Seccomp != 2 || !f.is(syscall.EPERM, syscall.EACCES) && (f.kind != cloning || f.errno != syscall.ENOSYS) {
		return "", ""
	}
	whose := "of what this process was started by"
	if f.Container != "" {
		whose = "of the " + f.Container + " container around this process"
	}
	return "a seccomp filter " + whose + " " + f.forbidsIt(), unfilter(f.Userns)
}
