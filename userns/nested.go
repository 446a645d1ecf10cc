package userns

import (
	"encoding/binary"
	"runtime"
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
// and where /proc/sys cannot be written.
func (pr Privileges) PlanNested(shared bool, p *plan.Builder) error {
	if pr.NestedUserns {
		return nil
	}
	caps, err := pr.set()
	if err != nil {
		return err
	}
	if shared || caps&(1<<unix.CAP_SYS_ADMIN|1<<unix.CAP_SYS_RESOURCE) != 0 {
		planFilter(p)
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
	planFilter(p)
	written.ThenHere()
	return nil
}

// planFilter appends the step that loads a filter against new user namespaces:
// clone(2) and unshare(2) with CLONE_NEWUSER get EPERM. clone3(2), whose flags
// a filter cannot see, gets ENOSYS, which makes C libraries use clone; so does
// every call of another architecture, which would have other numbers.
func planFilter(p *plan.Builder) {
	p.Filter(forbid, userFilter())
}

// userFilter returns the filter as an array of struct sock_filter.
func userFilter() []byte {
	const (
		load      = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
		equal     = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		atLeast   = unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K
		has       = unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K
		ret       = unix.BPF_RET | unix.BPF_K
		allow     = 0x7fff0000
		errno     = 0x00050000
		offNumber = 0
		offArch   = 4
		offArg0   = 16 // its low half, on little-endian machines
		x32       = 0x40000000
	)
	arch := uint32(unix.AUDIT_ARCH_X86_64)
	if runtime.GOARCH == "arm64" {
		arch = unix.AUDIT_ARCH_AARCH64
	}
	var b []byte
	add := func(code uint16, jt, jf uint8, k uint32) {
		b = binary.NativeEndian.AppendUint16(b, code)
		b = append(b, jt, jf)
		b = binary.NativeEndian.AppendUint32(b, k)
	}
	add(load, 0, 0, offArch)
	add(equal, 0, 9, arch) // another architecture → ENOSYS
	add(load, 0, 0, offNumber)
	add(atLeast, 7, 0, x32) // the x32 ABI → ENOSYS
	add(equal, 6, 0, unix.SYS_CLONE3)
	add(equal, 1, 0, unix.SYS_CLONE)
	add(equal, 0, 3, unix.SYS_UNSHARE)
	add(load, 0, 0, offArg0)
	add(has, 0, 1, unix.CLONE_NEWUSER)
	add(ret, 0, 0, errno|uint32(unix.EPERM))
	add(ret, 0, 0, allow)
	add(ret, 0, 0, errno|uint32(unix.ENOSYS))
	return b
}
