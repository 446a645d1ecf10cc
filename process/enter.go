package process

import (
	"syscall"

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

// PlanForgetProgram appends the steps that leave a process without the file of
// its program: a copy takes the place of what is mapped of it, and another file,
// the descriptor exe, becomes what /proc/self/exe leads to. A program or script of
// the sandbox's making could execute that, and reach the host's file by it
// (CVE-2019-5736).
func PlanForgetProgram(copies []child.Mapping, exe int, p *plan.Builder) {
	const label = "forget the program's file"
	for _, m := range copies {
		p.Do(label, plan.Mprotect, plan.Hex(m.Copy), plan.Hex(m.Size), plan.Num(m.Prot))
		p.Do(label, plan.Mremap, plan.Hex(m.Copy), plan.Hex(m.Size), plan.Hex(m.Size), plan.Num(unix.MREMAP_MAYMOVE|unix.MREMAP_FIXED), plan.Hex(m.At))
	}
	// struct prctl_mm_map: the bounds of code, data, heap, stack, arguments and
	// environment, which say nothing, no auxiliary vector, and the file.
	const at, setMap = 0x400000, 14 // PR_SET_MM_MAP
	fields := p.Words(at, at+1, at+1, at+1, at+2, at+2, at, at, at, at, at, 0, uint64(exe)<<32)
	p.Do(label, plan.Prctl, plan.Num(unix.PR_SET_MM), plan.Num(setMap), fields, plan.Num(13*8), plan.Num(0)).
		Accept(syscall.EINVAL, syscall.EPERM, syscall.EACCES, syscall.EBUSY).
		Note("this kernel does not let the program that enters be hidden (CONFIG_CHECKPOINT_RESTORE): a sandbox that made up the command could reach the file of snug")
	p.Do(label, plan.Close, plan.Num(uint64(exe)))
}
