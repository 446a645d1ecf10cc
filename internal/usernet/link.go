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
	tap      *tap                   // nil: the interface is none
	up, down atomic.Pointer[shaper] // nil: nothing is held
	limits   atomic.Pointer[network.Bandwidth]
	echoes   atomic.Int64
}

func newLink(lower stack.LinkEndpoint, n *Network) *link {
	l := &link{network: n}
	l.tap, _ = lower.(*tap)
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
	if l.tap != nil {
		l.tap.take(b.Empty())
	}
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
	const protocol4, nextHeader6 = 9, 6
	switch protocol {
	case header.IPv4ProtocolNumber:
		h, ok := pkt.Data().PullUp(header.IPv4MinimumSize)
		if !ok || h[protocol4] != byte(header.ICMPv4ProtocolNumber) {
			return false
		}
		return l.echo4(pkt.Data().AsRange().ToSlice())
	case header.IPv6ProtocolNumber:
		h, ok := pkt.Data().PullUp(header.IPv6MinimumSize)
		if !ok {
			return false
		}
		switch h[nextHeader6] {
		case byte(header.ICMPv6ProtocolNumber):
			return l.echo6(pkt.Data().AsRange().ToSlice())
		case hopByHop, routing, fragment, options:
			return l.hidden(pkt.Data().AsRange().ToSlice())
		}
	}
	return false
}

// Headers that may stand in front of a message of ICMP (RFC 8200, 4.1).
const hopByHop, routing, fragment, options = 0, 43, 44, 60

// hidden reports whether a message of ICMP to the world outside is in a fragment,
// or behind headers that nobody sends with one: it goes nowhere, because the stack
// would answer in place of the world.
func (l *link) hidden(packet []byte) bool {
	h := header.IPv6(packet)
	if !h.IsValid(len(packet)) || !l.outside(h.DestinationAddress()) {
		return false
	}
	next, rest := h.NextHeader(), packet[header.IPv6MinimumSize:]
	for {
		length := 0
		switch {
		case next == byte(header.ICMPv6ProtocolNumber):
			return true
		case len(rest) < 8:
			return false
		case next == fragment:
			length = 8
		case next == hopByHop || next == routing || next == options:
			length = 8 + 8*int(rest[1])
		default:
			return false
		}
		next, rest = rest[0], rest[min(length, len(rest)):]
	}
}

// outside reports whether an address is neither the stack's own nor a group's.
func (l *link) outside(a tcpip.Address) bool {
	ip := addrPort(a, 0)
	target, ok := l.network.target(ip)
	return ok && target == ip && !ip.Addr().IsMulticast()
}

func (l *link) echo4(packet []byte) bool {
	h := header.IPv4(packet)
	if !h.IsValid(len(packet)) {
		return false
	}
	if h.More() || h.FragmentOffset() != 0 {
		return l.outside(h.DestinationAddress()) // as hidden
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
