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

// spot is where a mount goes: a descriptor and a path below it that holds no
// symbolic links; no path when the descriptor was opened for this spot.
type spot struct {
	dir    program.Reg
	path   string
	at     string // absolute
	node   *node
	in     *mounted
	exists bool
	maybe  bool // the entry is left out where the spot does not exist
}

// prepare finds the entry's target and makes the directories above it. Nothing
// is ever made in the host's tree: where the content of the deepest mount is
// not the plan's own, the target must be there, unless that mount is an overlay.
func (b *builder) prepare(r Resolved, label string) (spot, error) {
	p, err := b.tree.find(r.Target)
	if err != nil {
		return spot{}, err
	}
	s := spot{at: p.path, node: p.at, in: p.in, exists: true}
	if p.unknown {
		return b.prepareUnknown(r, label, s), nil
	}
	if n := len(p.missing); n > 0 {
		s.exists = false
		for i, name := range p.missing {
			s.at, s.node = path.Join(s.at, name), s.node.add(name)
			if i < n-1 {
				b.Do(b.above(label), plan.Mkdirat, plan.Reg(p.in.dir), b.Text(p.in.relative(s.at)), plan.Octal(uint32(modeOr(r.Parents, 0o755))))
			}
			s.node.maybe = b.table.Ordered && r.Optional
		}
	}
	s.dir, s.path = p.in.dir, p.in.relative(s.at)
	return s, nil
}

// prepareUnknown opens a target whose path only the kernel can resolve: inside
// the new root, never by a link out of it (openat2(2), Linux 5.6).
func (b *builder) prepareUnknown(r Resolved, label string, s spot) spot {
	switch {
	case b.table.Ordered:
		b.makeOnTheWay(label, r, s)
	case s.in.creates:
		if target := b.makeInOverlay(label, r, s); target != 0 {
			s.dir, s.path = target, ""
			return s
		}
	}
	open := b.Do(label, plan.Openat2, plan.Reg(b.root), b.Text(relative(s.at)),
		b.how(unix.O_PATH, unix.RESOLVE_IN_ROOT|unix.RESOLVE_NO_MAGICLINKS), plan.Num(openHowSize)).Help(targetHelp)
	if r.standard && !b.needed(r) {
		b.optional(open)
		s.maybe = true
	}
	s.dir, s.path = open.Keep("target"), ""
	return s
}

// optional leaves the current entry out when step finds nothing.
func (b *builder) optional(step plan.Step) {
	b.skips = append(b.skips, step.Accept(syscall.ENOENT, syscall.ENOTDIR))
}

// needed reports whether a standard entry cannot be left out: something that was
// asked for goes into it.
func (b *builder) needed(r Resolved) bool {
	if r.Type == Dev && b.context.Terminal {
		return true
	}
	for _, other := range b.entries {
		inside := other.Target != r.Target && below(other.Target, r.Target)
		if inside && !other.standard && other.Type != Mask {
			return true
		}
	}
	return false
}

// makeInOverlay makes the directories up to the spot, itself included, in the
// overlay that holds it. Each is looked up inside of the overlay's root, and never
// through another mount, so that a link in the layers leads nowhere else. Where the
// overlay is the root, that is what the sandbox finds, too, and the register holds the
// spot, which most images have; absolute links in another overlay lead out of it there.
func (b *builder) makeInOverlay(label string, r Resolved, s spot) program.Reg {
	w := way{
		dir: plan.Reg(s.in.dir), resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_XDEV | unix.RESOLVE_NO_MAGICLINKS,
		names: split(strings.TrimPrefix(s.at, s.in.at)), perm: 0o755, missing: s.in.at == "/",
	}
	if !w.missing {
		b.makeMissing(label, r, w)
		return 0
	}
	found := b.look(label, w, len(w.names), 0).Accept(syscall.ENOENT)
	target := found.Keep("target")
	b.makeMissing(label, r, w)
	b.look(label, w, len(w.names), 0).Into(target)
	found.ThenHere()
	return target
}

// way is the path to a spot: names below dir, of which the first ones are known
// to be there.
type way struct {
	dir     program.Arg
	resolve uint64
	names   []string
	known   int
	missing bool // the spot is known to be missing
	perm    units.FileMode
}

// look opens the first n names of a way.
func (b *builder) look(label string, w way, n int, flags uint64) plan.Step {
	at := "."
	if n > 0 {
		at = path.Join(w.names[:n]...)
	}
	return b.Do(label, plan.Openat2, w.dir, b.Text(at), b.how(unix.O_PATH|flags, w.resolve), plan.Num(openHowSize)).Help(targetHelp)
}

// makeMissing makes what is missing on a way.
func (b *builder) makeMissing(label string, r Resolved, w way) {
	var part program.Reg
	keep := func(s plan.Step) plan.Step {
		if part == 0 {
			part = s.Keep("part")
		}
		return s.Into(part)
	}
	above, last := b.above(label), len(w.names)-1
	enter := func(n int) plan.Step { return keep(b.look(above, w, n, unix.O_DIRECTORY)) }
	create := func(i int) {
		if i == last {
			b.makePoint(label, r, part, w.names[i])
		} else {
			b.makes(b.Do(above, plan.Mkdirat, plan.Reg(part), b.Text(w.names[i]), plan.Octal(uint32(w.perm))))
		}
		b.Do("close part", plan.Close, plan.Reg(part))
	}
	for i := w.known; i <= last; i++ {
		switch {
		case w.missing && i == last:
			if i == w.known { // or else its directory is open
				enter(i)
			}
			create(i)
		case w.missing && i == last-1: // stays open, for what is made in it
			found := enter(i + 1).Accept(syscall.ENOENT)
			found.ElseHere()
			enter(i)
			create(i)
			enter(i + 1)
			found.ThenHere()
		default:
			say := above
			if i == last {
				say = label
			}
			found := keep(b.look(say, w, i+1, 0)).Accept(syscall.ENOENT)
			there := b.Do("close part", plan.Close, plan.Reg(part))
			found.ElseHere()
			enter(i)
			create(i)
			there.ThenHere()
		}
	}
	if part != 0 {
		b.Free(part)
	}
}

// Above is the end of the labels of what is done for the directories above the
// target of an ordered table's entry.
const Above = ": the directories above"

func (b *builder) above(label string) string {
	if b.table.Ordered {
		return label + Above
	}
	return label
}

// makePoint makes the mount point itself, of the kind that the mount has.
func (b *builder) makePoint(label string, r Resolved, dir program.Reg, name string) {
	mkdir := func() plan.Step {
		return b.makes(b.Do(label, plan.Mkdirat, plan.Reg(dir), b.Text(name), plan.Octal(0o755)))
	}
	switch r.Type {
	case Dir:
		b.makeDir(label, dir, name, r.Mode)
	case File:
		b.makeFile(label, spot{dir: dir, path: name})
	case Bind, DevBind:
		switch r.Kind {
		case Directory:
			mkdir()
			return
		case Other:
			b.makeFile(label, spot{dir: dir, path: name})
			return
		}
		look := func(flags uint64) plan.Step {
			return b.Do(label, plan.Openat, plan.Cwd, b.Text(r.Source), plan.Bits(flags|unix.O_PATH|unix.O_CLOEXEC, &plan.OpenFlags), plan.Num(0)).Help(sourceHelp)
		}
		missing := look(0).Accept(syscall.ENOENT, syscall.ENOTDIR)
		reg := missing.Keep("source")
		b.Do("close source", plan.Close, plan.Reg(reg))
		file := look(unix.O_DIRECTORY).Accept(syscall.ENOTDIR).Into(reg)
		b.Close(reg)
		missing.ElseHere()
		made := mkdir()
		file.ElseHere()
		b.makeFile(label, spot{dir: dir, path: name})
		made.ThenHere()
	default:
		mkdir()
	}
}

// makeDir makes a directory with the given permissions. mkdir(2) leaves the bits
// out that chmod(2) sets.
func (b *builder) makeDir(label string, dir program.Reg, name string, perm *units.FileMode) {
	bits := units.FileMode(0o755)
	if perm != nil {
		bits = *perm
	}
	b.makes(b.Do(label, plan.Mkdirat, plan.Reg(dir), b.Text(name), plan.Octal(uint32(bits))))
	if bits&0o6000 == 0 || b.table.Ordered {
		return // bubblewrap leaves it at that
	}
	fd := b.Do(label, plan.Openat, plan.Reg(dir), b.Text(name), plan.Bits(unix.O_DIRECTORY|unix.O_CLOEXEC, &plan.OpenFlags), plan.Num(0)).Keep("made")
	b.Do(label, plan.Fchmod, plan.Reg(fd), plan.Octal(uint32(bits)))
	b.Close(fd)
}

// place moves the detached mount fd to the spot and closes what was opened for
// it. A new mount point for what nobody has seen is a directory first; where what
// is mounted turns out to be a file, it becomes one.
func (b *builder) place(label string, fd program.Reg, s spot, kind Kind) {
	if s.path == "" {
		b.Do(label, plan.MoveMount, plan.Reg(fd), b.Text(""), plan.Reg(s.dir), b.Text(""),
			moveFlags(unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH)).Help(moveHelp)
		b.Close(s.dir)
		return
	}
	move := func() plan.Step {
		return b.Do(label, plan.MoveMount, plan.Reg(fd), b.Text(""), plan.Reg(s.dir), b.Text(s.path), moveFlags(unix.MOVE_MOUNT_F_EMPTY_PATH)).Help(moveHelp)
	}
	if s.exists {
		move()
		return
	}
	if kind == Other {
		b.makeFile(label, s)
		move()
		return
	}
	b.Do(label, plan.Mkdirat, plan.Reg(s.dir), b.Text(s.path), plan.Octal(0o755))
	moved := move()
	if kind == Directory {
		return
	}
	moved.Accept(notADirectory...)
	b.Do(label, plan.Unlinkat, plan.Reg(s.dir), b.Text(s.path), atFlags(unix.AT_REMOVEDIR))
	b.makeFile(label, s)
	move()
	moved.ThenHere()
}

// notADirectory is what move_mount(2) says to a file on a directory or the other
// way round; which one depends on the kernel.
var notADirectory = []syscall.Errno{syscall.ENOTDIR, syscall.EINVAL}

func (b *builder) makeFile(label string, s spot) {
	b.makes(b.Do(label, plan.Mknodat, plan.Reg(s.dir), b.Text(s.path), plan.Octal(unix.S_IFREG|0o444), plan.Num(0)))
}

// makes has a step that makes a file say why it may not, but for who expects the words
// of bubblewrap.
func (b *builder) makes(s plan.Step) plan.Step {
	if b.table.Ordered {
		return s
	}
	return s.Help(madeHelp)
}

// covers notes that m is now mounted at the spot. A descriptor of it is kept
// where later entries need one: below a path that only the kernel knows.
func (b *builder) covers(s spot, fd program.Reg, m *mounted, later []Resolved) {
	m.at, m.dir, m.dirAt = s.at, s.in.dir, s.in.dirAt
	if b.coversRoot(s, fd, m) {
		return
	}
	if b.table.Ordered && s.path == "" && b.Scarce() {
		*m = mounted{at: s.at, dir: m.dir, dirAt: m.dirAt} // the kernel finds what is inside
	}
	onRoot := s.path == "." // what is below is reached through the new mount only
	if (s.path == "" || onRoot) && (m.own || m.creates) || m.creates {
		m.dir, m.dirAt = fd, s.at
		if anyBelow(later, s.at) {
			s.node.cover(m)
			return
		}
	}
	s.node.cover(m)
	b.Close(fd)
}

func anyBelow(later []Resolved, target string) bool {
	for _, r := range later {
		if r.Target != target && below(r.Target, target) {
			return true
		}
	}
	return false
}
