package usernet

import (
	"encoding/binary"
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

	"github.com/snug-sandbox/snug/network"
)

const (
	echoPatience = 10 * time.Second
	mostEchoes   = 256 // requests that are not answered yet
)

// ping sends an echo request of the sandbox's from a socket that the host gives
// to anybody in net.ipv4.ping_group_range (icmp(7)), and its answer back. It
// reports whether the request was taken: one to the stack's own addresses is not.
func (n *Network) ping(from, to netip.Addr, request []byte) bool {
	if target, ok := n.target(netip.AddrPortFrom(to, 0)); !ok || target.Addr() != to {
		return false
	}
	_, verdict := n.judge(network.ICMP, netip.AddrPortFrom(to, 0))
	if !verdict.Allowed {
		go n.contacts.refuse(network.ICMP, verdict.Names, netip.AddrPortFrom(to, 0), verdict.Why, 0)
		return true
	}
	if n.link.echoes.Add(1) > mostEchoes {
		n.link.echoes.Add(-1)
		return true
	}
	go func() {
		defer n.link.echoes.Add(-1)
		if answer := echo(to, request); answer != nil {
			n.contacts.reached(network.ICMP, verdict.Names, netip.AddrPortFrom(to, 0))
			n.sendEcho(to, from, answer)
		}
	}()
	return true
}

// echo sends a request, and returns the answer to it with the request's own
// identifier: the socket has another one.
func echo(to netip.Addr, request []byte) []byte {
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
		return nil
	}
	if unix.Connect(fd, address) != nil {
		unix.Close(fd)
		return nil
	}
	f := os.NewFile(uintptr(fd), "ping")
	defer f.Close()
	f.SetDeadline(time.Now().Add(echoPatience))
	if _, err := f.Write(request); err != nil {
		return nil
	}
	answer := make([]byte, 64<<10)
	for {
		got, err := f.Read(answer)
		if err != nil {
			return nil
		}
		// Type, code, checksum, identifier, sequence.
		if got >= 8 && binary.BigEndian.Uint16(answer[6:]) == binary.BigEndian.Uint16(request[6:]) {
			copy(answer[4:6], request[4:6])
			return answer[:got]
		}
	}
}

// sendEcho sends an answer into the sandbox.
func (n *Network) sendEcho(from, to netip.Addr, answer []byte) {
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
