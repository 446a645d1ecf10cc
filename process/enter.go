package process

import (
	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/internal/child"
	"github.com/snug-sandbox/snug/internal/plan"
	"github.com/snug-sandbox/snug/internal/program"
)

// PlanAlone appends the steps that leave a process no descriptor but its end of
// the control socket and those in keep, in a row from 0 up. Who comes from
// outside into somebody else's namespaces brings nothing along that could be
// taken from it there.
func (Setup) PlanAlone(keep []program.Reg, p *plan.Builder) {
	const label = "close all that the sandbox is not to have"
	regs := append([]program.Reg{child.RegControl}, keep...)
	high := plan.Num(uint64(len(regs)))
	for _, r := range regs {
		p.Do(label, plan.Fcntl, plan.Reg(r), plan.Num(unix.F_DUPFD_CLOEXEC), high).Into(r)
	}
	for fd, r := range regs {
		p.Do(label, plan.Dup3, plan.Reg(r), plan.Num(uint64(fd)), plan.Num(unix.O_CLOEXEC)).Into(r)
	}
	p.Do(label, plan.CloseRange, high, plan.Num(1<<32-1), plan.Num(0))
}

// PlanEntered appends the first steps of a process that has just come into a
// sandbox that was there before: a session, and what it will end its own
// descendants by. The sandbox may have put anything at that path.
func (s *Setup) PlanEntered(p *plan.Builder) {
	p.Do("start a session", plan.Setsid)
	s.PlanChildren(unix.O_NONBLOCK, p)
}
