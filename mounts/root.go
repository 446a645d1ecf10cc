package mounts

import (
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/internal/plan"
	"github.com/snug-sandbox/snug/internal/program"
)

// cover notes that m, whose descriptor is fd, is mounted at the spot, and
// returns its node.
func (b *builder) cover(s spot, fd program.Reg, m *mounted) *node {
	if b.coversRoot(s, fd, m) {
		return b.tree
	}
	s.node.cover(m)
	return s.node
}

// coversRoot reports whether a mount of an ordered table covers the root, where
// all that follows goes into it.
func (b *builder) coversRoot(s spot, fd program.Reg, m *mounted) bool {
	covers := b.table.Ordered && s.at == "/"
	if covers {
		b.newRoot(fd, m)
	}
	return covers
}

// newRoot has everything that follows go into a mount that covers the root.
func (b *builder) newRoot(fd program.Reg, m *mounted) {
	b.Close(b.root)
	b.root = fd
	m.at, m.dir, m.dirAt = "/", fd, "/"
	b.tree = newTree(m)
	b.covered = append(b.covered, program.Arg{})
}

// maybeNewRoot is newRoot for a mount that the run leaves out where its source
// is missing. From here on only the kernel knows what the root holds.
func (b *builder) maybeNewRoot(fd program.Reg) {
	word := b.Words(0)
	b.Do("close the root that is covered", plan.Close, plan.Reg(b.root))
	b.Do("go on in the new root", plan.Fcntl, plan.Reg(fd), plan.Num(unix.F_DUPFD_CLOEXEC), plan.Num(1)).Into(b.root).Store(word)
	b.Close(fd)
	b.tree = newTree(&mounted{at: "/", dir: b.root, dirAt: "/"})
	b.covered = append(b.covered, word)
}

// letGo takes off what lies on top of the root.
func (b *builder) letGo(what string) {
	b.Do("let go of "+what, plan.Umount, b.Text("."), plan.Bits(unix.MNT_DETACH, &plan.UmountFlags))
}

// letGoCovered takes off a root that was covered before the new one was entered.
func (b *builder) letGoCovered(word program.Arg) {
	const what = "a root that was covered"
	if word == (program.Arg{}) {
		b.letGo(what)
		return
	}
	not := b.Equal("look whether the root was covered", word, 0).Accept(syscall.EAGAIN)
	b.letGo(what)
	not.ThenHere()
}

// rootIsBare fails when anything still lies on top of the root: "/.." would lead
// into it, and with it to the host.
func (b *builder) rootIsBare() {
	const label = "make sure that nothing covers the root"
	fd := b.Do(label, plan.Openat2, plan.Reg(b.root), b.Text(".."), b.how(unix.O_PATH|unix.O_DIRECTORY, unix.RESOLVE_NO_XDEV), plan.Num(openHowSize)).Keep("root")
	b.Close(fd)
}
