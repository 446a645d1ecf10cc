package host

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/internal/cgroupfs"
)

// gatherCgroup finds out where limits can be held.
func (f *Facts) gatherCgroup(root, named string) {
	f.CgroupDir, f.CgroupControllers, f.CgroupWhy = cgroupSubtree(root, named)
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) == nil {
		f.Memory = int64(info.Totalram) * int64(info.Unit)
	}
	switch base := filepath.Base(f.CgroupDir); {
	case f.CgroupDir == "":
	case named != "":
		f.CgroupFrom = "$SNUG_CGROUP"
	case strings.HasPrefix(base, "snug-") && strings.HasSuffix(base, ".scope"):
		f.CgroupFrom = scopeOf(f.UID)
	default:
		f.CgroupFrom = "a subtree that was left to the caller"
		f.CgroupManaged = managed(root, f.CgroupDir, f.UID)
	}
}

func scopeOf(uid int) string {
	if uid == 0 {
		return "a scope of systemd"
	}
	return "a scope of the user's systemd"
}

// WithScope returns the facts as they will be once systemd has made the scope
// that a run asks for, where it would ask for one and systemd is there.
func (f Facts) WithScope() Facts {
	socket, systemd := UserBus()
	managers := filepath.Join("/sys/fs/cgroup/user.slice", "user-"+strconv.Itoa(f.UID)+".slice", "user@"+strconv.Itoa(f.UID)+".service")
	scope := "app.slice/snug-PID.scope"
	if f.UID == 0 {
		socket, systemd, managers, scope = SystemBus, exists(SystemBus), "/sys/fs/cgroup", "system.slice/snug-PID.scope"
	}
	if f.CgroupDir == "" && f.CgroupWhy == "" || f.CgroupDir != "" && !f.CgroupManaged || socket == "" || !systemd || strings.HasPrefix(f.CgroupWhy, "cgroup v1") || os.Getenv("SNUG_CGROUP") != "" {
		return f
	}
	controllers := strings.Fields(readSmall(filepath.Join(managers, "cgroup.controllers")))
	if slices.ContainsFunc(controllers, isLimiter) {
		f.CgroupDir, f.CgroupControllers, f.CgroupWhy, f.CgroupManaged = filepath.Join(managers, scope), controllers, "", false
		f.CgroupFrom = scopeOf(f.UID) + ", which is asked for"
	}
	return f
}

// SystemBus is the socket of the system's D-Bus.
const SystemBus = "/run/dbus/system_bus_socket"

// cgroupSubtree looks for the cgroup v2 directory that the caller is in and may
// divide further: that of the given name, else its own. Without one it says why
// (cgroups(7), "Delegation").
func cgroupSubtree(root, named string) (dir string, controllers []string, why string) {
	member, ok := cgroupMember(root, "")
	if !ok {
		return "", nil, "cgroup v1 host: there is no cgroup v2 hierarchy"
	}
	mounts := readMounts(root)
	mount, dir, ok := cgroupMount(mounts, "cgroup2", "", member)
	if !ok {
		if hasCgroupV2(mounts) {
			return "", nil, "this process's cgroup, " + member + ", lies outside of what is mounted here"
		}
		return "", nil, "no cgroup v2 file system is mounted"
	}
	if named != "" {
		if rest, ok := below(filepath.Clean(named), mount.point); !ok || strings.HasPrefix(rest+"/", "../") {
			return "", nil, "SNUG_CGROUP=" + named + " is not below " + mount.point
		}
		if why := outside(root, dir, filepath.Clean(named)); why != "" {
			return "", nil, "SNUG_CGROUP=" + named + why
		}
		dir = filepath.Clean(named)
	}
	if filepath.Base(dir) == cgroupfs.Outside {
		dir = filepath.Dir(dir)
	}
	if kind := strings.TrimSpace(readSmall(filepath.Join(root, dir, "cgroup.type"))); kind != "" && kind != "domain" {
		return "", nil, dir + " is a threaded cgroup (cgroup.type is \"" + kind + "\"), which holds limits for threads only"
	}
	controllers = strings.Fields(readSmall(filepath.Join(root, dir, "cgroup.controllers")))
	if !slices.ContainsFunc(controllers, isLimiter) {
		return "", nil, noControllers(mounts, dir)
	}
	if mount.has("ro") || hasWord(mount.super, "ro") {
		return "", nil, mount.point + " is mounted read-only, as containers do it"
	}
	for _, name := range [...]string{"", "cgroup.procs", "cgroup.subtree_control"} {
		file := filepath.Join(root, dir, name)
		if unix.Faccessat(unix.AT_FDCWD, file, unix.W_OK, unix.AT_EACCESS) != nil {
			return "", nil, "no delegation: " + filepath.Join(dir, name) + " may not be written"
		}
	}
	return dir, controllers, ""
}

// outside says why the caller cannot start processes in the group named: the
// kernel asks for the right to write the group that it has in common with the
// caller's own (cgroups(7), "Delegation containment"); "" when it can.
func outside(root, own, named string) string {
	common := named
	for _, ok := below(own, common); !ok; _, ok = below(own, common) {
		common = filepath.Dir(common)
	}
	procs := filepath.Join(common, "cgroup.procs")
	if !exists(filepath.Join(root, named)) {
		return " does not exist"
	}
	if unix.Faccessat(unix.AT_FDCWD, filepath.Join(root, procs), unix.W_OK, unix.AT_EACCESS) != nil {
		return " cannot be entered from this process's cgroup, " + own + ": no permission to write " + procs + ", of the group above both"
	}
	return ""
}

// managed reports whether a group that the caller can write may still belong to
// systemd alone: that of a unit without Delegate=, below the user's own service
// manager or when root calls. On delegated ones systemd leaves a mark; the user's
// own not in all versions, so that it has to be asked.
func managed(root, dir string, uid int) bool {
	if uid != 0 && !strings.Contains(dir, "/user@") {
		return false
	}
	for ; dir != "/" && dir != "."; dir = filepath.Dir(dir) {
		switch filepath.Ext(dir) {
		case ".service", ".scope", ".slice":
			return !marked(filepath.Join(root, dir))
		}
	}
	return false
}

// marked reports whether a unit's group has systemd's mark of delegation, the
// one for all to see or the one for root.
func marked(dir string) bool {
	for _, name := range [...]string{"user.delegate", "trusted.delegate"} {
		var value [4]byte
		if n, err := unix.Getxattr(dir, name, value[:]); err == nil && string(value[:n]) == "1" {
			return true
		}
	}
	return false
}

// isLimiter picks the controllers that hold Snug's limits. A hybrid host leaves
// the v2 hierarchy others, such as hugetlb.
func isLimiter(controller string) bool {
	return controller == "memory" || controller == "cpu" || controller == "pids"
}

// noControllers tells a hybrid host, where the old hierarchies hold the
// controllers, from a cgroup that its parent gave none.
func noControllers(mounts []mountEntry, dir string) string {
	for _, m := range mounts {
		if m.fstype == "cgroup" && hasWord(m.super, "memory") {
			return "cgroup v1 host: the controllers belong to the old hierarchies, the v2 one at " + dir + " has neither memory, cpu nor pids"
		}
	}
	return "no delegation: " + dir + " was given none of the controllers memory, cpu and pids"
}

func hasCgroupV2(mounts []mountEntry) bool {
	for _, m := range mounts {
		if m.fstype == "cgroup2" {
			return true
		}
	}
	return false
}

// cgroupMember returns the caller's path in a hierarchy, named by one of its v1
// controllers, or "" for v2. Lines are ID:CONTROLLERS:PATH.
func cgroupMember(root, controller string) (string, bool) {
	for line := range strings.Lines(readSmall(filepath.Join(root, "proc/self/cgroup"))) {
		id, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		names, path, ok := strings.Cut(rest, ":")
		if !ok {
			continue
		}
		if controller == "" && id == "0" && names == "" || controller != "" && hasWord(names, controller) {
			return strings.TrimSuffix(path, " (deleted)"), true
		}
	}
	return "", false
}

// cgroupMount finds the mount of a hierarchy that shows the cgroup member, and
// the directory it has there.
func cgroupMount(mounts []mountEntry, fstype, controller, member string) (mountEntry, string, bool) {
	for _, m := range mounts {
		if m.fstype != fstype || controller != "" && !hasWord(m.super, controller) {
			continue
		}
		// In a cgroup namespace a path may lead up and out: "/../other".
		if rest, ok := below(member, m.root); ok && !strings.HasPrefix(rest+"/", "../") {
			return m, filepath.Join(m.point, rest), true
		}
	}
	return mountEntry{}, "", false
}

// fullPIDs returns the caller's cgroup, or the one above it, that holds as many
// tasks as its pids.max allows; fork then fails with EAGAIN.
func fullPIDs(root string, mounts []mountEntry) string {
	for _, h := range [...]struct{ fstype, controller string }{{"cgroup2", ""}, {"cgroup", "pids"}} {
		member, ok := cgroupMember(root, h.controller)
		if !ok {
			continue
		}
		mount, dir, ok := cgroupMount(mounts, h.fstype, h.controller, member)
		for ok {
			if pidsFull(filepath.Join(root, dir)) {
				return dir
			}
			if dir == mount.point || dir == "/" {
				break
			}
			dir = filepath.Dir(dir)
		}
	}
	return ""
}

func pidsFull(dir string) bool {
	limit, ok1 := readInt(filepath.Join(dir, "pids.max"))
	current, ok2 := readInt(filepath.Join(dir, "pids.current"))
	return ok1 && ok2 && current >= limit
}

// readSmall returns the text of one of the kernel's own files, "" when it
// cannot be read.
func readSmall(name string) string {
	text, err := os.ReadFile(name)
	if err != nil {
		return ""
	}
	return string(text)
}
