package usernet

import (
	"encoding/json"
	"errors"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/snug-sandbox/snug/internal/netdriver"
	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/network"
)

// replyPatience is how long a refusal waits for the program's name.
const replyPatience = time.Second

// Server speaks with the supervisor of a sandbox.
type Server struct {
	decoder  *json.Decoder
	mu       sync.Mutex // guards encoder
	encoder  *json.Encoder
	replies  chan network.Reply
	patience time.Duration // a refusal's
	refusals int
	order    network.Order
}

// NewServer reads the order from the socket to the supervisor.
func NewServer(control *os.File) (*Server, error) {
	s := &Server{decoder: json.NewDecoder(control), encoder: json.NewEncoder(control), replies: make(chan network.Reply, 1), patience: replyPatience}
	return s, s.decoder.Decode(&s.order)
}

// Foreign reports whether the network is to be another program's.
func (s *Server) Foreign() bool { return s.order.Foreign() }

// Connect has another program be the network until the socket to the supervisor
// is closed, or the program ends.
func (s *Server) Connect() error {
	if s.order.Dir != "" {
		defer os.RemoveAll(s.order.Dir) // who made it may have been killed
	}
	c, err := netdriver.Connect(s.order)
	if err != nil {
		return s.fail(err)
	}
	defer c.Close()
	lost, told := c.Lost(), make(chan error, 1)
	go func() { told <- s.listen(c.Published, c.Contacts) }()
	select {
	case err = <-told:
	case <-lost:
		err = errors.New(s.order.Driver + " ended")
	}
	return err
}

func (s *Server) send(m network.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.encoder.Encode(m)
}

// Serve runs the network on a device until the socket to the supervisor is
// closed. Changes comes from who changes the network of a running sandbox.
func (s *Server) Serve(device int, changes *net.UnixListener) error {
	n, err := New(s.order, device, s.refused)
	if err != nil {
		return s.fail(err)
	}
	defer n.Close()
	published, err := n.Publish()
	if err != nil {
		return s.fail(err)
	}
	if changes != nil {
		go serveChanges(changes, n)
	}
	return s.listen(published, func() ([]network.Contact, error) { return n.Contacts(), nil })
}

// listen tells that the network is there, and listens to the supervisor until it
// has heard enough.
// Contacts gives what it asks for in the end; an error says that there is no network
// any more.
func (s *Server) listen(published []string, contacts func() ([]network.Contact, error)) error {
	s.send(network.Message{Kind: network.Ready, Published: published})
	for {
		var r network.Reply
		if s.decoder.Decode(&r) != nil {
			return nil
		}
		if r.Finish {
			list, err := contacts()
			m := network.Message{Kind: network.Finished, Contacts: list}
			if err != nil {
				m.Kind = network.Lost
			}
			s.send(m)
			return err
		}
		for taken := false; !taken; {
			select {
			case s.replies <- r:
				taken = true
			case <-s.replies: // one before came too late
			}
		}
	}
}

func (s *Server) fail(err error) error {
	m := network.Message{Kind: network.Failed, What: "the sandbox's network", Why: err.Error()}
	var p *problem.Problem
	if errors.As(err, &p) {
		m.What, m.Why, m.Fix = p.What, p.Why, p.Fix
	}
	s.send(m)
	return err
}

// refused tells of a refusal, and returns the program that it happened to. One at
// a time may be told.
func (s *Server) refused(c network.Contact, source uint16) string {
	s.refusals++
	s.send(network.Message{Kind: network.Refusal, Contact: &c, Source: source, Number: s.refusals})
	for timeout := time.After(s.patience); ; {
		select {
		case r := <-s.replies:
			if r.Number == s.refusals { // else of one before, which came too late
				return r.Program
			}
		case <-timeout:
			return ""
		}
	}
}

// serveChanges changes the bandwidth for the same user's processes.
func serveChanges(l *net.UnixListener, n *Network) {
	for {
		conn, err := l.AcceptUnix()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(100 * time.Millisecond)
			continue
		}
		go func() {
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(5 * time.Second))
			var c network.Change
			if !sameUser(conn) || json.NewDecoder(conn).Decode(&c) != nil {
				return
			}
			before := n.Bandwidth()
			after := before
			if c.Up {
				after.Up = c.Bandwidth.Up
			}
			if c.Down {
				after.Down = c.Bandwidth.Down
			}
			if c.Latency {
				after.Latency = c.Bandwidth.Latency
			}
			n.Shape(after)
			json.NewEncoder(conn).Encode(network.Answer{Before: before, After: n.Bandwidth()})
		}()
	}
}

func sameUser(conn *net.UnixConn) bool {
	raw, err := conn.SyscallConn()
	if err != nil {
		return false
	}
	same := false
	raw.Control(func(fd uintptr) {
		cred, err := syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
		same = err == nil && int(cred.Uid) == os.Getuid()
	})
	return same
}
