package snug

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/internal/host"
	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/internal/running"
	"github.com/snug-sandbox/snug/mounts"
	"github.com/snug-sandbox/snug/network"
)

// networkHelper is the program that has the network stack of a private network.
const networkHelper = "snug-net"

// Times that the helper has: to be ready, and to tell what it counted.
const (
	netPatience = 20 * time.Second
	netFarewell = 2 * time.Second
)

// NetworkResult is what a private network was used for.
type NetworkResult struct {
	Published []string          `json:"published,omitempty"` // "127.0.0.1:8080 -> 80/tcp"
	Reached   []network.Contact `json:"reached"`
	Refused   []network.Contact `json:"refused"`
	// Profile is a table [network] that allows what was reached and refused.
	Profile string `json:"profile,omitempty"`
	// Lost says that the helper ended before the sandbox: connections failed since.
	Lost bool `json:"lost,omitempty"`
}

// privateNetwork is the helper of a running sandbox.
type privateNetwork struct {
	helper interface {
		Kill() error
		Wait() error
	}
	dir     string // of the helper's own, which goes with it
	control *os.File
	sending sync.Mutex
	changes string // the name of the abstract socket that takes changes

	ready  chan network.Message
	gone   chan struct{} // no more messages will come
	mu     sync.Mutex
	result NetworkResult
	asked  bool // the command has ended, and the helper is to say all
	ending bool // it has, or is ended from here
}

// takeNetwork starts the helper on the interface that the child made.
func (c *Cmd) takeNetwork(device *os.File) error {
	n, err := startNetwork(c.Spec.Network, device)
	if err != nil {
		return err
	}
	return c.awaitNetwork(n)
}

// awaitNetwork waits until the helper answers; the child waits meanwhile.
func (c *Cmd) awaitNetwork(n *privateNetwork) error {
	c.private = n
	c.parents = append(c.parents, n)
	go n.read(c)
	timeout := time.NewTimer(netPatience)
	defer timeout.Stop()
	m, ok := n.answer(timeout.C)
	switch {
	case !ok:
		return &problem.Problem{What: "the network's helper", Why: "it ended, or does not answer", Fix: "snug doctor looks for what is missing"}
	case m.Kind == network.Failed:
		return &problem.Problem{What: m.What, Why: m.Why, Fix: m.Fix}
	}
	n.mu.Lock()
	n.result.Published = m.Published
	n.mu.Unlock()
	return nil
}

// answer is the helper's first message. A helper that failed ends after it: both are
// there to be seen at once then, and what it said counts.
func (n *privateNetwork) answer(late <-chan time.Time) (m network.Message, ok bool) {
	select {
	case m = <-n.ready:
		return m, true
	case <-late:
	case <-n.gone:
	}
	select {
	case m = <-n.ready:
		return m, true
	default:
		return m, false
	}
}

// startNetwork starts the helper. It gets three descriptors and nothing else of
// the caller's.
func startNetwork(config network.Config, device *os.File) (*privateNetwork, error) {
	path, err := host.OwnProgram(networkHelper)
	if err != nil {
		return nil, &problem.Problem{What: "network.mode = \"private\"", Why: err.Error(), Err: err}
	}
	n, theirs, err := newPrivateNetwork()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	helper := Command(helperSpec(path), helperPlace, "serve")
	helper.helps = true
	helper.Files = map[int]*os.File{3: theirs, 4: device}
	if changes := n.listen(); changes != nil {
		defer changes.Close()
		helper.Files[5] = changes
	}
	if err := helper.Start(); err != nil {
		n.control.Close()
		return nil, helperProblem(path, err)
	}
	n.helper = helper
	n.tell(network.Order{Config: config})
	return n, nil
}

// newPrivateNetwork makes the socket that the helper is spoken to on, and returns
// its other end.
func newPrivateNetwork() (n *privateNetwork, theirs *os.File, err error) {
	// Package unix makes this call in a way that brings wrappers of the child's own
	// calls into the program.
	pair, err := syscall.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	unix.SetNonblock(pair[0], true)
	n = &privateNetwork{control: os.NewFile(uintptr(pair[0]), "control"), ready: make(chan network.Message, 1), gone: make(chan struct{})}
	return n, os.NewFile(uintptr(pair[1]), "control"), nil
}

// helperPlace is where the helper's program is in its own sandbox.
const helperPlace = "/" + networkHelper

// helperSpec is the sandbox that the helper is in itself: it speaks to the world
// on the caller's network, and to the packets of a command that nobody trusts. It
// sees how the host looks names up, and nothing else.
func helperSpec(path string) Spec {
	s := Spec{Name: networkHelper, Network: network.Config{Mode: network.Host}, Rootfs: mounts.Rootfs{Base: mounts.BaseEmpty}}
	s.Command.Workdir = "/"
	s.Mounts = []mounts.Mount{{Type: mounts.Bind, Source: path, Target: helperPlace}, {Type: mounts.Bind, Source: "/etc"}}
	for _, dir := range mounts.ResolverDirs {
		s.Mounts = append(s.Mounts, mounts.Mount{Type: mounts.Bind, Source: dir, Optional: true})
	}
	return s
}

func helperProblem(path string, err error) error {
	p := &problem.Problem{What: "the network's helper " + path, Why: err.Error(), Err: err}
	var inner *problem.Problem
	if errors.As(err, &inner) {
		p.Why, p.Fix = inner.What+": "+inner.Why, inner.Fix
	}
	if errors.Is(err, syscall.ENOENT) {
		p.Why, p.Fix = "it is missing", "make build, or CGO_ENABLED=0 go install ./cmd/..., makes it"
		if _, err := os.Stat(path); err == nil {
			p.Why = "it needs libraries, which its own sandbox has not"
		}
	}
	return p
}

// listen makes the abstract socket (unix(7)) that takes changes. The sandbox is
// in another network namespace, and cannot reach it.
func (n *privateNetwork) listen() *os.File {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	f := os.NewFile(uintptr(fd), "changes")
	at := unix.SockaddrUnix{Name: "@snug-net-" + strconv.Itoa(os.Getpid()) + "-" + strconv.FormatInt(time.Now().UnixNano(), 36)}
	if unix.Bind(fd, &at) != nil || unix.Listen(fd, 8) != nil {
		f.Close()
		return nil
	}
	n.changes = at.Name
	return f
}

// read takes the helper's messages until it ends.
func (n *privateNetwork) read(c *Cmd) {
	defer close(n.gone)
	decoder := json.NewDecoder(n.control)
	for {
		var m network.Message
		if err := decoder.Decode(&m); err != nil {
			n.lost(c)
			return
		}
		switch m.Kind {
		case network.Ready, network.Failed:
			n.ready <- m
		case network.Refusal:
			n.refused(c, m)
		case network.Lost:
			n.lost(c)
		case network.Finished:
			n.mu.Lock()
			n.ending = true
			n.result.Reached, n.result.Refused = nil, nil
			for _, contact := range m.Contacts {
				n.note(contact)
			}
			n.mu.Unlock()
		}
	}
}

// tell sends the helper a line. One that is gone is found out by reading.
func (n *privateNetwork) tell(line any) {
	n.sending.Lock()
	defer n.sending.Unlock()
	json.NewEncoder(n.control).Encode(line)
}

// note files a contact; the caller holds the lock.
func (n *privateNetwork) note(c network.Contact) {
	if c.Why == "" {
		n.result.Reached = append(n.result.Reached, c)
	} else {
		n.result.Refused = append(n.result.Refused, c)
	}
}

func (n *privateNetwork) refused(c *Cmd, m network.Message) {
	if m.Contact == nil {
		return
	}
	contact := *m.Contact
	if pid := c.stays(); pid != 0 {
		contact.Program = running.SocketOwner(pid, protocolOf(contact.Protocol), m.Source)
	}
	n.tell(network.Reply{Program: contact.Program, Number: m.Number})
	n.mu.Lock()
	n.note(contact)
	n.mu.Unlock()
	if c.Refused != nil {
		c.Refused(contact)
	}
}

// stays is the process that stays beside the command, from before that is executed:
// what the command does may be told of before its start is. 0: there is none.
func (c *Cmd) stays() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.result != nil:
	case c.process != nil:
		return c.process.PID
	case c.starting != nil:
		return c.starting.PID
	}
	return 0
}

// protocolOf is the protocol of the socket that a contact was tried with.
func protocolOf(protocol string) string {
	if protocol == network.DNS {
		return network.UDP
	}
	return protocol
}

// lost is called when the helper says that the network is gone, and when itself is.
func (n *privateNetwork) lost(c *Cmd) {
	n.mu.Lock()
	early := !n.ending
	n.result.Lost = n.result.Lost || early
	runs := early && !n.asked
	n.mu.Unlock()
	if runs && c.Spec.Network.Required {
		c.endAt(CauseNetwork)
	}
}

// finish gets the list of contacts from the helper, and ends it.
func (n *privateNetwork) finish() *NetworkResult {
	if n == nil {
		return nil
	}
	n.mu.Lock()
	n.asked = true
	n.mu.Unlock()
	n.tell(network.Reply{Finish: true})
	timeout := time.NewTimer(netFarewell)
	defer timeout.Stop()
	select {
	case <-n.gone:
	case <-timeout.C:
	}
	n.Close()
	n.mu.Lock()
	defer n.mu.Unlock()
	r := n.result
	r.Profile = snippet(r.Reached, r.Refused)
	if r.Reached == nil {
		r.Reached = []network.Contact{}
	}
	if r.Refused == nil {
		r.Refused = []network.Contact{}
	}
	return &r
}

// Close ends the helper, if it has not ended.
func (n *privateNetwork) Close() error {
	n.mu.Lock()
	n.ending = true
	helper := n.helper
	n.helper = nil
	n.mu.Unlock()
	n.control.Close()
	if n.dir != "" {
		defer os.RemoveAll(n.dir)
	}
	if helper == nil {
		return nil
	}
	helper.Kill()
	return helper.Wait()
}

// snippet is a table of a profile that allows all of this. What may be no rule,
// such as the host's loopback, stays a comment.
func snippet(reached, refused []network.Contact) string {
	if len(reached)+len(refused) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("mode = \"private\"\nallow = [\n")
	seen, some := map[string]bool{}, false
	for i, c := range append(append([]network.Contact{}, reached...), refused...) {
		rule := c.Rule()
		if _, err := network.ParseRule(rule); err != nil || seen[rule] {
			continue
		}
		seen[rule] = true
		prefix, suffix := "  ", ""
		if i >= len(reached) {
			prefix, suffix = "  # ", "  # refused: "+c.Why
		} else {
			some = true
		}
		b.WriteString(prefix + strconv.Quote(rule) + "," + suffix + "\n")
	}
	b.WriteString("]\n")
	if !some { // an empty list would let everything through
		return "[network]\nmode = \"none\"\n# " + strings.ReplaceAll(strings.TrimSpace(b.String()), "\n", "\n# ") + "\n"
	}
	return "[network]\n" + b.String()
}

var errNoNetwork = errors.New("the sandbox has no private network")

// ChangeNetwork changes the bandwidth of a running sandbox's private network.
func (i Instance) ChangeNetwork(change network.Change) (network.Answer, error) {
	var answer network.Answer
	if i.Network == "" {
		if i.Spec.Network.Foreign() {
			return answer, errors.New(i.Spec.Network.Driver + " does not have one")
		}
		return answer, errNoNetwork
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return answer, err
	}
	conn := os.NewFile(uintptr(fd), "changes")
	defer conn.Close()
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: i.Network}); err != nil {
		return answer, err
	}
	if err := json.NewEncoder(conn).Encode(change); err != nil {
		return answer, err
	}
	err = json.NewDecoder(conn).Decode(&answer)
	if err == io.EOF {
		err = errors.New("the network's helper gave no answer")
	}
	return answer, err
}
