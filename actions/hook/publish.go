package hook

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/internal/running"
)

// Ports of services are published for jobs whose steps run on the host: a
// process there accepts connections on its loopback and hands each one, as a
// descriptor, to the process that holds the job's network, which connects to the
// port inside and copies. Neither can do what the other can.

// mapping is a port of a container on the host.
type mapping struct {
	outside  int // 0: any
	inside   int
	protocol string // "tcp", "udp" or "sctp"
}

// parseMapping reads "80", "8080:80" or "127.0.0.1:8080:80", with "/tcp" after
// it or not.
func parseMapping(text string) (m mapping, err error) {
	ports, protocol, ok := strings.Cut(text, "/")
	bad := func(why string) error { return &problem.Problem{What: "ports: " + text, Why: why} }
	if m.protocol = strings.ToLower(protocol); !ok {
		m.protocol = "tcp"
	}
	if !slices.Contains([]string{"tcp", "udp", "sctp"}, m.protocol) {
		return m, bad("not a protocol: tcp, udp or sctp")
	}
	parts := strings.Split(ports, ":")
	if m.inside, err = strconv.Atoi(parts[len(parts)-1]); err != nil || m.inside < 1 || m.inside > 65535 {
		return m, bad("not a port")
	}
	if len(parts) > 1 && parts[len(parts)-2] != "" {
		if m.outside, err = strconv.Atoi(parts[len(parts)-2]); err != nil || m.outside < 0 || m.outside > 65535 {
			return m, bad("not a port of the host")
		}
	}
	return m, nil
}

// ports are the mappings of a container as a workflow sees them. Where the steps
// run in the job's own network, none is opened on the host, and a port is its
// own.
func (h *Hook) ports(texts []string, open bool) (map[string]string, error) {
	list := map[string]string{}
	for _, text := range texts {
		m, err := parseMapping(text)
		if err != nil {
			return nil, err
		}
		switch {
		case open && m.protocol != "tcp":
			return nil, &problem.Problem{What: "ports: " + text, Why: "only ports of tcp lead to a job whose steps run outside of containers", Fix: "container: of the job, whose steps reach every port of its services by their names"}
		case open:
			if err := h.listen(&m); err != nil {
				return nil, err
			}
		}
		if m.outside == 0 {
			m.outside = m.inside
		}
		list[strconv.Itoa(m.inside)] = strconv.Itoa(m.outside)
	}
	return list, nil
}

// listen opens a port of the host's loopback.
func (h *Hook) listen(m *mapping) error {
	l, port, err := listenLocal(m.outside)
	if err != nil {
		p := &problem.Problem{What: fmt.Sprintf("ports: %d:%d", m.outside, m.inside), Why: err.Error(), Err: err}
		switch {
		case errors.Is(err, unix.EADDRINUSE):
			p.Why, p.Fix = "something on this machine listens on that port already", fmt.Sprintf("ports: [%d], which takes a free one: ${{ job.services.NAME.ports[%d] }}", m.inside, m.inside)
		case errors.Is(err, unix.EACCES):
			p.Why, p.Fix = "a port under 1024 is not for ordinary users", fmt.Sprintf("ports: [%d], which takes a free one, or sysctl net.ipv4.ip_unprivileged_port_start=%d", m.inside, m.outside)
		}
		return p
	}
	m.outside = port
	h.listeners = append(h.listeners, l)
	h.targets = append(h.targets, strconv.Itoa(m.inside))
	return nil
}

// publish starts the process that accepts connections, if there are any to be
// accepted.
func (h *Hook) publish(outside *os.File) error {
	defer outside.Close()
	if len(h.listeners) == 0 {
		return nil
	}
	cmd := exec.Command(h.Self, append([]string{"publish"}, h.targets...)...)
	cmd.Env, cmd.Dir, cmd.SysProcAttr = h.daemonEnv(), "/", detached
	cmd.ExtraFiles = append([]*os.File{outside}, h.listeners...)
	if err := cmd.Start(); err != nil {
		return err
	}
	for _, l := range h.listeners {
		l.Close()
	}
	h.listeners = nil
	pid := cmd.Process.Pid
	note := fmt.Sprintf("%d %d", pid, running.StartTime(pid))
	return errors.Join(os.WriteFile(h.publisherFile(), []byte(note), 0o600), cmd.Process.Release())
}

// publisherFile tells which process accepts connections.
func (h *Hook) publisherFile() string { return filepath.Join(h.dir(), "publisher") }

// unpublish ends the processes that files name, so that their ports are free.
func unpublish(files ...string) {
	for _, f := range files {
		if text, err := os.ReadFile(f); err == nil {
			endPublisher(string(text))
		}
	}
}

func endPublisher(text string) {
	var pid int
	var start uint64
	if n, _ := fmt.Sscan(text, &pid, &start); n != 2 {
		return
	}
	if fd, err := running.Pidfd(pid, start); err == nil {
		unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
		unix.Close(fd)
		running.Await(pid, start)
	}
}

// Publish accepts connections on the listeners from descriptor 4 up, and hands
// them to the socket at 3 for the ports that targets name. It ends with the
// other side.
func Publish(targets []string) int {
	other := inherited(3)
	for i, target := range targets {
		port, err := strconv.ParseUint(target, 10, 16)
		if err != nil {
			return 1
		}
		go handOver(inherited(4+i), other, uint16(port))
	}
	other.Read(make([]byte, 1)) // nothing is sent: its end is
	return 0
}

func handOver(l, other *os.File, port uint16) {
	for {
		c, err := accept(l)
		if err != nil {
			return
		}
		send(other, binary.BigEndian.AppendUint16(nil, port), c)
		c.Close()
	}
}

// Forward connects what comes on the socket at descriptor 4 to ports inside, and
// stays when nothing comes any more: the job's network is held by it.
func Forward() int {
	from := inherited(4)
	for {
		port, files, err := receive(from, 1)
		switch {
		case err == nil && len(port) == 2:
			go join(files[0], int(binary.BigEndian.Uint16(port)))
		case errors.Is(err, os.ErrInvalid):
		default:
			return Pause()
		}
	}
}

// join copies between a connection and a port inside, until both are at their
// end.
func join(a *os.File, port int) {
	defer a.Close()
	b, err := dial(localhost(port)...)
	if err != nil {
		return
	}
	defer b.Close()
	var both sync.WaitGroup
	for _, way := range [][2]*os.File{{a, b}, {b, a}} {
		both.Go(func() {
			io.Copy(way[0], way[1])
			control(way[0], func(fd int) { unix.Shutdown(fd, unix.SHUT_WR) })
		})
	}
	both.Wait()
}
