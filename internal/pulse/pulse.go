// Package pulse is a filter before a PulseAudio server, or pipewire-pulse: what
// plays sound passes, and what records, loads modules or changes things of
// others is refused. No server of the kind knows such a restriction itself.
//
// The native protocol is a stream of frames: a head of five numbers (length,
// channel, an offset of 64 bits, flags), and that many bytes. Frames of the
// channel 0xffffffff are commands: a tagged number for what, a tagged number for
// which, and arguments. The filter looks at these two numbers and passes or
// answers the frame; it forwards no descriptors, so there is no shared memory.
package pulse

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
)

const (
	headSize    = 20
	control     = 0xffffffff
	tagNumber   = 'L'
	mostCommand = 1 << 20  // bytes of one command
	mostData    = 16 << 20 // bytes of one frame of sound (FRAME_SIZE_MAX_ALLOW)
)

// Commands and errors (pulsecore/native-common.h).
const (
	cmdError  = 0
	cmdAuth   = 8
	errAccess = 1
)

// playback are the commands that who plays sound needs: its own streams and
// samples, and what there is to see of sinks and sources.
var playback = span(cmdError, 2, 3, 4, cmdAuth, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 20, 21, 22, 23, 24, 29, 30, 35, 37, 41, 42, 43, 46, 60, 69, 72, 74, 81, 82, 84, 85)

// recording are those of who records.
var recording = span(5, 6, 31, 32, 47, 57, 58, 59, 73, 75, 80, 83, 98, 99)

func span(numbers ...uint32) map[uint32]bool {
	set := make(map[uint32]bool, len(numbers))
	for _, n := range numbers {
		set[n] = true
	}
	return set
}

// Filter is a filter before the server that listens at Server.
type Filter struct {
	Server string
	Record bool // recording is let through
}

// Serve filters every connection that l accepts, until it is closed.
func (f Filter) Serve(l net.Listener) {
	for {
		client, err := l.Accept()
		if err != nil {
			return
		}
		go f.connection(client)
	}
}

func (f Filter) connection(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("unix", f.Server)
	if err != nil {
		return
	}
	defer server.Close()
	var mu sync.Mutex // frames of the server's and the filter's own do not mix
	go func() {
		frames(server, client, &mu)
		client.Close()
		server.Close()
	}()
	f.pass(client, server, atOnce{client, &mu})
}

// atOnce writes each piece at once.
type atOnce struct {
	to io.Writer
	mu *sync.Mutex
}

// Write implements io.Writer.
func (w atOnce) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.to.Write(p)
}

// frames copies whole frames.
func frames(from io.Reader, to io.Writer, mu *sync.Mutex) {
	var head [headSize]byte
	for {
		if _, err := io.ReadFull(from, head[:]); err != nil {
			return
		}
		size := be(head[:])
		if size > mostData {
			return
		}
		frame := make([]byte, headSize+size)
		copy(frame, head[:])
		if _, err := io.ReadFull(from, frame[headSize:]); err != nil {
			return
		}
		if _, err := (atOnce{to, mu}).Write(frame); err != nil {
			return
		}
	}
}

var errFrame = errors.New("a frame that no client sends")

// pass hands frames of the client to the server, and answers those that it does
// not.
func (f Filter) pass(client io.Reader, server, back io.Writer) error {
	var head [headSize]byte
	for {
		if _, err := io.ReadFull(client, head[:]); err != nil {
			return err
		}
		size, channel, flags := be(head[0:]), be(head[4:]), be(head[16:])
		if channel != control {
			// The upper bits of the flags announce shared memory, which there is none.
			if size > mostData || flags&0xe0000000 != 0 {
				return errFrame
			}
			if _, err := server.Write(head[:]); err != nil {
				return err
			}
			if _, err := io.CopyN(server, client, int64(size)); err != nil {
				return err
			}
			continue
		}
		if size < 10 || size > mostCommand || flags != 0 {
			return errFrame
		}
		body := make([]byte, size)
		if _, err := io.ReadFull(client, body); err != nil {
			return err
		}
		if err := f.command(head[:], body, server, back); err != nil {
			return err
		}
	}
}

// command passes a command on, or answers that it is not allowed.
func (f Filter) command(head, body []byte, server, back io.Writer) error {
	if body[0] != tagNumber || body[5] != tagNumber {
		return errFrame
	}
	number := be(body[1:])
	if !playback[number] && !(f.Record && recording[number]) {
		_, err := back.Write(refusal(be(body[6:])))
		return err
	}
	if number == cmdAuth && len(body) >= 15 && body[10] == tagNumber {
		body[11] &= 0x3f // the two upper bits of the version offer shared memory
	}
	_, err := server.Write(append(append([]byte{}, head...), body...))
	return err
}

// refusal is a frame with the answer to the command that was numbered tag.
func refusal(tag uint32) []byte {
	const size = 15
	frame := binary.BigEndian.AppendUint32(nil, size)
	frame = binary.BigEndian.AppendUint32(frame, control)
	frame = append(frame, make([]byte, headSize-8)...)
	for _, n := range [...]uint32{cmdError, tag, errAccess} {
		frame = binary.BigEndian.AppendUint32(append(frame, tagNumber), n)
	}
	return frame
}

func be(b []byte) uint32 { return binary.BigEndian.Uint32(b) }
