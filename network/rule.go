package network

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Protocols of a Rule.
const (
	TCP  = "tcp"
	UDP  = "udp"
	ICMP = "icmp" // echo requests: ping(8)
)

// Rule is one entry of Config.Allow or Config.Deny.
type Rule struct {
	Text     string       // as it was written
	Name     string       // in lower case, without the final dot; empty for addresses
	Below    bool         // the names below Name ("*.example.org"), not Name itself
	Prefix   netip.Prefix // for addresses
	Any      bool         // "*": every name and address
	Ports    Ports        // zero: all
	Protocol string       // empty: what the key says
}

// Ports is a range, both ends within. The zero value is all ports.
type Ports struct{ First, Last uint16 }

// Contains reports whether p is in the range.
func (r Ports) Contains(p uint16) bool { return r.Last == 0 || p >= r.First && p <= r.Last }

// String returns "80" or "80-90", and "" for all.
func (r Ports) String() string {
	switch {
	case r.Last == 0:
		return ""
	case r.First == r.Last:
		return strconv.Itoa(int(r.First))
	}
	return strconv.Itoa(int(r.First)) + "-" + strconv.Itoa(int(r.Last))
}

// Named reports whether the rule is about names.
func (r Rule) Named() bool { return r.Name != "" }

// Covers reports whether the rule says something of a protocol and port.
func (r Rule) Covers(protocol string, port uint16) bool {
	if r.Protocol != "" {
		return r.Protocol == protocol && (protocol == ICMP || r.Ports.Contains(port))
	}
	if r.Named() || r.Ports.Last != 0 {
		return protocol == TCP && r.Ports.Contains(port)
	}
	return true // addresses with neither port nor protocol
}

// Denies is Covers for a rule of Config.Deny: what says no protocol is all of them.
func (r Rule) Denies(protocol string, port uint16) bool {
	switch {
	case r.Protocol != "":
		return r.Covers(protocol, port)
	case protocol == ICMP:
		return r.Ports.Last == 0
	}
	return r.Ports.Contains(port)
}

// MatchesName reports whether the rule is about a name, in lower case and
// without the final dot.
func (r Rule) MatchesName(name string) bool {
	switch {
	case r.Any:
		return true
	case r.Name == "":
		return false
	case r.Below:
		return strings.HasSuffix(name, "."+r.Name)
	}
	return name == r.Name
}

// MatchesAddress reports whether the rule is about an address.
func (r Rule) MatchesAddress(a netip.Addr) bool {
	return r.Any || r.Prefix.IsValid() && r.Prefix.Contains(a.Unmap())
}

// RuleError says what is wrong with a rule or a publication, and what to write:
// an example, or what was meant, which is Near.
type RuleError struct{ Why, Fix, Near string }

// Error returns Why.
func (e *RuleError) Error() string { return e.Why }

func wrongRule(fix, format string, args ...any) error {
	return &RuleError{Why: fmt.Sprintf(format, args...), Fix: fix}
}

// nearRule is wrongRule where it is clear what was meant.
func nearRule(near, format string, args ...any) error {
	return &RuleError{Why: fmt.Sprintf(format, args...), Fix: near, Near: near}
}

// ParseRule reads a rule: HOST[:PORT[-PORT]][/PROTOCOL].
func ParseRule(text string) (Rule, error) {
	r := Rule{Text: text}
	host, err := r.protocol(text)
	if err != nil {
		return r, err
	}
	if strings.Contains(host, "://") {
		_, rest, _ := strings.Cut(text, "://")
		name, _, _ := strings.Cut(rest, "/")
		return r, nearRule(name, "%q is a URL, not a host", text)
	}
	host, ports, found := splitPorts(host)
	if found {
		if r.Ports, err = ParsePorts(ports); err != nil {
			return r, wrongRule("example.org:443", "%q: %v", text, err)
		}
	}
	if found && r.Protocol == ICMP {
		return r, nearRule(host+"/icmp", "%q: icmp has no ports", text)
	}
	return r, r.host(host, text)
}

// protocol takes the protocol off the end.
func (r *Rule) protocol(text string) (string, error) {
	at := strings.LastIndexByte(text, '/')
	if at < 0 {
		return text, nil
	}
	word := text[at+1:]
	switch strings.ToLower(word) {
	case TCP, UDP, ICMP:
		r.Protocol = strings.ToLower(word)
		return text[:at], nil
	}
	if word != "" && strings.Trim(word, "0123456789:-]") == "" { // a range of addresses
		return text, nil
	}
	if strings.Contains(text, "://") {
		return text, nil
	}
	return "", wrongRule(text[:at], "%q: %q is not one of tcp, udp and icmp", text, word)
}

// splitPorts takes the ports off the end. An address of IPv6 with ports is in
// brackets.
func splitPorts(text string) (host, ports string, found bool) {
	if inner, ok := strings.CutPrefix(text, "["); ok {
		host, rest, closed := strings.Cut(inner, "]")
		if !closed {
			return text, "", false
		}
		if length, after, has := strings.Cut(rest, ":"); strings.HasPrefix(length, "/") { // [2001:db8::]/32:443
			return host + length, after, has
		}
		ports, found = strings.CutPrefix(rest, ":")
		if !found && rest != "" {
			return text, "", false
		}
		return host, ports, found
	}
	if address, length, isRange := strings.Cut(text, "/"); isRange { // 2001:db8::/32:443
		length, ports, found = strings.Cut(length, ":")
		return address + "/" + length, ports, found
	}
	if strings.Count(text, ":") > 1 {
		return text, "", false
	}
	return strings.Cut(text, ":")
}

// ParsePorts reads "80" or "8000-8010".
func ParsePorts(text string) (Ports, error) {
	low, high, isRange := strings.Cut(text, "-")
	if !isRange {
		high = low
	}
	first, err := parsePort(low)
	if err != nil {
		return Ports{}, err
	}
	last, err := parsePort(high)
	if err != nil {
		return Ports{}, err
	}
	if first > last {
		return Ports{}, fmt.Errorf("the range of ports %s ends before it begins", text)
	}
	return Ports{first, last}, nil
}

func parsePort(text string) (uint16, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 || text[0] == '+' {
		return 0, fmt.Errorf("%q is not a port from 1 to 65535", text)
	}
	return uint16(n), nil
}

// host reads the part that says who.
func (r *Rule) host(host, text string) error {
	switch {
	case host == "":
		return wrongRule("example.org:443, or * for every host", "%q names no host", text)
	case host == "*":
		r.Any = true
		return nil
	case strings.Contains(host, "/"):
		p, err := netip.ParsePrefix(host)
		if err != nil {
			return wrongRule("10.0.0.0/8", "%q is not a range of addresses", host)
		}
		if p.Masked() != p {
			return nearRule(p.Masked().String(), "%q has bits set behind the length of its prefix", host)
		}
		r.Prefix = p
		return nil
	}
	if a, err := netip.ParseAddr(host); err == nil && a.Zone() == "" {
		a = a.Unmap()
		r.Prefix = netip.PrefixFrom(a, a.BitLen())
		return nil
	}
	name, below := strings.CutPrefix(host, "*.")
	name = CanonicalName(name)
	if why := badName(name); why != "" {
		fix := ""
		if strings.Contains(name, "*") {
			fix = "\"*.example.org\": a star stands for whole names in front"
		}
		return wrongRule(fix, "%q is neither a name nor an address: %s", host, why)
	}
	r.Name, r.Below = name, below
	return nil
}

// CanonicalName is a name of the domain name system as rules have it: in lower case, without the final dot.
func CanonicalName(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

// IsName reports whether a canonical name can be one of the domain name system.
func IsName(name string) bool { return badName(name) == "" }

// badName says why a name can be none of the domain name system, or "".
func badName(name string) string {
	if len(name) > 253 {
		return "it is longer than 253 bytes"
	}
	labels := strings.Split(name, ".")
	for _, label := range labels {
		switch {
		case label == "":
			return "a part of it is empty"
		case len(label) > 63:
			return "a part of it is longer than 63 bytes"
		case strings.IndexFunc(label, func(c rune) bool { return c > 126 }) >= 0:
			return "it holds letters beyond ASCII; write it as programs send it, with xn--"
		case strings.IndexFunc(label, notInName) >= 0 || label[0] == '-':
			return "it holds what no name has"
		}
	}
	if last := labels[len(labels)-1]; strings.Trim(last, "0123456789") == "" {
		return "its last part is a number"
	}
	return ""
}

func notInName(c rune) bool {
	return !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_')
}

// ParseRules reads a list of rules.
func ParseRules(list []string) ([]Rule, error) {
	rules := make([]Rule, 0, len(list))
	for _, text := range list {
		r, err := ParseRule(text)
		if err != nil {
			return nil, err
		}
		rules = append(rules, r)
	}
	return rules, nil
}
