package usernet

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"

	"github.com/snug-sandbox/snug/internal/egress"
	"github.com/snug-sandbox/snug/network"
)

// dialPatience is how long an address may take to answer; programs inside give
// up by their own clocks.
const dialPatience = 60 * time.Second

// forwardTCP makes the connection that a SYN asks for, or refuses it with a
// reset. The handshake inside is completed once there is one outside.
func (n *Network) forwardTCP(r *tcp.ForwarderRequest) {
	id := r.ID()
	to := addrPort(id.LocalAddress, id.LocalPort)
	target, verdict := n.judge(network.TCP, to)
	if !verdict.Allowed {
		n.contacts.refuse(network.TCP, verdict.Names, to, verdict.Why, id.RemotePort)
		r.Complete(true)
		return
	}
	outside, err := net.DialTimeout("tcp", target.String(), dialPatience)
	if err != nil {
		// Nobody answered for so long that the program inside waits for nothing, too.
		r.Complete(!errors.Is(err, syscall.ETIMEDOUT))
		return
	}
	var queue waiter.Queue
	endpoint, failed := r.CreateEndpoint(&queue)
	r.Complete(failed != nil)
	if failed != nil {
		hardClose(outside)
		return
	}
	endpoint.SocketOptions().SetDelayOption(false)
	endpoint.SocketOptions().SetKeepAlive(true)
	inside := gonet.NewTCPConn(&queue, endpoint)
	f := &flow{network: n, inside: inside, outside: outside.(*net.TCPConn), to: to, source: id.RemotePort}
	f.reset = endpoint.Abort
	f.bound(endpoint.SocketOptions())
	f.contact = n.contacts.reached(network.TCP, verdict.Names, to)
	f.run(verdict.Check)
}

// flow is one connection, inside and outside.
type flow struct {
	network *Network
	inside  *gonet.TCPConn
	outside *net.TCPConn
	reset   func() // of the connection inside
	contact *network.Contact
	to      netip.AddrPort
	source  uint16
	answer  answer
	share   int // of what all flows may keep; 0: as much as one can use
}

// Flows that nobody reads keep what fits into their buffers: few of them as much
// as a fast one needs, and thousands not more than this host can bear.
const (
	fewFlows   = 16
	allBuffers = 16 << 20
	leastShare = 16 << 10
)

// bound counts a flow, and gives it a share of the buffers where there are many.
func (f *flow) bound(inside *tcpip.SocketOptions) {
	open := f.network.flows.Add(1)
	send := f.network.link.unlost()
	if open <= fewFlows {
		if send != 0 {
			inside.SetSendBufferSize(int64(send), true)
		}
		return
	}
	f.share = max(allBuffers/int(open), leastShare)
	if send == 0 || send > f.share {
		send = f.share
	}
	inside.SetSendBufferSize(int64(send), true)
	inside.SetReceiveBufferSize(int64(f.share), true)
	f.outside.SetReadBuffer(f.share)
	f.outside.SetWriteBuffer(f.share)
}

// run copies until both directions have ended, or one was broken off.
func (f *flow) run(check bool) {
	defer f.network.flows.Add(-1)
	var received int64
	down := make(chan error, 1)
	go func() {
		var err error
		received, err = f.pump(f.inside, &watched{f.outside, &f.answer})
		f.answer.end()
		if err == nil {
			err = f.inside.CloseWrite()
		}
		if err != nil {
			f.abort()
		}
		down <- err
	}()
	sent, err := f.up(check)
	if err == nil {
		err = f.outside.CloseWrite()
	}
	if err != nil {
		f.abort()
	}
	<-down
	f.inside.Close()
	f.outside.Close()
	f.network.contacts.transferred(f.contact, sent, received)
}

// abort has both ends see a reset.
func (f *flow) abort() {
	f.reset()
	f.outside.SetLinger(0)
	f.outside.Close()
	f.inside.Close()
}

// up copies what the command sends. Where names count, nothing goes out before
// it has said one that is fine.
func (f *flow) up(check bool) (int64, error) {
	if !check {
		return f.pump(f.outside, f.inside)
	}
	first, kind, name, err := f.first()
	if len(first) == 0 {
		return 0, err
	}
	counted := &counter{Writer: f.outside}
	switch kind {
	case egress.TLS:
		err = f.judge(name)
		f.network.contacts.called(f.contact, name)
	case egress.HTTP:
		f.answer.watch()
		requests := egress.Requests{From: bufio.NewReader(io.MultiReader(&bytesReader{first}, f.inside)), To: counted, Judge: f.judge, Switched: f.answer.switched}
		err = requests.Run()
		if errors.Is(err, egress.ErrTwisted) {
			f.refuse(nil, egress.TwistedHTTP)
		}
		if err == io.EOF {
			err = nil
		}
		return counted.n, err
	default:
		if v := f.network.policy.Opaque(f.to); !v.Allowed {
			f.refuse(v.Names, v.Why)
			err = errRefused
		}
	}
	if err != nil {
		return 0, err
	}
	if _, err := counted.Write(first); err != nil {
		return 0, err
	}
	sent, err := f.pump(f.outside, f.inside)
	return sent + counted.n, err
}

var errRefused = errors.New("refused")

// first reads until it is clear what the command speaks.
func (f *flow) first() ([]byte, egress.Kind, string, error) {
	var first []byte
	buffer := make([]byte, 4096)
	for {
		got, err := f.inside.Read(buffer)
		first = append(first, buffer[:got]...)
		kind, name := egress.Sniff(first)
		if kind == egress.More && err != nil {
			kind = egress.Opaque // no more will come
			if first != nil && first[0] == 0x16 {
				kind = egress.TLS
			}
		}
		if err == io.EOF && len(first) > 0 {
			err = nil
		}
		if kind != egress.More || err != nil {
			return first, kind, name, err
		}
	}
}

// judge is asked for each name that the connection says.
func (f *flow) judge(name string) error {
	v := f.network.policy.Says(name, f.to)
	if v.Allowed {
		f.network.contacts.called(f.contact, name)
		return nil
	}
	f.refuse(v.Names, v.Why)
	return errRefused
}

func (f *flow) refuse(names []string, why string) {
	f.network.contacts.refuse(network.TCP, names, f.to, why, f.source)
}

// pump copies with a buffer that grows with what comes at a time: most of
// thousands of connections are idle.
func (f *flow) pump(to io.Writer, from io.Reader) (total int64, err error) {
	small := make([]byte, 2<<10)
	buffer := small
	defer func() { put(buffer) }()
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			if _, failed := to.Write(buffer[:n]); failed != nil {
				return total, failed
			}
			total += int64(n)
		}
		switch {
		case err == io.EOF:
			return total, nil
		case err != nil:
			return total, err
		case n == len(small) && len(buffer) == len(small):
			buffer = f.buffer()
		case n < len(small) && len(buffer) > len(small):
			put(buffer)
			buffer = small
		}
	}
}

const largeBuffer = 256 << 10

var large = sync.Pool{New: func() any { b := make([]byte, largeBuffer); return &b }}

// buffer is one for a flow that has much to copy.
func (f *flow) buffer() []byte {
	if f.share != 0 && f.share < largeBuffer {
		return make([]byte, f.share)
	}
	return *large.Get().(*[]byte)
}

func put(buffer []byte) {
	if len(buffer) == largeBuffer {
		large.Put(&buffer)
	}
}

type counter struct {
	io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	c.n += int64(n)
	return n, err
}

type bytesReader struct{ rest []byte }

func (b *bytesReader) Read(p []byte) (int, error) {
	if len(b.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

// answer is the beginning of what comes back, where a request asked for another
// protocol.
type answer struct {
	mu     sync.Mutex
	grown  *sync.Cond // nil: nobody looks at it
	text   []byte
	ended  bool
	enough bool
}

func (a *answer) watch() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.grown = sync.NewCond(&a.mu)
}

func (a *answer) add(p []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.grown != nil && !a.enough {
		a.text = append(a.text, p[:min(len(p), 16<<10)]...)
		_, a.enough = egress.Switches(a.text, true)
		a.grown.Broadcast()
	}
}

func (a *answer) end() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ended = true
	if a.grown != nil {
		a.grown.Broadcast()
	}
}

// switched waits until it is clear whether the other protocol is spoken.
func (a *answer) switched(connect bool) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for {
		yes, done := egress.Switches(a.text, connect)
		if done || a.ended {
			return yes
		}
		a.grown.Wait()
	}
}

// watched shows what is read.
type watched struct {
	io.Reader
	answer *answer
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Reader.Read(p)
	w.answer.add(p[:n])
	return n, err
}
