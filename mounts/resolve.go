package mounts

import (
	"path"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/snug-sandbox/snug/internal/host"
	"github.com/snug-sandbox/snug/internal/units"
)

// Context is what mounts need to know of the rest of a Spec.
type Context struct {
	SharedPID   bool // the pid namespace is the caller's
	OuterProc   bool // what can be written of the caller's processes, too, must be writable
	SharedIPC   bool // the ipc namespace is the caller's
	HostNetwork bool // the network namespace is the caller's
	SharedUser  bool // the user namespace is the caller's

	ResolvConf string // content of /etc/resolv.conf; empty: the sandbox reaches no network of its own
	ResolvFile string // where that leads to on the host
	HostNames  string // further lines of /etc/hosts

	Terminal bool // the sandbox gets a terminal of its own

	UID, GID           int  // of the command
	MountUID, MountGID int  // of what mounts file systems, inside
	OwnTmpfs           bool // a tmpfs belongs to UID and GID, not to the ids that mount it
	User, Home, Shell  string
	Hostname           string
}

// Resolved is one mount of a sandbox, in the order in which it is made.
type Resolved struct {
	Mount
	// From says which rule it comes from: "mounts[2]", "rootfs" or "standard".
	From string `json:"from"`
	// Standard mounts are left out where their target is missing.
	standard bool
}

// Flags returns how the mount may be used: "rw" or "ro" and what is forbidden.
func (r Resolved) Flags() string {
	flags := "ro"
	if r.writable() {
		flags = "rw"
	}
	flags += ",nosuid"
	if r.Type != DevBind && r.Type != Dev {
		flags += ",nodev"
	}
	if r.Noexec {
		flags += ",noexec"
	}
	return flags
}

func (r Resolved) writable() bool {
	switch r.Type {
	case Bind, DevBind, Overlay, Remount:
		return r.Writable
	case Tmpfs:
		return !r.ReadOnly
	case Proc, Mqueue, Dev:
		return true
	}
	return false
}

// systemDirs are the directories of Rootfs.Base "system". Those that do not
// exist are left out; those that are symbolic links stay links.
var systemDirs = [...]string{
	"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/opt",
	"/nix", "/gnu", "/run/current-system",
}

// ResolverDirs are where /etc/resolv.conf may point to; they are needed where
// the network is the caller's.
var ResolverDirs = [...]string{"/run/systemd/resolve", "/run/NetworkManager", "/run/resolvconf"}

// Resolve returns all mounts above the root in the order in which they are
// made. Of several with one target the last one wins; the rest go by target,
// so that what is mounted below another comes after it.
func (t Table) Resolve(f host.Facts, c Context) []Resolved {
	list := make([]Resolved, 0, len(t.Mounts)+24)
	list = t.appendStandard(list, f, c)
	for i, m := range t.Mounts {
		list = append(list, Resolved{Mount: normal(m), From: "mounts[" + strconv.Itoa(i) + "]"})
	}
	if t.Ordered {
		return list
	}
	list = lastOfTarget(list)
	sort.SliceStable(list, func(i, j int) bool { return depth(list[i].Target) < depth(list[j].Target) })
	return list
}

func (t Table) appendStandard(list []Resolved, f host.Facts, c Context) []Resolved {
	add := func(m Mount) {
		list = append(list, Resolved{Mount: m, From: "standard", standard: true})
	}
	root := t.Rootfs
	if !root.HasTree() && root.Base == BaseEmpty {
		return list
	}
	if !root.HasTree() && (root.Base == BaseSystem || root.Base == "") {
		list = appendSystem(list, f)
	}
	add(Mount{Type: Proc, Target: "/proc", Fallback: FallbackNone})
	add(Mount{Type: Dev, Target: "/dev"})
	temporary, run := Tmpfs, Tmpfs
	if root.Image != "" && root.Overlay != OverlayReadonly {
		// An image may bring what its programs look for there, and its own
		// directories are as private as the rest of it.
		run = Dir
		if root.Overlay != OverlayKeep || root.Temporary { // what is temporary is not kept
			temporary = Dir
		}
	}
	add(Mount{Type: temporary, Target: "/tmp", Mode: sticky()})
	add(Mount{Type: temporary, Target: "/var/tmp", Mode: sticky()})
	add(Mount{Type: run, Target: "/run"})
	if c.HostNetwork && !root.HasTree() {
		for _, dir := range ResolverDirs {
			add(Mount{Type: Bind, Source: dir, Target: dir, Optional: true})
		}
	}
	switch {
	case root.HasTree() && !root.KeepEtc:
		list = appendEtc(list, f, c, root.Path != "")
	case !root.HasTree() && c.ResolvConf != "":
		add(Mount{Type: File, Target: "/etc/hosts", Content: hosts(c)})
		add(Mount{Type: File, Target: c.ResolvFile, Content: c.ResolvConf})
	}
	return list
}

func appendSystem(list []Resolved, f host.Facts) []Resolved {
	for _, dir := range systemDirs {
		m := Mount{Type: Bind, Source: dir, Target: dir, Optional: true}
		if link, ok := f.RootLinks[dir]; ok {
			m = Mount{Type: Symlink, Source: link, Target: dir}
		}
		list = append(list, Resolved{Mount: m, From: "rootfs", standard: true})
	}
	return list
}

// FallbackBind and FallbackNone are the values of Mount.Fallback.
const (
	FallbackBind = "bind"
	FallbackNone = "none"
)

// normal fills in what an entry leaves out.
func normal(m Mount) Mount {
	if m.Type == "" {
		m.Type = Bind
	}
	if (m.Type == Bind || m.Type == DevBind) && m.Target == "" {
		m.Target = m.Source
	}
	m.Target = path.Clean("/" + m.Target)
	if m.Type == Tmpfs && m.Mode == nil && isSticky(m.Target) {
		m.Mode = sticky()
	}
	return m
}

func isSticky(target string) bool {
	return target == "/tmp" || target == "/var/tmp" || target == "/dev/shm"
}

func sticky() *units.FileMode { return mode(0o1777) }

func mode(m units.FileMode) *units.FileMode { return &m }

// lastOfTarget drops entries that a later one with the same target replaces. A
// mask or remount changes what is there and replaces nothing; an optional one
// may turn out not to be there.
func lastOfTarget(list []Resolved) []Resolved {
	last := make(map[string]int, len(list))
	for i, r := range list {
		if r.Type != Mask && r.Type != Remount && (!r.Optional || !holds(last, r.Target)) {
			last[r.Target] = i
		}
	}
	kept := list[:0]
	for i, r := range list {
		if at, ok := last[r.Target]; !ok || at <= i {
			kept = append(kept, r)
		}
	}
	return kept
}

func holds(m map[string]int, key string) bool {
	_, ok := m[key]
	return ok
}

func depth(target string) int {
	if target == "/" {
		return 0
	}
	return strings.Count(target, "/")
}

// Shows reports whether the host's path p is certainly visible inside under
// its own name: the deepest mount above it is a bind of the host at its place.
func (t Table) Shows(f host.Facts, c Context, p string) bool { return t.has(f, c, p, false) }

// Holds reports whether there is certainly a directory p inside, when the host has
// one: it is shown, or by an overlay, or another is in its place.
func (t Table) Holds(f host.Facts, c Context, p string) bool { return t.has(f, c, p, true) }

func (t Table) has(f host.Facts, c Context, p string, other bool) bool {
	p = path.Clean(p)
	shown := !t.Rootfs.HasTree() && t.Rootfs.Base == BaseHost
	for _, r := range t.Resolve(f, c) {
		if !below(p, r.Target) {
			continue
		}
		switch r.Type {
		case Bind, DevBind:
			shown = !r.Optional && (path.Clean(r.Source) == r.Target || other && p == r.Target) || r.standard && r.From == "rootfs"
		case Tmpfs, Dir:
			shown = p == r.Target
		case Overlay:
			shown = other && (p == r.Target || slices.Contains(r.Lower, r.Target))
		case Remount:
		default:
			shown = false
		}
	}
	return shown
}

// below reports whether p is dir or inside it.
func below(p, dir string) bool {
	return p == dir || dir == "/" || strings.HasPrefix(p, dir) && p[len(dir)] == '/'
}
