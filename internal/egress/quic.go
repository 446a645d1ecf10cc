package egress

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"time"
)

// Versions of QUIC (RFC 9000, RFC 9369).
const (
	quicV1 = 0x00000001
	quicV2 = 0x6b3343cf
)

// Bounds of what is remembered of one flow of datagrams.
const (
	mostConnections = 32
	mostPackets     = 16       // that begin one, in a datagram
	mostNumbers     = 64       // packets of one connection's beginning
	mostCrypto      = 16 << 10 // bytes of it
	mostHeldBytes   = 16 << 10
	handshake       = 30 * time.Second // by then a server has given up on a hello
)

// Reasons that Datagrams refuses a datagram for, beside what Judge says.
var (
	ErrQUICVersion = errors.New(UnknownQUIC)
	ErrQUICTwisted = errors.New(TwistedQUIC)
)

// Datagrams looks for the names in a flow of datagrams, which QUIC's hold in the
// packets that begin a connection, under keys that everybody can know (RFC 9001,
// 5.2). What a server cannot read as such a packet, by the same keys, begins no
// connection, and passes.
type Datagrams struct {
	Judge       func(Hello) error
	Strict      bool // what may be a version of QUIC that is not known here is refused
	connections []*connection
	held        [][]byte
	heldBytes   int
}

// Take returns what may go out, once b came: nothing, as long as it is not clear
// for whom it is.
func (d *Datagrams) Take(b []byte) ([][]byte, error) {
	waits := false
	for rest, n := b, 0; len(rest) > 0; n++ {
		if n == mostPackets {
			return nil, ErrQUICTwisted
		}
		p, after, err := parseLong(rest)
		if err != nil && d.Strict || err == errDraft {
			return nil, ErrQUICVersion
		}
		if p == nil {
			break
		}
		c, err := d.read(p)
		if err != nil {
			return nil, err
		}
		waits = waits || c != nil && !c.judged()
		rest = after
	}
	if !waits && !d.waiting() {
		out := append(d.held, b)
		d.held, d.heldBytes = nil, 0
		return out, nil
	}
	if d.heldBytes += len(b); d.heldBytes > mostHeldBytes {
		return nil, ErrQUICTwisted
	}
	d.held = append(d.held, bytes.Clone(b))
	return nil, nil
}

func (d *Datagrams) waiting() bool {
	for _, c := range d.connections {
		if !c.judged() {
			return true
		}
	}
	return false
}

// read takes a packet to the connection that it belongs to; nil is none.
func (d *Datagrams) read(p *initial) (*connection, error) {
	for _, c := range d.connections {
		if payload := c.open(p); payload != nil {
			return c, c.frames(payload, d.Judge)
		}
	}
	c := newConnection(p.destination)
	payload := c.open(p)
	if payload == nil {
		return nil, nil
	}
	if len(d.connections) == mostConnections {
		if time.Since(d.connections[0].born) < handshake {
			return nil, ErrQUICTwisted
		}
		d.connections = d.connections[1:]
	}
	d.connections = append(d.connections, c)
	return c, c.frames(payload, d.Judge)
}

// initial is a packet that can begin a connection, as it came.
type initial struct {
	version     uint32
	destination []byte // the identifier that the server knows the connection by
	packet      []byte
	number      int // where the packet number begins
}

var errUnknown, errDraft = errors.New("a version that is not known"), errors.New("a version from before there was one")

// parseLong finds an initial packet at the beginning of bytes, or after others
// (RFC 9000, 12.2 and 17.2). No packet is returned where no more can follow.
func parseLong(b []byte) (p *initial, after []byte, err error) {
	for len(b) > 6 && b[0]&0x80 != 0 {
		version := binary.BigEndian.Uint32(b[1:])
		if version != quicV1 && version != quicV2 {
			if version>>8 == 0xff0000 || version>>16 == 'Q'<<8|'0' || version>>16 == 'T'<<8|'0' {
				return nil, nil, errDraft
			}
			return nil, nil, errUnknown
		}
		kind := b[0] >> 4 & 3
		if version == quicV2 { // its kinds are counted from another one (RFC 9369, 3.2)
			kind = (kind + 3) & 3
		}
		r := reader(b[5:])
		destination, ok := r.field(1)
		if _, has := r.field(1); !has || !ok || kind == 3 { // a retry fills its datagram
			return nil, nil, nil
		}
		if kind == 0 && !r.token() {
			return nil, nil, nil
		}
		length, ok := r.number()
		if !ok || length > uint64(len(r)) {
			return nil, nil, nil
		}
		number := len(b) - len(r)
		whole := number + int(length)
		if kind == 0 {
			return &initial{version, destination, b[:whole], number}, b[whole:], nil
		}
		b = b[whole:]
	}
	if len(b) > 13 && b[0]&0xc9 == 9 && (b[9] == 'Q' || b[9] == 'T') && b[10] == '0' {
		return nil, nil, errDraft // Google's own, from before there were versions of all
	}
	return nil, nil, nil
}

// number is an integer of variable length (RFC 9000, 16).
func (r *reader) number() (uint64, bool) {
	if len(*r) == 0 {
		return 0, false
	}
	text, ok := r.take(1 << ((*r)[0] >> 6))
	if !ok {
		return 0, false
	}
	n := uint64(text[0] & 0x3f)
	for _, b := range text[1:] {
		n = n<<8 | uint64(b)
	}
	return n, true
}

func (r *reader) token() bool {
	length, ok := r.number()
	if !ok || length > uint64(len(*r)) {
		return false
	}
	_, ok = r.take(int(length))
	return ok
}

// connection is the beginning of one: what its client has said so far.
type connection struct {
	born    time.Time
	id      []byte
	keys    map[uint32]*keys
	numbers []uint64 // of packets that could be read
	text    []byte   // of the handshake
	has     []bool   // which bytes of it came
	whole   int      // how many of them are messages that were judged
}

func newConnection(id []byte) *connection {
	return &connection{born: time.Now(), id: bytes.Clone(id), keys: map[uint32]*keys{}}
}

// judged reports whether all that the client said so far was judged.
func (c *connection) judged() bool { return c.whole > 0 && c.whole == len(c.text) }

// frames takes the frames of a packet, and judges the hellos that are complete. A
// second one comes after the server has asked for it.
func (c *connection) frames(payload reader, judge func(Hello) error) error {
	if len(c.numbers) > mostNumbers {
		return ErrQUICTwisted
	}
	for len(payload) > 0 {
		kind, ok := payload.number()
		if !ok {
			return ErrQUICTwisted
		}
		switch kind {
		case 0, 1: // padding, a ping
		case 2, 3:
			ok = payload.acknowledgement(kind == 3)
		case 6:
			ok = c.crypto(&payload)
		case 0x1c: // the end
			return nil
		default:
			ok = false
		}
		if !ok {
			return ErrQUICTwisted
		}
	}
	return c.hellos(judge)
}

func (r *reader) acknowledgement(congestion bool) bool {
	var fields [4]uint64
	for i := range fields {
		var ok bool
		if fields[i], ok = r.number(); !ok {
			return false
		}
	}
	more := 2 * fields[2]
	if congestion {
		more += 3
	}
	for ; more > 0 && more < mostCrypto; more-- {
		if _, ok := r.number(); !ok {
			return false
		}
	}
	return more == 0
}

// crypto takes a part of the handshake. Nothing is said twice in different words.
func (c *connection) crypto(r *reader) bool {
	offset, ok := r.number()
	if !ok {
		return false
	}
	length, ok := r.number()
	if !ok || length > uint64(len(*r)) || offset > mostCrypto || offset+length > mostCrypto {
		return false
	}
	part, _ := r.take(int(length))
	if more := int(offset+length) - len(c.text); more > 0 {
		c.text, c.has = append(c.text, make([]byte, more)...), append(c.has, make([]bool, more)...)
	}
	for i, b := range part {
		at := int(offset) + i
		if c.has[at] && c.text[at] != b {
			return false
		}
		c.text[at], c.has[at] = b, true
	}
	return true
}

// hellos judges each message that is complete.
func (c *connection) hellos(judge func(Hello) error) error {
	for {
		got := c.whole
		for got < len(c.text) && c.has[got] {
			got++
		}
		message := c.text[c.whole:got]
		if len(message) < 4 {
			return nil
		}
		whole := 4 + int(message[1])<<16 + int(message[2])<<8 + int(message[3])
		switch {
		case message[0] != clientHello || whole > mostCrypto:
			return ErrQUICTwisted
		case len(message) < whole:
			return nil
		}
		if err := judge(readHello(message[4:whole])); err != nil {
			return err
		}
		c.whole += whole
	}
}

// keys are those of the packets that a client begins a connection with.
type keys struct {
	header cipher.Block
	seal   cipher.AEAD
	iv     []byte
}

var salts = map[uint32]struct{ salt, prefix string }{
	quicV1: {"\x38\x76\x2c\xf7\xf5\x59\x34\xb3\x4d\x17\x9a\xe6\xa4\xc8\x0c\xad\xcc\xbb\x7f\x0a", "quic "},
	quicV2: {"\x0d\xed\xe3\xde\xf7\x00\xa6\xdb\x81\x93\x81\xbe\x6e\x26\x9d\xcb\xf9\xbd\x2e\xd9", "quicv2 "},
}

func newKeys(version uint32, id []byte) (*keys, error) {
	s := salts[version]
	first, err := hkdf.Extract(sha256.New, id, []byte(s.salt))
	if err != nil {
		return nil, err
	}
	secret := expand(first, "client in", sha256.Size)
	header, err := aes.NewCipher(expand(secret, s.prefix+"hp", 16))
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(expand(secret, s.prefix+"key", 16))
	if err != nil {
		return nil, err
	}
	seal, err := cipher.NewGCM(block)
	return &keys{header, seal, expand(secret, s.prefix+"iv", 12)}, err
}

// expand is HKDF-Expand-Label without a context (RFC 8446, 7.1).
func expand(secret []byte, label string, length int) []byte {
	label = "tls13 " + label
	info := append(append([]byte{byte(length >> 8), byte(length), byte(len(label))}, label...), 0)
	key, err := hkdf.Expand(sha256.New, secret, string(info), length)
	if err != nil {
		panic("egress: a key of " + label + ": " + err.Error()) // its length is too large
	}
	return key
}

// open returns what a packet holds; nil if it is none of this connection.
func (c *connection) open(p *initial) []byte {
	k := c.keys[p.version]
	if k == nil {
		var err error
		if k, err = newKeys(p.version, c.id); err != nil {
			return nil
		}
		c.keys[p.version] = k
	}
	const sample = 16
	if len(p.packet) < p.number+4+sample {
		return nil
	}
	var mask [aes.BlockSize]byte
	k.header.Encrypt(mask[:], p.packet[p.number+4:p.number+4+sample])
	first := p.packet[0] ^ mask[0]&0x0f
	length := int(first&3) + 1
	header := bytes.Clone(p.packet[:p.number+length])
	header[0] = first
	short := uint64(0)
	for i := range length {
		header[p.number+i] ^= mask[1+i]
		short = short<<8 | uint64(header[p.number+i])
	}
	for _, number := range c.candidates(short, 8*length) {
		nonce := bytes.Clone(k.iv)
		for i := range 8 {
			nonce[4+i] ^= byte(number >> (8 * (7 - i)))
		}
		if payload, err := k.seal.Open(nil, nonce, p.packet[p.number+length:], header); err == nil {
			c.numbers = append(c.numbers, number)
			return payload
		}
	}
	return nil
}

// candidates are what the low bits of a packet number may stand for: that depends
// on which packets the server got (RFC 9000, A.3).
func (c *connection) candidates(short uint64, bits int) []uint64 {
	list := []uint64{short}
	window := uint64(1) << bits
	for _, seen := range c.numbers {
		expected := seen + 1
		n := expected&^(window-1) | short
		switch {
		case n+window/2 <= expected:
			n += window
		case n > expected+window/2 && n >= window:
			n -= window
		}
		if n != list[len(list)-1] {
			list = append(list, n)
		}
	}
	return list
}
