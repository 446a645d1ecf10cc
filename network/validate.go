package network

import (
	"errors"
	"net/netip"
	"slices"
	"strconv"

	"github.com/snug-sandbox/snug/internal/problem"
)

// Bounds of Config.MTU: the least that IPv6 may have (RFC 8200), and the most
// that a tap device takes.
const (
	minMTU     = 1280
	DefaultMTU = 65520
)

// Validate reports what makes no sense on any machine.
func (c Config) Validate() error {
	var list problem.List
	bad := func(key, why, fix string) {
		list = append(list, &problem.Problem{What: key, Why: why, Fix: fix})
	}
	switch c.Mode {
	case "", None, Host, Private:
	default:
		bad("network.mode", strconv.Quote(c.Mode)+" is not a mode", "one of none, host, private")
	}
	if key := c.privateKey(); key != "" && c.Mode != Private {
		bad(key, "only a private network has it", "mode = \"private\" in [network], or --net private")
	}
	if c.Join != "" && (c.Mode != "" || c.privateKey() != "") {
		bad("network.join", "the network that is joined has its mode and its rules already", "leave out the other keys of [network]")
	}
	if c.Driver != "" && !slices.Contains(Drivers, c.Driver) {
		bad("network.driver", strconv.Quote(c.Driver)+" is not a driver", "one of auto, gvisor, slirp4netns, pasta")
	}
	if key := c.ownKey(); c.Foreign() && key != "" {
		bad(key, c.Driver+" does not have it", "driver = \"gvisor\", which is the default")
	}
	c.validateRules(bad)
	c.validatePublish(bad)
	for i, text := range c.DNS {
		if _, err := ParseServer(text); err != nil {
			bad(key("dns", i), strconv.Quote(text)+" is not the address of a server", "192.0.2.53, or [2001:db8::53]:5353 with a port")
		}
	}
	if c.MTU != 0 && (c.MTU < minMTU || c.MTU > DefaultMTU) {
		bad("network.mtu", strconv.FormatInt(c.MTU, 10)+" is not between 1280 and 65520", "")
	}
	if c.Bandwidth.Up < 0 || c.Bandwidth.Down < 0 || c.Bandwidth.Latency < 0 {
		bad("network.bandwidth", "a limit is below zero", "")
	}
	return list.Err()
}

// privateKey is a key that was given and only Private has.
func (c Config) privateKey() string {
	switch {
	case len(c.Publish) > 0:
		return "network.publish"
	case c.HostLoopback:
		return "network.host_loopback"
	case c.MTU != 0:
		return "network.mtu"
	case c.Required:
		return "network.required"
	case c.Driver != "":
		return "network.driver"
	}
	return c.ownKey()
}

// ownKey is a key that was given and only Snug's own driver has.
func (c Config) ownKey() string {
	switch {
	case c.PublishAll:
		return "network.publish_all"
	case len(c.Allow) > 0:
		return "network.allow"
	case len(c.Deny) > 0:
		return "network.deny"
	case c.AllowECH:
		return "network.allow_ech"
	case len(c.DNS) > 0:
		return "network.dns"
	case !c.Bandwidth.Empty():
		return "network.bandwidth"
	}
	return ""
}

func (c Config) validateRules(bad func(key, why, fix string)) {
	for name, list := range map[string][]string{"allow": c.Allow, "deny": c.Deny} {
		for i, text := range list {
			var wrong *RuleError
			if _, err := ParseRule(text); errors.As(err, &wrong) {
				bad(key(name, i), wrong.Why, wrong.Fix)
			}
		}
	}
}

func (c Config) validatePublish(bad func(key, why, fix string)) {
	var all []Publication
	for i, text := range c.Publish {
		p, err := ParsePublication(text)
		var wrong *RuleError
		if errors.As(err, &wrong) {
			bad(key("publish", i), wrong.Why, wrong.Fix)
			continue
		}
		for _, other := range all {
			if p.collides(other) {
				bad(key("publish", i), "it takes a port of the host that "+strconv.Quote(other.String())+" has", "")
				break
			}
		}
		all = append(all, p)
	}
}

// ParseServer reads the address of a server of the domain name system, with a
// port or without.
func ParseServer(text string) (netip.AddrPort, error) {
	if a, err := netip.ParseAddr(text); err == nil {
		return netip.AddrPortFrom(a, 53), nil
	}
	return netip.ParseAddrPort(text)
}
