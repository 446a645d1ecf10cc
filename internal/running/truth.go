package running

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// pointer is what the file in the directory holds. A sandbox that may write there
// can change it, so that it is believed in nothing: it only says where the truth
// is, which is in the supervisor's memory.
type pointer struct {
	Version         int    `json:"version"`
	Supervisor      int    `json:"supervisor"`
	SupervisorStart uint64 `json:"supervisor_start"`
	Descriptor      int    `json:"descriptor"` // of the supervisor: the sealed record
	// Cgroup is that of the sandbox, for who finds the record abandoned.
	Cgroup string `json:"cgroup,omitempty"`
}

// sealedName is how the kernel shows the file that holds a record.
const sealedName = "snug-record"

const seals = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE

// seal keeps a record in memory, where nobody can change it any more
// (memfd_create(2)). This process holds a lock on it: one that was given the file
// of somebody else's making has none.
func seal(text []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate(sealedName, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), sealedName)
	if _, err = f.Write(text); err == nil {
		_, err = unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, seals)
	}
	if err == nil {
		err = unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// record is what the supervisor says that p names, if that is one: a process of
// the caller's that is in no sandbox, and has itself locked what it shows.
func (p pointer) record() (Record, bool) {
	proc, err := unix.Open("/proc/"+strconv.Itoa(p.Supervisor), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return Record{}, false
	}
	defer unix.Close(proc) // never another process, whatever becomes of the number
	if !outside(proc) || !Alive(p.Supervisor, p.SupervisorStart) {
		return Record{}, false
	}
	file := strconv.Itoa(p.Descriptor)
	target := make([]byte, 64)
	n, err := unix.Readlinkat(proc, "fd/"+file, target)
	if err != nil || string(target[:n]) != "/memfd:"+sealedName+" (deleted)" || !lockedBy(p.Supervisor, readAt(proc, "fdinfo/"+file)) {
		return Record{}, false
	}
	text := readAt(proc, "fd/"+file)
	var r Record
	if json.Unmarshal(text, &r) != nil || r.Version != version || r.Supervisor != p.Supervisor || r.SupervisorStart != p.SupervisorStart {
		return Record{}, false
	}
	return r, true
}

// outside reports whether a process, by its directory in /proc, is the caller's,
// in the same user and pid namespace, and with all of the caller's power. A
// process in a sandbox is not: whatever it shares, it has less.
func outside(proc int) bool {
	var st unix.Stat_t
	if unix.Fstat(proc, &st) != nil || st.Uid != uint32(os.Geteuid()) {
		return false
	}
	for _, name := range []string{"ns/user", "ns/pid"} {
		var own unix.Stat_t
		if unix.Fstatat(proc, name, &st, 0) != nil || unix.Stat("/proc/self/"+name, &own) != nil || st.Ino != own.Ino || st.Dev != own.Dev {
			return false
		}
	}
	own, err := os.ReadFile("/proc/self/status")
	return err == nil && capabilities(own)&^capabilities(readAt(proc, "status")) == 0
}

// capabilities are those that a process may use, of its /proc/PID/status.
func capabilities(status []byte) uint64 {
	_, line, _ := strings.Cut(string(status), "\nCapPrm:")
	line, _, _ = strings.Cut(line, "\n")
	set, _ := strconv.ParseUint(strings.TrimSpace(line), 16, 64)
	return set
}

// lockedBy reports whether the text of a file in /proc/PID/fdinfo tells of a lock
// that this process has made: "lock: 1: FLOCK ADVISORY WRITE PID …" (proc(5)).
func lockedBy(pid int, fdinfo []byte) bool {
	for line := range bytes.Lines(fdinfo) {
		f := strings.Fields(string(line))
		if len(f) > 5 && f[0] == "lock:" && f[2] == "FLOCK" && f[4] == "WRITE" && f[5] == strconv.Itoa(pid) {
			return true
		}
	}
	return false
}

// readAt reads a file below a directory; nothing if it cannot.
func readAt(dir int, name string) []byte {
	fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	f := os.NewFile(uintptr(fd), filepath.Base(name))
	defer f.Close()
	text, _ := io.ReadAll(io.LimitReader(f, most))
	return text
}
