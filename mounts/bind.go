package mounts

import (
	"path"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/internal/plan"
	"github.com/snug-sandbox/snug/internal/program"
)

// bind shows a file or directory of the host.
func (b *builder) bind(r Resolved, later []Resolved) error {
	label := bindLabel(r)
	p, err := b.tree.find(r.Target)
	if err != nil {
		return err
	}
	var fd program.Reg
	if p.unknown {
		// A missing source is left out whether its target exists or not.
		fd = b.cloneTree(label, r.Source, r.Mount, r.Optional)
	}
	s, err := b.prepare(r, label)
	if err != nil {
		return err
	}
	if r.Optional && !s.exists && anyBelow(later, r.Target) {
		b.foundation(label, &s, later)
	}
	if !p.unknown {
		fd = b.cloneTree(label, r.Source, r.Mount, r.Optional)
	}
	b.place(label, fd, s, r.Kind)
	b.covers(s, fd, &mounted{}, later)
	return nil
}

func bindLabel(r Resolved) string {
	label := "bind " + r.Source + " read-only"
	if r.Writable {
		label = "bind " + r.Source + " writable"
	}
	if r.Target != path.Clean(r.Source) {
		label += " at " + r.Target
	}
	return label
}

// foundation makes the target of an optional bind, and what other entries
// mount below it, so that they have a place when its source does not exist.
func (b *builder) foundation(label string, s *spot, later []Resolved) {
	made := map[string]bool{s.at: true}
	b.Do(label, plan.Mkdirat, plan.Reg(s.dir), b.Text(s.path), plan.Octal(0o755))
	s.exists = true
	for _, r := range later {
		if r.Target == s.at || !below(r.Target, s.at) || r.Type == Mask || r.Type == Remount {
			continue
		}
		for _, p := range between(s.at, r.Target) {
			switch {
			case made[p]:
			case p == r.Target:
				b.makePoint(label, r, s.dir, s.in.relative(p))
			default:
				b.Do(label, plan.Mkdirat, plan.Reg(s.dir), b.Text(s.in.relative(p)), plan.Octal(0o755))
			}
			made[p] = true
		}
	}
}

// between lists the directories below dir down to p.
func between(dir, p string) []string {
	var list []string
	for ; p != dir && p != "/"; p = path.Dir(p) {
		list = append([]string{p}, list...)
	}
	return list
}

// cloneTree makes a detached copy of the mounts at source, with everything
// mounted below. Its flags hold for all of them, and no mount or unmount passes
// between it and the host (mount_setattr(2)).
func (b *builder) cloneTree(label, source string, m Mount, optional bool) program.Reg {
	open := b.Do(label, plan.OpenTree, plan.Cwd, b.Text(source), treeFlags(unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE|unix.AT_NO_AUTOMOUNT))
	open.Help(sourceHelp)
	if optional {
		b.optional(open)
	}
	fd := open.Keep("tree")
	if m.Same != nil {
		b.sameFile(label, fd, *m.Same)
	}
	propagation := uint64(unix.MS_PRIVATE)
	if m.Propagation == PropagationSlave {
		propagation = unix.MS_SLAVE
	}
	b.Do(label, plan.MountSetattr, plan.Reg(fd), b.Text(""), atFlags(unix.AT_EMPTY_PATH|unix.AT_RECURSIVE),
		b.attr(bindAttrs(m), 0, propagation), plan.Num(attrSize)).Help(attrHelp)
	return fd
}

// PropagationPrivate and PropagationSlave are the values of Mount.Propagation.
const (
	PropagationPrivate = "private"
	PropagationSlave   = "slave"
)

func bindAttrs(m Mount) uint64 {
	attrs := uint64(unix.MOUNT_ATTR_NOSUID)
	if m.Type != DevBind {
		attrs |= unix.MOUNT_ATTR_NODEV
	}
	if !m.Writable {
		attrs |= unix.MOUNT_ATTR_RDONLY
	}
	if m.Noexec {
		attrs |= unix.MOUNT_ATTR_NOEXEC
	}
	return attrs
}

// remount changes the flags of the mount at the target, without those below.
func (b *builder) remount(r Resolved) error {
	label := "remount " + r.Target + " read-only"
	set, clear := uint64(unix.MOUNT_ATTR_RDONLY), uint64(0)
	if r.Writable {
		label, set, clear = "remount "+r.Target+" writable", 0, unix.MOUNT_ATTR_RDONLY
	}
	if r.Noexec {
		set |= unix.MOUNT_ATTR_NOEXEC
	}
	open := b.Do(label, plan.Openat2, plan.Reg(b.root), b.Text(relative(r.Target)),
		b.how(unix.O_PATH, unix.RESOLVE_IN_ROOT|unix.RESOLVE_NO_MAGICLINKS), plan.Num(openHowSize)).Help(targetHelp)
	if r.Optional {
		b.optional(open)
	}
	fd := open.Keep("target")
	b.Do(label, plan.MountSetattr, plan.Reg(fd), b.Text(""), atFlags(unix.AT_EMPTY_PATH), b.attr(set, clear, 0), plan.Num(attrSize)).
		Help(&program.Help{Errno: syscall.EINVAL, Why: "nothing is mounted there", Fix: "remount takes the target of another mount"})
	b.Close(fd)
	return nil
}
