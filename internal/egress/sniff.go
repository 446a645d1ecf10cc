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
	Line               // the beginning of a line that may become one of a request
	Opaque             // something else
)

// Hello is what counts of a ClientHello (RFC 8446, 4.1.2).
type Hello struct {
	Name   string // server_name; empty for none, and for what is none
	Sealed bool   // it may hold another one, encrypted, that counts in its place
	Size   int    // of the records that it came in; 0 where another thing follows in the last
}

// clientHello is the kind of its message.
const clientHello = 1

// mostHello bounds what is kept of a connection that has not yet said a name.
const mostHello = 64 << 10

// Sniff tells what first is, and what a ClientHello says. What is longer than
// anything that says a name is Opaque.
func Sniff(first []byte) (Kind, Hello) {
	switch {
	case len(first) == 0:
		return More, Hello{}
	case first[0] == handshakeRecord:
		return sniffTLS(first)
	case len(first) >= 2 && first[0] >= firstRecord && first[0] <= lastRecord && first[1] == 3: // others in front of a hello
		return TLS, Hello{}
	case len(first) >= 3 && first[0]&0x80 != 0 && first[2] == clientHello: // the greeting of SSL 2, which says no name
		return TLS, Hello{}
	}
	return sniffHTTP(first), Hello{}
}

// Kinds of records (RFC 8446, 5.1).
const (
	firstRecord     = 0x14
	alertRecord     = 0x15
	handshakeRecord = 0x16
	lastRecord      = 0x18
)

// sniffTLS looks for a ClientHello, which may be spread over several records.
func sniffTLS(first []byte) (Kind, Hello) {
	var message []byte
	for rest := first; ; {
		if len(rest) < 5 {
			break
		}
		length := int(binary.BigEndian.Uint16(rest[3:]))
		if rest[0] != handshakeRecord || rest[1] != 3 || length == 0 || length > 16384+256 {
			return TLS, Hello{}
		}
		message = append(message, rest[5:min(5+length, len(rest))]...)
		if len(message) >= 4 {
			whole := 4 + int(message[1])<<16 + int(message[2])<<8 + int(message[3])
			switch {
			case message[0] != clientHello || whole > mostHello:
				return TLS, Hello{}
			case len(message) > whole: // a client sends nothing else before it was answered
				return TLS, Hello{}
			case len(message) == whole && len(rest) >= 5+length:
				hello := readHello(message[4:])
				hello.Size = len(first) - len(rest) + 5 + length
				return TLS, hello
			}
		}
		if len(rest) < 5+length {
			break
		}
		rest = rest[5+length:]
	}
	if len(first) > mostHello {
		return TLS, Hello{}
	}
	return More, Hello{}
}

// retry is the random number of a ServerHello that is none, but asks for another
// hello (RFC 8446, 4.1.3).
const retry = "\xcf\x21\xad\x74\xe5\x9a\x61\x11\xbe\x1d\x8c\x02\x1e\x65\xb8\x91\xc2\xa2\x11\x16\x7a\xbb\x8c\x5e\x07\x9e\x09\xe2\xc8\xa8\x33\x9c"

// Retries reports whether a server's answer to a hello asks for another one. Done
// is false where too little of it is there.
func Retries(answer []byte) (yes, done bool) {
	const header = 5 + 4 + 2 // of the record, of the message, the version
	if len(answer) > 0 && answer[0] != handshakeRecord {
		return false, true
	}
	if len(answer) < header+len(retry) {
		return false, false
	}
	return string(answer[header:header+len(retry)]) == retry, true
}

// Record tells how many bytes a record of TLS has that is followed by others, and
// whether it may be a hello.
func Record(text []byte) (size int, hello, done bool) {
	if len(text) < 5 {
		return 0, false, false
	}
	return 5 + int(binary.BigEndian.Uint16(text[3:])), text[0] == handshakeRecord, true
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

// Extensions of a ClientHello (RFC 6066, 3; RFC 9849, 5).
const extServerName, extEncryptedHello = 0, 0xfe0d

// readHello reads the message of a ClientHello. One that says two names says none.
func readHello(message reader) Hello {
	if _, ok := message.take(2 + 32); !ok { // version, random
		return Hello{}
	}
	for _, n := range []int{1, 2, 1} { // session, cipher suites, compression
		if _, ok := message.field(n); !ok {
			return Hello{}
		}
	}
	extensions, ok := message.field(2)
	var hello Hello
	named := false
	for ok && len(extensions) > 0 {
		var kind, value reader
		if kind, ok = extensions.take(2); !ok {
			return Hello{}
		}
		if value, ok = extensions.field(2); !ok {
			return Hello{}
		}
		switch binary.BigEndian.Uint16(kind) {
		case extEncryptedHello:
			hello.Sealed = true
		case extServerName:
			if named {
				return Hello{}
			}
			hello.Name, named = hostName(value), true
		}
	}
	return hello
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
	return onlyName(string(name))
}

// onlyName is a name as rules have it; "" for what is none: a server may take
// another part of it for the name than a rule does.
func onlyName(text string) string {
	name := network.CanonicalName(text)
	if !network.IsName(name) {
		return ""
	}
	return name
}

// methods are those of HTTP that servers know; a connection that begins with
// the beginning of one of them is held until it is clear.
var methods = strings.Fields("GET HEAD POST PUT DELETE CONNECT OPTIONS TRACE PATCH PRI PROPFIND PROPPATCH MKCOL COPY MOVE LOCK UNLOCK REPORT MKACTIVITY CHECKOUT MERGE SEARCH QUERY PURGE LINK UNLINK ACL BIND REBIND UNBIND MKCALENDAR NOTIFY SUBSCRIBE UNSUBSCRIBE SOURCE")

// sniffHTTP tells whether bytes are a request. Servers pass over empty lines in
// front of one.
func sniffHTTP(first []byte) Kind {
	line, _, ended := bytes.Cut(bytes.TrimLeft(first, "\r\n \t"), []byte("\n"))
	if len(first) > mostHead {
		return HTTP // if it is one, it is none that would be passed on
	}
	if len(line) == 0 {
		return More
	}
	word, _, spaced := bytes.Cut(line, []byte(" "))
	method := strings.ToUpper(string(word))
	for _, m := range methods {
		switch {
		case spaced && method == m:
			return HTTP
		case !spaced && !ended && strings.HasPrefix(m, method):
			return More
		}
	}
	word, _, _ = bytes.Cut(word, []byte("\t"))
	switch {
	case ended && versioned(line):
		return HTTP
	case ended, !isFieldName(string(word)):
		return Opaque
	}
	return Line // a method that nobody knows, or words of another protocol: its end tells
}

// versioned reports whether a line ends as that of a request does.
func versioned(line []byte) bool {
	upper := bytes.ToUpper(line)
	return bytes.Contains(upper, []byte(" HTTP/")) || bytes.Contains(upper, []byte("\tHTTP/"))
}

// nameOf is the host of an authority, without a port; "" where it is not clear
// what that is.
func nameOf(authority string) string {
	host, port, found := strings.Cut(authority, ":")
	if inner, ok := strings.CutPrefix(authority, "["); ok {
		var closed bool
		if host, port, closed = strings.Cut(inner, "]"); !closed {
			return ""
		}
		port, found = strings.CutPrefix(port, ":")
		if a, err := netip.ParseAddr(host); err != nil || !a.Is6() || !found && port != "" {
			return ""
		}
	}
	if found && strings.Trim(port, "0123456789") != "" {
		return ""
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return a.String()
	}
	return onlyName(host)
}
