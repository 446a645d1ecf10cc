package host

// ProcView is what of procfs is hidden from the caller. The kernel gives a user
// namespace a fresh procfs only where the old one is fully visible, so that
// nobody uncovers in a new namespace what was covered for him in this one
// (mount_too_revealing() in fs/namespace.c).
type ProcView struct {
	Mounted  bool     // there is a procfs that shows all but Covered
	ReadOnly bool     // that procfs is read-only
	SysRO    bool     // /proc/sys is read-only on its own
	Covered  []string // paths with something mounted over them
}

// Fresh reports whether the kernel will let the caller mount a procfs in a new
// user namespace.
func (v ProcView) Fresh() bool { return v.Mounted && !v.ReadOnly && len(v.Covered) == 0 }

// viewProc describes the most visible procfs among the mounts: one that is
// fully visible, wherever it is mounted, or else the last.
func viewProc(mounts []mountEntry) ProcView {
	var best ProcView
	for _, m := range mounts {
		if m.fstype == "proc" && m.root == "/" && !best.Fresh() {
			best = viewOne(mounts, m)
		}
	}
	return best
}

// viewOne looks at what is mounted right on proc; what lies on those mounts in
// turn hides nothing of proc itself.
func viewOne(mounts []mountEntry, proc mountEntry) ProcView {
	v := ProcView{Mounted: true, ReadOnly: proc.has("ro") || hasWord(proc.super, "ro")}
	for _, m := range mounts {
		rest, ok := below(m.point, proc.point)
		if !ok || m.parent != proc.id || m.id == proc.id {
			continue
		}
		if rest == "sys" && m.has("ro") {
			v.SysRO = true
		}
		if !isMountPoint(rest) {
			v.Covered = append(v.Covered, m.point)
		}
	}
	return v
}

// isMountPoint knows the directories that the kernel keeps empty for a mount;
// covering them hides nothing.
func isMountPoint(path string) bool {
	return path == "sys/fs/binfmt_misc" || path == "fs/nfsd" || path == "openprom"
}
