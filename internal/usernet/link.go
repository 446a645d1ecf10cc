package usernet

import (
	"sync/atomic"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/nested"
	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"github.com/snug-sandbox/snug/network"
)

// link stands between the interface and the stack: it holds the bandwidth, and
// takes out echo requests, which the stack would answer itself.
type link struct {
	nested.Endpoint
	network  *Network
	up, down atomic.Pointer[shaper] // nil: nothing is held
	limits   atomic.Pointer[network.Bandwidth]
	echoes   atomic.Int64
}

func newLink(lower stack.LinkEndpoint, n *Network) *link {
	l := &link{network: n}
	l.Endpoint.Init(lower, l)
	l.limits.Store(&network.Bandwidth{})
	return l
}

// DeliverNetworkPacket takes what comes from the sandbox.
func (l *link) DeliverNetworkPacket(protocol tcpip.NetworkProtocolNumber, pkt *stack.PacketBuffer) {
	if s := l.up.Load(); s != nil {
		pkt.IncRef()
		s.push(pkt, charge(pkt), func() {
			l.deliver(protocol, pkt)
		})
		return
	}
	l.deliver(protocol, pkt)
}

func (l *link) deliver(protocol tcpip.NetworkProtocolNumber, pkt *stack.PacketBuffer) {
	if l.echo(protocol, pkt) {
		return
	}
	l.Endpoint.DeliverNetworkPacket(protocol, pkt)
}

// WritePackets sends to the sandbox.
func (l *link) WritePackets(list stack.PacketBufferList) (int, tcpip.Error) {
	s := l.down.Load()
	if s == nil {
		return l.Endpoint.WritePackets(list)
	}
	for _, pkt := range list.AsSlice() {
		pkt.IncRef()
		s.push(pkt, charge(pkt), func() {
			var one stack.PacketBufferList
			one.PushBack(pkt)
			l.Endpoint.WritePackets(one)
		})
	}
	return list.Len(), nil
}

// charge is what counts of a packet: the bytes that programs see, which is what a
// limit is measured by.
func charge(pkt *stack.PacketBuffer) int {
	const headers = header.IPv4MinimumSize + header.TCPMinimumSize + 12
	return max(pkt.Size()-headers, headers)
}

// bandwidth is what holds.
func (l *link) bandwidth() network.Bandwidth { return *l.limits.Load() }

// unlost is how much a connection may have on its way to the sandbox, so that
// nothing of it is dropped: the stack takes long to mend that. 0 is no limit.
func (l *link) unlost() int {
	b := l.bandwidth()
	if b.Down == 0 {
		return 0
	}
	return room(int64(b.Down), time.Duration(b.Latency)) * 3 / 4
}

// shape has a bandwidth hold from now on.
func (l *link) shape(b network.Bandwidth) {
	l.limits.Store(&b)
	for _, d := range []struct {
		at   *atomic.Pointer[shaper]
		rate int64
	}{{&l.up, int64(b.Up)}, {&l.down, int64(b.Down)}} {
		old := d.at.Load()
		if old == nil && d.rate == 0 && b.Latency == 0 {
			continue
		}
		if old == nil {
			old = newShaper()
			old.set(d.rate, b.Latency)
			d.at.Store(old)
			continue
		}
		old.set(d.rate, b.Latency)
	}
}

// echo takes an echo request to the world outside. One to the gateway the stack
// answers: it is the gateway.
func (l *link) echo(protocol tcpip.NetworkProtocolNumber, pkt *stack.PacketBuffer) bool {
	// Most packets are something else, and are not copied to find that out.
	const nextHeader4, nextHeader6 = 9, 6
	switch protocol {
	case header.IPv4ProtocolNumber:
		h, ok := pkt.Data().PullUp(header.IPv4MinimumSize)
		if !ok || h[nextHeader4] != byte(header.ICMPv4ProtocolNumber) {
			return false
		}
		return l.echo4(pkt.Data().AsRange().ToSlice())
	case header.IPv6ProtocolNumber:
		h, ok := pkt.Data().PullUp(header.IPv6MinimumSize)
		if !ok || h[nextHeader6] != byte(header.ICMPv6ProtocolNumber) {
			return false
		}
		return l.echo6(pkt.Data().AsRange().ToSlice())
	}
	return false
}

func (l *link) echo4(packet []byte) bool {
	h := header.IPv4(packet)
	if !h.IsValid(len(packet)) || h.More() || h.FragmentOffset() != 0 {
		return false
	}
	payload := h.Payload()
	if len(payload) < header.ICMPv4MinimumSize || header.ICMPv4(payload).Type() != header.ICMPv4Echo {
		return false
	}
	return l.network.ping(addrPort(h.SourceAddress(), 0).Addr(), addrPort(h.DestinationAddress(), 0).Addr(), packet, payload)
}

func (l *link) echo6(packet []byte) bool {
	h := header.IPv6(packet)
	if !h.IsValid(len(packet)) {
		return false
	}
	payload := h.Payload()
	if len(payload) < header.ICMPv6EchoMinimumSize || header.ICMPv6(payload).Type() != header.ICMPv6EchoRequest {
		return false
	}
	return l.network.ping(addrPort(h.SourceAddress(), 0).Addr(), addrPort(h.DestinationAddress(), 0).Addr(), packet, payload)
}
