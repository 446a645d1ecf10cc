package usernet

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"

	"github.com/snug-sandbox/snug/network"
)

const (
	dnsPort       = 53
	mostQuestions = 256 // at a time
	dnsTCPIdle    = 10 * time.Second
	plainUDP      = 512 // RFC 1035, 2.3.4
	typeSVCB      = dnsmessage.Type(64)
	typeHTTPS     = dnsmessage.Type(65)
)

// listenDNS answers questions for names at the addresses that the sandbox's
// resolv.conf has.
func (n *Network) listenDNS() error {
	busy := make(chan struct{}, mostQuestions)
	for _, server := range []netip.Addr{network.Server4, network.Server6} {
		at, protocol := fullAddress(netip.AddrPortFrom(server, dnsPort))
		socket, err := gonet.DialUDP(n.stack, &at, nil, protocol)
		if err != nil {
			return fmt.Errorf("the resolver: %w", err)
		}
		go n.serveQuestions(socket, busy)
		listener, err := gonet.ListenTCP(n.stack, tcpip.FullAddress{NIC: nic, Addr: at.Addr, Port: at.Port}, protocol)
		if err != nil {
			return fmt.Errorf("the resolver: %w", err)
		}
		go func() {
			for {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				select {
				case busy <- struct{}{}:
					go func() {
						n.serveStream(conn)
						<-busy
					}()
				default:
					conn.Close()
				}
			}
		}()
	}
	return nil
}

func (n *Network) serveQuestions(socket *gonet.UDPConn, busy chan struct{}) {
	buffer := make([]byte, 64<<10)
	for {
		got, from, err := socket.ReadFrom(buffer)
		if err != nil {
			return
		}
		question := append([]byte{}, buffer[:got]...)
		select {
		case busy <- struct{}{}:
		default:
			continue // it will ask again
		}
		go func() {
			defer func() { <-busy }()
			source := uint16(0)
			if a, ok := from.(*net.UDPAddr); ok {
				source = a.AddrPort().Port()
			}
			if answer := n.answer(question, source, true); answer != nil {
				socket.WriteTo(answer, from)
			}
		}()
	}
}

// serveStream answers questions on one connection (RFC 7766).
func (n *Network) serveStream(conn net.Conn) {
	defer conn.Close()
	source := unmapped(conn.RemoteAddr()).Port()
	for {
		conn.SetDeadline(time.Now().Add(dnsTCPIdle))
		var length [2]byte
		if _, err := io.ReadFull(conn, length[:]); err != nil {
			return
		}
		question := make([]byte, binary.BigEndian.Uint16(length[:]))
		if _, err := io.ReadFull(conn, question); err != nil {
			return
		}
		answer := n.answer(question, source, false)
		if answer == nil {
			return
		}
		conn.SetDeadline(time.Now().Add(dnsTCPIdle))
		if _, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...)); err != nil {
			return
		}
	}
}

// query is a question that was understood.
type query struct {
	header   dnsmessage.Header
	question dnsmessage.Question
	name     string // canonical
	size     int    // of the largest answer by UDP
}

// parseQuery reads a message that asks for one name; the code says why it is none.
func parseQuery(message []byte) (q query, code dnsmessage.RCode, ok bool) {
	var p dnsmessage.Parser
	var err error
	if q.header, err = p.Start(message); err != nil || q.header.Response {
		return q, 0, false
	}
	if q.header.OpCode != 0 {
		return q, dnsmessage.RCodeNotImplemented, false
	}
	questions, err := p.AllQuestions()
	if err != nil || len(questions) != 1 {
		return q, dnsmessage.RCodeFormatError, false
	}
	q.question, q.size = questions[0], plainUDP
	q.name = network.CanonicalName(q.question.Name.String())
	if p.SkipAllAnswers() == nil && p.SkipAllAuthorities() == nil {
		for {
			h, err := p.AdditionalHeader()
			if err != nil {
				break
			}
			if h.Type == dnsmessage.TypeOPT {
				q.size = max(plainUDP, int(h.Class))
			}
			if p.SkipAdditional() != nil {
				break
			}
		}
	}
	return q, 0, true
}

// reply is a message of the resolver's own.
func (q query) reply(code dnsmessage.RCode, resources ...dnsmessage.Resource) []byte {
	h := dnsmessage.Header{ID: q.header.ID, Response: true, RecursionDesired: q.header.RecursionDesired, RecursionAvailable: true, RCode: code}
	m := dnsmessage.Message{Header: h, Answers: resources}
	if q.question.Name.Length > 0 {
		m.Questions = []dnsmessage.Question{q.question}
	}
	text, err := m.Pack()
	if err != nil {
		return nil
	}
	return text
}

// answer is what a question gets; nil is nothing.
func (n *Network) answer(message []byte, source uint16, short bool) []byte {
	q, code, ok := parseQuery(message)
	if !ok {
		if code == 0 {
			return nil
		}
		return q.reply(code)
	}
	if q.question.Class != dnsmessage.ClassINET {
		return q.reply(dnsmessage.RCodeRefused)
	}
	if own, ok := n.ownNames(q.name); ok {
		return n.known(q, own)
	}
	if v := n.policy.Lookup(q.name); !v.Allowed {
		n.contacts.refuse(network.DNS, []string{q.name}, netip.AddrPort{}, v.Why, source)
		return q.reply(dnsmessage.RCodeNameError)
	}
	if own := n.names.hosts(q.name); len(own) > 0 {
		return n.known(q, own)
	}
	if n.policy.Filters() && (q.question.Type == typeSVCB || q.question.Type == typeHTTPS) {
		// They hold addresses that nobody has looked up, and keys that hide names.
		return q.reply(dnsmessage.RCodeSuccess)
	}
	answer := n.names.ask(q)
	if answer == nil {
		return q.reply(dnsmessage.RCodeServerFailure)
	}
	addresses, ttl := addressesOf(answer, q.name)
	n.policy.Pin(q.name, addresses, ttl)
	binary.BigEndian.PutUint16(answer, q.header.ID)
	if short && len(answer) > q.size {
		cut := q.reply(dnsmessage.RCodeSuccess)
		if len(cut) > 2 {
			cut[2] |= 2 // truncated: ask by TCP
		}
		return cut
	}
	return answer
}

// ownNames are those that nobody outside is asked for.
func (n *Network) ownNames(name string) ([]netip.Addr, bool) {
	switch {
	case name == network.HostName && n.config.HostLoopback:
		return []netip.Addr{network.Gateway4, network.Gateway6}, true
	case name == network.HostName:
		return nil, true
	case name == "localhost" || len(name) > 10 && name[len(name)-10:] == ".localhost":
		return []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}, true
	}
	return nil, false
}

// known answers with addresses that are known here.
func (n *Network) known(q query, addresses []netip.Addr) []byte {
	const ttl = 10
	if len(addresses) == 0 {
		return q.reply(dnsmessage.RCodeNameError)
	}
	var list []dnsmessage.Resource
	for _, a := range addresses {
		h := dnsmessage.ResourceHeader{Name: q.question.Name, Class: dnsmessage.ClassINET, TTL: ttl}
		switch {
		case a.Is4() && q.question.Type == dnsmessage.TypeA:
			list = append(list, dnsmessage.Resource{Header: h, Body: &dnsmessage.AResource{A: a.As4()}})
		case a.Is6() && q.question.Type == dnsmessage.TypeAAAA:
			list = append(list, dnsmessage.Resource{Header: h, Body: &dnsmessage.AAAAResource{AAAA: a.As16()}})
		}
	}
	n.policy.Pin(q.name, addresses, ttl*time.Second)
	return q.reply(dnsmessage.RCodeSuccess, list...)
}

// addressesOf are those that an answer gives for a name, by the names that it is
// an alias of, and for how long. What else is in the answer is not about it.
func addressesOf(answer []byte, name string) (list []netip.Addr, ttl time.Duration) {
	var p dnsmessage.Parser
	if _, err := p.Start(answer); err != nil || p.SkipAllQuestions() != nil {
		return nil, 0
	}
	records, err := p.AllAnswers()
	if err != nil && len(records) == 0 {
		return nil, 0
	}
	mine := map[string]bool{name: true}
	least := uint32(1 << 31)
	for range 8 { // aliases may come in any order
		before := len(mine)
		for _, r := range records {
			if c, ok := r.Body.(*dnsmessage.CNAMEResource); ok && mine[network.CanonicalName(r.Header.Name.String())] {
				mine[network.CanonicalName(c.CNAME.String())] = true
				least = min(least, r.Header.TTL)
			}
		}
		if len(mine) == before {
			break
		}
	}
	for _, r := range records {
		if !mine[network.CanonicalName(r.Header.Name.String())] {
			continue
		}
		switch b := r.Body.(type) {
		case *dnsmessage.AResource:
			list, least = append(list, netip.AddrFrom4(b.A)), min(least, r.Header.TTL)
		case *dnsmessage.AAAAResource:
			list, least = append(list, netip.AddrFrom16(b.AAAA)), min(least, r.Header.TTL)
		}
	}
	return list, time.Duration(least) * time.Second
}
