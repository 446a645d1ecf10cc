// Package egress decides what a sandbox may reach: by address, by the names that
// its own resolver gave addresses for, and by the name that TLS and HTTP say.
package egress

import (
	"net/netip"
	"time"

	"github.com/snug-sandbox/snug/network"
)

// Policy holds the rules of one sandbox. Its methods may be called by several
// goroutines at a time.
type Policy struct {
	allow, deny []network.Rule
	closed      bool // what no rule allows is refused
	allowECH    bool
	pins        *Pins
}

// New returns the policy of a network.
func New(c network.Config) (*Policy, error) {
	allow, err := network.ParseRules(c.Allow)
	if err != nil {
		return nil, err
	}
	deny, err := network.ParseRules(c.Deny)
	if err != nil {
		return nil, err
	}
	return &Policy{allow: allow, deny: deny, closed: len(allow) > 0, allowECH: c.AllowECH, pins: NewPins(time.Now)}, nil
}

// Reasons for a refusal.
const (
	NotAllowed  = "not in allow"
	Denied      = "in deny"
	LinkLocal   = "link-local, where clouds keep their metadata"
	Loopback    = "the host's loopback; host_loopback opens it"
	NoUnicast   = "not the address of one machine"
	WrongName   = "the name that it says is not in allow"
	NoName      = "it says no name, and the rule is about names"
	NotLooked   = "the address is not one that the sandbox looked up"
	DeniedName  = "the name that it says is in deny"
	TwistedHTTP = "its HTTP is not clear about where requests end"
	TwistedQUIC = "its QUIC is not clear about whom it is for"
	UnknownQUIC = "a version of QUIC whose names cannot be read"
	SealedName  = "it may say another name, encrypted (ECH), and the rule is about names; allow_ech opens it"
	Unsaid      = "it does not say its name in time"
)

// Verdict is what becomes of a connection.
type Verdict struct {
	Allowed bool
	Why     string   // a refusal
	Names   []string // that the address was looked up as
	Check   bool     // its first bytes have to say a name that is fine: Policy.Says
}

func refuse(why string, names []string) Verdict { return Verdict{Why: why, Names: names} }

// Address judges a connection to an address. Protocol is one of network's.
func (p *Policy) Address(protocol string, to netip.AddrPort) Verdict {
	a := to.Addr().Unmap()
	names := p.pins.Names(a)
	if why := special(a); why != "" && !p.opens(protocol, a, to.Port()) {
		return refuse(why, names)
	}
	for _, r := range p.deny {
		if r.Denies(protocol, to.Port()) && (r.MatchesAddress(a) || len(names) > 0 && allNames(r, names)) {
			return refuse(Denied, names)
		}
	}
	if !p.closed {
		return Verdict{Allowed: true, Names: names, Check: says(protocol) && named(p.deny)}
	}
	v := p.listed(protocol, a, to.Port(), names)
	if v.Allowed && says(protocol) && named(p.deny) {
		v.Check = true
	}
	return v
}

// Denies reports whether a rule denies an address that stands for one name and is
// opened by something else than a rule.
func (p *Policy) Denies(protocol, name string, to netip.AddrPort) bool {
	for _, r := range p.deny {
		if r.Denies(protocol, to.Port()) && (r.MatchesAddress(to.Addr()) || r.MatchesName(name)) {
			return true
		}
	}
	return false
}

// listed looks for a rule that allows the address.
func (p *Policy) listed(protocol string, a netip.Addr, port uint16, names []string) Verdict {
	byName := false
	for _, r := range p.allow {
		if !r.Covers(protocol, port) {
			continue
		}
		if r.MatchesAddress(a) {
			return Verdict{Allowed: true, Names: names}
		}
		byName = byName || anyName(r, names)
	}
	switch {
	case byName:
		return Verdict{Allowed: true, Names: names, Check: says(protocol)}
	case len(names) == 0 && p.namesPort(protocol, port):
		return refuse(NotLooked, names)
	}
	return refuse(NotAllowed, names)
}

// says reports whether there are names in what is sent by a protocol.
func says(protocol string) bool { return protocol == network.TCP || protocol == network.UDP }

// namesPort reports whether a rule about names covers a port.
func (p *Policy) namesPort(protocol string, port uint16) bool {
	for _, r := range p.allow {
		if r.Named() && r.Covers(protocol, port) {
			return true
		}
	}
	return false
}

// opens reports whether a rule names an address that is shut by default: a
// range that is no wider than what is shut.
func (p *Policy) opens(protocol string, a netip.Addr, port uint16) bool {
	for _, r := range p.allow {
		if r.Prefix.IsValid() && r.Prefix.Contains(a) && r.Covers(protocol, port) && shut(r.Prefix) {
			return true
		}
	}
	return false
}

// Says judges the name that the first bytes of a connection to a port say.
// Name is empty where they say none.
func (p *Policy) Says(protocol, name string, to netip.AddrPort) Verdict {
	a := to.Addr().Unmap()
	for _, r := range p.deny {
		if name != "" && r.Named() && r.Denies(protocol, to.Port()) && r.MatchesName(name) {
			return refuse(DeniedName, []string{name})
		}
	}
	if !p.closed {
		return Verdict{Allowed: true}
	}
	for _, r := range p.allow {
		if !r.Covers(protocol, to.Port()) {
			continue
		}
		if r.MatchesAddress(a) || name != "" && r.MatchesName(name) {
			return Verdict{Allowed: true}
		}
	}
	if name == "" {
		return refuse(NoName, nil)
	}
	return refuse(WrongName, []string{name})
}

// Hello judges what a ClientHello says. One that may hold another says nothing for
// certain: what is there to make all look alike, and what opens another site at a
// shared address, cannot be told apart.
func (p *Policy) Hello(protocol string, h Hello, to netip.AddrPort) Verdict {
	v := p.Says(protocol, h.Name, to)
	if v.Allowed && h.Sealed && !p.allowECH && !p.Says(protocol, "", to).Allowed {
		return refuse(SealedName, []string{h.Name})
	}
	return v
}

// Opaque judges a connection whose first bytes are neither TLS nor HTTP. Where
// nothing but these two is spoken, they are no way around a check of names.
func (p *Policy) Opaque(to netip.AddrPort) Verdict {
	if port := to.Port(); p.closed && (port == 443 || port == 80) {
		return p.Says(network.TCP, "", to)
	}
	return Verdict{Allowed: true}
}

// Strict reports whether datagrams to a port may be of no version of QUIC but
// those whose names can be read.
func (p *Policy) Strict(to netip.AddrPort) bool { return p.closed && to.Port() == 443 }

// Lookup judges a question for a name.
func (p *Policy) Lookup(name string) Verdict {
	for _, r := range p.deny {
		// A rule with a port leaves the rest of the host reachable.
		if r.Named() && r.MatchesName(name) && r.Ports.Last == 0 && r.Protocol == "" {
			return refuse(Denied, []string{name})
		}
	}
	if !p.closed {
		return Verdict{Allowed: true}
	}
	for _, r := range p.allow {
		if r.MatchesName(name) {
			return Verdict{Allowed: true}
		}
	}
	return refuse(NotAllowed, []string{name})
}

// Pin notes that a name was looked up and had these addresses. They stand for
// the name for its time to live.
func (p *Policy) Pin(name string, addresses []netip.Addr, ttl time.Duration) {
	p.pins.Add(name, addresses, ttl)
}

// Filters reports whether names matter at all.
func (p *Policy) Filters() bool { return p.closed || len(p.deny) > 0 }

func anyName(r network.Rule, names []string) bool {
	if !r.Named() {
		return false
	}
	for _, n := range names {
		if r.MatchesName(n) {
			return true
		}
	}
	return false
}

// allNames is anyName for all of them: an address that stands for another name,
// too, is judged by what its connections say.
func allNames(r network.Rule, names []string) bool {
	for _, n := range names {
		if !r.Named() || !r.MatchesName(n) {
			return false
		}
	}
	return true
}

func named(rules []network.Rule) bool {
	for _, r := range rules {
		if r.Named() {
			return true
		}
	}
	return false
}

// never are addresses that no packet of a sandbox goes to, whatever the rules say.
var never = []struct {
	prefix netip.Prefix
	why    string
}{
	{netip.MustParsePrefix("127.0.0.0/8"), Loopback},
	{netip.MustParsePrefix("::1/128"), Loopback},
	{netip.MustParsePrefix("0.0.0.0/8"), NoUnicast},
	{netip.MustParsePrefix("::/128"), NoUnicast},
	{netip.MustParsePrefix("224.0.0.0/3"), NoUnicast},
	{netip.MustParsePrefix("ff00::/8"), NoUnicast},
}

// special says why an address is shut by default, or "". What is in IPv6 a way
// to write an address of IPv4 is judged as that.
func special(a netip.Addr) string {
	if inner, ok := embedded(a); ok {
		if why := special(inner); why != "" {
			return why
		}
	}
	for _, r := range never {
		if r.prefix.Contains(a) {
			return r.why
		}
	}
	for _, r := range network.Closed {
		if r.Contains(a) {
			return LinkLocal
		}
	}
	return ""
}

// embedded is the address of IPv4 within one of IPv6: mapped, compatible, 6to4
// and NAT64.
func embedded(a netip.Addr) (netip.Addr, bool) {
	if !a.Is6() {
		return a, false
	}
	b := a.As16()
	switch {
	case a.Is4In6():
		return a.Unmap(), true
	case b[0] == 0x20 && b[1] == 2:
		return netip.AddrFrom4([4]byte(b[2:6])), true
	case netip.MustParsePrefix("64:ff9b::/96").Contains(a):
		return netip.AddrFrom4([4]byte(b[12:])), true
	case netip.MustParsePrefix("::/96").Contains(a) && a != netip.IPv6Loopback() && a != netip.IPv6Unspecified():
		return netip.AddrFrom4([4]byte(b[12:])), true
	}
	return a, false
}

// shut reports whether a range lies within one that is shut by default, and can
// be opened by naming it.
func shut(p netip.Prefix) bool {
	for _, r := range network.Closed {
		if r.Bits() <= p.Bits() && r.Contains(p.Addr()) {
			return true
		}
	}
	return false
}
