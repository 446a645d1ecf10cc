package egress

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"strings"

	"github.com/snug-sandbox/snug/network"
)

// Kind is what the first bytes of a connection are.
type Kind uint8

// Kinds of first bytes.
const (
	More   Kind = iota // too few to tell
	TLS                // a complete ClientHello
	HTTP               // the beginning of a request
	Opaque             // something else
)

// mostHello bounds what is kept of a connection that has not yet said a name.
const mostHello = 64 << 10

// Sniff tells what first is, and the name that a ClientHello says. What is
// longer than anything that says a name is Opaque.
func Sniff(first []byte) (Kind, string) {
	switch {
	case len(first) == 0:
		return More, ""
	case first[0] == 0x16:
		return sniffTLS(first)
	case len(first) >= 3 && first[0]&0x80 != 0 && first[2] == 1: // the greeting of SSL 2, which says no name
		return TLS, ""
	}
	return sniffHTTP(first), ""
}

// sniffTLS looks for server_name in a ClientHello (RFC 8446, 4.1.2; RFC 6066, 3),
// which may be spread over several records.
func sniffTLS(first []byte) (Kind, string) {
	var message []byte
	for rest := first; ; {
		if len(rest) < 5 {
			break
		}
		length := int(binary.BigEndian.Uint16(rest[3:]))
		if rest[0] != 0x16 || rest[1] != 3 || length == 0 || length > 16384+256 {
			return TLS, ""
		}
		message = append(message, rest[5:min(5+length, len(rest))]...)
		if len(message) >= 4 {
			if message[0] != 1 {
				return TLS, ""
			}
			whole := 4 + int(message[1])<<16 + int(message[2])<<8 + int(message[3])
			if whole > mostHello {
				return TLS, ""
			}
			if len(message) >= whole {
				return TLS, serverName(message[4:whole])
			}
		}
		if len(rest) < 5+length {
			break
		}
		rest = rest[5+length:]
	}
	if len(first) > mostHello {
		return TLS, ""
	}
	return More, ""
}

// reader takes fields off the front of bytes.
type reader []byte

// field is one with a length of n bytes in front.
func (r *reader) field(n int) (reader, bool) {
	if len(*r) < n {
		return nil, false
	}
	length := 0
	for _, b := range (*r)[:n] {
		length = length<<8 | int(b)
	}
	*r = (*r)[n:]
	return r.take(length)
}

func (r *reader) take(n int) (reader, bool) {
	if len(*r) < n {
		return nil, false
	}
	taken := (*r)[:n]
	*r = (*r)[n:]
	return taken, true
}

// serverName is what a ClientHello says in server_name; "" for none, or for more
// than one.
func serverName(hello reader) string {
	if _, ok := hello.take(2 + 32); !ok { // version, random
		return ""
	}
	for _, n := range []int{1, 2, 1} { // session, cipher suites, compression
		if _, ok := hello.field(n); !ok {
			return ""
		}
	}
	extensions, ok := hello.field(2)
	name, found := "", false
	for ok && len(extensions) > 0 {
		var kind, value reader
		if kind, ok = extensions.take(2); !ok {
			return ""
		}
		if value, ok = extensions.field(2); !ok {
			return ""
		}
		if kind[0] != 0 || kind[1] != 0 {
			continue
		}
		if found {
			return ""
		}
		name, found = hostName(value), true
	}
	return name
}

func hostName(value reader) string {
	list, ok := value.field(2)
	if !ok || len(value) != 0 {
		return ""
	}
	kind, ok := list.take(1)
	if !ok || kind[0] != 0 {
		return ""
	}
	name, ok := list.field(2)
	if !ok || len(list) != 0 {
		return ""
	}
	return network.CanonicalName(string(name))
}

// methods are those of HTTP that servers know; a connection that begins with
// the beginning of one of them is held until it is clear.
var methods = strings.Fields("GET HEAD POST PUT DELETE CONNECT OPTIONS TRACE PATCH PRI PROPFIND PROPPATCH MKCOL COPY MOVE LOCK UNLOCK REPORT MKACTIVITY CHECKOUT MERGE SEARCH QUERY PURGE LINK UNLINK ACL BIND REBIND UNBIND MKCALENDAR NOTIFY SUBSCRIBE UNSUBSCRIBE SOURCE")

// sniffHTTP tells whether bytes are a request. Servers pass over empty lines in
// front of one.
func sniffHTTP(first []byte) Kind {
	line := bytes.TrimLeft(first, "\r\n \t")
	if len(line) == 0 {
		if len(first) > mostHead {
			return Opaque
		}
		return More
	}
	end := bytes.IndexByte(line, '\n')
	if end >= 0 {
		line = line[:end]
		if bytes.Contains(line, []byte(" HTTP/")) || bytes.Contains(line, []byte("\tHTTP/")) {
			return HTTP
		}
	}
	word, _, complete := strings.Cut(strings.ToUpper(string(line[:min(len(line), 20)])), " ")
	for _, m := range methods {
		switch {
		case complete && word == m:
			return HTTP
		case !complete && end < 0 && len(line) < 20 && strings.HasPrefix(m, word):
			return More
		}
	}
	if end < 0 && isToken(word) && complete && len(line) < mostHead {
		return More // a method that nobody knows, or words of another protocol: its line tells
	}
	return Opaque
}

func isToken(word string) bool {
	return word != "" && strings.Trim(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-_") == ""
}

// nameOf is the host of an authority, without a port.
func nameOf(authority string) string {
	if a, err := netip.ParseAddrPort(authority); err == nil {
		return a.Addr().String()
	}
	if inner, ok := strings.CutPrefix(authority, "["); ok {
		inner, _, _ = strings.Cut(inner, "]")
		return inner
	}
	host, _, _ := strings.Cut(authority, ":")
	return network.CanonicalName(host)
}
