package usernet

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"

	"github.com/snug-sandbox/snug/network"
)

const (
	udpIdle = 2 * time.Minute // RFC 4787, REQ-5
	mostUDP = 4096            // flows at a time
)

// admitUDP judges a datagram that belongs to no flow yet.
func (n *Network) admitUDP(id stack.TransportEndpointID) bool {
	to := addrPort(id.LocalAddress, id.LocalPort)
	_, verdict := n.judge(network.UDP, to)
	if !verdict.Allowed {
		n.contacts.refuse(network.UDP, verdict.Names, to, verdict.Why, id.RemotePort)
		return false
	}
	return n.udpFlows.Load() < mostUDP
}

// forwardUDP begins a flow: datagrams between one port inside and one address
// outside, until there are none for some time.
func (n *Network) forwardUDP(r *udp.ForwarderRequest) {
	id := r.ID()
	to := addrPort(id.LocalAddress, id.LocalPort)
	target, verdict := n.judge(network.UDP, to)
	if !verdict.Allowed {
		return
	}
	outside, err := net.Dial("udp", target.String())
	if err != nil {
		return
	}
	var queue waiter.Queue
	endpoint, failed := r.CreateEndpoint(&queue)
	if failed != nil {
		outside.Close()
		return
	}
	n.udpFlows.Add(1)
	contact := n.contacts.reached(network.UDP, verdict.Names, to)
	inside := gonet.NewUDPConn(&queue, endpoint)
	go func() {
		sent, received := datagrams(inside, outside, udpIdle)
		n.contacts.transferred(contact, sent, received)
		n.udpFlows.Add(-1)
	}()
}

// datagrams copies between two sockets until both have been idle, and closes
// them. It returns what went from a to b and back.
func datagrams(a, b net.Conn, idle time.Duration) (there, back int64) {
	extend := func() {
		until := time.Now().Add(idle)
		a.SetReadDeadline(until)
		b.SetReadDeadline(until)
	}
	extend()
	done := make(chan struct{})
	go func() {
		back = copyDatagrams(a, b, extend)
		close(done)
	}()
	there = copyDatagrams(b, a, extend)
	<-done
	return there, back
}

// copyDatagrams ends both sockets when one of them fails: an answer that nobody
// listens on a port ends the flow.
func copyDatagrams(to, from net.Conn, extend func()) (total int64) {
	defer to.Close()
	defer from.Close()
	buffer := *datagramBuffers.Get().(*[]byte)
	defer datagramBuffers.Put(&buffer)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return total
		}
		extend()
		if _, err := to.Write(buffer[:n]); err == nil {
			total += int64(n)
		}
	}
}

var datagramBuffers = sync.Pool{New: func() any { b := make([]byte, 64<<10); return &b }}

// unmapped is an address of a peer.
func unmapped(a net.Addr) netip.AddrPort {
	var p netip.AddrPort
	switch a := a.(type) {
	case *net.TCPAddr:
		p = a.AddrPort()
	case *net.UDPAddr:
		p = a.AddrPort()
	}
	return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
}
