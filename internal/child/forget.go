package child

import (
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"unsafe"
)

// Pages is this program's file in memory, in two parts: what the interpreter needs
// of it, and what a process that only interprets can do without.
type Pages struct {
	Keep []Mapping
	Drop []Mapping
}

// ProgramPages divides what is mapped of this program's file. Where it cannot tell
// what the interpreter needs it keeps everything.
func ProgramPages() (Pages, error) {
	all, err := mapped()
	if err != nil {
		return Pages{}, err
	}
	stub := systemCallStub()
	if stub == 0 {
		return Pages{Keep: all}, nil
	}
	needs := append(interpreterCode(), area64{stub - 64, stub + 64})
	first := uint64(uintptr(unsafe.Pointer(&namespaceFiles)))
	needs = append(needs, area64{first, first + uint64(unsafe.Sizeof(namespaceFiles))})
	for i := range namespaceFiles {
		text := uint64(uintptr(unsafe.Pointer(unsafe.StringData(namespaceFiles[i]))))
		needs = append(needs, area64{text, text + uint64(len(namespaceFiles[i]))})
	}
	return divide(all, needs), nil
}

type area64 struct{ from, to uint64 }

// interpreterCode is where the functions are that run from there on, each with room
// for its length: the first lies in front of the others, assembly behind them.
func interpreterCode() []area64 {
	const longest = 2048
	entries := []uint64{
		pc(run), pc(step), pc(value), pc(accepted), pc(refuse), pc(fork), pc(move), pc(fail), pc(bury), pc(exit),
		pc(reap), pc(obey), pc(show), pc(signal), pc(collect), pc(record), pc(finish), pc(killListed), pc(tell), pc(closeFD),
		uint64(codeEnd()),
	}
	return []area64{{slices.Min(entries), slices.Max(entries) + longest}, {pc(syscall.RawSyscall6), pc(syscall.RawSyscall6) + longest}}
}

// codeEnd is an address behind all assembly of this package that a new process runs.
func codeEnd() uintptr

func pc[F any](f F) uint64 { return uint64(**(**uintptr)(unsafe.Pointer(&f))) }

// systemCallStub is where this program enters the kernel for a raw system call, as
// the kernel sees it: the last word of proc_pid_syscall(5). The thread that the file
// is about has to be the one that reads it, in that very call.
func systemCallStub() uint64 {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	text, err := os.ReadFile("/proc/thread-self/syscall")
	if err != nil {
		return 0
	}
	words := strings.Fields(string(text))
	if len(words) < 9 || words[0] != strconv.Itoa(syscall.SYS_READ) {
		return 0
	}
	at, _ := strconv.ParseUint(strings.TrimPrefix(words[8], "0x"), 16, 64)
	return at
}

// divide keeps the pages of all that needs lie in, and the last one of variables,
// where those begin that are not in the file.
func divide(all []Mapping, needs []area64) Pages {
	const writable = 2 // PROT_WRITE
	var p Pages
	for _, m := range all {
		end := m.At + m.Size
		var keep []area64
		for _, n := range needs {
			if from, to := max(n.from&^(pageSize-1), m.At), min((n.to+pageSize-1)&^(pageSize-1), end); from < to {
				keep = append(keep, area64{from, to})
			}
		}
		if m.Prot&writable != 0 {
			keep = append(keep, area64{end - pageSize, end})
		}
		slices.SortFunc(keep, func(a, b area64) int { return int(int64(a.from - b.from)) })
		at := m.At
		for _, k := range keep {
			k.from = max(k.from, at)
			if k.from > at {
				p.Drop = append(p.Drop, Mapping{At: at, Size: k.from - at})
			}
			if k.to > k.from {
				p.Keep = append(p.Keep, Mapping{At: k.from, Size: k.to - k.from, Prot: m.Prot})
				at = k.to
			}
		}
		if at < end {
			p.Drop = append(p.Drop, Mapping{At: at, Size: end - at})
		}
	}
	return p
}
