package network

import (
	"errors"
	"fmt"
	"iter"
	"net/netip"
	"strconv"
	"strings"
	"syscall"

	"github.com/snug-sandbox/snug/internal/problem"
)

// Publication is one entry of Config.Publish.
type Publication struct {
	Address  netip.Addr // of the host
	Host     Ports      // of the host; First 0 is any free one
	Inside   Ports      // as many inside
	Protocol string     // TCP or UDP
}

// ParsePublication reads "[ADDRESS:][HOSTPORT:]PORT[/PROTOCOL]".
func ParsePublication(text string) (Publication, error) {
	p := Publication{Address: netip.AddrFrom4([4]byte{127, 0, 0, 1}), Protocol: TCP}
	rest, protocol, given := strings.Cut(text, "/")
	if given {
		if p.Protocol = strings.ToLower(protocol); p.Protocol != TCP && p.Protocol != UDP {
			return p, wrongRule(rest+"/tcp", "%q: %q is neither tcp nor udp", text, protocol)
		}
	}
	rest, err := p.address(rest, text)
	if err != nil {
		return p, err
	}
	parts := strings.Split(rest, ":")
	if len(parts) > 2 {
		return p, wrongRule("127.0.0.1:8080:80, or [::1]:8080:80", "%q has too many parts", text)
	}
	inside := parts[len(parts)-1]
	if p.Inside, err = ParsePorts(inside); err != nil {
		return p, wrongRule("8080:80", "%q: %v", text, err)
	}
	return p, p.hostPorts(parts[0], text)
}

// address takes the host's address off the front.
func (p *Publication) address(rest, text string) (string, error) {
	var word string
	if inner, ok := strings.CutPrefix(rest, "["); ok {
		var closed bool
		if word, rest, closed = strings.Cut(inner, "]:"); !closed {
			return "", wrongRule("[::1]:8080:80", "%q: an address in brackets ends with \"]:\"", text)
		}
	} else {
		if strings.Count(rest, ":") < 2 && !strings.Contains(rest, ".") {
			return rest, nil
		}
		word, rest, _ = strings.Cut(rest, ":")
	}
	a, err := netip.ParseAddr(word)
	if err != nil || a.Zone() != "" {
		fix := "127.0.0.1:8080:80; [::1]:8080:80 for IPv6"
		return "", wrongRule(fix, "%q: %q is not an address of this machine", text, word)
	}
	p.Address = a
	return rest, nil
}

func (p *Publication) hostPorts(word, text string) (err error) {
	if word == "" || word == "0" {
		if p.Inside.First != p.Inside.Last {
			return wrongRule("", "%q: a range needs the host's ports, too", text)
		}
		return nil
	}
	if p.Host, err = ParsePorts(word); err != nil {
		return wrongRule("8080:80", "%q: %v", text, err)
	}
	if outside, inside := p.Host.Last-p.Host.First, p.Inside.Last-p.Inside.First; outside != inside {
		return wrongRule("", "%q: %d ports of the host are not %d inside", text, int(outside)+1, int(inside)+1)
	}
	return nil
}

// String is the publication in full.
func (p Publication) String() string {
	host := p.Host.String()
	if host == "" {
		host = "0"
	}
	return bracket(p.Address.String()) + ":" + host + ":" + p.Inside.String() + "/" + p.Protocol
}

// collides reports whether two publications want the same port of the host.
func (p Publication) collides(o Publication) bool {
	if p.Protocol != o.Protocol || p.Host.Last == 0 || o.Host.Last == 0 || p.Host.First > o.Host.Last || o.Host.First > p.Host.Last {
		return false
	}
	return p.Address == o.Address || p.Address.BitLen() == o.Address.BitLen() && (p.Address.IsUnspecified() || o.Address.IsUnspecified())
}

// Ports are the host's addresses, with port 0 for any free one, and the ports
// inside that they lead to.
func (p Publication) Ports() iter.Seq2[netip.AddrPort, uint16] {
	return func(yield func(netip.AddrPort, uint16) bool) {
		for inside := int(p.Inside.First); inside <= int(p.Inside.Last); inside++ {
			host := 0
			if p.Host.Last != 0 {
				host = int(p.Host.First) + inside - int(p.Inside.First)
			}
			if !yield(netip.AddrPortFrom(p.Address, uint16(host)), uint16(inside)) {
				return
			}
		}
	}
}

// Published is how a port that leads inside is told of: "127.0.0.1:8080 -> 80/tcp".
func Published(host netip.AddrPort, inside uint16, protocol string) string {
	return host.String() + " -> " + strconv.Itoa(int(inside)) + "/" + protocol
}

// PublishProblem says why a port of the host, which the entry i of publish wants,
// cannot be had.
func PublishProblem(i int, at netip.AddrPort, protocol string, err error) error {
	p := &problem.Problem{What: fmt.Sprintf("network.publish[%d]", i), Err: err}
	where := protocol + " port " + strconv.Itoa(int(at.Port())) + " of " + at.Addr().String()
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		p.Why, p.Fix = where+" is in use", "choose another port, or find who has it: ss -lnp | grep :"+strconv.Itoa(int(at.Port()))
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		p.Why = where + " is below those that may be listened on without privileges (net.ipv4.ip_unprivileged_port_start), and the network's helper has none"
		p.Fix = fmt.Sprintf("a port from 1024 up, such as %d, or: sudo sysctl net.ipv4.ip_unprivileged_port_start=%d", int(at.Port())+8000, at.Port())
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		p.Why, p.Fix = at.Addr().String()+" is not an address of this machine", "127.0.0.1, [::1], or 0.0.0.0 for all"
	case errors.Is(err, syscall.EMFILE):
		p.Why, p.Fix = "too many ports for the limit of open files", "publish fewer ports, or raise the limit: ulimit -n"
	default:
		p.Why = where + ": " + err.Error()
	}
	return p
}

// key is the name of an element of a list, for problems.
func key(list string, i int) string { return fmt.Sprintf("network.%s[%s]", list, strconv.Itoa(i)) }
