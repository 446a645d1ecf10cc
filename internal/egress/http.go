package egress

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"
)

// Bounds of a request's head.
const (
	mostHead  = 64 << 10
	mostLines = 256
)

// ErrTwisted is the reason when it is not clear where a request ends: what the
// server takes for the next one would not have been looked at.
var ErrTwisted = errors.New(TwistedHTTP)

// Requests passes the requests of one connection on, each after its head was
// judged (RFC 9112). Body and head are written as they came.
type Requests struct {
	From  *bufio.Reader
	To    io.Writer
	Judge func(name string) error // of a host that a request is for; "": it says none
	// Switched waits for the answer to the first request, and reports whether the
	// connection goes on in another protocol.
	Switched func(connect bool) bool
	// Hurry is told when a head has begun, and when it has ended. It may be nil.
	Hurry func(bool)
}

// head is what counts of a request's head.
type head struct {
	raw      []byte
	names    []string
	length   int64
	chunked  bool
	switches bool // it asks for another protocol
	renames  bool // in which names are said anew
	connect  bool // by CONNECT
}

// Run passes requests on until the connection ends, or one is refused.
func (r *Requests) Run() error {
	for n := 0; ; n++ {
		h, err := r.head()
		if err != nil {
			return err
		}
		for _, name := range h.names {
			if err := r.Judge(name); err != nil {
				return err
			}
		}
		if h.switches && n > 0 {
			return ErrTwisted
		}
		if _, err := r.To.Write(h.raw); err != nil {
			return err
		}
		if h.switches && r.Switched(h.connect) {
			if h.renames {
				if err := r.Judge(""); err != nil {
					return err
				}
			}
			_, err := io.Copy(r.To, r.From)
			return err
		}
		if err := r.body(h); err != nil {
			return err
		}
	}
}

// line reads one with its end. A carriage return anywhere else is refused:
// servers do not agree on it.
func (r *Requests) line(raw *[]byte) (string, error) {
	var line []byte
	for {
		part, err := r.From.ReadSlice('\n')
		line = append(line, part...)
		if len(line) > mostHead {
			return "", ErrTwisted
		}
		if err == nil {
			break
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return "", err
		}
	}
	*raw = append(*raw, line...)
	text := strings.TrimSuffix(strings.TrimSuffix(string(line), "\n"), "\r")
	if strings.ContainsAny(text, "\r\x00") || len(*raw) > mostHead {
		return "", ErrTwisted
	}
	return text, nil
}

func (r *Requests) head() (*head, error) {
	if r.Hurry != nil {
		if _, err := r.From.Peek(1); err != nil {
			return nil, err
		}
		r.Hurry(true)
		defer r.Hurry(false)
	}
	h := &head{}
	first := ""
	for first == "" { // empty lines in front are passed over (RFC 9112, 2.2)
		var err error
		if first, err = r.line(&h.raw); err != nil {
			return nil, err
		}
	}
	words := strings.Split(first, " ")
	if len(words) != 3 || words[2] != "HTTP/1.1" && words[2] != "HTTP/1.0" {
		if len(words) == 3 && words[0] == "PRI" {
			return nil, r.Judge("") // HTTP/2 has its names where they are not looked for
		}
		return nil, ErrTwisted
	}
	if err := h.target(words[0], words[1]); err != nil {
		return nil, err
	}
	return h, r.fields(h, words[2])
}

// target takes the name from the line of the request, where it has one.
func (h *head) target(method, target string) error {
	if method == "CONNECT" {
		h.switches, h.connect, h.names = true, true, append(h.names, nameOf(target))
		return nil
	}
	if target == "" || target[0] == '/' || target == "*" {
		return nil
	}
	_, rest, ok := strings.Cut(target, "://")
	if !ok {
		return ErrTwisted
	}
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		rest = rest[:end]
	}
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		return ErrTwisted
	}
	h.names = append(h.names, nameOf(rest))
	return nil
}

func (r *Requests) fields(h *head, version string) error {
	seen := map[string]string{}
	for n := 0; ; n++ {
		line, err := r.line(&h.raw)
		switch {
		case err != nil:
			return err
		case line == "":
			return h.frame(seen, version)
		case n == mostLines:
			return ErrTwisted
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok || !isFieldName(name) {
			return ErrTwisted
		}
		name, value = strings.ToLower(name), strings.Trim(value, " \t")
		switch name {
		case "host", "content-length", "transfer-encoding", "upgrade":
			if _, twice := seen[name]; twice {
				return ErrTwisted
			}
			seen[name] = value
		}
	}
}

func isFieldName(name string) bool {
	return name != "" && strings.IndexFunc(name, func(c rune) bool {
		return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("!#$%&'*+-.^_`|~", c))
	}) < 0
}

// frame says where the request ends.
func (h *head) frame(seen map[string]string, version string) error {
	host, named := seen["host"]
	if named || len(h.names) == 0 {
		h.names = append(h.names, nameOf(host))
	}
	if other, ok := seen["upgrade"]; ok {
		h.switches, h.renames = true, renames(other)
	}
	length, sized := seen["content-length"]
	coding, coded := seen["transfer-encoding"]
	switch {
	case sized && coded, coded && (!strings.EqualFold(coding, "chunked") || version == "HTTP/1.0"):
		return ErrTwisted
	case coded:
		h.chunked = true
	case sized:
		n, err := strconv.ParseInt(length, 10, 64)
		if err != nil || n < 0 || length[0] == '+' {
			return ErrTwisted
		}
		h.length = n
	}
	return nil
}

// renames reports whether one of the protocols that are asked for has names in it
// (HTTP/2, RFC 7540, 3.2; TLS, RFC 2817).
func renames(protocols string) bool {
	for word := range strings.SplitSeq(strings.ToLower(protocols), ",") {
		name, _, _ := strings.Cut(strings.TrimSpace(word), "/")
		if name == "h2c" || name == "h2" || name == "tls" || name == "http" {
			return true
		}
	}
	return false
}

func (r *Requests) body(h *head) error {
	if !h.chunked {
		_, err := io.CopyN(r.To, r.From, h.length)
		return err
	}
	for {
		var raw []byte
		line, err := r.line(&raw)
		if err != nil {
			return err
		}
		digits, _, _ := strings.Cut(line, ";")
		n, err := strconv.ParseUint(strings.TrimRight(digits, " \t"), 16, 62)
		if err != nil || digits[0] == '+' {
			return ErrTwisted
		}
		if _, err := r.To.Write(raw); err != nil {
			return err
		}
		if n == 0 {
			return r.trailer()
		}
		if _, err := io.CopyN(r.To, r.From, int64(n)); err != nil {
			return err
		}
		raw = nil
		if line, err = r.line(&raw); err != nil || line != "" {
			return errors.Join(err, ErrTwisted)
		}
		if _, err := r.To.Write(raw); err != nil {
			return err
		}
	}
}

func (r *Requests) trailer() error {
	var raw []byte
	for {
		line, err := r.line(&raw)
		if err != nil {
			return err
		}
		if line == "" {
			_, err := r.To.Write(raw)
			return err
		}
	}
}

// Switches reports whether an answer, of which these are the first bytes, has
// the connection go on in another protocol. Done is false when there are too
// few. A server may say 100 and the like before.
func Switches(answer []byte, connect bool) (yes, done bool) {
	for {
		end := bytes.IndexByte(answer, '\n')
		if end < 0 {
			return false, len(answer) > mostHead
		}
		words := strings.Fields(string(answer[:end]))
		if len(words) < 2 || !strings.HasPrefix(words[0], "HTTP/1.") || len(words[1]) != 3 {
			return false, true
		}
		switch {
		case words[1] == "101", connect && words[1][0] == '2':
			return true, true
		case words[1][0] != '1':
			return false, true
		}
		_, after, found := bytes.Cut(answer, []byte("\r\n\r\n"))
		if !found {
			return false, len(answer) > mostHead
		}
		answer = after
	}
}
