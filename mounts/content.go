package mounts

import (
	"errors"
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/internal/host"
	"github.com/snug-sandbox/snug/internal/plan"
	"github.com/snug-sandbox/snug/internal/program"
)

// Names in the scratch file system.
const (
	maskFile = "mask"
	maskDir  = "mask.d"
)

// makeScratch makes the tmpfs that everything private comes from: what tmpfs
// mounts show, files that are shown on top of others, uppers that are thrown
// away, and what masks show. It goes with the old root; what was bound from it
// stays.
func (b *builder) makeScratch() {
	if b.scratch == 0 {
		b.newScratch()
	}
	b.Do(scratchLabel, plan.Mknodat, plan.Reg(b.scratch), b.Text(maskFile), plan.Octal(unix.S_IFREG), plan.Num(0))
	b.Do(scratchLabel, plan.Mkdirat, plan.Reg(b.scratch), b.Text(maskDir), plan.Octal(0))
}

const scratchLabel = "make a scratch file system"

// newScratch makes the file system, with nothing in it.
func (b *builder) newScratch() {
	b.scratch, _ = b.newFilesystem(scratchLabel, "tmpfs", unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV, option{"mode", "700"})
	if !detached(b.facts) {
		b.makeFence()
		b.Do(scratchLabel, plan.MoveMount, plan.Reg(b.scratch), b.Text(""), plan.Cwd, b.Text("/"), moveFlags(unix.MOVE_MOUNT_F_EMPTY_PATH))
	}
}

// detached reports whether mounts can be bound from, and mounted on, what is not
// attached yet: since Linux 6.15. Before, the scratch file system has to be attached.
func detached(f host.Facts) bool { return f.Kernel.AtLeast(6, 15) }

// makeFence puts a mount that cannot be bound between the host's root and what
// is attached above it. A copy of the host's whole tree would else have that on
// top of it, and show the sandbox its own root.
func (b *builder) makeFence() {
	if b.fenced = b.mustFence(); !b.fenced {
		return
	}
	const label = "keep what is built out of copies of the host's tree"
	fence := b.ownTmpfs(label, Mount{}, 0o700, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV)
	b.Do(label, plan.MountSetattr, plan.Reg(fence), b.Text(""), atFlags(unix.AT_EMPTY_PATH), b.attr(0, 0, unix.MS_UNBINDABLE), plan.Num(attrSize))
	b.Do(label, plan.MoveMount, plan.Reg(fence), b.Text(""), plan.Cwd, b.Text("/"), moveFlags(unix.MOVE_MOUNT_F_EMPTY_PATH))
	b.Close(fence)
}

// mustFence reports whether the host's root is copied when something is attached
// above it.
func (b *builder) mustFence() bool {
	entries := b.entries
	switch r := b.table.Rootfs; {
	case r.Path != "" && r.Overlay == OverlayNone && mayBeRoot(r.Path), !r.HasTree() && r.Base == BaseHost:
		if !detached(b.facts) {
			return true
		}
	case b.rootIsFirst() && detached(b.facts):
		entries = entries[1:]
	}
	return slices.ContainsFunc(entries, func(r Resolved) bool {
		return (r.Type == Bind || r.Type == DevBind) && mayBeRoot(r.Source)
	})
}

// mayBeRoot reports whether a source is the host's root, or a link of procfs
// that leads anywhere.
func mayBeRoot(source string) bool {
	source = path.Clean(source)
	return source == "/" || strings.HasPrefix(source, "/proc/")
}

func (b *builder) scratchName() string {
	b.named++
	return strconv.Itoa(b.named)
}

func (b *builder) symlink(r Resolved) error {
	label := "link " + r.Target + " to " + r.Source
	s, err := b.prepare(r, label)
	if err != nil {
		return err
	}
	if s.path == "" || s.exists {
		return errors.New("a link needs a place where nothing is yet: the root of the bases system and empty, or a tmpfs")
	}
	b.Do(label, plan.Symlinkat, b.Text(r.Source), plan.Reg(s.dir), b.Text(s.path))
	s.node.link = r.Source
	return nil
}

func (b *builder) dir(r Resolved) error {
	label := "make the directory " + r.Target
	s, err := b.prepare(r, label)
	if err != nil {
		return err
	}
	switch {
	case s.path == "":
		b.Close(s.dir) // it is there already
	case !s.exists:
		b.makeDir(label, s.dir, s.path, r.Mode)
	}
	return nil
}

// file shows a file with the given content: a new one where the plan may make
// one, else on top of the one that is there.
func (b *builder) file(r Resolved) error {
	label := "write " + r.Target
	s, err := b.prepare(r, label)
	if err != nil {
		return err
	}
	perm := uint32(0o644)
	if r.Mode != nil {
		perm = uint32(*r.Mode)
	}
	if s.path != "" && !s.exists {
		b.write(label, s.dir, s.path, r.Content, perm)
		s.node.file = true
		return nil
	}
	name := b.scratchName()
	b.write(label, b.scratch, name, r.Content, perm)
	fd := b.Do(label, plan.OpenTree, plan.Reg(b.scratch), b.Text(name), treeFlags(unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)).Keep("tree")
	b.Do(label, plan.MountSetattr, plan.Reg(fd), b.Text(""), atFlags(unix.AT_EMPTY_PATH), b.attr(bindAttrs(Mount{}), 0, 0), plan.Num(attrSize))
	b.place(label, fd, s, Other)
	b.covers(s, fd, &mounted{}, nil)
	return nil
}

func (b *builder) write(label string, dir program.Reg, name, content string, perm uint32) {
	fd := b.Do(label, plan.Openat, plan.Reg(dir), b.Text(name), plan.Bits(unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_CLOEXEC, &plan.OpenFlags), plan.Octal(perm)).Keep("file")
	if content != "" {
		b.Do(label, plan.Write, plan.Reg(fd), b.Bytes([]byte(content)), plan.Num(uint64(len(content)))).Min(len(content))
	}
	b.Close(fd)
}

// mask makes a path unreadable: an empty directory or file without any
// permission lies on top of it. A path that does not exist needs no mask.
func (b *builder) mask(r Resolved) error {
	label := "hide " + r.Target
	open := b.Do(label, plan.Openat2, plan.Reg(b.root), b.Text(relative(r.Target)),
		b.how(unix.O_PATH, unix.RESOLVE_IN_ROOT|unix.RESOLVE_NO_MAGICLINKS), plan.Num(openHowSize)).Help(targetHelp)
	b.optional(open)
	target := open.Keep("target")
	fd := b.Do(label, plan.OpenTree, plan.Reg(b.scratch), b.Text(maskDir), treeFlags(unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)).Keep("tree")
	move := func() plan.Step {
		b.Do(label, plan.MountSetattr, plan.Reg(fd), b.Text(""), atFlags(unix.AT_EMPTY_PATH), b.attr(bindAttrs(Mount{}), 0, 0), plan.Num(attrSize))
		return b.Do(label, plan.MoveMount, plan.Reg(fd), b.Text(""), plan.Reg(target), b.Text(""), moveFlags(unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH))
	}
	moved := move().Accept(notADirectory...)
	b.Do(label, plan.Close, plan.Reg(fd))
	b.Do(label, plan.OpenTree, plan.Reg(b.scratch), b.Text(maskFile), treeFlags(unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)).Into(fd)
	move()
	moved.ThenHere()
	b.Close(fd)
	b.Close(target)
	if p, err := b.tree.find(r.Target); err == nil && len(p.missing) == 0 {
		p.at.cover(&mounted{})
	}
	return nil
}
