package usernet

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"github.com/snug-sandbox/snug/internal/egress"
	"github.com/snug-sandbox/snug/network"
)

const (
	echoPatience = 10 * time.Second
	mostEchoes   = 256 // requests that are not answered yet
)

// notAllowed is why an echo request is refused that the rules let through.
const notAllowed = "this host lets the user send none (net.ipv4.ping_group_range)"

// ping sends an echo request of the sandbox's, which is in a packet, from a socket
// that the host gives to anybody in net.ipv4.ping_group_range (icmp(7)), and its
// answer back. It reports whether the request was taken: one to the stack's own
// addresses is not.
func (n *Network) ping(from, to netip.Addr, packet, request []byte) bool {
	at := netip.AddrPortFrom(to, 0)
	if target, ok := n.target(at); !ok || target.Addr() != to {
		return false
	}
	if n.link.echoes.Add(1) > mostEchoes {
		n.link.echoes.Add(-1)
		return true
	}
	go func() {
		defer n.link.echoes.Add(-1)
		_, verdict := n.judge(network.ICMP, at)
		var answer []byte
		if verdict.Allowed {
			var err error
			if answer, err = echo(to, request); errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) {
				verdict = egress.Verdict{Why: notAllowed, Names: verdict.Names}
			}
		}
		switch {
		case !verdict.Allowed:
			n.contacts.refuse(network.ICMP, verdict.Names, at, verdict.Why, binary.BigEndian.Uint16(request[4:])) // the identifier is the socket's port
			n.prohibit(from, packet)
		case answer != nil:
			n.contacts.reached(network.ICMP, verdict.Names, at)
			n.sendControl(to, from, answer)
		}
	}()
	return true
}

// prohibit tells the sandbox that a packet was refused (RFC 1812, 5.2.7.1; RFC
// 4443, 3.1).
func (n *Network) prohibit(to netip.Addr, packet []byte) {
	const beginning = 48 // of the packet: its header, and what tells whose it was
	from, kind, code := network.Gateway4, byte(header.ICMPv4DstUnreachable), byte(header.ICMPv4AdminProhibited)
	if to.Is6() {
		from, kind, code = network.Gateway6, byte(header.ICMPv6DstUnreachable), byte(header.ICMPv6Prohibited)
	}
	message := append([]byte{kind, code, 0, 0, 0, 0, 0, 0}, packet[:min(len(packet), beginning)]...)
	n.sendControl(from, to, message)
}

// echo sends a request, and returns the answer to it with the request's own
// identifier: the socket has another one.
func echo(to netip.Addr, request []byte) ([]byte, error) {
	family, protocol := unix.AF_INET, unix.IPPROTO_ICMP
	var address unix.Sockaddr = &unix.SockaddrInet4{}
	if to.Is6() {
		family, protocol = unix.AF_INET6, unix.IPPROTO_ICMPV6
		address = &unix.SockaddrInet6{Addr: to.As16()}
	} else {
		address = &unix.SockaddrInet4{Addr: to.As4()}
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, protocol)
	if err != nil {
		return nil, err
	}
	if err := unix.Connect(fd, address); err != nil {
		unix.Close(fd)
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "ping")
	defer f.Close()
	f.SetDeadline(time.Now().Add(echoPatience))
	if _, err := f.Write(request); err != nil {
		return nil, err
	}
	answer := make([]byte, 64<<10)
	for {
		got, err := f.Read(answer)
		if err != nil {
			return nil, err
		}
		// Type, code, checksum, identifier, sequence.
		if got >= 8 && binary.BigEndian.Uint16(answer[6:]) == binary.BigEndian.Uint16(request[6:]) {
			copy(answer[4:6], request[4:6])
			return answer[:got], nil
		}
	}
}

// sendControl sends a message of ICMP into the sandbox.
func (n *Network) sendControl(from, to netip.Addr, answer []byte) {
	protocol, transport := tcpip.NetworkProtocolNumber(ipv4.ProtocolNumber), header.ICMPv4ProtocolNumber
	answer[2], answer[3] = 0, 0
	if from.Is6() {
		protocol, transport = ipv6.ProtocolNumber, header.ICMPv6ProtocolNumber
		header.ICMPv6(answer).SetChecksum(header.ICMPv6Checksum(header.ICMPv6ChecksumParams{Header: header.ICMPv6(answer), Src: address(from), Dst: address(to)}))
	} else {
		header.ICMPv4(answer).SetChecksum(header.ICMPv4Checksum(answer, 0))
	}
	route, err := n.stack.FindRoute(nic, address(from), address(to), protocol, false)
	if err != nil {
		return
	}
	defer route.Release()
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{ReserveHeaderBytes: int(route.MaxHeaderLength()), Payload: buffer.MakeWithData(answer)})
	defer pkt.DecRef()
	route.WritePacket(stack.NetworkHeaderParams{Protocol: transport, TTL: 64}, pkt)
}
