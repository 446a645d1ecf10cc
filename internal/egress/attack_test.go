package egress

import (
	"crypto/ecdh"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/snug-sandbox/snug/network"
)

// extension is one of a ClientHello.
func extension(kind uint16, value string) string {
	b := binary.BigEndian.AppendUint16(nil, kind)
	return string(append(binary.BigEndian.AppendUint16(b, uint16(len(value))), value...))
}

// names is the value of server_name that says these.
func names(all ...string) string {
	list := ""
	for _, n := range all {
		list += "\x00" + string(binary.BigEndian.AppendUint16(nil, uint16(len(n)))) + n
	}
	return string(binary.BigEndian.AppendUint16(nil, uint16(len(list)))) + list
}

// helloOf is the message of a ClientHello with these extensions.
func helloOf(extensions ...string) []byte {
	all := strings.Join(extensions, "")
	body := "\x03\x03" + strings.Repeat("r", 32) + "\x00" + "\x00\x02\x13\x01" + "\x01\x00" + string(binary.BigEndian.AppendUint16(nil, uint16(len(all)))) + all
	return append([]byte{1, 0, byte(len(body) >> 8), byte(len(body))}, body...)
}

func record(message []byte) []byte {
	return append([]byte{0x16, 3, 1, byte(len(message) >> 8), byte(len(message))}, message...)
}

// What is no name in server_name is no name, whatever ends in one that is allowed:
// a server may read another part of it.
func TestNamesThatServersReadInAnotherWay(t *testing.T) {
	p := policy(t, network.Config{Allow: []string{"good.example:443", "*.sub.example:443"}})
	for name, want := range map[string]bool{
		"good.example": true, "GOOD.Example": true, "good.example.": true, "a.sub.example": true, "good.example..": false, ".good.example": false, "sub.example": false,
		"bad.example\x00.sub.example": false, "good.example\x00": false, "\x00good.example": false, "bad.example/.sub.example": false, "bad.example .sub.example": false,
		"bad.example, a.sub.example": false, "a\r\n.sub.example": false, "198.51.100.1": false, "[::1]": false, "*.sub.example": false, "": false, "bad.example#.sub.example": false,
		strings.Repeat("a.", 200) + "sub.example": false, "ſub.sub.example": false, "good.example:443": false,
	} {
		_, hello := Sniff(record(helloOf(extension(extServerName, names(name)))))
		if got := p.Hello(network.TCP, hello, at("198.51.100.1:443")).Allowed; got != want {
			t.Errorf("TLS that says %q is read as %q: %v", name, hello.Name, got)
		}
		if name == "good.example:443" { // a port is a part of Host
			want = true
		}
		if got := p.Says(network.TCP, nameOf(name), at("198.51.100.1:443")).Allowed; got != want {
			t.Errorf("HTTP that says %q is read as %q: %v", name, nameOf(name), got)
		}
	}
	for authority, want := range map[string]string{
		"good.example:80": "good.example", "good.example:": "good.example", "good.example:80:90": "", "good.example:80@bad.example": "", "good.example:8x": "", "me@good.example": "",
		"[2001:DB8::1]:80": "2001:db8::1", "[2001:db8::1]": "2001:db8::1", "[::1]x.example": "", "[::1": "", "[good.example]": "", "198.51.100.1:80": "198.51.100.1",
	} {
		if got := nameOf(authority); got != want {
			t.Errorf("the authority %q is %q, want %q", authority, got, want)
		}
	}
}

func TestHellosThatSayMoreThanOneName(t *testing.T) {
	good, bad := extension(extServerName, names("good.example")), extension(extServerName, names("bad.example"))
	whole := record(helloOf(good))
	for what, text := range map[string][]byte{
		"two in a list":        record(helloOf(extension(extServerName, names("good.example", "bad.example")))),
		"two extensions":       record(helloOf(good, bad)),
		"two hellos at a time": record(append(helloOf(good), helloOf(bad)...)),
		"another kind of name": record(helloOf(extension(extServerName, "\x00\x0f\x01\x00\x0cgood.example"))),
		"more after the list":  record(helloOf(extension(extServerName, names("good.example")+"x"))),
		"an alert in between":  slices.Concat(split(whole, 10)[:15], []byte("\x15\x03\x01\x00\x02\x01\x00"), split(whole, 10)[15:]),
		"an alert in front":    slices.Concat([]byte("\x15\x03\x01\x00\x02\x01\x00"), whole),
		"an empty record":      slices.Concat([]byte("\x16\x03\x01\x00\x00"), whole),
	} {
		if kind, hello := Sniff(text); kind != TLS || hello.Name != "" {
			t.Errorf("%s: %d, %+v", what, kind, hello)
		}
	}
}

// sealed is the first flight of a client that hides a name within another.
func sealed(t testing.TB, outer, inner string) []byte {
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public := key.PublicKey().Bytes()
	body := "\x07\x00\x20" + string(binary.BigEndian.AppendUint16(nil, uint16(len(public)))) + string(public) + "\x00\x04\x00\x01\x00\x01" + "\x20" + string(rune(len(outer))) + outer + "\x00\x00"
	one := "\xfe\x0d" + string(binary.BigEndian.AppendUint16(nil, uint16(len(body)))) + body
	list := binary.BigEndian.AppendUint16(nil, uint16(len(one)))
	return firstFlight(&tls.Config{ServerName: inner, EncryptedClientHelloConfigList: append(list, one...), MinVersion: tls.VersionTLS13})
}

// A hello that holds another one opens no other site at a shared address, unless
// it is asked for, or names do not matter.
func TestHiddenNames(t *testing.T) {
	text := sealed(t, "good.example", "bad.example")
	kind, hello := Sniff(text)
	if kind != TLS || hello.Name != "good.example" || !hello.Sealed {
		t.Fatalf("it is %d, %+v", kind, hello)
	}
	to := at("198.51.100.1:443")
	for _, c := range []struct {
		config network.Config
		why    string
	}{
		{network.Config{Allow: []string{"good.example:443"}}, SealedName},
		{network.Config{Allow: []string{"good.example:443"}, AllowECH: true}, ""},
		{network.Config{Allow: []string{"other.example:443"}, AllowECH: true}, WrongName},
		{network.Config{Allow: []string{"good.example:443", "198.51.100.0/24:443"}}, ""},
		{network.Config{Allow: []string{"*:443"}}, ""},
		{network.Config{Deny: []string{"other.example"}}, ""},
		{network.Config{Deny: []string{"good.example"}}, DeniedName},
	} {
		for _, protocol := range []string{network.TCP, network.UDP} {
			config := c.config
			config.Allow = slices.Clone(config.Allow)
			for i := range config.Allow {
				config.Allow[i] += "/" + protocol
			}
			if v := policy(t, config).Hello(protocol, hello, to); v.Why != c.why {
				t.Errorf("allow %q, deny %q, %v: %q, want %q", config.Allow, config.Deny, config.AllowECH, v.Why, c.why)
			}
		}
	}
}

func TestAnswersThatAskForAnotherHello(t *testing.T) {
	head := "\x16\x03\x03\x00\x58\x02\x00\x00\x54\x03\x03"
	for text, want := range map[string][2]bool{
		"": {}, head: {}, head + retry[:31]: {}, head + retry: {true, true}, head + strings.Repeat("x", 32): {false, true},
		"\x15\x03\x03\x00\x02\x02\x28": {false, true}, "HTTP/1.1 400\r\n": {false, true},
	} {
		if yes, done := Retries([]byte(text)); [2]bool{yes, done} != want {
			t.Errorf("%q: %v %v", text, yes, done)
		}
	}
}

// HTTP/2 that a server switches to has its names where they are not looked for.
func TestSwitchingToAProtocolWithNames(t *testing.T) {
	for upgrade, names := range map[string]bool{"websocket": false, "tcp": false, "SPDY/3.1": false, "h2c": true, "websocket, H2C": true, "TLS/1.2": true, "HTTP/2.0": true} {
		text := "GET / HTTP/1.1\r\nHost: good.example\r\nConnection: Upgrade\r\nUpgrade: " + upgrade + "\r\n\r\n"
		if out, err := pass(text+"more", true); (out == text) != names || (err == nil) == names {
			t.Errorf("%s: %q, %v", upgrade, out, err)
		}
		// A server that does not switch goes on as before.
		if out, err := pass(text+"GET / HTTP/1.1\r\nHost: good.example\r\n\r\n", false); len(out) < 2*len("GET / HTTP/1.1\r\nHost: good.example\r\n\r\n") || err == nil {
			t.Errorf("%s that is not taken: %q, %v", upgrade, out, err)
		}
	}
}
