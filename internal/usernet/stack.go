// Package usernet is the network of one sandbox outside of it: a stack of TCP/IP
// on the other end of the sandbox's interface, which turns what comes from there
// into sockets of the caller's, as far as the sandbox's rules let it.
package usernet

import (
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/fdbased"
	"gvisor.dev/gvisor/pkg/tcpip/network/arp"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"

	"github.com/snug-sandbox/snug/internal/egress"
	"github.com/snug-sandbox/snug/network"
)

const nic = 1

// Network is the network of one sandbox.
type Network struct {
	config   network.Config
	policy   *egress.Policy
	stack    *stack.Stack
	link     *link
	contacts *contacts
	names    *resolver
	flows    atomic.Int64 // of TCP
	udpFlows atomic.Int64
	patience time.Duration // openPatience
	closers  []func()
}

// New makes the network on descriptor fd, a tap device or a packet socket.
// Refused is called with each contact that is refused for the first time, and
// the port inside that it came from; it returns the program's name.
func New(o network.Order, fd int, refused func(network.Contact, uint16) string) (*Network, error) {
	policy, err := egress.New(o.Config)
	if err != nil {
		return nil, err
	}
	n := &Network{config: o.Config, policy: policy, contacts: newContacts(refused), names: newResolver(o.DNS), patience: openPatience}
	lower, err := newInterface(fd, o.Config)
	if err != nil {
		return nil, fmt.Errorf("the interface: %w", err)
	}
	n.link = newLink(lower, n)
	n.link.shape(o.Bandwidth)
	n.stack = stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol, ipv6.NewProtocol, arp.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol, udp.NewProtocol},
	})
	if err := n.configure(); err != nil {
		return nil, err
	}
	return n, n.listenDNS()
}

// newInterface is the stack's end of the sandbox's interface. A bandwidth is held
// better with packets that are not long.
func newInterface(fd int, c network.Config) (stack.LinkEndpoint, error) {
	if t, err := newTap(fd, c.PacketSize(), c.Bandwidth.Empty()); err != nil || t != nil {
		return t, err
	}
	return fdbased.New(&fdbased.Options{
		FDs: []int{fd}, MTU: uint32(c.PacketSize()), EthernetHeader: true, Address: tcpip.LinkAddress(network.GatewayMAC[:]),
		// What never was on a wire is not damaged there.
		RXChecksumOffload: true, PacketDispatchMode: fdbased.RecvMMsg, ProcessorsPerChannel: 1,
	})
}

// configure gives the stack its addresses, and has it answer for all others.
func (n *Network) configure() error {
	s := n.stack
	sack, moderate := tcpip.TCPSACKEnabled(true), tcpip.TCPModerateReceiveBufferOption(true)
	receive := tcpip.TCPReceiveBufferSizeRangeOption{Min: 4 << 10, Default: 1 << 20, Max: 8 << 20}
	send := tcpip.TCPSendBufferSizeRangeOption{Min: 4 << 10, Default: 1 << 20, Max: 8 << 20}
	// No packet is late on a line without a network. The stack takes no new
	// connection from a port whose last one is remembered (RFC 1122, 4.2.2.13 would
	// let it), and ports inside are used again soon.
	remember := tcpip.TCPTimeWaitTimeoutOption(20 * time.Millisecond)
	for _, option := range []tcpip.SettableTransportProtocolOption{&sack, &moderate, &receive, &send, &remember} {
		if err := s.SetTransportProtocolOption(tcp.ProtocolNumber, option); err != nil {
			return fmt.Errorf("the stack: %v", err)
		}
	}
	if err := s.CreateNIC(nic, n.link); err != nil {
		return fmt.Errorf("the stack: %v", err)
	}
	s.SetPromiscuousMode(nic, true)
	s.SetSpoofing(nic, true)
	for _, a := range []netip.Addr{network.Gateway4, network.Server4, network.Gateway6, network.Server6} {
		protocol, length := ipv4.ProtocolNumber, network.Prefix4
		if a.Is6() {
			protocol, length = ipv6.ProtocolNumber, network.Prefix6
		}
		address := tcpip.ProtocolAddress{Protocol: protocol, AddressWithPrefix: tcpip.AddressWithPrefix{Address: address(a), PrefixLen: length}}
		if err := s.AddProtocolAddress(nic, address, stack.AddressProperties{}); err != nil {
			return fmt.Errorf("the stack: %v", err)
		}
	}
	s.SetRouteTable([]tcpip.Route{{Destination: header.IPv4EmptySubnet, NIC: nic}, {Destination: header.IPv6EmptySubnet, NIC: nic}})
	s.SetTransportProtocolHandler(tcp.ProtocolNumber, tcp.NewForwarder(s, 0, mostPending, n.forwardTCP).HandlePacket)
	forwarder := udp.NewForwarder(s, n.forwardUDP)
	s.SetTransportProtocolHandler(udp.ProtocolNumber, func(id stack.TransportEndpointID, pkt *stack.PacketBuffer) bool {
		// What is refused is told as a port that nobody listens on (RFC 1122, 4.1.3.1).
		return n.admitUDP(id) && forwarder.HandlePacket(id, pkt)
	})
	return nil
}

// mostPending bounds connections that are being made at a time.
const mostPending = 8192

// Contacts are all whom the sandbox reached or wanted to.
func (n *Network) Contacts() []network.Contact { return n.contacts.all() }

// Shape changes the bandwidth.
func (n *Network) Shape(b network.Bandwidth) { n.link.shape(b) }

// Bandwidth is what holds now.
func (n *Network) Bandwidth() network.Bandwidth { return n.link.bandwidth() }

// Close gives back the ports of the host.
func (n *Network) Close() {
	for _, f := range n.closers {
		f()
	}
}

// target is where a packet to an address goes: the gateway stands for the
// host's loopback, if that is open. False is an address that is the stack's own.
func (n *Network) target(to netip.AddrPort) (netip.AddrPort, bool) {
	switch to.Addr() {
	case network.Gateway4:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), to.Port()), n.config.HostLoopback
	case network.Gateway6:
		return netip.AddrPortFrom(netip.IPv6Loopback(), to.Port()), n.config.HostLoopback
	case network.Server4, network.Server6, network.Guest4, network.Guest6:
		return to, false
	}
	return to, true
}

// judge decides on a flow to an address.
func (n *Network) judge(protocol string, to netip.AddrPort) (netip.AddrPort, egress.Verdict) {
	target, ok := n.target(to)
	switch {
	case !ok && target.Addr().IsLoopback():
		return target, egress.Verdict{Why: egress.Loopback, Names: []string{network.HostName}}
	case !ok:
		return target, egress.Verdict{Why: egress.NoUnicast}
	case target != to && n.policy.Denies(protocol, network.HostName, to):
		return target, egress.Verdict{Why: egress.Denied, Names: []string{network.HostName}}
	case target != to:
		return target, egress.Verdict{Allowed: true, Names: []string{network.HostName}}
	}
	return target, n.policy.Address(protocol, to)
}

func address(a netip.Addr) tcpip.Address { return tcpip.AddrFromSlice(a.AsSlice()) }

func addrPort(a tcpip.Address, port uint16) netip.AddrPort {
	ip, _ := netip.AddrFromSlice(a.AsSlice())
	return netip.AddrPortFrom(ip.Unmap(), port)
}

func fullAddress(a netip.AddrPort) (tcpip.FullAddress, tcpip.NetworkProtocolNumber) {
	protocol := tcpip.NetworkProtocolNumber(ipv4.ProtocolNumber)
	if a.Addr().Is6() {
		protocol = ipv6.ProtocolNumber
	}
	return tcpip.FullAddress{NIC: nic, Addr: address(a.Addr()), Port: a.Port()}, protocol
}

// hardClose ends a connection so that the other end sees a reset.
func hardClose(c net.Conn) {
	if t, ok := c.(*net.TCPConn); ok {
		t.SetLinger(0)
	}
	c.Close()
}
