package network

import (
	"encoding/binary"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/internal/plan"
	"github.com/snug-sandbox/snug/internal/program"
)

// netlink has the steps of a plan speak to the kernel's routing (rtnetlink(7)).
type netlink struct {
	*plan.Builder
	socket program.Reg
	answer program.Arg
}

func newNetlink(p *plan.Builder) netlink {
	fd := p.Do("speak to the kernel about interfaces", plan.Socket, plan.Num(unix.AF_NETLINK), plan.Num(unix.SOCK_RAW|unix.SOCK_CLOEXEC), plan.Num(unix.NETLINK_ROUTE)).Keep("netlink")
	return netlink{p, fd, p.Space(answerSize)}
}

// answerSize holds the header of an answer, an error number and the header of
// the message that is answered.
const answerSize = 16 + 4 + 16

// ask adds the steps that send a message and fail unless the kernel's answer is
// an error number of 0. The last one, which compares it, is returned.
func (n netlink) ask(label string, message []byte) plan.Step {
	n.Do(label, plan.Sendto, plan.Reg(n.socket), n.Bytes(message), plan.Num(uint64(len(message))), plan.Num(0), plan.Num(0), plan.Num(0)).Min(len(message))
	n.Do(label, plan.Recvfrom, plan.Reg(n.socket), n.answer, plan.Num(answerSize), plan.Num(0), plan.Num(0), plan.Num(0)).Min(20)
	failed := n.answer
	failed.Value += 16
	return n.Equal(label, failed, 0).Help(&program.Help{Errno: syscall.EAGAIN, Why: "the kernel refuses it"})
}

// message is one of rtnetlink's: a header, the fixed part, attributes.
func message(kind, flags uint16, fixed []byte, attributes ...[]byte) []byte {
	m := make([]byte, 16, 256)
	binary.NativeEndian.PutUint16(m[4:], kind)
	binary.NativeEndian.PutUint16(m[6:], unix.NLM_F_REQUEST|unix.NLM_F_ACK|flags)
	m = append(m, fixed...)
	for _, a := range attributes {
		m = append(m, a...)
	}
	binary.NativeEndian.PutUint32(m, uint32(len(m)))
	return m
}

// attribute is a struct rtattr with its value, aligned.
func attribute(kind uint16, value ...[]byte) []byte {
	a := make([]byte, 4, 64)
	for _, v := range value {
		a = append(a, v...)
	}
	binary.NativeEndian.PutUint16(a, uint16(len(a)))
	binary.NativeEndian.PutUint16(a[2:], kind)
	for len(a)%4 != 0 {
		a = append(a, 0)
	}
	return a
}

func number32(n uint32) []byte { return binary.NativeEndian.AppendUint32(nil, n) }

// linkInfo is a struct ifinfomsg.
func linkInfo(index int, flags uint32) []byte {
	m := make([]byte, 16)
	binary.NativeEndian.PutUint32(m[4:], uint32(index))
	binary.NativeEndian.PutUint32(m[8:], flags)
	binary.NativeEndian.PutUint32(m[12:], flags)
	return m
}

// addressNone is IN6_ADDR_GEN_MODE_NONE of linux/if_link.h, and vethInfoPeer
// VETH_INFO_PEER of linux/veth.h.
const addressNone, vethInfoPeer = 1, 1

// planVeth makes a pair of interfaces, and a packet socket on the one that is
// not for the command, which takes part in nothing itself.
func (n netlink) planVeth(label string, number program.Arg, device program.Reg, mtu int) {
	name := func(s string) []byte { return attribute(unix.IFLA_IFNAME, append([]byte(s), 0)) }
	size := attribute(unix.IFLA_MTU, number32(uint32(mtu)))
	noAddress := attribute(unix.IFLA_AF_SPEC, attribute(unix.AF_INET6, attribute(unix.IFLA_INET6_ADDR_GEN_MODE, []byte{addressNone})))
	other := attribute(vethInfoPeer, linkInfo(peerNumber, 0), name(peer), size)
	info := attribute(unix.IFLA_LINKINFO, attribute(unix.IFLA_INFO_KIND, []byte("veth")), attribute(unix.IFLA_INFO_DATA, other))
	n.ask(label, message(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL, linkInfo(index, 0), name(Interface), size, info)).
		Help(&program.Help{Errno: syscall.EAGAIN, Why: "/dev/net/tun cannot be opened, and the kernel makes no pair of veth interfaces instead",
			Fix: "sudo chmod 0666 /dev/net/tun (sudo modprobe tun, where it is missing), or sudo modprobe veth"})
	n.ask(label, message(unix.RTM_NEWLINK, 0, linkInfo(peerNumber, 0), noAddress)).Accept(syscall.EAGAIN)
	n.ask(label, message(unix.RTM_NEWLINK, 0, linkInfo(peerNumber, unix.IFF_UP|unix.IFF_NOARP)))
	n.Do(label, plan.Socket, plan.Num(unix.AF_PACKET), plan.Num(unix.SOCK_RAW|unix.SOCK_CLOEXEC), plan.Num(0)).Store(number).Into(device)
	// What goes out there was sent by the helper, which needs no copy of it.
	n.Do(label, plan.Setsockopt, plan.Reg(device), plan.Num(unix.SOL_PACKET), plan.Num(unix.PACKET_IGNORE_OUTGOING), n.Words(1), plan.Num(4))
	address := make([]byte, 20) // struct sockaddr_ll
	binary.NativeEndian.PutUint16(address, unix.AF_PACKET)
	binary.BigEndian.PutUint16(address[2:], unix.ETH_P_ALL)
	binary.NativeEndian.PutUint32(address[4:], peerNumber)
	n.Do(label, plan.Bind, plan.Reg(device), n.Bytes(address), plan.Num(uint64(len(address))))
}

// planAddresses gives the interface its addresses and routes, those of IPv6 by choice.
// A kernel without IPv6 is no obstacle.
func (n netlink) planAddresses(mtu int, own6, gateway6 netip.Addr) {
	const label = "configure the interface " + Interface
	n.ask(label, message(unix.RTM_NEWLINK, 0, linkInfo(index, unix.IFF_UP), attribute(unix.IFLA_MTU, number32(uint32(mtu))), attribute(unix.IFLA_ADDRESS, GuestMAC[:])))
	for _, a := range []struct {
		own, gateway netip.Addr
		length       byte
	}{{Guest4, Gateway4, Prefix4}, {own6, gateway6, Prefix6}} {
		family := byte(unix.AF_INET)
		if a.own.Is6() {
			family = unix.AF_INET6
		}
		own := a.own.AsSlice()
		// struct ifaddrmsg: nothing has to be asked whether the address is free.
		fixed := append([]byte{family, a.length, unix.IFA_F_NODAD, unix.RT_SCOPE_UNIVERSE}, number32(index)...)
		steps := []plan.Step{n.ask("give "+Interface+" the address "+a.own.String(), message(unix.RTM_NEWADDR, unix.NLM_F_CREATE, fixed,
			attribute(unix.IFA_LOCAL, own), attribute(unix.IFA_ADDRESS, own)))}
		route := []byte{family, 0, 0, 0, unix.RT_TABLE_MAIN, unix.RTPROT_STATIC, unix.RT_SCOPE_UNIVERSE, unix.RTN_UNICAST, 0, 0, 0, 0} // struct rtmsg
		steps = append(steps, n.ask("route to "+a.gateway.String(), message(unix.RTM_NEWROUTE, unix.NLM_F_CREATE, route,
			attribute(unix.RTA_GATEWAY, a.gateway.AsSlice()), attribute(unix.RTA_OIF, number32(index)))))
		if a.own.Is6() {
			for _, s := range steps {
				s.Accept(syscall.EAGAIN)
			}
			steps[0].Note("this kernel has no IPv6: the sandbox has none")
		}
	}
}

// planClosed has the kernel refuse packets to the ranges that are closed, where the
// driver knows no rules. Who has power over this network can undo that.
func (n netlink) planClosed() {
	for _, r := range Closed {
		if r == linkLocal6 { // only what is on the interface answers there
			continue
		}
		family := byte(unix.AF_INET)
		if r.Addr().Is6() {
			family = unix.AF_INET6
		}
		route := []byte{family, byte(r.Bits()), 0, 0, unix.RT_TABLE_MAIN, unix.RTPROT_STATIC, unix.RT_SCOPE_UNIVERSE, unix.RTN_PROHIBIT, 0, 0, 0, 0} // struct rtmsg
		step := n.ask("refuse packets to "+r.String(), message(unix.RTM_NEWROUTE, unix.NLM_F_CREATE, route, attribute(unix.RTA_DST, r.Addr().AsSlice())))
		if r.Addr().Is6() {
			step.Accept(syscall.EAGAIN) // this kernel has no IPv6
		}
	}
}
