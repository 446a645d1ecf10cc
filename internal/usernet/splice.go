package usernet

import (
	"context"
	"errors"
	"io"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/rawfile"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// inner is the end of a connection inside, as one of Go's and as the stack's own:
// what is copied between that and a socket needs no buffer in between.
type inner struct {
	*gonet.TCPConn
	endpoint tcpip.Endpoint
	queue    *waiter.Queue
}

func newInner(queue *waiter.Queue, endpoint tcpip.Endpoint) *inner {
	return &inner{gonet.NewTCPConn(queue, endpoint), endpoint, queue}
}

// dialInside connects to a port inside.
func (n *Network) dialInside(ctx context.Context, from, to tcpip.FullAddress, protocol tcpip.NetworkProtocolNumber) (*inner, error) {
	queue := &waiter.Queue{}
	endpoint, failed := n.stack.NewEndpoint(tcp.ProtocolNumber, protocol, queue)
	if failed != nil {
		return nil, errors.New(failed.String())
	}
	entry, connected := waiter.NewChannelEntry(waiter.WritableEvents | waiter.EventErr | waiter.EventHUp)
	queue.EventRegister(&entry)
	defer queue.EventUnregister(&entry)
	if failed = endpoint.Bind(from); failed == nil {
		failed = endpoint.Connect(to)
	}
	if _, started := failed.(*tcpip.ErrConnectStarted); started {
		select {
		case <-ctx.Done():
			endpoint.Close()
			return nil, ctx.Err()
		case <-connected:
			failed = endpoint.LastError()
		}
	}
	if failed != nil {
		endpoint.Close()
		return nil, errors.New(failed.String())
	}
	return newInner(queue, endpoint), nil
}

// down copies what comes from outside, until it ends.
func (f *flow) down() error {
	raw, err := f.outside.SyscallConn()
	if err != nil {
		return err
	}
	entry, writable := waiter.NewChannelEntry(waiter.WritableEvents | waiter.EventErr | waiter.EventHUp)
	f.inside.queue.EventRegister(&entry)
	defer f.inside.queue.EventUnregister(&entry)
	for {
		s := source{answer: &f.answer}
		var failed tcpip.Error
		var written int64
		waited := raw.Read(func(fd uintptr) bool {
			s.fd = int(fd)
			if !s.look() {
				return false
			}
			if s.left > 0 {
				written, failed = f.inside.endpoint.Write(&s, tcpip.WriteOptions{})
			}
			return true
		})
		received(f.contact, written)
		switch err := errors.Join(waited, s.err); {
		case err == nil:
		case errors.Is(err, io.EOF):
			return nil
		default:
			return err
		}
		switch failed.(type) {
		case nil:
		case *tcpip.ErrWouldBlock:
			<-writable
		default:
			return errors.New(failed.String())
		}
	}
}

// source is what a socket has to read, for the stack to take.
type source struct {
	fd     int
	left   int // bytes that are there
	answer *answer
	err    error
}

// look finds out what is there; false is nothing yet.
func (s *source) look() bool {
	s.left, s.err = unix.IoctlGetInt(s.fd, unix.TIOCINQ)
	if s.err != nil || s.left > 0 {
		return true
	}
	var one [1]byte
	switch n, _, err := unix.Recvfrom(s.fd, one[:], unix.MSG_PEEK|unix.MSG_DONTWAIT); {
	case err == unix.EAGAIN || err == unix.EINTR:
		return false
	case err != nil:
		s.err = err
	case n == 0:
		s.err = io.EOF
	default:
		s.left = n
	}
	return true
}

// Len is how much can be read without waiting.
func (s *source) Len() int { return s.left }

// Read takes from the socket.
func (s *source) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	// It is there: Go's scheduler is not told of a wait.
	n, failed := rawfile.BlockingRead(s.fd, p[:min(len(p), s.left)])
	switch {
	case failed != 0:
		s.err = failed
	case n == 0:
		s.err = io.ErrUnexpectedEOF
	}
	s.left -= n
	s.answer.add(p[:n])
	return n, s.err
}

// up copies what the command sends, until it ends.
func (f *flow) up() error {
	raw, err := f.outside.SyscallConn()
	if err != nil {
		return err
	}
	entry, readable := waiter.NewChannelEntry(waiter.ReadableEvents | waiter.EventErr | waiter.EventHUp)
	f.inside.queue.EventRegister(&entry)
	defer f.inside.queue.EventUnregister(&entry)
	for {
		var s sink
		var failed tcpip.Error
		waited := raw.Write(func(fd uintptr) bool {
			s = sink{fd: int(fd)}
			var r tcpip.ReadResult
			r, failed = f.inside.endpoint.Read(&s, tcpip.ReadOptions{})
			sent(f.contact, int64(r.Count))
			return s.err != unix.EAGAIN
		})
		if err := errors.Join(waited, s.err); err != nil {
			return err
		}
		switch failed.(type) {
		case nil:
		case *tcpip.ErrWouldBlock:
			<-readable
		case *tcpip.ErrClosedForReceive:
			return nil
		default:
			return errors.New(failed.String())
		}
	}
}

// sink is a socket that the stack writes to, as far as that takes it.
type sink struct {
	fd  int
	err error
}

// Write does not wait.
func (s *sink) Write(p []byte) (done int, err error) {
	for done < len(p) {
		part := rawfile.IovecFromBytes(p[done:])
		message := []rawfile.MMsgHdr{{Msg: unix.Msghdr{Iov: &part, Iovlen: 1}}}
		_, failed := rawfile.NonBlockingSendMMsg(s.fd, message) // as source.Read
		switch failed {
		case 0:
			done += int(message[0].Len)
		case unix.EINTR:
		default:
			s.err = failed
			return done, failed
		}
	}
	return done, nil
}
