package userns

import (
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/internal/plan"
)

const forbid = "forbid further user namespaces"

// PlanNested appends the steps that forbid further user namespaces, unless pr
// allows them. It belongs right after the maps. The limit of the namespace that
// the child is in (namespaces(7), /proc/sys/user) becomes 0. Where that does
// not hold, a seccomp filter does it: in a shared namespace, which is not ours
// to change; for a command with capabilities that could raise the limit again;
// and where /proc/sys cannot be written. Filter is what to load then; nil says
// that the filter of the command, which comes later, forbids them too.
func (pr Privileges) PlanNested(shared bool, filter []byte, p *plan.Builder) error {
	if pr.NestedUserns {
		return nil
	}
	caps, err := pr.set()
	if err != nil {
		return err
	}
	if shared || caps&(1<<unix.CAP_SYS_ADMIN|1<<unix.CAP_SYS_RESOURCE) != 0 {
		planFilter(filter, p)
		return nil
	}
	open := p.Do(forbid, plan.Openat, plan.Cwd, p.Text("/proc/sys/user/max_user_namespaces"), plan.Bits(unix.O_WRONLY|unix.O_CLOEXEC, &plan.OpenFlags), plan.Num(0)).
		Accept(syscall.EROFS, syscall.EACCES, syscall.EPERM, syscall.ENOENT).
		Note("further user namespaces are forbidden by a seccomp filter, because /proc/sys/user cannot be written here")
	fd := open.Keep("file")
	p.Do(forbid, plan.Write, plan.Reg(fd), p.Text("0"), plan.Num(1)).Min(1)
	p.Close(fd)
	written := p.Last()
	open.ElseHere()
	planFilter(filter, p)
	written.ThenHere()
	return nil
}

func planFilter(filter []byte, p *plan.Builder) {
	if filter != nil {
		p.Filter(forbid, filter)
	}
}
