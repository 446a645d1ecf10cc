package running

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// StartTime is when a process was started, in clock ticks after boot; 0 when
// there is none of that number (proc(5), /proc/PID/stat).
func StartTime(pid int) uint64 { return started(stat(pid)) }

// started is StartTime, of the fields of a process.
func started(f []string) uint64 {
	const start = 22 // field, counted from 1
	if len(f) < start-2 {
		return 0
	}
	n, _ := strconv.ParseUint(f[start-3], 10, 64)
	return n
}

// stat are the fields of /proc/PID/stat from the third on. The second is the
// name, which may hold anything.
func stat(pid int) []string {
	_, rest, ok := bytes.Cut(small("/proc/"+strconv.Itoa(pid)+"/stat"), []byte("("))
	if end := bytes.LastIndexByte(rest, ')'); ok && end >= 0 {
		var list []string
		for _, f := range bytes.Fields(rest[end+1:]) {
			list = append(list, string(f))
		}
		return list
	}
	return nil
}

// Alive reports whether the process that was started then still runs.
func Alive(pid int, start uint64) bool {
	f := stat(pid)
	return pid > 0 && start != 0 && len(f) > 0 && f[0] != "Z" && f[0] != "X" && started(f) == start
}

// Parent is the parent of a process; 0 when there is none of that number.
func Parent(pid int) int {
	f := stat(pid)
	if len(f) < 2 {
		return 0
	}
	return int(number(f[1]))
}

// Pidfd opens a process for good: the descriptor never means another one. It
// fails with ESRCH unless the process was started then.
func Pidfd(pid int, start uint64) (int, error) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return -1, err
	}
	if !Alive(pid, start) {
		unix.Close(fd)
		return -1, unix.ESRCH
	}
	return fd, nil
}

// Await waits for the end of the process that was started then.
func Await(pid int, start uint64) {
	fd, err := Pidfd(pid, start)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	for {
		if _, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, -1); err != unix.EINTR {
			return
		}
	}
}

// Namespace is the inode number of a namespace of a process, by the name of its
// file in /proc/PID/ns; 0 when it cannot be told.
func Namespace(pid int, name string) uint64 {
	var st unix.Stat_t
	if unix.Stat("/proc/"+strconv.Itoa(pid)+"/ns/"+name, &st) != nil {
		return 0
	}
	return st.Ino
}

// Processes are the processes of a sandbox, its first one in front: those in its
// pid namespace, or, where that is 0, the descendants of the first. What hides
// itself from the caller is left out.
func Processes(first int, pidns uint64) []int {
	list := []int{first}
	all := pids()
	if pidns == 0 {
		return descendants(first, all)
	}
	for _, pid := range all {
		if pid != first && Namespace(pid, "pid") == pidns {
			list = append(list, pid)
		}
	}
	return list
}

// pids are all processes that there are, by number.
func pids() []int {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	var list []int
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			list = append(list, pid)
		}
	}
	return list
}

// descendants are first and the processes below it.
func descendants(first int, all []int) []int {
	children := map[int][]int{}
	for _, pid := range all {
		if f := stat(pid); len(f) > 1 {
			parent, _ := strconv.Atoi(f[1])
			children[parent] = append(children[parent], pid)
		}
	}
	list := []int{first}
	for i := 0; i < len(list); i++ {
		list = append(list, children[list[i]]...)
	}
	return list
}

// Outer is the number that a process of a list has for the caller when it is
// number inner in its own pid namespace; 0: none is (proc(5), NSpid).
func Outer(list []int, inner int) int {
	for _, pid := range list {
		text, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
		_, line, _ := bytes.Cut(text, []byte("\nNSpid:"))
		line, _, _ = bytes.Cut(line, []byte("\n"))
		if f := bytes.Fields(line); len(f) > 0 && string(f[len(f)-1]) == strconv.Itoa(inner) {
			return pid
		}
	}
	return 0
}

// ticks is USER_HZ, which is the same on all machines that Snug runs on.
const ticks = 100

// Age is the time since a process was started, from its clock ticks after boot.
func Age(start uint64) time.Duration {
	var now unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &now) != nil {
		return 0
	}
	return max(0, time.Duration(now.Nano())-time.Duration(start)*(time.Second/ticks))
}

// Used is what processes used up so far, and hold.
type Used struct {
	CPU           time.Duration // with that of children that were waited for
	Memory        int64         // bytes; what several share is divided among them
	Tasks         int64         // processes and threads
	Read, Written int64         // bytes, from and to disks
}

// Use sums up what processes use. It leaves out what cannot be looked at.
func Use(list []int) Used {
	var u Used
	for _, pid := range list {
		f := stat(pid)
		if len(f) < 18 {
			continue
		}
		for _, field := range f[11:15] { // utime, stime, cutime, cstime
			u.CPU += time.Duration(number(field)) * (time.Second / ticks)
		}
		u.Tasks += number(f[17])
		dir := "/proc/" + strconv.Itoa(pid)
		u.Memory += memory(dir)
		io := lines(dir + "/io")
		u.Read, u.Written = u.Read+io["read_bytes"], u.Written+io["write_bytes"]
	}
	return u
}

// memory is the share of a process in what it uses; where only the whole is
// shown, the whole.
func memory(dir string) int64 {
	if kib, ok := lines(dir + "/smaps_rollup")["Pss"]; ok {
		return kib << 10
	}
	return lines(dir + "/status")["VmRSS"] << 10
}

// lines reads a file of lines "name: number".
func lines(path string) map[string]int64 {
	text, _ := os.ReadFile(path)
	m := map[string]int64{}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		if f := strings.Fields(value); len(f) > 0 {
			m[name] = number(f[0])
		}
	}
	return m
}

func number(text string) int64 {
	n, _ := strconv.ParseInt(text, 10, 64)
	return n
}
