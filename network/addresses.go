package network

import "net/netip"

// The two ends of a private network, whichever sandbox it is: each has its own.
var (
	Guest4   = netip.AddrFrom4([4]byte{10, 0, 2, 15})
	Gateway4 = netip.AddrFrom4([4]byte{10, 0, 2, 2})
	Server4  = netip.AddrFrom4([4]byte{10, 0, 2, 3}) // of the domain name system

	Guest6   = addr6(0x15)
	Gateway6 = addr6(2)
	Server6  = addr6(3)

	// What slirp4netns has for IPv6 cannot be chosen.
	slirp6        = netip.MustParseAddr("fd00::100")
	slirpGateway6 = netip.MustParseAddr("fd00::2")

	GuestMAC   = [6]byte{0x52, 0x55, 10, 0, 2, 15}
	GatewayMAC = [6]byte{0x52, 0x55, 10, 0, 2, 2}
)

// Lengths of the prefixes of the networks that these are in.
const (
	Prefix4 = 24
	Prefix6 = 64
)

// HostName is the name of the gateway for the command.
const HostName = "host.snug.internal"

// addr6 is an address of a unique local network (RFC 4193), whose number was
// thrown with dice.
func addr6(n byte) netip.Addr {
	return netip.AddrFrom16([16]byte{0xfd, 0x53, 0x6e, 0x75, 0x67, 0x2a, 0, 0, 15: n})
}

// Closed are the ranges that are shut unless a rule names them or a part of them:
// link-local addresses, and others that clouds keep their machines' metadata at,
// with keys to more.
var Closed = []netip.Prefix{
	netip.MustParsePrefix("169.254.0.0/16"),
	linkLocal6,
	netip.MustParsePrefix("fd00:ec2::/32"),
	netip.MustParsePrefix("100.100.100.200/32"),
	netip.MustParsePrefix("168.63.129.16/32"),
}

var linkLocal6 = netip.MustParsePrefix("fe80::/10")
