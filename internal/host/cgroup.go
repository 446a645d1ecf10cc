package host

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/internal/cgroupfs"
)

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
		// Only below a group that the caller may write can it start processes in one.
		if rest, ok := below(filepath.Clean(named), mount.point); !ok || strings.HasPrefix(rest+"/", "../") {
			return "", nil, "SNUG_CGROUP=" + named + " is not below " + mount.point
		}
		dir = filepath.Clean(named)
	}
	if filepath.Base(dir) == cgroupfs.Outside {
		dir = filepath.Dir(dir)
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

// managed reports whether the caller's group is below a user's service manager.
func managed(root string) bool {
	member, ok := cgroupMember(root, "")
	return ok && strings.Contains(member, "/user@")
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
