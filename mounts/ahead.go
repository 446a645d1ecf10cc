package mounts

import (
	"slices"

	"github.com/snug-sandbox/snug/internal/program"
)

// ahead is what is made before the root: detached, as if there were nothing else. All
// but the strangest tables have a use for it, so that it can be made before a table is
// known.
type ahead struct {
	pts    program.Reg // terminals
	procfs program.Reg // a procfs that nothing is said of
	dev    program.Reg // a minimal /dev
}

// makesAhead reports whether anything is.
func (b *builder) makesAhead() bool { return b.detached() && !b.table.Ordered }

// makeAhead makes what takes no ids: what the entries need of that, or all.
func (b *builder) makeAhead(all bool) {
	b.newScratch()
	if b.from(usualDev) || all {
		b.ahead.pts = b.newPts("mount terminals at /dev/pts")
	}
	if b.from(b.usualProc) || all {
		b.ahead.procfs = b.freshProc("mount procfs at /proc", true)
		b.protect(b.ahead.procfs, "/proc", nil)
	}
	b.From = ""
}

// fillAhead makes the rest.
func (b *builder) fillAhead(all bool) {
	if b.from(b.usualProc) || b.ahead.procfs != 0 {
		b.hide(b.ahead.procfs, "/proc", nil)
	}
	if b.from(usualDev) || all {
		b.ahead.dev = b.newTmpfs("make a minimal /dev", Mount{Noexec: true})
		b.fillDev(b.ahead.dev, "/dev")
	}
	b.From = ""
}

// from reports whether there is an entry of a kind, which steps are added for then.
func (b *builder) from(is func(Resolved) bool) bool {
	b.From = ""
	i := slices.IndexFunc(b.entries, is)
	if i >= 0 {
		b.From = b.entries[i].From
	}
	return i >= 0
}

func usualDev(r Resolved) bool { return r.Type == Dev && r.Target == "/dev" }

func (b *builder) usualProc(r Resolved) bool {
	return r.Type == Proc && r.Target == "/proc" && r.Fallback == FallbackBind && !b.limited() && !b.context.SharedPID && len(b.table.Masking.Unmask) == 0
}

// takeProc is the procfs that was made ahead, once, if r is that, or 0.
func (b *builder) takeProc(r Resolved) (fd program.Reg) {
	if b.usualProc(r) {
		fd, b.ahead.procfs = b.ahead.procfs, 0
	}
	return fd
}

// takeDev is the /dev that was made ahead, once, if r is that, or 0.
func (b *builder) takeDev(r Resolved) (fd program.Reg) {
	if usualDev(r) {
		fd, b.ahead.dev = b.ahead.dev, 0
	}
	return fd
}

// takePts are the terminals that were made ahead, once, or 0.
func (b *builder) takePts() (fd program.Reg) {
	fd, b.ahead.pts = b.ahead.pts, 0
	return fd
}

// dropAhead closes what nothing had a use for.
func (b *builder) dropAhead() {
	for _, fd := range []program.Reg{b.ahead.procfs, b.ahead.dev, b.ahead.pts} {
		if fd != 0 {
			b.Close(fd)
		}
	}
}
