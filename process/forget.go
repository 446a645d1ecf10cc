package process

import (
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/internal/child"
	"github.com/snug-sandbox/snug/internal/host"
	"github.com/snug-sandbox/snug/internal/plan"
	"github.com/snug-sandbox/snug/internal/program"
)

// A program or script of the sandbox's making could execute /proc/self/exe while
// that still is the caller's program, and change the host's file by it
// (CVE-2019-5736). Where Landlock does not keep it from that file, and for who
// enters, the process lets go of the file before it executes anything: a copy takes
// the place of what is mapped of it, and an empty file becomes what /proc/self/exe
// leads to.

const forget = "forget the program's file"

// PlanForgetProgram appends the steps for a process that was handed the copies,
// and a file exe.
func PlanForgetProgram(copies []child.Mapping, exe int, p *plan.Builder) {
	for _, m := range copies {
		planReplace(m, p)
	}
	planFile(p.Words(fileOf(uint64(exe))...), p)
	p.Do(forget, plan.Close, plan.Num(uint64(exe)))
}

// copyAt is where a process makes copies of its program for itself: above every
// program, below Go's heap and all libraries.
const copyAt = 0x40_0000_0000

// planForgetProgram appends the steps for a process that has to copy by itself, the
// few pages that it goes on with.
func planForgetProgram(pages host.ProgramPages, p *plan.Builder) {
	if len(pages.Keep) == 0 {
		return
	}
	var kept []child.Mapping
	var from, to []uint64 // struct iovec of readv(2)
	size := uint64(0)
	for _, m := range pages.Keep {
		kept = append(kept, child.Mapping{At: m[0], Copy: copyAt + size, Size: m[1], Prot: m[2]})
		from, to = append(from, m[0], m[1]), append(to, copyAt+size, m[1])
		size += m[1]
	}
	p.Do(forget, plan.Mmap, plan.Hex(copyAt), plan.Hex(size), plan.Num(unix.PROT_READ|unix.PROT_WRITE),
		plan.Hex(unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_FIXED_NOREPLACE|unix.MAP_POPULATE), plan.Int(-1), plan.Num(0))
	n := plan.Num(uint64(len(kept)))
	me := p.Do(forget, plan.Getpid).Keep("self")
	p.Do(forget, plan.ProcessVMReadv, plan.Reg(me), p.Words(to...), n, p.Words(from...), n, plan.Num(0)).Min(int(size))
	p.Free(me)
	for _, m := range kept {
		planReplace(m, p)
	}
	for _, m := range pages.Drop {
		p.Do(forget, plan.Munmap, plan.Hex(m[0]), plan.Hex(m[1]))
	}
	fields := p.Words(fileOf(0)...)
	file := fields
	file.Value += 12*8 + 4
	// Before Linux 6.3 there is no such flag, and every file of memory is executable.
	p.Do(forget, plan.MemfdCreate, p.Text("snug-init"), plan.Hex(unix.MFD_CLOEXEC)).Store(file)
	p.Do(forget, plan.MemfdCreate, p.Text("snug-init"), plan.Hex(unix.MFD_CLOEXEC|unix.MFD_EXEC)).Store(file).Accept(syscall.EINVAL, syscall.EACCES)
	planFile(fields, p)
}

func planReplace(m child.Mapping, p *plan.Builder) {
	p.Do(forget, plan.Mprotect, plan.Hex(m.Copy), plan.Hex(m.Size), plan.Num(m.Prot))
	p.Do(forget, plan.Mremap, plan.Hex(m.Copy), plan.Hex(m.Size), plan.Hex(m.Size), plan.Num(unix.MREMAP_MAYMOVE|unix.MREMAP_FIXED), plan.Hex(m.At))
}

// fileOf is a struct prctl_mm_map: the bounds of code, data, heap, stack, arguments
// and environment, which say nothing, no auxiliary vector, and the file, in the
// upper half of the last word.
func fileOf(exe uint64) []uint64 {
	const at = 0x400000
	return []uint64{at, at + 1, at + 1, at + 1, at + 2, at + 2, at, at, at, at, at, 0, exe << 32}
}

func planFile(fields program.Arg, p *plan.Builder) {
	const setMap = 14 // PR_SET_MM_MAP
	p.Do(forget, plan.Prctl, plan.Num(unix.PR_SET_MM), plan.Num(setMap), fields, plan.Num(13*8), plan.Num(0)).
		Accept(syscall.EINVAL, syscall.EPERM, syscall.EACCES, syscall.EBUSY).
		Note("the program's own file could not be hidden (CONFIG_CHECKPOINT_RESTORE, and a user namespace): a command that the sandbox made up could reach the file of snug")
}
