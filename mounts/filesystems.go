package mounts

import (
	"errors"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/internal/plan"
	"github.com/snug-sandbox/snug/internal/program"
)

// option is a parameter of a file system; one without a value is a flag.
type option struct{ key, value string }

// newFilesystem makes a detached mount of a new file system (fsopen(2)). It
// returns the step that the kernel refuses when it does not give one.
func (b *builder) newFilesystem(label, kind string, attrs uint64, options ...option) (program.Reg, []plan.Step) {
	open := b.Do(label, plan.Fsopen, b.Text(kind), plan.Num(unix.FSOPEN_CLOEXEC))
	fs := open.Keep("fs")
	for _, o := range options {
		if o.value == "" {
			b.Do(label, plan.Fsconfig, plan.Reg(fs), plan.Num(unix.FSCONFIG_SET_FLAG), b.Text(o.key), plan.Num(0), plan.Num(0))
			continue
		}
		set := b.Do(label, plan.Fsconfig, plan.Reg(fs), plan.Num(unix.FSCONFIG_SET_STRING), b.Text(o.key), b.Text(o.value), plan.Num(0))
		if o.key == "uid" || o.key == "gid" {
			set.Help(ownerHelp)
		}
	}
	create := b.Do(label, plan.Fsconfig, plan.Reg(fs), plan.Num(unix.FSCONFIG_CMD_CREATE), plan.Num(0), plan.Num(0), plan.Num(0))
	mount := b.Do(label, plan.Fsmount, plan.Reg(fs), plan.Num(unix.FSMOUNT_CLOEXEC), plan.Bits(attrs, &plan.MountAttrs))
	fd := mount.Keep("tree")
	b.Close(fs)
	return fd, []plan.Step{open, create, mount}
}

// newTmpfs makes a detached mount of private memory. One with a size or an
// owner is a tmpfs of its own; all others are directories of the one that also
// is the scratch file system, bound one by one: making and ending a file system
// costs more than all else about it.
func (b *builder) newTmpfs(label string, m Mount) program.Reg {
	perm := uint32(0o755)
	if m.Mode != nil {
		perm = uint32(*m.Mode)
	}
	attrs := uint64(unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV)
	if m.Noexec {
		attrs |= unix.MOUNT_ATTR_NOEXEC
	}
	if m.Size > 0 || b.context.OwnTmpfs {
		return b.ownTmpfs(label, m, perm, attrs)
	}
	name := b.scratchName()
	b.makeDir(label, b.scratch, name, m.Mode)
	fd := b.Do(label, plan.OpenTree, plan.Reg(b.scratch), b.Text(name), treeFlags(unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)).Keep("tree")
	if m.Noexec {
		b.Do(label, plan.MountSetattr, plan.Reg(fd), b.Text(""), atFlags(unix.AT_EMPTY_PATH), b.attr(unix.MOUNT_ATTR_NOEXEC, 0, 0), plan.Num(attrSize))
	}
	return fd
}

const (
	pageSize  = 4096 // what the shortest file takes of a tmpfs
	fewInodes = 1024
)

func (b *builder) ownTmpfs(label string, m Mount, perm uint32, attrs uint64) program.Reg {
	options := []option{{"mode", strconv.FormatUint(uint64(perm), 8)}}
	if m.Size > 0 {
		options = append(options, option{"size", strconv.FormatInt(int64(m.Size), 10)})
		if !b.table.Ordered {
			// Empty files have no size, and take the kernel's memory.
			options = append(options, option{"nr_inodes", strconv.FormatInt(max(int64(m.Size)/pageSize, fewInodes), 10)})
		}
	}
	if b.context.OwnTmpfs {
		options = append(options, option{"uid", strconv.Itoa(b.context.UID)}, option{"gid", strconv.Itoa(b.context.GID)})
	}
	fd, _ := b.newFilesystem(label, "tmpfs", attrs, options...)
	return fd
}

func (b *builder) tmpfs(r Resolved, later []Resolved) error {
	label := "mount a tmpfs at " + r.Target
	s, err := b.prepare(r, label)
	if err != nil {
		return err
	}
	fd := b.newTmpfs(label, r.Mount)
	b.place(label, fd, s, Directory)
	if r.ReadOnly {
		seal := readonly{label: "make " + r.Target + " read-only", dir: s.dir, path: s.path}
		if s.path == "" {
			seal.dir = b.Do(label, plan.Fcntl, plan.Reg(fd), plan.Num(unix.F_DUPFD_CLOEXEC), plan.Num(0)).Keep("tmpfs")
		}
		b.late = append(b.late, seal)
	}
	b.covers(s, fd, &mounted{own: true}, later)
	return nil
}

// proc mounts a procfs that shows the sandbox's own processes, and takes away
// what a sandbox has no business with.
func (b *builder) proc(r Resolved) error {
	label := "mount procfs at " + r.Target
	s, err := b.prepare(r, label)
	if err != nil {
		return err
	}
	fd := b.takeProc(r)
	made := fd != 0
	switch {
	case made:
	case !b.context.SharedPID:
		fd = b.freshProc(label, r.Fallback == FallbackBind && !b.limited(), b.table.Masking.procOptions()...)
	case b.limited():
		return errors.New("the /proc of the caller's pid namespace is as it is: hidepid and proc_subset need one of the sandbox's own")
	default:
		// Processes outside have files there that this user may write to, such as
		// oom_score_adj. bubblewrap leaves them writable.
		fd = b.cloneTree(label, "/proc", Mount{Writable: b.context.OuterProc || b.table.Ordered}, false)
	}
	b.place(label, fd, s, Directory)
	switch {
	case made:
	case b.table.Ordered:
		b.protectWritable(fd, r.Target)
	default:
		b.hide(fd, r.Target, b.table.Masking.Unmask)
		b.protect(fd, r.Target, b.table.Masking.Unmask)
	}
	b.covers(s, fd, &mounted{}, nil)
	return nil
}

// limited reports whether a procfs shows less than all.
func (b *builder) limited() bool { return b.table.Masking.Proc() != "" }

// freshProc makes a procfs of the sandbox's own, detached.
func (b *builder) freshProc(label string, fallback bool, options ...option) program.Reg {
	fd, refusals := b.newFilesystem(label, "proc", unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOEXEC, options...)
	for _, s := range refusals {
		s.Help(procHelp)
	}
	if !fallback {
		return fd
	}
	for _, s := range refusals {
		s.Accept(syscall.EPERM).Note("no fresh procfs in this container; the outer /proc is shown, with the processes outside")
	}
	last := b.Last()
	for _, s := range refusals {
		s.ElseHere()
	}
	other := b.cloneTree("bind the outer /proc", "/proc", Mount{Writable: true}, false)
	b.Do("bind the outer /proc", plan.Fcntl, plan.Reg(other), plan.Num(unix.F_DUPFD_CLOEXEC), plan.Num(0)).Into(fd)
	b.Close(other)
	last.ThenHere()
	return fd
}

// hide masks what MaskedPaths lists, but for what is in unmask.
func (b *builder) hide(proc program.Reg, at string, unmask []string) {
	for _, p := range MaskedPaths {
		if lifted(unmask, p.Path) {
			continue
		}
		source := maskFile
		if p.Dir {
			source = maskDir
		}
		b.coverPath("hide "+at+"/"+p.Path, b.scratch, source, proc, p.Path)
	}
}

// protect makes read-only what ReadonlyPaths lists, but for what is in unmask.
func (b *builder) protect(proc program.Reg, at string, unmask []string) {
	for _, p := range ReadonlyPaths {
		if !lifted(unmask, p.Path) {
			b.protectPath("make "+at+"/"+p.Path+" read-only", proc, p.Path)
		}
	}
}

// protectPath makes what is at a path below dir read-only, if there is such a path.
func (b *builder) protectPath(label string, dir program.Reg, path string) {
	tree := b.Do(label, plan.OpenTree, plan.Reg(dir), b.Text(path), treeFlags(unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE|unix.AT_SYMLINK_NOFOLLOW)).
		Accept(syscall.ENOENT)
	fd := tree.Keep("tree")
	b.Do(label, plan.MountSetattr, plan.Reg(fd), b.Text(""), atFlags(unix.AT_EMPTY_PATH|unix.AT_RECURSIVE), b.protection(), plan.Num(attrSize))
	b.Do(label, plan.MoveMount, plan.Reg(fd), b.Text(""), plan.Reg(dir), b.Text(path), moveFlags(unix.MOVE_MOUNT_F_EMPTY_PATH))
	b.Close(fd)
	tree.ElseHere()
}

// protection makes what covers a part of a file system read-only.
func (b *builder) protection() program.Arg {
	return b.attr(unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NOEXEC, 0, 0)
}

// coverPath mounts from/source read-only on top of to/target, unless there is
// no such target. That is found out first: a mount that was made and is thrown away
// again costs the kernel a wait for all other processors.
func (b *builder) coverPath(label string, from program.Reg, source string, to program.Reg, target string) {
	find := b.Do(label, plan.Openat, plan.Reg(to), b.Text(target), plan.Bits(unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, &plan.OpenFlags), plan.Num(0)).
		Accept(syscall.ENOENT)
	spot := find.Keep("target")
	fd := b.Do(label, plan.OpenTree, plan.Reg(from), b.Text(source), treeFlags(unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)).Keep("tree")
	b.Do(label, plan.MountSetattr, plan.Reg(fd), b.Text(""), atFlags(unix.AT_EMPTY_PATH|unix.AT_RECURSIVE), b.protection(), plan.Num(attrSize))
	b.Do(label, plan.MoveMount, plan.Reg(fd), b.Text(""), plan.Reg(spot), b.Text(""), moveFlags(unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH))
	b.Close(fd)
	b.Close(spot)
	find.ElseHere()
}

func (b *builder) mqueue(r Resolved) error {
	label := "mount message queues at " + r.Target
	s, err := b.prepare(r, label)
	if err != nil {
		return err
	}
	fd, refusals := b.newFilesystem(label, "mqueue", unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOEXEC)
	for _, step := range refusals {
		step.Help(mqueueHelp)
	}
	b.place(label, fd, s, Directory)
	b.covers(s, fd, &mounted{}, nil)
	return nil
}
