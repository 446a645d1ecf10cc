package usernet

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"

	"github.com/snug-sandbox/snug/internal/egress"
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
	inside := gonet.NewUDPConn(&queue, endpoint)
	f := &datagramFlow{network: n, from: addrPort(id.RemoteAddress, id.RemotePort), to: to, names: verdict.Names}
	if verdict.Check {
		f.quic = &egress.Datagrams{Judge: f.judge, Strict: n.policy.Strict(to)}
	} else {
		f.reached()
	}
	go func() {
		f.copy(inside, outside)
		n.udpFlows.Add(-1)
	}()
}

// datagramFlow is one of UDP.
type datagramFlow struct {
	network  *Network
	from, to netip.AddrPort
	names    []string
	quic     *egress.Datagrams               // nil: names do not count
	contact  atomic.Pointer[network.Contact] // once something went out
	said     string                          // the name that the last connection said
	verdict  egress.Verdict
}

func (f *datagramFlow) reached() {
	if f.contact.Load() == nil {
		f.contact.Store(f.network.contacts.reached(network.UDP, f.names, f.to))
	}
}

// admit returns what may go out, once a datagram came; false ends the flow.
func (f *datagramFlow) admit(b []byte) ([][]byte, bool) {
	if f.quic == nil {
		return [][]byte{b}, true
	}
	out, err := f.quic.Take(b)
	switch {
	case err == errRefused:
		f.refuse(f.verdict.Names, f.verdict.Why)
		return nil, false
	case err != nil:
		f.refuse(f.names, err.Error())
		return nil, false
	case len(out) > 0:
		f.reached()
		f.network.contacts.called(f.contact.Load(), f.said)
	}
	return out, true
}

// judge is asked for each name that a connection of QUIC says.
func (f *datagramFlow) judge(h egress.Hello) error {
	f.said, f.verdict = h.Name, f.network.policy.Hello(network.UDP, h, f.to)
	if !f.verdict.Allowed {
		return errRefused
	}
	return nil
}

// refuse tells of a refusal, and the command that nobody listens there for it.
func (f *datagramFlow) refuse(names []string, why string) {
	f.network.contacts.refuse(network.UDP, names, f.to, why, f.from.Port())
	f.network.prohibit(f.from.Addr(), datagramHeader(f.from, f.to))
}

// datagramHeader is the beginning of a packet of UDP, by which its sender knows it.
func datagramHeader(from, to netip.AddrPort) []byte {
	ports := make([]byte, header.UDPMinimumSize)
	header.UDP(ports).Encode(&header.UDPFields{SrcPort: from.Port(), DstPort: to.Port(), Length: header.UDPMinimumSize})
	if to.Addr().Is6() {
		ip := make([]byte, header.IPv6MinimumSize)
		header.IPv6(ip).Encode(&header.IPv6Fields{PayloadLength: header.UDPMinimumSize, TransportProtocol: udp.ProtocolNumber, HopLimit: 64,
			SrcAddr: address(from.Addr()), DstAddr: address(to.Addr())})
		return append(ip, ports...)
	}
	ip := make([]byte, header.IPv4MinimumSize)
	header.IPv4(ip).Encode(&header.IPv4Fields{TotalLength: header.IPv4MinimumSize + header.UDPMinimumSize, TTL: 64, Protocol: uint8(udp.ProtocolNumber),
		SrcAddr: address(from.Addr()), DstAddr: address(to.Addr())})
	return append(ip, ports...)
}

// copy copies between two sockets until both have been idle, and closes them.
func (f *datagramFlow) copy(inside, outside net.Conn) {
	extend := func() {
		until := time.Now().Add(udpIdle)
		inside.SetReadDeadline(until)
		outside.SetReadDeadline(until)
	}
	extend()
	done := make(chan struct{})
	go func() {
		copyDatagrams(outside, inside, func(b []byte) bool {
			extend()
			out, goes := f.admit(b)
			for _, b := range out {
				if _, err := outside.Write(b); err == nil {
					sent(f.contact.Load(), int64(len(b)))
				}
			}
			return goes
		})
		close(done)
	}()
	copyDatagrams(inside, outside, func(b []byte) bool {
		extend()
		contact := f.contact.Load() // of a socket that is connected, and heard nothing yet, nobody knows
		if _, err := inside.Write(b); err == nil && contact != nil {
			received(contact, int64(len(b)))
		}
		return true
	})
	<-done
}

// copyDatagrams has each datagram passed on, as long as that goes on. It ends both
// sockets when one of them fails: an answer that nobody listens on a port ends the
// flow.
func copyDatagrams(to, from net.Conn, pass func([]byte) bool) {
	defer to.Close()
	defer from.Close()
	buffer := *datagramBuffers.Get().(*[]byte)
	defer datagramBuffers.Put(&buffer)
	for {
		n, err := from.Read(buffer)
		if err != nil || !pass(buffer[:n]) {
			return
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
