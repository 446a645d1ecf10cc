//go:build !cgo

package child

import (
	"bufio"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// The child needs nothing of its parent's memory but the code and its own
// image, but a clone copies the page tables of the whole heap, 1.5 ms for each
// 100 MB. In a program that has much memory in use the heap is left out of it
// (madvise(2), MADV_DONTFORK), just for the clone and under the lock that
// package syscall forks with: some of its forks need the heap.
//
// In a program with C code anybody may fork at any time, so this is for programs
// without.

// large is how much memory in use makes leaving it out worth its while, in pages.
const large = 8192

// withC says that there is a C library.
const withC = false

// withoutHeap calls clone with as much of the heap left out as can be told. That
// it could not be left out is no failure: a copy works too.
func withoutHeap(clone func() int64) int64 {
	if residentPages() < large {
		return clone()
	}
	syscall.ForkLock.Lock()
	defer syscall.ForkLock.Unlock()
	areas := heapAreas()
	advise(areas, syscall.MADV_DONTFORK)
	defer advise(areas, syscall.MADV_DOFORK)
	return clone()
}

type area struct{ from, to uintptr }

func advise(areas []area, advice uintptr) {
	for _, a := range areas {
		syscall.Syscall(syscall.SYS_MADVISE, a.from, a.to-a.from, advice)
	}
}

// heapAreas lists the private anonymous memory of this process, but for the
// program's own variables (.bss), which follow its file: code that counts its
// coverage writes there.
func heapAreas() []area {
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return nil
	}
	defer maps.Close()
	var areas []area
	end, file := "", false // of the mapping before
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		from, to, fields := mapping(lines.Text())
		// Go names its memory where the kernel can keep names: "[anon: Go: heap]".
		anonymous := len(fields) == 4 || len(fields) > 4 && fields[4] == "[anon:"
		variables := anonymous && file && from == end
		if a, ok := parseArea(from, to); ok && anonymous && !variables && fields[0] == "rw-p" {
			areas = append(areas, a)
		}
		end, file = to, !anonymous || variables
	}
	return areas
}

// mapping takes a line of /proc/PID/maps apart: addresses, then permissions,
// offset, device, inode and, for all but anonymous memory, a name.
func mapping(line string) (from, to string, fields []string) {
	all := strings.Fields(line)
	if len(all) < 5 {
		return "", "", nil
	}
	from, to, _ = strings.Cut(all[0], "-")
	return from, to, all[1:]
}

func parseArea(from, to string) (area, bool) {
	a, errA := strconv.ParseUint(from, 16, 64)
	b, errB := strconv.ParseUint(to, 16, 64)
	return area{uintptr(a), uintptr(b)}, errA == nil && errB == nil && b > a
}

// residentPages is the second number of /proc/self/statm.
func residentPages() int {
	var text [64]byte
	fd, err := syscall.Open("/proc/self/statm", syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return 0
	}
	defer syscall.Close(fd)
	n, err := syscall.Read(fd, text[:])
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text[:n]))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.Atoi(fields[1])
	return pages
}
