package wayland

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"

	"golang.org/x/sys/unix"
)

// display is the object that every connection begins with.
const display uint32 = 1

// most is the longest message that is taken; the protocol's size field has 16
// bits.
const most = 1 << 16

// connection is one to a compositor. The first error stays.
type connection struct {
	conn *net.UnixConn
	last uint32 // object
	err  error
}

func (c *connection) newID() uint32 {
	c.last++
	return c.last
}

// send writes one message: the object, the size and the request, the arguments.
func (c *connection) send(object uint32, opcode uint16, fds []int, args ...any) {
	if c.err != nil {
		return
	}
	body := make([]byte, 8)
	for _, a := range args {
		switch a := a.(type) {
		case uint32:
			body = binary.NativeEndian.AppendUint32(body, a)
		case string:
			body = appendString(body, a)
		}
	}
	if len(body) >= most {
		c.err = errors.New("a message to the compositor would be too long")
		return
	}
	binary.NativeEndian.PutUint32(body, object)
	binary.NativeEndian.PutUint32(body[4:], uint32(len(body))<<16|uint32(opcode))
	var rights []byte
	if fds != nil {
		rights = unix.UnixRights(fds...)
	}
	n, _, err := c.conn.WriteMsgUnix(body, rights, nil)
	if err == nil && n < len(body) {
		_, err = c.conn.Write(body[n:])
	}
	c.err = err
}

// appendString appends a length that counts the NUL behind the text, the text,
// and zeros up to a multiple of four.
func appendString(body []byte, s string) []byte {
	body = binary.NativeEndian.AppendUint32(body, uint32(len(s)+1))
	body = append(body, s...)
	body = append(body, 0)
	for len(body)%4 != 0 {
		body = append(body, 0)
	}
	return body
}

// roundTrip hands all events to visit until the compositor has done everything
// that it was asked for (wl_display.sync).
func (c *connection) roundTrip(visit func(object uint32, opcode uint16, body *reader)) error {
	callback := c.newID()
	c.send(display, displaySync, nil, callback)
	for c.err == nil {
		object, opcode, body, err := receive(c.conn)
		switch {
		case err != nil:
			return fmt.Errorf("the compositor does not answer: %w", err)
		case object == callback:
			return nil
		case object == display && opcode == 0:
			return protocolError(&reader{body})
		case visit != nil:
			visit(object, opcode, &reader{body})
		}
	}
	return fmt.Errorf("the compositor cannot be asked: %w", c.err)
}

// protocolError reads wl_display.error.
func protocolError(r *reader) error {
	r.uint()
	code := r.uint()
	return fmt.Errorf("the compositor reports error %d: %s", code, r.str())
}

// receive reads one message.
func receive(from io.Reader) (object uint32, opcode uint16, body []byte, err error) {
	var head [8]byte
	if _, err = io.ReadFull(from, head[:]); err != nil {
		return 0, 0, nil, err
	}
	word := binary.NativeEndian.Uint32(head[4:])
	size := word >> 16
	if size < 8 {
		return 0, 0, nil, fmt.Errorf("a message of %d bytes, which is shorter than its head", size)
	}
	body = make([]byte, size-8)
	_, err = io.ReadFull(from, body)
	return binary.NativeEndian.Uint32(head[:]), uint16(word), body, err
}

// reader takes arguments off a message; what is missing is zero.
type reader struct{ rest []byte }

func (r *reader) uint() uint32 {
	if len(r.rest) < 4 {
		r.rest = nil
		return 0
	}
	n := binary.NativeEndian.Uint32(r.rest)
	r.rest = r.rest[4:]
	return n
}

func (r *reader) str() string {
	n := uint64(r.uint())
	padded := (n + 3) &^ 3
	if n == 0 || padded > uint64(len(r.rest)) {
		r.rest = nil
		return ""
	}
	s := string(r.rest[:n-1])
	r.rest = r.rest[padded:]
	return s
}
