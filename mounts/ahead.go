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

	procSteps, devSteps [2]int // from and to, for what they have to say
}

// makeAhead makes what takes no ids.
func (b *builder) makeAhead() {
	b.newScratch()
	b.from(usualDev)
	b.ahead.pts = b.newPts("mount terminals at /dev/pts")
	b.from(b.usualProc)
	first := b.Next()
	b.ahead.procfs = b.freshProc("mount procfs at /proc", true)
	b.ahead.procSteps = [2]int{first, b.Next()}
	b.protect(b.ahead.procfs, "/proc", nil)
	b.From = ""
}

// fillAhead makes the rest, for the entries that need it or for all.
func (b *builder) fillAhead(all bool) {
	if b.from(b.usualProc) || all {
		b.hide(b.ahead.procfs, "/proc", nil)
	}
	if b.from(usualDev) || all {
		first := b.Next()
		b.ahead.dev = b.newTmpfs("make a minimal /dev", Mount{Noexec: true})
		b.fillDev(b.ahead.dev, "/dev")
		b.ahead.devSteps = [2]int{first, b.Next()}
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

// dropAhead closes what nothing had a use for. What was amiss with it matters to nobody.
func (b *builder) dropAhead() {
	if b.ahead.procfs != 0 {
		b.Hush(b.ahead.procSteps)
	}
	if b.ahead.dev != 0 {
		b.Hush(b.ahead.devSteps)
	}
	for _, fd := range []program.Reg{b.ahead.procfs, b.ahead.dev, b.ahead.pts} {
		if fd != 0 {
			b.Close(fd)
		}
	}
}
