package mounts

import (
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/internal/plan"
	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/internal/program"
)

// OverlayLabel begins the labels of what makes the root an overlayfs.
const OverlayLabel = "make the root an overlay of "

// overlay shows several directories as one.
func (b *builder) overlay(r Resolved, later []Resolved) error {
	label := "mount an overlay at " + r.Target
	s, err := b.prepare(r, label)
	if err != nil {
		return err
	}
	fd, err := b.makeOverlay(label, r.Mount)
	if err != nil {
		return err
	}
	b.place(label, fd, s, Directory)
	b.covers(s, fd, &mounted{creates: r.Writable || r.Upper != ""}, later)
	return nil
}

// makeOverlay makes a detached overlayfs. Its writes go to m.Upper; without
// one, where m.Writable is set, to the scratch file system, which is gone at
// the end. With neither it is read-only.
func (b *builder) makeOverlay(label string, m Mount) (program.Reg, error) {
	upper, work := m.Upper, m.Work
	kept := upper != ""
	switch {
	case kept:
		b.Settle = true
		if work == "" {
			work = strings.TrimRight(upper, "/") + ".work"
		}
		for _, dir := range []string{upper, work} {
			if b.table.Ordered {
				break // they are the caller's
			}
			b.Do(label, plan.Mkdirat, plan.Cwd, b.Text(dir), plan.Octal(0o755)).Accept(syscall.EEXIST)
		}
		if b.inEtc != nil {
			dir := b.Do(label, plan.Openat, plan.Cwd, b.Text(upper), plan.Bits(unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, &plan.OpenFlags), plan.Num(0)).Keep("upper")
			b.fillEtc(dir, ".")
			b.Close(dir)
		}
	case m.Writable:
		upper, work = b.scratchName(), b.scratchName()
		for _, dir := range []string{upper, work} {
			b.Do(label, plan.Mkdirat, plan.Reg(b.scratch), b.Text(dir), plan.Octal(0o755))
		}
		if b.inEtc != nil {
			b.fillEtc(b.scratch, upper)
		}
	case len(m.Lower) == 1: // overlayfs wants two; one is a bind
		return b.cloneTree(label, m.Lower[0], Mount{}, false), nil
	}
	if b.facts.Kernel.AtLeast(6, 13) {
		return b.overlayFromDescriptors(label, m, upper, work, kept), nil
	}
	return b.overlayFromPaths(label, m, upper, work)
}

// overlayFromDescriptors gives overlayfs its directories as descriptors: no
// path is looked up twice, none is too long, and any byte may be in a name.
func (b *builder) overlayFromDescriptors(label string, m Mount, upper, work string, kept bool) program.Reg {
	fs := b.Do(label, plan.Fsopen, b.Text("overlay"), plan.Num(unix.FSOPEN_CLOEXEC)).Help(overlayHelp).Keep("fs")
	give := func(key, dir string, from program.Arg) {
		fd := b.Do(label+": "+dir, plan.Openat, from, b.Text(dir), plan.Bits(unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, &plan.OpenFlags), plan.Num(0)).Help(sourceHelp).Keep("layer")
		b.Do(label+": "+dir, plan.Fsconfig, plan.Reg(fs), plan.Num(unix.FSCONFIG_SET_FD), b.Text(key), plan.Num(0), plan.Reg(fd)).Help(overlayHelp)
		b.Close(fd)
	}
	for _, dir := range m.Lower {
		give("lowerdir+", dir, plan.Cwd)
	}
	if upper != "" {
		from := plan.Reg(b.scratch)
		if kept {
			from = plan.Cwd
		}
		give("upperdir", upper, from)
		give("workdir", work, from)
	}
	b.Do(label, plan.Fsconfig, plan.Reg(fs), plan.Num(unix.FSCONFIG_SET_FLAG), b.Text("userxattr"), plan.Num(0), plan.Num(0)).Help(overlayHelp)
	b.Do(label, plan.Fsconfig, plan.Reg(fs), plan.Num(unix.FSCONFIG_CMD_CREATE), plan.Num(0), plan.Num(0), plan.Num(0)).Help(overlayHelp)
	fd := b.Do(label, plan.Fsmount, plan.Reg(fs), plan.Num(unix.FSMOUNT_CLOEXEC), plan.Bits(overlayAttrs(upper), &plan.MountAttrs)).Help(overlayHelp).Keep("tree")
	b.Close(fs)
	return fd
}

func overlayAttrs(upper string) uint64 {
	attrs := uint64(unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV)
	if upper == "" {
		attrs |= unix.MOUNT_ATTR_RDONLY
	}
	return attrs
}

// overlayFromPaths is for kernels before Linux 6.13: all directories go into
// one string of at most a page (mount(2)). So each lower is bound to a short name
// in the scratch file system, which is attached on these kernels and becomes
// the working directory; what is wrong with one is told of that one.
func (b *builder) overlayFromPaths(label string, m Mount, upper, work string) (program.Reg, error) {
	var lowers []string
	for _, dir := range m.Lower {
		what, name := label+": "+dir, b.scratchName()
		b.Do(what, plan.Mkdirat, plan.Reg(b.scratch), b.Text(name), plan.Octal(0o755))
		fd := b.cloneTree(what, strings.TrimRight(dir, "/")+"/", Mount{}, false) // the slash: it has to be a directory
		b.Do(what, plan.MoveMount, plan.Reg(fd), b.Text(""), plan.Reg(b.scratch), b.Text(name), moveFlags(unix.MOVE_MOUNT_F_EMPTY_PATH))
		b.Close(fd)
		lowers = append(lowers, name)
	}
	data := "userxattr,lowerdir=" + strings.Join(lowers, ":")
	if upper != "" {
		escape := strings.NewReplacer(`\`, `\\`, `,`, `\,`)
		data += ",upperdir=" + escape.Replace(upper) + ",workdir=" + escape.Replace(work)
	}
	if len(data) >= 4096 {
		return 0, &problem.Problem{What: label, Why: "the directories' names have " + strconv.Itoa(len(data)) + " bytes, and this kernel takes 4095",
			Fix: "boot Linux 6.13 or newer, or use shorter paths"}
	}
	flags := uint64(unix.MS_NOSUID | unix.MS_NODEV)
	if upper == "" {
		flags |= unix.MS_RDONLY
	}
	name := b.scratchName()
	b.Do(label, plan.Mkdirat, plan.Reg(b.scratch), b.Text(name), plan.Octal(0o755))
	b.Do(label, plan.Fchdir, plan.Reg(b.scratch))
	b.Do(label, plan.Mount, b.Text("overlay"), b.Text(name), b.Text("overlay"), plan.Hex(flags), b.Text(data)).Help(overlayHelp)
	fd := b.Do(label, plan.OpenTree, plan.Reg(b.scratch), b.Text(name), treeFlags(unix.OPEN_TREE_CLOEXEC)).Keep("tree")
	return fd, nil
}
