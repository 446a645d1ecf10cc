package usernet

import (
	"errors"
	"net"
	"net/netip"
	"syscall"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"

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
	f := &flow{network: n, inside: newInner(&queue, endpoint), outside: outside.(*net.TCPConn), to: to, source: id.RemotePort}
	f.bound(endpoint.SocketOptions())
	f.contact = n.contacts.reached(network.TCP, verdict.Names, to)
	f.run(verdict.Check)
}

// flow is one connection, inside and outside.
type flow struct {
	network *Network
	inside  *inner
	outside *net.TCPConn
	contact *network.Contact
	to      netip.AddrPort
	source  uint16
	answer  answer // what the other side says first
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
	share := max(allBuffers/int(open), leastShare)
	if send == 0 || send > share {
		send = share
	}
	inside.SetSendBufferSize(int64(send), true)
	inside.SetReceiveBufferSize(int64(share), true)
	f.outside.SetReadBuffer(share)
	f.outside.SetWriteBuffer(share)
}

// run copies until both directions have ended, or one was broken off.
func (f *flow) run(check bool) {
	defer f.network.flows.Add(-1)
	down := make(chan error, 1)
	go func() {
		err := f.down()
		f.answer.end()
		if err == nil {
			err = f.inside.CloseWrite()
		}
		if err != nil {
			f.abort()
		}
		down <- err
	}()
	up := f.up
	if check {
		up = f.open
	}
	err := up()
	if err == nil {
		err = f.outside.CloseWrite()
	}
	if err != nil {
		f.abort()
	}
	<-down
	f.inside.Close()
	f.outside.Close()
}

// abort has both ends see a reset.
func (f *flow) abort() {
	f.inside.endpoint.Abort()
	f.outside.SetLinger(0)
	f.outside.Close()
	f.inside.Close()
}
