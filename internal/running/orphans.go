package running

import (
	"bytes"
	"os"
	"slices"
	"strconv"

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
// have left lately. What is no init (containers often begin with "sleep infinity") leaves them
// as zombies.
func OrphansAreReaped() bool {
	if slices.Contains(reapers, name(1)) {
		return true
	}
	const waitedFaults = 11 - 3 // cminflt of proc(5), of a list that begins with the third field
	f := stat(1)
	return len(f) > waitedFaults && number(f[waitedFaults]) > 0 && !slices.ContainsFunc(latest(1), isZombie)
}

// isZombie reports whether a process is one of this program's that has ended and
// was not waited for.
func isZombie(pid int) bool {
	f := stat(pid)
	return len(f) > 0 && f[0] == "Z" && name(pid) == "snug-init"
}

// name is what a process calls itself.
func name(pid int) string {
	return string(bytes.TrimSpace(small("/proc/" + strconv.Itoa(pid) + "/comm")))
}

// latest are some processes that came last to the first thread of a process, as
// children or as orphans, as far as the kernel tells (CONFIG_PROC_CHILDREN).
func latest(pid int) []int {
	const some = 6
	n := strconv.Itoa(pid)
	text, _ := os.ReadFile("/proc/" + n + "/task/" + n + "/children")
	var list []int
	for words := bytes.Fields(text); len(words) > 0 && len(list) < some; words = words[:len(words)-1] {
		list = append(list, int(number(string(words[len(words)-1]))))
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
