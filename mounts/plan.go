package mounts

import (
	"errors"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/internal/host"
	"github.com/snug-sandbox/snug/internal/plan"
	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/internal/program"
)

// Minimum is the oldest kernel: mount_setattr(2) came with it.
var Minimum = host.Version{Major: 5, Minor: 12}

// Root is the root of a Table that is being built.
type Root struct {
	b     *builder
	ahead bool
}

// builder adds the steps of one Table.
type builder struct {
	*plan.Builder
	table   Table
	context Context
	facts   host.Facts

	entries []Resolved
	tree    *node
	root    program.Reg   // the new root's mount
	scratch program.Reg   // a tmpfs outside of the new root for what has no other place
	named   int           // files in it
	fenced  bool          // what is attached is kept out of copies of the host's tree
	covered []program.Arg // roots that a later one was mounted on: the word that tells whether it was, number 0 for certain
	pts     program.Reg   // the sandbox's own devpts, 0: none
	console spot          // where a terminal is shown as /dev/console
	skips   []plan.Step   // refusals after which the current entry is left out
	reaches bool          // something is made outside of the sandbox
	ahead   ahead
	late    []readonly // own mounts that become read-only once everything is in place
	attrs   map[[3]uint64]program.Arg
	inEtc   []Resolved // files that go into the upper of the root
}

// Opens reports whether a root can be begun ahead, before there are ids: where mounts are
// made on what is not attached, and nothing has to be as bubblewrap does it.
func (t Table) Opens(f host.Facts) bool { return detached(f) && !t.Ordered }

// Begin begins with a root. Ahead, that is with what takes no ids, and is the same for
// every table.
//
// All that follows happens on descriptors: a source is looked up once, what is mounted
// is made detached, and moved to a place that was looked up inside the new root.
func (t Table) Begin(f host.Facts, c Context, ahead bool, p *plan.Builder) (*Root, error) {
	if err := Refuse(f.Kernel); err != nil {
		return nil, err
	}
	b := &builder{Builder: p, table: t, context: c, facts: f, attrs: make(map[[3]uint64]program.Arg)}
	b.entries = t.Resolve(f, c)
	b.Do("clear the file mode creation mask", plan.Umask, plan.Octal(0))
	if c.SharedUser {
		// A mount namespace of a new user namespace is a slave from the start.
		b.Do("cut mount propagation to the host", plan.MountSetattr, plan.Cwd, b.Text("/"), atFlags(unix.AT_RECURSIVE),
			b.attr(0, 0, unix.MS_SLAVE), plan.Num(attrSize))
	}
	if ahead {
		b.makeAhead()
	}
	return &Root{b: b, ahead: ahead}, nil
}

// Fill goes on once there are ids. All has a root that was begun ahead go on in the same
// way for every table.
func (r *Root) Fill(all bool) {
	r.b.makeScratch()
	if r.ahead {
		r.b.fillAhead(all)
	}
}

// Plan appends the steps that build the new root and change into it. The
// working directory is / afterwards. Where the sandbox gets a terminal, the
// register with its slave end is returned.
func (r *Root) Plan() (terminal program.Reg, err error) {
	b := r.b
	if err := b.makeRoot(); err != nil {
		return 0, err
	}
	b.begin(b.rootReaches())
	for i, r := range b.entries {
		b.From = r.From
		add := b.add
		if b.table.Ordered {
			add = b.addOrdered
		}
		if err := add(i, r); err != nil {
			return 0, wrap(r, err)
		}
		for _, s := range b.skips {
			s.ElseHere()
		}
		b.skips = b.skips[:0]
		b.begin(r.reaches(b.table.Ordered))
	}
	b.From = ""
	terminal = b.makeTerminal()
	b.enter()
	b.begin(false)
	return terminal, nil
}

// begin has the child begin with what was added so far, unless that or what came
// before may reach a place outside of the sandbox, where something is made: the rest of
// the plan may turn out to be wrong.
func (b *builder) begin(reaches bool) {
	b.reaches = b.reaches || reaches
	if !b.reaches {
		b.Advance()
	}
}

// rootReaches reports whether what is made in the root lasts.
func (b *builder) rootReaches() bool {
	r := b.table.Rootfs
	return r.Upper != "" || r.Driver == DriverCopy || r.Path != "" && r.Writable
}

// reaches reports whether what is made for an entry, or below it, may last. A file of an
// ordered table may be a device or a named pipe, wherever it is shown: those can be
// written to, and waited for, on a read-only mount, too.
func (r Resolved) reaches(ordered bool) bool {
	return r.Upper != "" || ordered && (r.Writable || r.Type == Write || r.Type == Chmod)
}

// Refuse reports a kernel that is older than Minimum.
func Refuse(kernel host.Version) error {
	if kernel.AtLeast(Minimum.Major, Minimum.Minor) {
		return nil
	}
	return &problem.Problem{What: "mounts", Why: "this kernel is older than Linux 5.12, which brought mount_setattr(2)", Fix: "boot a newer kernel"}
}

func wrap(r Resolved, err error) error {
	var p *problem.Problem
	if errors.As(err, &p) {
		return err
	}
	return &problem.Problem{What: r.From + " (" + r.Target + ")", Why: err.Error(), Err: err}
}

func (b *builder) add(i int, r Resolved) error {
	switch r.Type {
	case Bind, DevBind:
		return b.bind(r, b.entries[i+1:])
	case Tmpfs:
		return b.tmpfs(r, b.entries[i+1:])
	case Proc:
		return b.proc(r)
	case Dev:
		return b.dev(r)
	case Mqueue:
		return b.mqueue(r)
	case Overlay:
		return b.overlay(r, b.entries[i+1:])
	case Symlink:
		return b.symlink(r)
	case Dir:
		return b.dir(r)
	case File:
		return b.file(r)
	case Mask:
		return b.mask(r)
	case Remount:
		return b.remount(r)
	}
	return errors.New("not a type of mount: " + r.Type)
}

// makeRoot makes the file system that everything else goes on top of, and
// attaches it above the old root, where nothing looks: mounting onto a tree
// that is not attached works since Linux 6.15 only.
func (b *builder) makeRoot() error {
	r := b.table.Rootfs
	m := &mounted{at: "/", dirAt: "/"}
	if detached(b.facts) {
		b.makeFence()
	}
	switch {
	case r.Image != "" && len(r.Layers) == 0:
		return &problem.Problem{What: "rootfs.image", Why: "the image " + r.Image + " was not looked up", Fix: "Spec.UseImage does that"}
	case r.Image != "" && r.Driver == DriverCopy:
		if r.Copy == "" {
			return &problem.Problem{What: "rootfs.driver", Why: "the image " + r.Image + " was not copied", Fix: "snug run does that"}
		}
		m.creates = true
		b.root = b.cloneTree("take a copy of the image "+r.Image+" as root", r.Copy, Mount{Writable: true}, false)
	case r.HasTree() && r.Overlay != OverlayNone:
		m.creates = true
		over := Mount{Type: Overlay, Target: "/", Lower: r.lower(), Upper: r.Upper, Work: r.Work, Writable: true}
		make, what := b.makeOverlay, OverlayLabel
		if r.Driver == DriverFuse {
			make, what = b.makeFuse, "make the root a fuse-overlayfs of "
		} else if r.Etc != nil {
			b.takeEtc()
		}
		root, err := make(what+r.tree(), over)
		if err != nil {
			return err
		}
		b.root = root
	case r.Path != "":
		b.root = b.cloneTree("take "+r.Path+" as root", r.Path, Mount{Writable: r.Writable}, false)
	case r.Base == BaseHost:
		b.root = b.cloneTree("take the host's tree as root", "/", Mount{}, false)
	case b.rootIsFirst():
		first := b.entries[0]
		b.From = first.From
		b.root = b.cloneTree(bindLabel(first), first.Source, first.Mount, false)
		b.entries = b.entries[1:]
	default:
		m.own = true
		b.root = b.newTmpfs("make an empty root", Mount{Mode: mode(0o755)})
	}
	m.dir = b.root
	b.tree = newTree(m)
	b.Do("attach the new root", plan.MoveMount, plan.Reg(b.root), b.Text(""), plan.Cwd, b.Text("/"), moveFlags(unix.MOVE_MOUNT_F_EMPTY_PATH))
	return nil
}

// rootIsFirst reports whether an ordered table begins with what covers its root.
func (b *builder) rootIsFirst() bool {
	if !b.table.Ordered || len(b.entries) == 0 {
		return false
	}
	first := b.entries[0]
	return first.Target == "/" && (first.Type == Bind || first.Type == DevBind) && !first.Optional && first.Same == nil
}

// readonly is a mount of the plan's own that becomes read-only in the end. It is
// at path below dir, or is dir itself, which is not needed any more then.
type readonly struct {
	label string
	dir   program.Reg
	path  string
}

func (b *builder) seal(r readonly) {
	flags := uint64(0)
	if r.path == "" {
		flags = unix.AT_EMPTY_PATH
	}
	b.Do(r.label, plan.MountSetattr, plan.Reg(r.dir), b.Text(r.path), atFlags(flags), b.attr(unix.MOUNT_ATTR_RDONLY, 0, 0), plan.Num(attrSize))
	if r.path == "" {
		b.Close(r.dir)
	}
}

// enter makes the new root the root and leaves nothing of the old one.
func (b *builder) enter() {
	b.dropAhead()
	// What is inside another one was mounted after it, and needs its descriptor.
	for _, r := range slices.Backward(b.late) {
		b.seal(r)
	}
	if b.readonlyRoot() {
		b.Do("make the root read-only", plan.MountSetattr, plan.Reg(b.root), b.Text(""), atFlags(unix.AT_EMPTY_PATH),
			b.attr(unix.MOUNT_ATTR_RDONLY, 0, 0), plan.Num(attrSize))
	}
	if detached(b.facts) {
		// Closed as it is, it would have the kernel wait for all processors once
		// more: with the host's tree it goes in the same wait.
		b.Do("have the scratch file system go with the host's tree", plan.MoveMount, plan.Reg(b.scratch), b.Text(""), plan.Cwd, b.Text("/proc"),
			moveFlags(unix.MOVE_MOUNT_F_EMPTY_PATH)).Accept(syscall.ENOENT, syscall.ENOTDIR)
	}
	b.Do("go to the new root", plan.Fchdir, plan.Reg(b.root))
	// With one directory for both the old root ends up on top of the new one
	// (pivot_root(2), NOTES), from where it is taken off.
	b.Do("make it the root", plan.PivotRoot, b.Text("."), b.Text(".")).Help(pivotHelp)
	for _, word := range b.covered {
		b.letGoCovered(word)
	}
	if !detached(b.facts) {
		b.letGo("the scratch file system")
	}
	if b.fenced {
		b.letGo("the fence")
	}
	b.letGo("the host's tree")
	b.rootIsBare()
	b.Do("go to /", plan.Chdir, b.Text("/"))
}

func (b *builder) readonlyRoot() bool {
	r := b.table.Rootfs
	if r.HasTree() {
		return r.Overlay == OverlayReadonly
	}
	return !r.Writable && r.Base != BaseHost
}

func relative(p string) string {
	if p = strings.TrimPrefix(p, "/"); p == "" {
		return "."
	}
	return p
}
