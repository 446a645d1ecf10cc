package egress

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/snug-sandbox/snug/network"
)

func at(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

func policy(t *testing.T, c network.Config) *Policy {
	p, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestRulesThatCannotBeReadAreRefused(t *testing.T) {
	for _, c := range []network.Config{{Allow: []string{"a.example", "10.0.0.1/8"}}, {Deny: []string{"a b"}}} {
		if _, err := New(c); err == nil {
			t.Errorf("%+v: the rest would hold without it", c)
		}
	}
}

func TestAddressesAreJudged(t *testing.T) {
	open := policy(t, network.Config{})
	listed := policy(t, network.Config{Allow: []string{"good.example:443", "*.sub.example", "10.0.0.0/8", "2001:db8::/32:443", "192.0.2.1:53/udp", "192.0.2.9/icmp"}, Deny: []string{"10.9.0.0/16", "no.sub.example"}})
	listed.Pin("good.example", []netip.Addr{netip.MustParseAddr("198.51.100.1")}, time.Minute)
	listed.Pin("a.sub.example", []netip.Addr{netip.MustParseAddr("198.51.100.2")}, time.Minute)
	listed.Pin("no.sub.example", []netip.Addr{netip.MustParseAddr("198.51.100.3")}, time.Minute)
	metadata := policy(t, network.Config{Allow: []string{"169.254.169.254:80", "0.0.0.0/0", "::/0"}})
	for _, c := range []struct {
		policy   *Policy
		protocol string
		to       string
		allowed  bool
		check    bool
		why      string
	}{
		{open, network.TCP, "198.51.100.1:80", true, false, ""},
		{open, network.UDP, "198.51.100.1:443", true, false, ""},
		{open, network.TCP, "127.0.0.1:80", false, false, Loopback},
		{open, network.TCP, "127.9.9.9:80", false, false, Loopback},
		{open, network.TCP, "[::1]:80", false, false, Loopback},
		{open, network.TCP, "[::ffff:127.0.0.1]:80", false, false, Loopback},
		{open, network.TCP, "[64:ff9b::7f00:1]:80", false, false, Loopback},
		{open, network.TCP, "[2002:7f00:1::]:80", false, false, Loopback},
		{open, network.TCP, "[::127.0.0.1]:80", false, false, Loopback},
		{open, network.TCP, "0.0.0.0:80", false, false, NoUnicast},
		{open, network.UDP, "255.255.255.255:67", false, false, NoUnicast},
		{open, network.UDP, "224.0.0.251:5353", false, false, NoUnicast},
		{open, network.UDP, "[ff02::1]:80", false, false, NoUnicast},
		{open, network.TCP, "169.254.169.254:80", false, false, LinkLocal},
		{open, network.TCP, "[::ffff:169.254.169.254]:80", false, false, LinkLocal},
		{open, network.TCP, "[64:ff9b::a9fe:a9fe]:80", false, false, LinkLocal},
		{open, network.TCP, "[fe80::1]:80", false, false, LinkLocal},
		{open, network.TCP, "[fd00:ec2::254]:80", false, false, LinkLocal},
		{metadata, network.TCP, "169.254.169.254:80", true, false, ""},
		{metadata, network.TCP, "169.254.169.254:81", false, false, LinkLocal},
		{metadata, network.TCP, "127.0.0.1:80", false, false, Loopback},
		{listed, network.TCP, "198.51.100.1:443", true, true, ""},
		{listed, network.TCP, "198.51.100.1:80", false, false, NotAllowed},
		{listed, network.UDP, "198.51.100.1:443", false, false, NotAllowed},
		{listed, network.TCP, "198.51.100.9:443", false, false, NotLooked},
		{listed, network.TCP, "198.51.100.2:9999", true, true, ""},
		{listed, network.TCP, "198.51.100.3:80", false, false, Denied},
		{listed, network.TCP, "10.1.2.3:22", true, true, ""},
		{listed, network.UDP, "10.1.2.3:22", true, true, ""},
		{listed, network.ICMP, "10.1.2.3:0", true, false, ""},
		{listed, network.TCP, "10.9.2.3:22", false, false, Denied},
		{listed, network.TCP, "[2001:db8::7]:443", true, true, ""},
		{listed, network.TCP, "[2001:db8::7]:80", false, false, ""},
		{listed, network.UDP, "[2001:db8::7]:443", false, false, NotAllowed},
		{listed, network.UDP, "192.0.2.1:53", true, true, ""},
		{listed, network.TCP, "192.0.2.1:53", false, false, ""},
		{listed, network.ICMP, "192.0.2.9:0", true, false, ""},
		{listed, network.ICMP, "192.0.2.8:0", false, false, NotAllowed},
	} {
		v := c.policy.Address(c.protocol, at(c.to))
		if v.Allowed != c.allowed || v.Check != c.check || c.why != "" && v.Why != c.why {
			t.Errorf("%s %s: %+v, want %v %v %q", c.protocol, c.to, v, c.allowed, c.check, c.why)
		}
	}
}

func TestNamesAreJudged(t *testing.T) {
	p := policy(t, network.Config{Allow: []string{"good.example:443", "*.sub.example:80"}, Deny: []string{"no.sub.example"}})
	for _, c := range []struct {
		name    string
		to      string
		says    bool
		looksUp bool
	}{
		{"good.example", "198.51.100.1:443", true, true},
		{"good.example", "198.51.100.1:80", false, true},
		{"bad.example", "198.51.100.1:443", false, false},
		{"evilgood.example", "198.51.100.1:443", false, false},
		{"good.example.evil.example", "198.51.100.1:443", false, false},
		{"sub.example", "198.51.100.1:80", false, false},
		{"a.b.sub.example", "198.51.100.1:80", true, true},
		{"no.sub.example", "198.51.100.1:80", false, false},
		{"", "198.51.100.1:443", false, false},
	} {
		if v := p.Says(network.TCP, c.name, at(c.to)); v.Allowed != c.says {
			t.Errorf("%q at %s: %+v", c.name, c.to, v)
		}
		if v := p.Lookup(c.name); v.Allowed != c.looksUp {
			t.Errorf("a question for %q: %+v", c.name, v)
		}
	}
}

func TestPinsExpire(t *testing.T) {
	now := time.Unix(1000, 0)
	pins := NewPins(func() time.Time { return now })
	a := netip.MustParseAddr("198.51.100.1")
	pins.Add("b.example", []netip.Addr{a}, 10*time.Second)
	pins.Add("a.example", []netip.Addr{a}, time.Hour)
	if got := strings.Join(pins.Names(a), " "); got != "a.example b.example" {
		t.Errorf("got %q", got)
	}
	now = now.Add(10*time.Second + grace + 1)
	if got := strings.Join(pins.Names(a), " "); got != "a.example" {
		t.Errorf("later: %q", got)
	}
	pins.Add("c.example", []netip.Addr{a}, 1<<62)
	now = now.Add(longest + grace + 1)
	if got := pins.Names(a); got != nil {
		t.Errorf("a day later: %q", got)
	}
	for i := range 2 * mostNames {
		pins.Add(strings.Repeat("x", i+1), []netip.Addr{a}, time.Second)
	}
	if n := len(pins.pins[a]); n > mostNames {
		t.Errorf("one address has %d names", n)
	}
}

// hello is the first flight of a TLS client.
func hello(t testing.TB, name string) []byte {
	return firstFlight(&tls.Config{ServerName: name, InsecureSkipVerify: true})
}

func firstFlight(config *tls.Config) (all []byte) {
	client, server := net.Pipe()
	defer client.Close()
	defer server.Close()
	go tls.Client(client, config).Handshake()
	server.SetReadDeadline(time.Now().Add(time.Minute))
	buffer := make([]byte, 64<<10)
	for {
		n, err := server.Read(buffer)
		all = append(all, buffer[:n]...)
		if kind, _ := Sniff(all); kind != More || err != nil {
			return all
		}
	}
}

// split spreads the message of one record over records of n bytes.
func split(record []byte, n int) (out []byte) {
	for body := record[5:]; len(body) > 0; {
		part := body[:min(n, len(body))]
		out = append(append(out, 0x16, 3, 1, byte(len(part)>>8), byte(len(part))), part...)
		body = body[len(part):]
	}
	return out
}

func TestNamesInTLS(t *testing.T) {
	whole := hello(t, "Good.Example")
	for name, text := range map[string][]byte{"one record": whole, "many records": split(whole, 7), "one byte each": split(whole, 1)} {
		for i := 1; i < len(text); i++ {
			if kind, found := Sniff(text[:i]); kind != More {
				t.Fatalf("%s: %d of %d bytes are %d, %+v", name, i, len(text), kind, found)
			}
		}
		if kind, found := Sniff(text); kind != TLS || found != (Hello{Name: "good.example", Size: len(text)}) {
			t.Errorf("%s: %d, %+v", name, kind, found)
		}
	}
	if kind, found := Sniff(hello(t, "198.51.100.1")); kind != TLS || found.Name != "" {
		t.Errorf("without a name: %d, %+v", kind, found)
	}
	for _, text := range []string{"\x16\x02\x00\x00\x01", "\x16\x03\x01\x00\x00", "\x16\x03\x01\xff\xff", "\x16\x03\x01\x00\x04\x02\x00\x00\x00", "\x80\x2e\x01\x00\x02"} {
		if kind, found := Sniff([]byte(text)); kind != TLS || found != (Hello{}) {
			t.Errorf("%q: %d, %+v", text, kind, found)
		}
	}
}

func TestFirstBytes(t *testing.T) {
	for text, want := range map[string]Kind{
		"": More, "G": More, "GET": More, "GET /": HTTP, "get / HTTP/1.1\r\n": HTTP, "\r\n": More, "\r\n\r\nGET / ": HTTP, " POST /x": HTTP,
		"BREW /": Line, "BREW / HTTP/1.1\n": HTTP, "SSH-2.0-x\r\n": Opaque, "EHLO": Line, "EHLO me\r\n": Opaque, "hello": Line, "\x00\x01": Opaque,
		"PRI * HTTP/2.0\r\n": HTTP, "PRO": More, "PROX": Line, "G!T": Line, "G!T /": Line, "g!t\t/ http/1.1\r\n": HTTP, "hel(lo": Opaque, "a b\x00": Line,
		strings.Repeat("X", 40): Line, strings.Repeat("X", mostHead+1): HTTP, strings.Repeat("\r\n", mostHead): HTTP,
	} {
		if kind, _ := Sniff([]byte(text)); kind != want {
			t.Errorf("%q: %d, want %d", text, kind, want)
		}
	}
}

var errNo = errors.New("no")

// pass sends text through Requests, and returns what comes out.
func pass(text string, switched bool) (string, error) {
	var out bytes.Buffer
	r := Requests{From: bufio.NewReaderSize(iotestReader{strings.NewReader(text)}, 16), To: &out, Switched: func(bool) bool { return switched },
		Judge: func(name string) error {
			if name != "good.example" {
				return errNo
			}
			return nil
		}}
	err := r.Run()
	return out.String(), err
}

// iotestReader gives three bytes at a time.
type iotestReader struct{ io.Reader }

func (r iotestReader) Read(p []byte) (int, error) { return r.Reader.Read(p[:min(3, len(p))]) }

func TestRequestsArePassedOnAsTheyAre(t *testing.T) {
	const g = "Host: good.example\r\n"
	for _, text := range []string{
		"GET / HTTP/1.1\r\n" + g + "\r\n", "\r\nGET / HTTP/1.1\r\n" + g + "\r\nGET /2 HTTP/1.0\r\nhost:GOOD.example:80 \r\n\r\n",
		"POST / HTTP/1.1\r\n" + g + "Content-Length: 5\r\n\r\nhelloGET / HTTP/1.1\n" + "Host: good.example.\n\n",
		"POST / HTTP/1.1\r\n" + g + "Transfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nTrailer: x\r\n\r\nGET / HTTP/1.1\r\n" + g + "\r\n",
		"GET http://good.example/x HTTP/1.1\r\n" + g + "\r\n",
	} {
		if out, err := pass(text, false); out != text || err != io.EOF {
			t.Errorf("%q became %q, %v", text, out, err)
		}
	}
	upgrade := "GET / HTTP/1.1\r\n" + g + "Upgrade: x\r\n\r\n\x00\x01anything"
	if out, err := pass(upgrade, true); out != upgrade || err != nil {
		t.Errorf("an upgrade: %q, %v", out, err)
	}
}

func TestRequestsForOthersAreNot(t *testing.T) {
	const g, b = "Host: good.example\r\n", "GET /bad HTTP/1.1\r\nHost: bad.example\r\n\r\n"
	for _, text := range []string{
		b, "GET / HTTP/1.1\r\n" + g + "\r\n" + b, "GET http://bad.example/bad HTTP/1.1\r\n" + g + "\r\n", "CONNECT bad.example:443 HTTP/1.1\r\n" + g + "\r\n/bad",
		"GET /bad HTTP/1.1\r\n" + g + g + "\r\n", "GET /bad HTTP/1.1\r\n" + g + "X: y\r\n Host: bad.example\r\n\r\n", "GET /bad HTTP/1.1\r\n\r\n",
		"GET /bad HTTP/1.1\r\nHost : good.example\r\n\r\n", "GET /bad HTTP/1.1\r\n" + g + "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx",
		"POST /bad HTTP/1.1\r\n" + g + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "POST /bad HTTP/1.1\r\n" + g + "Transfer-Encoding: x, chunked\r\n\r\n",
		"POST /bad HTTP/1.0\r\n" + g + "Transfer-Encoding: chunked\r\n\r\n", "POST /bad HTTP/1.1\r\n" + g + "Content-Length: +1\r\n\r\nx",
		"GET /bad HTTP/1.1\r\n" + g + "X: y\rHost: bad.example\r\n\r\n", "GET /bad\r\n\r\n", "GET  /bad HTTP/1.1\r\n" + g + "\r\n", "GET /bad HTTP/1.1 \r\n" + g + "\r\n",
		"GET http://good.example@bad.example/bad HTTP/1.1\r\n" + g + "\r\n", "GET / HTTP/1.1\r\n" + g + "Upgrade: x\r\n\r\n" + b, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n/bad",
		"GET / HTTP/1.1\r\n" + g + "\r\nGET /bad HTTP/1.1\r\n" + g + "Upgrade: x\r\n\r\n", "GET /bad HTTP/1.1\r\n" + g + "\x00X: y\r\n\r\n", "GET bad.example/bad HTTP/1.1\r\n" + g + "\r\n",
	} {
		if out, err := pass(text, false); strings.Contains(out, "bad") || err == nil || err == io.EOF {
			t.Errorf("%q became %q, %v", text, out, err)
		}
	}
}

func TestAnswersThatSwitch(t *testing.T) {
	for _, c := range []struct {
		text      string
		connect   bool
		yes, done bool
	}{
		{"", false, false, false}, {"HTTP/1.1 101", false, false, false}, {"HTTP/1.1 101 x\r\n", false, true, true}, {"HTTP/1.1 200 OK\r\n", false, false, true},
		{"HTTP/1.1 200 OK\r\n", true, true, true}, {"HTTP/1.1 100 Go\r\n\r\nHTTP/1.1 101 x\r\n", false, true, true}, {"HTTP/1.1 100 Go\r\n", false, false, false}, {"nonsense\n", false, false, true},
	} {
		if yes, done := Switches([]byte(c.text), c.connect); yes != c.yes || done != c.done {
			t.Errorf("%q: %v %v", c.text, yes, done)
		}
	}
}

func FuzzSniff(f *testing.F) {
	f.Add(hello(f, "good.example"))
	f.Add([]byte("GET / HTTP/1.1\r\nHost: good.example\r\n\r\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		kind, name := Sniff(text)
		if kind != TLS && name != (Hello{}) {
			t.Errorf("%d says %+v", kind, name)
		}
		// What is clear stays so with more bytes.
		if kind == TLS && name.Name != "" {
			if again, other := Sniff(append(append([]byte{}, text...), "more"...)); again != TLS || other != name {
				t.Errorf("with more it is %d, %+v", again, other)
			}
		}
	})
}

func FuzzRequests(f *testing.F) {
	f.Add("POST / HTTP/1.1\r\nHost: good.example\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		out, _ := pass(text, false)
		if !strings.HasPrefix(text, out) {
			t.Errorf("%q became %q", text, out)
		}
	})
}
