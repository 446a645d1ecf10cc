package pulse

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"path/filepath"
	"testing"
)

// frame is a frame of the channel with this content.
func frame(channel, flags uint32, body []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
	b = binary.BigEndian.AppendUint32(b, channel)
	b = append(b, make([]byte, 8)...)
	b = binary.BigEndian.AppendUint32(b, flags)
	return append(b, body...)
}

func command(number, tag uint32, more ...byte) []byte {
	b := binary.BigEndian.AppendUint32([]byte{tagNumber}, number)
	b = binary.BigEndian.AppendUint32(append(b, tagNumber), tag)
	return frame(control, 0, append(b, more...))
}

// passed returns what the filter hands to the server, and what it answers.
func passed(f Filter, in []byte) (server, back []byte, err error) {
	var to, answer bytes.Buffer
	err = f.pass(bytes.NewReader(in), &to, &answer)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return to.Bytes(), answer.Bytes(), err
}

func TestPlaybackPassesAndRecordingIsRefused(t *testing.T) {
	for _, c := range []struct {
		name          string
		number        uint32
		plays, record bool
	}{
		{"create a playback stream", 3, true, true}, {"set the client's name", 9, true, true}, {"cork", 41, true, true},
		{"create a record stream", 5, false, true}, {"list recorders", 32, false, true},
		{"exit", 7, false, false}, {"load a module", 51, false, false}, {"unload one", 52, false, false}, {"kill a client", 48, false, false},
		{"kill a stream", 49, false, false}, {"move a recorder", 68, false, false}, {"set the default", 44, false, false},
		{"set the volume of a sink", 36, false, false}, {"extensions", 87, false, false}, {"shared memory", 103, false, false},
		{"the ring of shared memory", 101, false, false}, {"messages to objects", 104, false, false}, {"a later command", 4000, false, false},
	} {
		in := command(c.number, 77, 'N')
		for _, record := range []bool{false, true} {
			want := c.plays
			if record {
				want = c.record
			}
			server, back, err := passed(Filter{Record: record}, in)
			switch {
			case err != nil:
				t.Errorf("%s: %v", c.name, err)
			case want && (!bytes.Equal(server, in) || len(back) != 0):
				t.Errorf("%s, recording %v: is not passed on", c.name, record)
			case !want && (len(server) != 0 || !bytes.Equal(back, refusal(77))):
				t.Errorf("%s, recording %v: is not refused", c.name, record)
			}
		}
	}
}

func TestSoundPassesAndSharedMemoryDoesNot(t *testing.T) {
	sound := frame(3, 0, []byte("sound"))
	if server, _, err := passed(Filter{}, sound); err != nil || !bytes.Equal(server, sound) {
		t.Errorf("%q, %v", server, err)
	}
	for _, flags := range []uint32{0x80000000, 0x40000000, 0xc0000000, 0xa0000000, 0x20000000} {
		if server, _, err := passed(Filter{}, frame(3, flags, make([]byte, 16))); err == nil || len(server) != 0 {
			t.Errorf("flags %#x pass", flags)
		}
	}
	for _, bad := range [][]byte{frame(control, 0, []byte("L")), frame(control, 0, []byte("Sxxxx-L0000")), frame(control, 1, command(9, 1)[20:]), frame(3, 0, nil)[:10]} {
		if server, _, err := passed(Filter{}, bad); err == nil && len(server) > 0 {
			t.Errorf("%q passes", bad)
		}
	}
}

// A server shares memory with who says that it can.
func TestNobodyOffersSharedMemory(t *testing.T) {
	auth := command(cmdAuth, 0, tagNumber, 0xc0, 0, 0, 35)
	server, _, err := passed(Filter{}, auth)
	if err != nil || len(server) != len(auth) || server[headSize+11] != 0 || server[headSize+14] != 35 {
		t.Errorf("%x, %v", server, err)
	}
}

// Answers of the filter's come between the frames of the server's.
func TestFramesAreWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "native")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	front, err := net.Listen("unix", path+".front")
	if err != nil {
		t.Fatal(err)
	}
	defer front.Close()
	go Filter{Server: path}.Serve(front)
	long := frame(1, 0, bytes.Repeat([]byte("x"), 1<<16))
	const rounds = 20
	go func() {
		server, err := l.Accept()
		if err != nil {
			return
		}
		for range rounds {
			server.Write(long[:100])
			server.Write(long[100:])
		}
	}()
	client, err := net.Dial("unix", front.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	go func() {
		for i := range rounds {
			client.Write(command(51, uint32(i)))
		}
	}()
	for n := 0; n < 2*rounds; n++ {
		var head [headSize]byte
		if _, err := io.ReadFull(client, head[:]); err != nil {
			t.Fatal(err)
		}
		body := make([]byte, be(head[:]))
		if _, err := io.ReadFull(client, body); err != nil {
			t.Fatal(err)
		}
		if got := append(head[:], body...); !bytes.Equal(got, long) && len(got) != len(refusal(0)) {
			t.Fatalf("frame %d is torn: %d bytes", n, len(got))
		}
	}
}

func FuzzPass(f *testing.F) {
	f.Add(command(3, 1, 'N'), false)
	f.Add(command(5, 1), true)
	f.Add(frame(0, 0, []byte("sound")), false)
	f.Fuzz(func(t *testing.T, in []byte, record bool) {
		server, _, err := passed(Filter{Record: record}, in)
		if err != nil {
			return
		}
		// What came through is frames, none of which records unless that is allowed.
		for r := bytes.NewReader(server); r.Len() >= headSize; {
			var head [headSize]byte
			io.ReadFull(r, head[:])
			body := make([]byte, min(int(be(head[:])), r.Len()))
			io.ReadFull(r, body)
			if be(head[4:]) == control && (recording[be(body[1:])] && !record || be(body[1:]) == 51) {
				t.Errorf("%q came through", body)
			}
		}
	})
}
