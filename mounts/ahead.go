package mounts

import (
	"slices"

	"github.com/snug-sandbox/snug/internal/program"
)

// ahead is what is made before the root: detached, as if there were nothing else. All
// but the strangest tables have a use for it, so that it can be made before a table is
// known.
type ahead struct {
	procfs program.Reg // a procfs that nothing is said of
	dev    program.Reg // a minimal /dev

	procNotes, devNotes int // what they have to say: indexes of plan.Plan.Due
}

// makeAhead makes what takes no ids.
func (b *builder) makeAhead() {
	b.newScratch()
	b.from(b.usualProc)
	first := b.Next()
	b.ahead.procfs = b.freshProc("mount procfs at /proc", true)
	b.ahead.procNotes = b.Defer(first)
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
		b.ahead.devNotes = b.Defer(first)
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
	if b.usualProc(r) && b.ahead.procfs != 0 {
		b.Due[b.ahead.procNotes].At = b.Next()
		fd, b.ahead.procfs = b.ahead.procfs, 0
	}
	return fd
}

// takeDev is the /dev that was made ahead, once, if r is that, or 0.
func (b *builder) takeDev(r Resolved) (fd program.Reg) {
	if usualDev(r) && b.ahead.dev != 0 {
		b.Due[b.ahead.devNotes].At = b.Next()
		fd, b.ahead.dev = b.ahead.dev, 0
	}
	return fd
}

// dropAhead closes what nothing had a use for.
func (b *builder) dropAhead() {
	for _, fd := range []program.Reg{b.ahead.procfs, b.ahead.dev} {
		if fd != 0 {
			b.Close(fd)
		}
	}
}
