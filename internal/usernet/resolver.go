package usernet

import (
	"crypto/rand"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/snug-sandbox/snug/network"
)

// Times of a question to one server (resolv.conf(5)), and how long what was read
// of the host's files counts.
const (
	askPatience = 1500 * time.Millisecond // in the first round, and twice of it in the second
	askRounds   = 2
	fresh       = 5 * time.Second
	mostFile    = 1 << 20
)

// resolver asks the host's servers.
type resolver struct {
	fixed   []netip.AddrPort // servers that the profile names
	mu      sync.Mutex
	read    time.Time // when the files were read
	servers []netip.AddrPort
	silent  map[netip.AddrPort]time.Time // those that did not answer, and when
	names   map[string][]netip.Addr      // of /etc/hosts
}

func newResolver(servers []string) *resolver {
	r := &resolver{silent: map[netip.AddrPort]time.Time{}}
	for _, text := range servers {
		if a, err := network.ParseServer(text); err == nil {
			r.fixed = append(r.fixed, a)
		}
	}
	return r
}

// refresh reads the host's files again from time to time: the host may move to
// another network.
func (r *resolver) refresh() {
	if time.Since(r.read) < fresh && !r.read.IsZero() {
		return
	}
	r.read = time.Now()
	r.servers, r.names = r.fixed, map[string][]netip.Addr{}
	if len(r.fixed) == 0 {
		r.servers = parseServers(readFile("/etc/resolv.conf"))
	}
	for line := range strings.Lines(readFile("/etc/hosts")) {
		text, _, _ := strings.Cut(line, "#")
		words := strings.Fields(text)
		if len(words) < 2 {
			continue
		}
		a, err := netip.ParseAddr(words[0])
		if err != nil || a.Zone() != "" {
			continue
		}
		for _, name := range words[1:] {
			name = network.CanonicalName(name)
			r.names[name] = append(r.names[name], a.Unmap())
		}
	}
}

func readFile(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	text, _ := io.ReadAll(io.LimitReader(f, mostFile))
	return string(text)
}

// parseServers reads the servers of a resolv.conf(5); without one it is that of
// this machine.
func parseServers(text string) (list []netip.AddrPort) {
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) < 2 || words[0] != "nameserver" {
			continue
		}
		if a, err := netip.ParseAddr(words[1]); err == nil {
			list = append(list, netip.AddrPortFrom(a, dnsPort))
		}
	}
	if len(list) == 0 {
		list = append(list, netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), dnsPort))
	}
	return list
}

// hosts are the addresses of a name in the host's /etc/hosts. A loopback address
// means the host itself, and is none here.
func (r *resolver) hosts(name string) []netip.Addr {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refresh()
	return slices.DeleteFunc(slices.Clone(r.names[name]), netip.Addr.IsLoopback)
}

// list are the servers, those that did not answer lately at its end.
func (r *resolver) list() []netip.AddrPort {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refresh()
	list := slices.Clone(r.servers)
	slices.SortStableFunc(list, func(a, b netip.AddrPort) int { return r.silent[a].Compare(r.silent[b]) })
	return list
}

// note remembers whether a server answers.
func (r *resolver) note(server netip.AddrPort, answers bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.silent, server)
	if !answers && len(r.silent) < mostSilent {
		r.silent[server] = time.Now()
	}
}

const mostSilent = 64

// ask asks one server after the other, and returns the first answer that says
// something; nil when none comes. The message is made anew: nothing but the name
// and the type of the sandbox's question goes out.
func (r *resolver) ask(q query) []byte {
	servers := r.list()
	var failed []byte
	for round := range askRounds {
		for _, server := range servers {
			answer := exchange(q, server, askPatience*time.Duration(round+1))
			r.note(server, answer != nil)
			if answer == nil {
				continue
			}
			switch code := dnsmessage.RCode(answer[3] & 15); code {
			case dnsmessage.RCodeServerFailure, dnsmessage.RCodeRefused, dnsmessage.RCodeNotImplemented:
				failed = answer
			default:
				return answer
			}
		}
	}
	return failed
}

// exchange asks one server, by TCP where the answer is too long for UDP.
func exchange(q query, server netip.AddrPort, patience time.Duration) []byte {
	question := q.outgoing()
	if question == nil {
		return nil
	}
	answer := exchangeUDP(question, server, patience)
	if answer == nil || answer[2]&2 == 0 {
		return answer
	}
	if whole := exchangeTCP(question, server, patience); whole != nil {
		return whole
	}
	return answer
}

// outgoing is the question with an identifier that nobody can guess.
func (q query) outgoing() []byte {
	var id [2]byte
	rand.Read(id[:])
	b := dnsmessage.NewBuilder(nil, dnsmessage.Header{ID: binary.BigEndian.Uint16(id[:]), RecursionDesired: true, CheckingDisabled: q.header.CheckingDisabled})
	b.EnableCompression()
	if b.StartQuestions() != nil || b.Question(q.question) != nil || b.StartAdditionals() != nil {
		return nil
	}
	var h dnsmessage.ResourceHeader
	const size = 1232 // what no path splits
	if q.size > plainUDP {
		if h.SetEDNS0(size, dnsmessage.RCodeSuccess, false) != nil || b.OPTResource(h, dnsmessage.OPTResource{}) != nil {
			return nil
		}
	}
	text, err := b.Finish()
	if err != nil {
		return nil
	}
	return text
}

func exchangeUDP(question []byte, server netip.AddrPort, patience time.Duration) []byte {
	conn, err := net.Dial("udp", server.String())
	if err != nil {
		return nil
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	if _, err := conn.Write(question); err != nil {
		return nil
	}
	buffer := make([]byte, 64<<10)
	for {
		n, err := conn.Read(buffer)
		if err != nil {
			return nil
		}
		if answers(buffer[:n], question) {
			return append([]byte{}, buffer[:n]...)
		}
	}
}

func exchangeTCP(question []byte, server netip.AddrPort, patience time.Duration) []byte {
	conn, err := net.DialTimeout("tcp", server.String(), patience)
	if err != nil {
		return nil
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	if _, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(question))), question...)); err != nil {
		return nil
	}
	var length [2]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil {
		return nil
	}
	answer := make([]byte, binary.BigEndian.Uint16(length[:]))
	if _, err := io.ReadFull(conn, answer); err != nil || !answers(answer, question) {
		return nil
	}
	return answer
}

// answers reports whether a message is the answer to a question, and not somebody's guess.
func answers(message, question []byte) bool {
	var p, o dnsmessage.Parser
	h, err := p.Start(message)
	asked, _ := o.Start(question)
	if err != nil || !h.Response || h.ID != asked.ID {
		return false
	}
	got, err := p.Question()
	want, _ := o.Question()
	return err == nil && got.Type == want.Type && got.Class == want.Class &&
		network.CanonicalName(got.Name.String()) == network.CanonicalName(want.Name.String())
}
