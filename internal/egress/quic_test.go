package egress

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"net"
	"slices"
	"testing"
	"time"

	"golang.org/x/net/quic"
)

// flight is what a client of QUIC sends first to reach a name.
func flight(t testing.TB, name string) (all [][]byte) {
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	client, err := quic.Listen("udp", "127.0.0.1:0", nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	go client.Dial(ctx, "udp", server.LocalAddr().String(), &quic.Config{TLSConfig: &tls.Config{ServerName: name, NextProtos: []string{"h3"}, MinVersion: tls.VersionTLS13}})
	defer client.Close(ctx)
	defer cancel()
	d, said := judged("*")
	server.SetReadDeadline(time.Now().Add(time.Minute))
	for buffer := make([]byte, 64<<10); ; {
		n, _, err := server.ReadFrom(buffer)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, bytes.Clone(buffer[:n]))
		if _, err := d.Take(buffer[:n]); err != nil || len(*said) > 0 {
			return all
		}
	}
}

// judged are Datagrams that allow one name, and the names that they heard.
func judged(name string) (*Datagrams, *[]string) {
	said := new([]string)
	return &Datagrams{Judge: func(h Hello) error {
		*said = append(*said, h.Name)
		if name != "*" && h.Name != name {
			return errNo
		}
		return nil
	}}, said
}

// begin is a packet that begins a connection with an identifier, as a client
// would seal it.
func begin(t testing.TB, version uint32, id string, number uint64, length int, frames ...[]byte) []byte {
	return packet(t, version, id, id, number, length, frames...)
}

// packet is one to a server that chose an identifier, under the keys of another.
func packet(t testing.TB, version uint32, to, id string, number uint64, length int, frames ...[]byte) []byte {
	k, err := newKeys(version, []byte(id))
	if err != nil {
		t.Fatal(err)
	}
	payload := bytes.Join(frames, nil)
	payload = append(payload, make([]byte, max(0, 1200-len(payload)))...)
	first := byte(0xc0)
	if version == quicV2 {
		first = 0xd0
	}
	head := binary.BigEndian.AppendUint32([]byte{first | byte(length-1)}, version)
	head = append(append(head, byte(len(to))), to...)
	head = append(head, 0, 0) // no identifier of its own, no token
	head = binary.BigEndian.AppendUint16(head, 0x4000|uint16(length+len(payload)+k.seal.Overhead()))
	at := len(head)
	for i := length - 1; i >= 0; i-- {
		head = append(head, byte(number>>(8*i)))
	}
	nonce := bytes.Clone(k.iv)
	for i := range 8 {
		nonce[4+i] ^= byte(number >> (8 * (7 - i)))
	}
	out := k.seal.Seal(bytes.Clone(head), nonce, payload, head)
	var mask [16]byte
	k.header.Encrypt(mask[:], out[at+4:at+20])
	out[0] ^= mask[0] & 0x0f
	for i := range length {
		out[at+i] ^= mask[1+i]
	}
	return out
}

// crypto is a frame with a part of a handshake.
func crypto(offset int, text []byte) []byte {
	b := binary.BigEndian.AppendUint16([]byte{6}, 0x4000|uint16(offset))
	return append(binary.BigEndian.AppendUint16(b, 0x4000|uint16(len(text))), text...)
}

func quicHello(name string) []byte { return helloOf(extension(extServerName, names(name))) }

// takes has datagrams come one by one, and returns how many went out, and why it
// ended before all had come.
func takes(d *Datagrams, all ...[]byte) (out int, err error) {
	for _, b := range all {
		passed, err := d.Take(b)
		if out += len(passed); err != nil {
			return out, err
		}
	}
	return out, nil
}

func TestNamesInQUIC(t *testing.T) {
	all := flight(t, "good.example")
	d, said := judged("good.example")
	if out, err := takes(d, all...); out != len(all) || err != nil || !slices.Contains(*said, "good.example") {
		t.Errorf("a client of QUIC: %d of %d went out, %v, %q", out, len(all), err, *said)
	}
	d, _ = judged("other.example")
	if out, err := takes(d, all...); out != 0 || err != errNo {
		t.Errorf("one that is not allowed: %d went out, %v", out, err)
	}
	// The packet of RFC 9001, A.2, without its payload: its keys are known.
	k, err := newKeys(quicV1, []byte("\x83\x94\xc8\xf0\x3e\x51\x57\x08"))
	if err != nil || string(k.iv) != "\xfa\x04\x4b\x2f\x42\xa3\xfd\x3b\x46\xfb\x25\x5c" {
		t.Errorf("the keys of the standard are others: %x, %v", k, err)
	}
	if k, err = newKeys(quicV2, []byte("\x83\x94\xc8\xf0\x3e\x51\x57\x08")); err != nil || string(k.iv) != "\x91\xf7\x3e\x23\x51\xd8\xfa\x91\x66\x0e\x90\x9f" {
		t.Errorf("the keys of the second version are others: %x, %v", k, err)
	}
}

func TestHellosOfQUICInParts(t *testing.T) {
	good, bad := quicHello("good.example"), quicHello("bad.example")
	ping, ack, end := []byte{1}, []byte{2, 5, 0, 1, 0, 0, 0}, []byte{0x1c, 0, 0, 0}
	const id = "identify"
	hold := begin(t, quicV1, id, 0, 1, crypto(9, good[9:30]))
	for _, c := range []struct {
		what string
		all  [][]byte
		out  int
		err  error
	}{
		{"in one", [][]byte{begin(t, quicV1, id, 0, 1, crypto(0, good))}, 1, nil},
		{"in the second version", [][]byte{begin(t, quicV2, id, 0, 4, crypto(0, good))}, 1, nil},
		{"mixed up", [][]byte{begin(t, quicV1, id, 0, 1, ping, crypto(20, good[20:]), ack, ping, crypto(0, good[:25]))}, 1, nil},
		{"in three, the last one first", [][]byte{begin(t, quicV1, id, 0, 1, crypto(40, good[40:])), hold, begin(t, quicV1, id, 2, 2, crypto(0, good[:9]), crypto(25, good[25:41]))}, 3, nil},
		{"not all of it", [][]byte{hold, begin(t, quicV1, id, 1, 1, crypto(0, good[:20]))}, 0, nil},
		{"what follows waits, too", [][]byte{hold, []byte("something else"), begin(t, quicV1, id, 1, 1, crypto(0, good))}, 3, nil},
		{"another name", [][]byte{begin(t, quicV1, id, 0, 1, crypto(0, bad))}, 0, errNo},
		{"another name in parts", [][]byte{begin(t, quicV1, id, 0, 1, crypto(20, bad[20:])), begin(t, quicV1, id, 1, 1, crypto(0, bad[:20]))}, 0, errNo},
		{"another name in the second version", [][]byte{begin(t, quicV2, id, 0, 1, crypto(0, bad))}, 0, errNo},
		{"a second connection", [][]byte{begin(t, quicV1, id, 0, 1, crypto(0, good)), begin(t, quicV1, "another1", 0, 1, crypto(0, bad))}, 1, errNo},
		{"two in a datagram", [][]byte{append(begin(t, quicV1, id, 0, 1, crypto(0, good)), begin(t, quicV1, "another1", 0, 1, crypto(0, bad))...)}, 0, errNo},
		{"the same again, in other words", [][]byte{begin(t, quicV1, id, 0, 1, crypto(0, good)), begin(t, quicV1, id, 1, 1, crypto(0, bad))}, 1, ErrQUICTwisted},
		{"a part of it in other words", [][]byte{begin(t, quicV1, id, 0, 1, crypto(44, good[44:])), begin(t, quicV1, id, 1, 1, crypto(0, bad))}, 0, ErrQUICTwisted},
		{"a second hello", [][]byte{begin(t, quicV1, id, 0, 1, crypto(0, good)), packet(t, quicV1, "theirs", id, 1, 1, crypto(len(good), good))}, 2, nil},
		{"a second hello with another name", [][]byte{begin(t, quicV1, id, 0, 1, crypto(0, good)), packet(t, quicV1, "theirs", id, 1, 1, crypto(len(good), bad))}, 1, errNo},
		{"a second hello, in the second version", [][]byte{begin(t, quicV1, id, 0, 1, crypto(0, good)), packet(t, quicV2, "theirs", id, 1, 1, crypto(len(good), bad))}, 1, errNo},
		{"a packet number that depends on others", [][]byte{begin(t, quicV1, id, 1000, 2, crypto(0, good)), begin(t, quicV1, id, 1003, 1, crypto(len(good), bad))}, 1, errNo},
		{"nothing but acknowledgements", [][]byte{begin(t, quicV1, id, 0, 1, crypto(0, good)), packet(t, quicV1, "theirs", id, 1, 1, ack), packet(t, quicV1, "theirs", id, 2, 1, end)}, 3, nil},
		{"under keys of nobody", [][]byte{packet(t, quicV1, "theirs", "nobodys", 0, 1, crypto(0, bad))}, 1, nil},
		{"a frame that has no place there", [][]byte{begin(t, quicV1, id, 0, 1, crypto(0, good), []byte{8, 0})}, 0, ErrQUICTwisted},
		{"half a frame's kind at its end", [][]byte{packet(t, quicV1, id, id, 0, 1, make([]byte, 1199), []byte{0x40})}, 0, ErrQUICTwisted},
		{"more than a hello has", [][]byte{begin(t, quicV1, id, 0, 1, []byte{6, 0x80, 1, 0, 0, 1, 0})}, 0, ErrQUICTwisted},
		{"other kinds of packets in front", [][]byte{append([]byte("\xe0\x00\x00\x00\x01\x02xx\x00\x01x"), begin(t, quicV1, id, 0, 1, crypto(0, bad))...)}, 0, errNo},
		{"behind what cannot be read", [][]byte{append([]byte("\xe0\x00\x00\x00\x01\x02xx\x00\x7f\xffx"), begin(t, quicV1, id, 0, 1, crypto(0, bad))...)}, 1, nil},
		{"a draft", [][]byte{[]byte("\xc0\xff\x00\x00\x1d\x08identify")}, 0, ErrQUICVersion},
		{"Google's", [][]byte{[]byte("\xc0Q050\x08identify")}, 0, ErrQUICVersion},
		{"Google's old ones", [][]byte{[]byte("\x0didentifyQ043 and more")}, 0, ErrQUICVersion},
		{"more than anybody puts into a datagram", [][]byte{bytes.Repeat([]byte("\xc0\x00\x00\x00\x01\x01x\x00\x00\x01x"), 1000)}, 0, ErrQUICTwisted},
		{"no QUIC", [][]byte{[]byte("hello"), {0x80, 0, 0, 0, 7, 1, 2}, {}}, 3, nil},
	} {
		d, _ := judged("good.example")
		if out, err := takes(d, c.all...); out != c.out || err != c.err {
			t.Errorf("%s: %d went out, %v; want %d, %v", c.what, out, err, c.out, c.err)
		}
	}
	d, _ := judged("good.example")
	d.Strict = true
	if _, err := d.Take([]byte("\xc0\xfa\xce\xb0\x02\x08identify")); err != ErrQUICVersion {
		t.Errorf("a version that nobody knows, on QUIC's port: %v", err)
	}
}

// What is kept of a flow is bounded, and what there is too much of goes nowhere.
func TestQUICThatNeverSaysItsName(t *testing.T) {
	d, _ := judged("good.example")
	held, err := 0, error(nil)
	for n := range 100 {
		var out [][]byte
		if out, err = d.Take(begin(t, quicV1, "identify", uint64(n), 1, crypto(n, []byte{1}))); len(out) > 0 || err != nil {
			break
		}
		held++
	}
	if err != ErrQUICTwisted || held > 2*mostHeldBytes/1200 || d.heldBytes > mostHeldBytes+1<<11 {
		t.Errorf("%d datagrams are held, and then %v", held, err)
	}
	d, _ = judged("good.example")
	for n := range 2 * mostConnections {
		if _, err = d.Take(begin(t, quicV1, string(rune('a'+n))+"dentify", 0, 1, crypto(0, quicHello("good.example")))); err != nil {
			break
		}
	}
	if err != ErrQUICTwisted || len(d.connections) != mostConnections {
		t.Errorf("%d connections begin at a time, and then %v", len(d.connections), err)
	}
	for _, c := range d.connections {
		c.born = c.born.Add(-2 * handshake)
	}
	if _, err := d.Take(begin(t, quicV1, "anothers", 0, 1, crypto(0, quicHello("good.example")))); err != nil || len(d.connections) != mostConnections {
		t.Errorf("later: %v", err)
	}
}

func FuzzDatagrams(f *testing.F) {
	f.Add(begin(f, quicV1, "identify", 0, 1, crypto(0, quicHello("good.example"))), []byte("hello"))
	f.Add(begin(f, quicV2, "identify", 0, 4, crypto(4, quicHello("good.example"))), begin(f, quicV1, "identify", 1, 1, []byte{2, 5, 0, 1, 0, 0, 0}))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		d, said := judged("good.example")
		out, err := takes(d, a, b)
		if err == nil && out+len(d.held) != 2 {
			t.Errorf("of two %d went out and %d wait", out, len(d.held))
		}
		if len(*said) > 0 && err == nil && (*said)[0] != "good.example" {
			t.Errorf("%q passed", *said)
		}
	})
}

// FuzzQUICFrames has frames that a client sealed itself.
func FuzzQUICFrames(f *testing.F) {
	f.Add(crypto(0, quicHello("good.example")))
	f.Add(slices.Concat([]byte{2, 5, 0, 1, 0, 0, 0}, crypto(4, quicHello("bad.example"))))
	f.Fuzz(func(t *testing.T, frames []byte) {
		if len(frames) > 8<<10 {
			return
		}
		d, said := judged("good.example")
		out, err := d.Take(begin(t, quicV1, "identify", 0, 1, frames))
		if len(out) > 0 && (err != nil || len(*said) == 0) {
			t.Errorf("it passed and said %q, %v", *said, err)
		}
	})
}
