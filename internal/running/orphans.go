package running

import (
	"bytes"
	"os"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// reapers are programs that, as process 1, wait for every process that ends.
var reapers = []string{
	"systemd", "init", "openrc-init", "runit", "s6-svscan", "dinit",
	"tini", "docker-init", "dumb-init", "catatonit", "bash", "snug-init", "bwrap",
}

// OrphansAreReaped reports whether a process that outlives its parent is waited
// for when it ends, as far as that can be told: process 1 is a program that is
// known for it, or it has waited for others, and for what runs of this program
// have left. What is no init (containers often begin with "sleep infinity") leaves
// them as zombies.
func OrphansAreReaped() bool {
	if slices.Contains(reapers, name(1)) {
		return true
	}
	const waitedFaults = 11 - 3 // cminflt of proc(5), of a list that begins with the third field
	f := stat(1)
	return len(f) > waitedFaults && number(f[waitedFaults]) > 0 && !neglected(children(1), reapedWithin)
}

// Some programs look for ended children every few seconds.
const (
	reapedWithin = 5 * time.Second
	mostLeft     = 256 // a power of four
)

// neglected reports whether some of this program's processes among a process's
// children, the youngest last, have ended and are not waited for: they are old, or
// many.
func neglected(children []int, within time.Duration) bool {
	for back := 1; back <= min(mostLeft, len(children)); back *= 4 {
		pid := children[len(children)-back]
		f := stat(pid)
		if len(f) == 0 || f[0] != "Z" || name(pid) != "snug-init" {
			continue
		}
		if back == mostLeft || Age(started(f)) > within {
			return true
		}
	}
	return false
}

// name is what a process calls itself.
func name(pid int) string {
	return string(bytes.TrimSpace(small("/proc/" + strconv.Itoa(pid) + "/comm")))
}

// children are what came to the first thread of a process, as children or as
// orphans, in that order, as far as the kernel tells (CONFIG_PROC_CHILDREN).
func children(pid int) []int {
	n := strconv.Itoa(pid)
	text, _ := os.ReadFile("/proc/" + n + "/task/" + n + "/children")
	var list []int
	for _, word := range bytes.Fields(text) {
		list = append(list, int(number(string(word))))
	}
	return list
}

// small is what the first read of a file gives.
func small(path string) []byte {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	buffer := make([]byte, 1024)
	n, _ := unix.Read(fd, buffer)
	return buffer[:max(n, 0)]
}
