package mounts

import (
	"path"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/internal/plan"
	"github.com/snug-sandbox/snug/internal/program"
	"github.com/snug-sandbox/snug/internal/units"
)

// An ordered table is what bubblewrap's options describe: each entry acts on
// what the ones before it have left, in the host's directories too where they
// are shown writable. The entries' types are the same, with two more.
const (
	Write = "write" // a file is written, whatever is mounted there
	Chmod = "chmod" // the permissions of what is there are changed
)

// FileID says which file a path has to lead to.
type FileID struct {
	Major, Minor uint32 // of its device
	Inode        uint64
}

func (b *builder) addOrdered(i int, r Resolved) error {
	switch r.Type {
	case Bind, DevBind:
		return b.orderedBind(r, b.entries[i+1:])
	case File:
		return b.orderedFile(r)
	case Dir:
		return b.orderedDir(r)
	case Write:
		return b.rewrite(r)
	case Chmod:
		return b.chmod(r)
	case Symlink:
		return b.orderedLink(r)
	}
	return b.add(i, r)
}

// orderedBind is bind, but a source that is missing leaves no trace.
func (b *builder) orderedBind(r Resolved, later []Resolved) error {
	label := bindLabel(r)
	fd := b.cloneTree(label, r.Source, r.Mount, r.Optional)
	s, err := b.prepare(r, label)
	if err != nil {
		return err
	}
	b.place(label, fd, s, r.Kind)
	if s.at == "/" && r.Optional {
		b.maybeNewRoot(fd)
		return nil
	}
	b.covers(s, fd, &mounted{}, later)
	s.node.maybe = s.node.maybe || r.Optional
	return nil
}

// orderedDir makes a directory, or finds one.
func (b *builder) orderedDir(r Resolved) error {
	label := "make the directory " + r.Target
	s, err := b.prepare(r, label)
	if err != nil {
		return err
	}
	if s.path != "" && !s.exists {
		b.makeDir(label, s.dir, s.path, r.Mode)
		return nil
	}
	if s.path == "" {
		b.Close(s.dir)
	}
	found := b.Do(label, plan.Openat2, plan.Reg(b.root), b.Text(relative(r.Target)),
		b.how(unix.O_PATH|unix.O_DIRECTORY, unix.RESOLVE_IN_ROOT|unix.RESOLVE_NO_MAGICLINKS), plan.Num(openHowSize)).Keep("found")
	b.Close(found)
	return nil
}

// sameFile refuses to go on when the mount is not of the file that was meant.
func (b *builder) sameFile(label string, fd program.Reg, id FileID) {
	const inode, major, minor, size = 0x20, 0x88, 0x8c, 0x100 // struct statx
	buffer := b.Space(size)
	b.Do(label, plan.Statx, plan.Reg(fd), b.Text(""), atFlags(unix.AT_EMPTY_PATH), plan.Num(unix.STATX_INO), buffer)
	help := &program.Help{Errno: syscall.EAGAIN, Why: "the path leads to another file by now than the one that was meant"}
	for _, word := range []struct {
		offset uint64
		value  uint32
	}{{inode, uint32(id.Inode)}, {inode + 4, uint32(id.Inode >> 32)}, {major, id.Major}, {minor, id.Minor}} {
		b.Equal(label, at(buffer, word.offset), word.value).Help(help)
	}
}

// orderedFile shows a file with the given content on top of what is there.
func (b *builder) orderedFile(r Resolved) error {
	label := "show data at " + r.Target
	name := b.scratchName()
	b.write(label, b.scratch, name, r.Content, uint32(modeOr(r.Mode, 0o600)))
	fd := b.Do(label, plan.OpenTree, plan.Reg(b.scratch), b.Text(name), treeFlags(unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)).Keep("tree")
	b.Do(label, plan.MountSetattr, plan.Reg(fd), b.Text(""), atFlags(unix.AT_EMPTY_PATH), b.attr(bindAttrs(r.Mount), 0, 0), plan.Num(attrSize))
	s, err := b.prepare(r, label)
	if err != nil {
		return err
	}
	b.place(label, fd, s, Other)
	b.covers(s, fd, &mounted{}, nil)
	return nil
}

// rewrite writes a file where it is, a new one or one that was there.
func (b *builder) rewrite(r Resolved) error {
	label := "write " + r.Target
	if err := b.makeAbove(r, label); err != nil {
		return err
	}
	perm := uint32(modeOr(r.Mode, 0o666))
	how := b.Words(unix.O_CREAT|unix.O_TRUNC|unix.O_WRONLY|unix.O_CLOEXEC, uint64(perm), unix.RESOLVE_IN_ROOT|unix.RESOLVE_NO_MAGICLINKS)
	fd := b.Do(label, plan.Openat2, plan.Reg(b.root), b.Text(relative(r.Target)), how, plan.Num(openHowSize)).Keep("file")
	if r.Content != "" {
		b.Do(label, plan.Write, plan.Reg(fd), b.Bytes([]byte(r.Content)), plan.Num(uint64(len(r.Content)))).Min(len(r.Content))
	}
	b.Close(fd)
	if p, err := b.tree.find(r.Target); err == nil && len(p.missing) == 1 {
		p.at.add(p.missing[0]).file = true
	}
	return nil
}

// makeAbove makes the directories above an entry's target.
func (b *builder) makeAbove(r Resolved, label string) error {
	dir := path.Dir(r.Target)
	s, err := b.prepare(Resolved{Mount: Mount{Type: Dir, Target: dir, Parents: r.Parents, Mode: r.Parents}, From: r.From}, label)
	if err != nil {
		return err
	}
	switch {
	case s.path == "":
		b.Close(s.dir)
	case !s.exists:
		b.makeDir(label, s.dir, s.path, r.Parents)
	}
	return nil
}

func (b *builder) chmod(r Resolved) error {
	label := "change the permissions of " + r.Target
	open := b.Do(label, plan.Openat2, plan.Reg(b.root), b.Text(relative(r.Target)),
		b.how(unix.O_RDONLY|unix.O_NONBLOCK, unix.RESOLVE_IN_ROOT|unix.RESOLVE_NO_MAGICLINKS), plan.Num(openHowSize))
	fd := open.Keep("target")
	b.Do(label, plan.Fchmod, plan.Reg(fd), plan.Octal(uint32(modeOr(r.Mode, 0))))
	b.Close(fd)
	return nil
}

// orderedLink makes a symbolic link, or finds the same one.
func (b *builder) orderedLink(r Resolved) error {
	label := "link " + r.Target + " to " + r.Source
	if err := b.makeAbove(r, label); err != nil {
		return err
	}
	dir, name := path.Split(r.Target)
	parent := b.Do(label, plan.Openat2, plan.Reg(b.root), b.Text(relative(dir)),
		b.how(unix.O_PATH|unix.O_DIRECTORY, unix.RESOLVE_IN_ROOT|unix.RESOLVE_NO_MAGICLINKS), plan.Num(openHowSize)).Keep("parent")
	made := b.Do(label, plan.Symlinkat, b.Text(r.Source), plan.Reg(parent), b.Text(name)).Accept(syscall.EEXIST)
	text := r.Source + "\x00"
	text += strings.Repeat("\x00", -len(text)&3)
	buffer := b.Space(max(len(text), 256))
	done := b.Do("close parent", plan.Close, plan.Reg(parent))
	made.ElseHere()
	b.Do(label, plan.Readlinkat, plan.Reg(parent), b.Text(name), buffer, plan.Num(uint64(max(len(text), 256)-1))).
		Help(&program.Help{Errno: syscall.EINVAL, Why: "something else is there"})
	b.EqualText(label, buffer, text, &program.Help{Errno: syscall.EAGAIN, Why: "another link is there"})
	b.Close(parent)
	done.ThenHere()
	// A link in a known directory is known; the kernel finds all others.
	if p, err := b.tree.find(r.Target); err == nil && len(p.missing) == 1 {
		p.at.add(name).link = r.Source
	}
	return nil
}

// makeOnTheWay makes what is missing of a target, whatever holds it. Each part
// is looked up inside the new root.
func (b *builder) makeOnTheWay(label string, r Resolved, s spot) {
	b.makeMissing(label, r, way{
		dir: plan.Reg(b.root), resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
		names: split(s.at), known: len(split(s.in.at)), perm: modeOr(r.Parents, 0o755),
	})
}

func modeOr(m *units.FileMode, otherwise units.FileMode) units.FileMode {
	if m != nil {
		return *m
	}
	return otherwise
}

// protectWritable covers what of /proc could be written by this caller, as
// bubblewrap does it. What cannot be written is left as it is: a /proc with
// parts covered keeps a sandbox inside from mounting one of its own.
func (b *builder) protectWritable(proc program.Reg, at string) {
	for _, name := range []string{"sys", "sysrq-trigger", "irq", "bus"} {
		writable := b.Do("look whether "+at+"/"+name+" is writable", plan.Faccessat, plan.Reg(proc), b.Text(name), plan.Num(unix.W_OK)).
			Accept(syscall.EACCES, syscall.ENOENT, syscall.EROFS, syscall.EPERM)
		b.protectPath("make "+at+"/"+name+" read-only", proc, name)
		writable.ElseHere()
	}
}
