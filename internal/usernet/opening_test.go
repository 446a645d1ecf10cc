package usernet

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/hex"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"

	"github.com/snug-sandbox/snug/internal/egress"
	"github.com/snug-sandbox/snug/network"
)

// server is what a checked connection leads to: it notes what it hears, and
// answers what it is told to.
type server struct {
	mu    sync.Mutex
	heard bytes.Buffer
	grown chan struct{}
	conn  chan *net.TCPConn
	ended chan struct{}
}

func newServer(t *testing.T) (*server, uint16) {
	s := &server{grown: make(chan struct{}, 1), conn: make(chan *net.TCPConn, 1), ended: make(chan struct{})}
	port := listen(t, func(c *net.TCPConn) {
		defer close(s.ended)
		defer c.Close()
		s.conn <- c
		for buffer := make([]byte, 1<<10); ; {
			n, err := c.Read(buffer)
			s.mu.Lock()
			s.heard.Write(buffer[:n])
			s.mu.Unlock()
			select {
			case s.grown <- struct{}{}:
			default:
			}
			if err != nil {
				return
			}
		}
	})
	return s, port
}

func (s *server) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.heard.String()
}

// hears waits until the server has heard a text, and nothing else.
func (s *server) hears(t *testing.T, text string) {
	t.Helper()
	patience := time.After(time.Minute)
	for s.text() != text {
		select {
		case <-s.grown:
		case <-s.ended:
			if s.text() != text {
				t.Fatalf("the server heard %q until the end, want %q", s.text(), text)
			}
		case <-patience:
			t.Fatalf("the server heard %q, want %q", s.text(), text)
		}
	}
}

// checked makes a connection to a port of some site, where names count, and
// returns the command's end of it and what the site hears.
func checked(t *testing.T, port uint16, patience time.Duration) (*guest, *gonet.TCPConn, *server) {
	t.Helper()
	g := newGuest(t, network.Config{Allow: []string{"good.example:443", "good.example:80", "good.example:8080"}})
	g.network.patience = patience
	s, at := newServer(t)
	own := tcpip.FullAddress{NIC: nic, Addr: address(network.Server4), Port: port}
	inside := accepted(t, g, own)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	command, err := gonet.DialContextTCP(ctx, g.stack, own, ipv4.ProtocolNumber)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { command.Close() })
	outside, err := net.Dial("tcp4", netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), at).String())
	if err != nil {
		t.Fatal(err)
	}
	f := &flow{network: g.network, inside: <-inside, outside: outside.(*net.TCPConn), to: netip.AddrPortFrom(netip.MustParseAddr("198.51.100.1"), port)}
	f.contact = g.network.contacts.reached(network.TCP, nil, f.to)
	g.network.flows.Add(1)
	go f.run(true)
	command.SetDeadline(time.Now().Add(time.Minute))
	return g, command, s
}

// accepted has the network's stack take one connection to an address.
func accepted(t *testing.T, g *guest, at tcpip.FullAddress) <-chan *inner {
	t.Helper()
	var waits waiter.Queue
	l, failed := g.network.stack.NewEndpoint(tcp.ProtocolNumber, ipv4.ProtocolNumber, &waits)
	if failed == nil {
		failed = l.Bind(at)
	}
	if failed == nil {
		failed = l.Listen(1)
	}
	if failed != nil {
		t.Fatal(failed)
	}
	entry, came := waiter.NewChannelEntry(waiter.ReadableEvents)
	waits.EventRegister(&entry)
	one := make(chan *inner, 1)
	go func() {
		defer l.Close()
		<-came
		if endpoint, queue, failed := l.Accept(nil); failed == nil {
			one <- newInner(queue, endpoint)
		}
	}()
	return one
}

// refused waits for the end of a connection, and wants a reason for it.
func refused(t *testing.T, g *guest, c net.Conn, why string) {
	t.Helper()
	io.Copy(io.Discard, c)
	for end := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		var all []string
		for _, contact := range g.network.Contacts() {
			if all = append(all, contact.Why); contact.Why == why {
				return
			}
		}
		if time.Now().After(end) {
			t.Fatalf("the reasons are %q, want %q", all, why)
		}
	}
}

// say sends texts, each one when the server has heard those before it, as far as
// they go out at once.
func say(t *testing.T, c net.Conn, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if _, err := io.WriteString(c, text); err != nil {
			return // it was refused already
		}
	}
}

func TestOpeningsThatAreFine(t *testing.T) {
	const request = "GET / HTTP/1.1\r\nHost: good.example:8080\r\n\r\n"
	for what, texts := range map[string][]string{
		"a request":                 {request},
		"a request byte by byte":    strings.Split(request, ""),
		"a method that nobody has":  {"G!T", " / HTTP/1.1\r", "\nHost: good.example\r\n\r\n"},
		"a long one":                {strings.Repeat("X", 100), " /", " HTTP/1.1\nHost: GOOD.example.\n\n"},
		"a line of another kind":    {"EHL", "O me\r\n", "GET / HTTP/1.1\r\n"},
		"what has no line":          {"\x00\x01\x02"},
		"requests one after others": {request, request + request},
		"a hello":                   {string(clientHello(t, "good.example"))},
		"a hello byte by byte":      strings.Split(string(clientHello(t, "good.example")), ""),
	} {
		_, c, s := checked(t, 8080, time.Minute)
		say(t, c, texts...)
		c.CloseWrite()
		s.hears(t, strings.Join(texts, ""))
		<-s.ended
		if t.Failed() {
			t.Fatal(what)
		}
	}
	// What is no line yet goes out at once where nothing else is spoken.
	_, c, s := checked(t, 8080, time.Minute)
	for _, word := range []string{"hello", "helloG!T /"} {
		say(t, c, strings.TrimPrefix(word, s.text()))
		s.hears(t, word)
	}
}

func TestOpeningsThatAreNot(t *testing.T) {
	const bad = "Host: bad.example\r\n\r\n"
	hello := string(clientHello(t, "good.example"))
	for what, c := range map[string]struct {
		port  uint16
		texts []string
		why   string
		heard string // at most
	}{
		"another Host":                {8080, []string{"GET / HTTP/1.1\r\n" + bad}, egress.WrongName, ""},
		"byte by byte":                {8080, strings.Split("GET / HTTP/1.1\r\n"+bad, ""), egress.WrongName, ""},
		"with a method nobody has":    {8080, []string{"G!T", " / HTTP/1.1\r\n" + bad}, egress.WrongName, "G!T / HTTP/1.1\r"},
		"with a long one":             {8080, []string{strings.Repeat("X", 40), " / HTTP/1.1\r\n" + bad}, egress.WrongName, strings.Repeat("X", 40) + " / HTTP/1.1\r"},
		"with one that never ends":    {8080, []string{strings.Repeat("X", 80<<10)}, egress.TwistedHTTP, strings.Repeat("X", 80<<10)},
		"on HTTP's own port":          {80, []string{"G!T", " / HTTP/1.1\r\n" + bad}, egress.WrongName, ""},
		"something else there":        {80, []string{"SSH-2.0\r\n"}, egress.NoName, ""},
		"something else on TLS's":     {443, []string{"\x00\x00\x00\x01"}, egress.NoName, ""},
		"HTTP/2":                      {8080, []string{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"}, egress.NoName, ""},
		"a hello for another":         {443, []string{string(clientHello(t, "bad.example"))}, egress.WrongName, ""},
		"a hello for nobody":          {443, []string{string(clientHello(t, "198.51.100.1"))}, egress.NoName, ""},
		"a hello that is not whole":   {443, []string{hello[:len(hello)-1]}, egress.NoName, ""},
		"no end of empty lines":       {8080, []string{strings.Repeat("\r\n", 40<<10)}, egress.TwistedHTTP, ""},
		"a second request, upgrading": {8080, []string{"GET / HTTP/1.1\r\nHost: good.example\r\n\r\n", "GET / HTTP/1.1\r\nUpgrade: h2c\r\nHost: good.example\r\n\r\n"}, egress.TwistedHTTP, "GET / HTTP/1.1\r\nHost: good.example\r\n\r\n"},
	} {
		g, command, s := checked(t, c.port, time.Minute)
		say(t, command, c.texts...)
		command.CloseWrite()
		refused(t, g, command, c.why)
		<-s.ended
		if !strings.HasPrefix(c.heard, s.text()) {
			t.Errorf("%s: the server heard %q", what, s.text())
		}
	}
}

// Who begins to say for whom a connection is, and does not end it, is not waited
// for; who says nothing may listen.
func TestOpeningsThatDoNotEnd(t *testing.T) {
	for what, text := range map[string]string{
		"a head": "GET / HTTP/1.1\r\nHost: good.ex", "a hello": string(clientHello(t, "good.example")[:50]), "the second head": "GET / HTTP/1.1\r\nHost: good.example\r\n\r\nGET",
	} {
		g, c, s := checked(t, 80, 20*time.Millisecond)
		say(t, c, text)
		refused(t, g, c, egress.Unsaid)
		<-s.ended
		if got := s.text(); what != "the second head" && got != "" {
			t.Errorf("%s: the server heard %q", what, got)
		}
	}
	_, c, s := checked(t, 8080, 20*time.Millisecond)
	io.WriteString(<-s.conn, "220 hello\r\n")
	if _, err := io.ReadFull(c, make([]byte, 11)); err != nil {
		t.Errorf("from a server that speaks first: %v", err)
	}
	time.Sleep(25 * time.Millisecond) // longer than anybody's patience
	say(t, c, "EHLO me\r\n")
	s.hears(t, "EHLO me\r\n")
}

// A server that asks for another hello may take the name that this one says.
func TestASecondHello(t *testing.T) {
	random, _ := hex.DecodeString("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
	again := "\x16\x03\x03\x00\x58\x02\x00\x00\x54\x03\x03" + string(random) + strings.Repeat("x", 50)
	usual := strings.Replace(again, string(random), strings.Repeat("r", 32), 1)
	good, bad := string(clientHello(t, "good.example")), string(clientHello(t, "bad.example"))
	const change, early, after = "\x14\x03\x03\x00\x01\x01", "\x17\x03\x03\x00\x03abc", "\x17\x03\x03\x00\x03xyz"
	for what, c := range map[string]struct {
		answer string
		texts  []string
		heard  string
		why    string
	}{
		"the same":            {again, []string{change + good, after}, good + change + good + after, ""},
		"another":             {again, []string{change + bad, after}, good + change, egress.WrongName},
		"another, byte by":    {again, strings.Split(change+bad+after, ""), good + change, egress.WrongName},
		"after early data":    {again, []string{early + change + early, bad}, good + early + change + early, egress.WrongName},
		"none was asked for":  {usual, []string{change + early + bad}, good + change + early + bad, ""},
		"it does not come":    {again, []string{change}, good + change, ""},
		"after another thing": {"HTTP/1.1 400\r\n", []string{bad}, good + bad, ""},
	} {
		g, command, s := checked(t, 443, time.Minute)
		say(t, command, good+c.texts[0]) // without waiting for the answer
		s.hears(t, good)
		io.WriteString(<-s.conn, c.answer)
		say(t, command, c.texts[1:]...)
		command.CloseWrite()
		if c.why != "" {
			refused(t, g, command, c.why)
		}
		<-s.ended
		if !strings.HasPrefix(c.heard, s.text()) || c.why == "" && s.text() != c.heard {
			t.Errorf("%s: the server heard %q, want %q", what, s.text(), c.heard)
		}
	}
}

// clientHello is the first flight of a client of TLS.
func clientHello(t *testing.T, name string) []byte {
	client, server := net.Pipe()
	defer server.Close()
	go tls.Client(client, &tls.Config{ServerName: name, InsecureSkipVerify: true}).Handshake()
	server.SetReadDeadline(time.Now().Add(time.Minute))
	var all []byte
	buffer := make([]byte, 64<<10)
	for {
		n, err := server.Read(buffer)
		all = append(all, buffer[:n]...)
		if kind, _ := egress.Sniff(all); kind != egress.More {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
