package profiles

import (
	"strconv"
	"strings"

	"github.com/snug-sandbox/snug/internal/units"
)

// keyPath is where a value stands in a profile: a chain from the key to the
// top, so that walking a profile without mistakes builds no strings.
type keyPath struct {
	up    *keyPath
	key   string
	index int // of an element of the list up
	elem  bool
}

func (p *keyPath) child(key string) *keyPath { return &keyPath{up: p, key: key} }

func (p *keyPath) element(i int) *keyPath { return &keyPath{up: p, index: i, elem: true} }

// String is such as "mounts[1].target" or env.set."a.b".
func (p *keyPath) String() string {
	switch {
	case p == nil:
		return ""
	case p.elem:
		return p.up.String() + indexOf(p.index)
	}
	return joinKey(p.up.String(), p.key)
}

// joinKey appends a key to a path, in quotes where TOML needs them.
func joinKey(path, key string) string {
	if !isBare(key) {
		key = units.TOML(key)
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

func isBare(key string) bool {
	for i := 0; i < len(key); i++ {
		c := key[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-') {
			return false
		}
	}
	return key != ""
}

func indexOf(i int) string { return "[" + strconv.Itoa(i) + "]" }

// unescape reads the escapes of a basic string, as in a quoted key.
func unescape(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		digits := map[byte]int{'x': 2, 'u': 4, 'U': 8}[s[i]]
		if digits > 0 && i+digits < len(s) {
			n, _ := strconv.ParseUint(s[i+1:i+1+digits], 16, 32)
			b.WriteRune(rune(n))
			i += digits
			continue
		}
		b.WriteByte(escaped(s[i]))
	}
	return b.String()
}

func escaped(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 't':
		return '\t'
	case 'n':
		return '\n'
	case 'f':
		return '\f'
	case 'r':
		return '\r'
	case 'e':
		return 0x1b
	}
	return c
}
