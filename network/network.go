// Package network is what the sandbox can reach.
package network

import "github.com/snug-sandbox/snug/internal/units"

// Values of Config.Mode.
const (
	None    = "none"    // loopback only, in a network namespace of its own
	Host    = "host"    // the caller's network namespace
	Private = "private" // a network stack of its own, reaching out through user-mode networking
)

// Config is the table [network]. All keys but mode and join belong to the mode
// "private".
type Config struct {
	// Mode is "none" (default: an own network namespace with nothing but a
	// loopback interface that is up), "host" (the caller's network, with its
	// loopback services and abstract unix sockets), or "private": an interface
	// of its own, whose packets a helper program of Snug's turns into sockets of
	// the caller's, as far as the rules below let it.
	Mode string `toml:"mode"`
	// Join is the name of a running sandbox whose network namespace the command
	// gets, with its loopback interface and the rules of its network. It takes the
	// place of Mode and the other keys.
	Join string `toml:"join"`
	// Driver is what stands behind a private network: "auto" (default) and
	// "gvisor" are Snug's own helper; "slirp4netns" and "pasta" are programs of
	// these names, which have to be installed, and know no rules and no bandwidth.
	Driver string `toml:"driver"`
	// Allow is what can be reached: names ("example.org", "*.debian.org"),
	// addresses and ranges ("10.0.0.0/8", "2001:db8::/32"), or "*", each with a
	// port or a range of ports and a protocol ("example.org:443", "*:8000-8010/udp").
	// A name stands for what Snug's own resolver gives for it, and for TLS and HTTP
	// that say this name; it is TCP unless it says /udp. Addresses, ranges and "*"
	// without port and protocol are all of it. Default: everything. Once there is
	// an entry all else is refused.
	Allow []string `toml:"allow"`
	// Deny is refused, whatever Allow says; it is written in the same way. What
	// says no protocol is refused by all of them.
	Deny []string `toml:"deny"`
	// AllowECH lets TLS and QUIC hide a name within another where rules about names
	// decide (Encrypted Client Hello, RFC 9849). Browsers always look as if they
	// did. Default: that is refused, because a site that is allowed may share its
	// address with one that is not.
	AllowECH bool `toml:"allow_ech"`
	// Publish has ports of the host lead into the sandbox:
	// "[ADDRESS:][HOSTPORT:]PORT[/udp]", with ranges "9000-9010:9000-9010". The
	// address of the host is 127.0.0.1 unless it is given; host port 0 is any
	// free one.
	Publish []string `toml:"publish"`
	// PublishAll has any free port of 127.0.0.1 lead to each port that the image
	// says it listens on and that Publish does not have.
	PublishAll bool `toml:"publish_all"`
	// HostLoopback lets the command reach what listens on the host's loopback
	// interface, at the gateway's address and the name "host.snug.internal".
	HostLoopback bool `toml:"host_loopback"`
	// DNS are the servers that Snug's resolver asks. Default: those of the
	// host's /etc/resolv.conf.
	DNS []string `toml:"dns"`
	// MTU is the largest packet of the interface inside, in bytes, from 1280 to
	// 65520. Default: 65520, and 1500 where a bandwidth is held. Packets to the
	// world outside are the host's and have its size.
	MTU int64 `toml:"mtu"`
	// Bandwidth limits what goes through the interface.
	Bandwidth Bandwidth `toml:"bandwidth"`
	// Required ends the run when the helper program ends. Default: connections
	// fail then, and the result says so.
	Required bool `toml:"required"`

	// Reaches says that the network that is joined reaches out.
	Reaches bool `toml:"-"`

	// Exposed are the ports that the image says it listens on, such as
	// "80/tcp", once it was looked up. Nothing is reachable for that alone.
	Exposed []string `toml:"-"`
}

// Values of Config.Driver.
const (
	Auto   = "auto"
	GVisor = "gvisor"
	Slirp  = "slirp4netns"
	Pasta  = "pasta"
)

// Drivers are the values of Config.Driver.
var Drivers = []string{Auto, GVisor, Slirp, Pasta}

// Foreign reports whether the driver is another program, which enforces nothing.
func (c Config) Foreign() bool { return c.Driver == Slirp || c.Driver == Pasta }

// Bandwidth is the table [network.bandwidth].
type Bandwidth struct {
	// Up is what the command may send, as bits in a second ("2Mbit"). Default: no limit.
	Up units.Bandwidth `toml:"up"`
	// Down is what it may receive, as Up.
	Down units.Bandwidth `toml:"down"`
	// Latency is added to the way there and back: half of it in each direction.
	Latency units.Duration `toml:"latency"`
}

// Empty reports whether nothing is limited.
func (b Bandwidth) Empty() bool { return b == Bandwidth{} }
