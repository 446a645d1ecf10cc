package snug

import (
	"os"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/internal/child"
	"github.com/snug-sandbox/snug/internal/running"
)

// holdings are descriptors of the namespaces of a sandbox, by the names of their
// files in /proc/PID/ns.
type holdings struct {
	mu     sync.Mutex
	files  map[string]int
	more   chan struct{} // has something when one was added
	closed bool
}

func (h *holdings) add(name string, fds []int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, again := h.files[name]
	if h.files == nil || again || len(fds) != 1 {
		for _, fd := range fds {
			unix.Close(fd)
		}
		return
	}
	h.files[name] = fds[0]
	select {
	case h.more <- struct{}{}:
	default:
	}
}

// close gives the namespaces back: as long as they are held, what is mounted in
// them stays.
func (h *holdings) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for _, fd := range h.files {
		unix.Close(fd)
	}
	h.files = nil
}

// open makes room for namespaces. It reports false when it is too late.
func (h *holdings) open() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.closed && h.files == nil {
		h.files, h.more = map[string]int{}, make(chan struct{}, 1)
	}
	return !h.closed
}

// numbers are the descriptors of those that are there.
func (h *holdings) numbers() map[string]int {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := map[string]int{}
	for name, fd := range h.files {
		all[name] = fd
	}
	return all
}

// Hold has this process keep the namespaces of a sandbox that it runs, and says so
// in i, which Started was given. Then others can enter it whatever its processes
// have gone on to. It does so once Wait was called, and gives up after a second:
// what i leads to can be entered as long as one of its processes is in all of the
// namespaces.
func (c *Cmd) Hold(i *Instance) {
	if !c.held.open() {
		return
	}
	kinds := i.Spec.Namespaces.Own()
	c.withProcess(func(p *child.Process) {
		for _, k := range kinds {
			switch {
			case k.Name == "pid" && i.Spec.Command.PID1:
				c.held.openOf(i.CommandPID, k.Name)
			case k.Name == "time":
				p.ShowNamespace("time_for_children")
			default:
				p.ShowNamespace(k.Name)
			}
		}
	})
	timeout := time.After(time.Second)
	for len(c.held.numbers()) < len(kinds) {
		select {
		case <-c.held.more:
		case <-c.finished:
			return
		case <-timeout:
			return
		}
	}
	i.Supervisor, i.SupervisorStart, i.Descriptors = os.Getpid(), running.StartTime(os.Getpid()), c.held.numbers()
}

// openOf opens a namespace of a process that can be looked at.
func (h *holdings) openOf(pid int, name string) {
	fd, err := unix.Open("/proc/"+strconv.Itoa(pid)+"/ns/"+name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err == nil {
		h.add(name, []int{fd})
	}
}
