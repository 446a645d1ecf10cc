package snug

import (
	"bytes"
	"errors"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/internal/child"
	"github.com/snug-sandbox/snug/landlock"
	"github.com/snug-sandbox/snug/seccomp"
)

// Denial is something that the command was refused, as security.seccomp's
// log_denials has it reported.
type Denial struct {
	Call    string `json:"call"`            // the system call
	Path    string `json:"path,omitempty"`  // that it named
	Args    string `json:"args,omitempty"`  // what decided, where it was no path: "(38, 5)"
	Errno   string `json:"errno,omitempty"` // what a call failed with that the filter refused
	Why     string `json:"why"`             // "filter", "not shown", "read-only" or "Landlock"
	Program string `json:"program"`         // the name of the process (proc(5), comm)
	Count   int    `json:"count"`
}

// Reasons of a Denial.
const (
	byFilter   = "filter"
	notShown   = "not shown" // it is there outside
	isReadOnly = "read-only"
	byLandlock = "Landlock"
)

// mostDenials bounds what a command can have remembered.
const mostDenials = 1000

// denials answers for what a filter asks, and collects what was refused.
type denials struct {
	filter []byte
	given  []landlock.Rule // what may be used of the host's files; nil: what the mounts show
	file   *os.File
	done   chan struct{}

	mu   sync.Mutex
	list []Denial
	at   map[Denial]int
	more int
}

// listen starts to answer.
func (c *Cmd) listen(fds []int) {
	if len(fds) != 1 {
		return
	}
	child.Whole()
	fd := fds[0]
	unix.SetNonblock(fd, true)
	d := &denials{filter: c.plan.Listener, given: c.given, file: os.NewFile(uintptr(fd), "listener"), done: make(chan struct{}), at: map[Denial]int{}}
	c.denials, c.parents = d, append(c.parents, d)
	go func() {
		defer close(d.done)
		child.Listen(d.file, d.answer)
	}()
}

// end returns what was refused. Nobody asks any more.
func (d *denials) end() ([]Denial, int) {
	if d == nil {
		return nil, 0
	}
	d.file.Close()
	<-d.done
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.list, d.more
}

// Close ends it.
func (d *denials) Close() error {
	d.end()
	return nil
}

// answer judges by the same filter that the command would have had. Paths are
// only looked at for the report: what they lead to can change before the call is
// made, and what decides about it is elsewhere.
func (d *denials) answer(q *child.Question, valid func() bool) syscall.Errno {
	call := seccomp.Call{Arch: q.Arch, Nr: q.Nr, Args: q.Args}
	name := call.Name()
	errno := seccomp.Judge(d.filter, call)
	found := Denial{Call: name, Program: comm(q.PID)}
	switch {
	case errno != 0:
		found.Why, found.Errno = byFilter, unix.ErrnoName(errno)
		if c, ok := seccomp.Named(name); ok {
			found.Path, _, _ = pathOf(q, c)
		} else {
			found.Args = decisive(name, q.Args)
		}
	default:
		c, _ := seccomp.Looked(name)
		found.Path, found.Why = d.refusal(q, c)
	}
	if found.Why != "" && name != "clone3" && valid() { // programs then use clone, which may be allowed
		d.add(found)
	}
	return errno
}

func (d *denials) add(found Denial) {
	d.mu.Lock()
	defer d.mu.Unlock()
	i, known := d.at[found]
	if !known {
		if len(d.list) == mostDenials {
			d.more++
			return
		}
		i = len(d.list)
		d.at[found], d.list = i, append(d.list, found)
	}
	d.list[i].Count++
}

// decisive shows the arguments that filters look at.
func decisive(name string, args [6]uint64) string {
	n := 0
	switch name {
	case "socket", "socketpair":
		n = 3
	case "ioctl", "prctl":
		n = 2
	case "clone", "unshare", "personality", "bpf", "keyctl", "ptrace":
		n = 1
	}
	var list []string
	for _, a := range args[:n] {
		list = append(list, "0x"+strconv.FormatUint(a, 16))
	}
	if n == 0 {
		return ""
	}
	return "(" + strings.Join(list, ", ") + ")"
}

func comm(pid uint32) string {
	name, _ := os.ReadFile(procFile(pid, "comm"))
	return strings.TrimSuffix(string(name), "\n")
}

func procFile(pid uint32, name string) string {
	return "/proc/" + strconv.FormatUint(uint64(pid), 10) + "/" + name
}

// pathOf returns the path that a call names, absolute where that can be told, the
// flags of open(2), and the descriptor that it is relative to ("fd/N").
func pathOf(q *child.Question, c seccomp.PathCall) (name string, flags uint64, fd string) {
	name = textOf(int(q.PID), q.Args[c.Path])
	if c.Flags >= 0 {
		flags = q.Args[c.Flags]
	} else if c.Name == "openat2" {
		flags = wordOf(int(q.PID), q.Args[2])
	}
	if name == "" || path.IsAbs(name) {
		return clean(name), flags, ""
	}
	from := "cwd"
	if c.Dir >= 0 && int32(q.Args[c.Dir]) != unix.AT_FDCWD {
		fd = "fd/" + strconv.FormatUint(q.Args[c.Dir]&0xffffffff, 10)
		from = fd
	}
	dir, err := os.Readlink(procFile(q.PID, from))
	if err != nil || !path.IsAbs(dir) {
		return name, flags, fd
	}
	return path.Join(dir, name), flags, fd
}

func clean(name string) string {
	if name == "" {
		return ""
	}
	return path.Clean(name)
}

// textOf reads a string of another process, page by page: the next one may not be
// there.
func textOf(pid int, at uint64) string {
	const page = 4096
	text := make([]byte, 0, page)
	for len(text) < unix.PathMax {
		part := make([]byte, page-at%page)
		n, err := peek(pid, at, part)
		if err != nil {
			return ""
		}
		if end := bytes.IndexByte(part[:n], 0); end >= 0 {
			return string(append(text, part[:end]...))
		}
		text, at = append(text, part[:n]...), at+uint64(n)
	}
	return ""
}

// wordOf reads 64 bits.
func wordOf(pid int, at uint64) (word uint64) {
	part := make([]byte, 8)
	if n, _ := peek(pid, at, part); n == len(part) {
		for i := range part {
			word |= uint64(part[i]) << (8 * i)
		}
	}
	return word
}

func peek(pid int, at uint64, to []byte) (int, error) {
	local := unix.Iovec{Base: &to[0]}
	local.SetLen(len(to))
	n, err := unix.ProcessVMReadv(pid, []unix.Iovec{local}, []unix.RemoteIovec{{Base: uintptr(at), Len: len(to)}}, 0)
	if err == nil && n == 0 {
		err = unix.EFAULT
	}
	return n, err
}

// refusal foretells whether a call will be refused that names a file.
func (d *denials) refusal(q *child.Question, c seccomp.PathCall) (name, why string) {
	name, flags, fd := pathOf(q, c)
	if !path.IsAbs(name) || strings.HasPrefix(name, "/proc/") { // what that is depends on who looks
		return name, ""
	}
	writes := c.Writes || flags&unix.O_ACCMODE != unix.O_RDONLY || flags&(unix.O_CREAT|unix.O_TRUNC) != 0
	if d.given != nil {
		return name, d.walled(name, writes)
	}
	if fd != "" {
		return name, below(q.PID, fd, writes)
	}
	file, err := inside(q.PID, name)
	if writes && errors.Is(err, unix.ENOENT) {
		if file, err = inside(q.PID, path.Dir(name)); err == nil {
			defer unix.Close(file)
			return name, readOnly(file)
		}
	}
	if err != nil {
		if _, there := os.Lstat(name); errors.Is(err, unix.ENOENT) && there == nil {
			return name, notShown
		}
		return name, ""
	}
	defer unix.Close(file)
	if writes {
		return name, readOnly(file)
	}
	return name, ""
}

// inside opens what a path leads to in the sandbox.
func inside(pid uint32, name string) (int, error) {
	root, err := unix.Open(procFile(pid, "root"), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	defer unix.Close(root)
	return unix.Openat2(root, name, &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT})
}

// below is refusal for what is relative to a descriptor: its mount need not be the
// one at that path.
func below(pid uint32, fd string, writes bool) string {
	dir, err := unix.Open(procFile(pid, fd), unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil || !writes {
		return ""
	}
	defer unix.Close(dir)
	return readOnly(dir)
}

// readOnly says so where the file is on a mount that is, and no device.
func readOnly(file int) string {
	var fs unix.Statfs_t
	var st unix.Stat_t
	device := unix.Fstat(file, &st) == nil && (st.Mode&unix.S_IFMT == unix.S_IFCHR || st.Mode&unix.S_IFMT == unix.S_IFIFO)
	if unix.Fstatfs(file, &fs) == nil && fs.Flags&unix.ST_RDONLY != 0 && !device {
		return isReadOnly
	}
	return ""
}

// walled says so where the rules give too little.
func (d *denials) walled(name string, writes bool) string {
	if _, err := os.Lstat(name); err != nil && !writes {
		return ""
	}
	name = real(name)
	var access landlock.Access
	for _, r := range d.given {
		if rule := real(r.Path); rule == "/" || name == rule || strings.HasPrefix(name, rule+"/") {
			access |= r.Access
		}
	}
	if access == 0 || writes && !access.Writes() {
		return byLandlock
	}
	return ""
}

// real is a path without symbolic links, as far as it is there.
func real(name string) string {
	if to, err := filepath.EvalSymlinks(name); err == nil {
		return to
	}
	if dir, err := filepath.EvalSymlinks(path.Dir(name)); err == nil {
		return path.Join(dir, path.Base(name))
	}
	return name
}
