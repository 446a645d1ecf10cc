package wayland

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// compositor is a made-up one that knows the globals it is given, and notes what
// it is asked for.
type compositor struct {
	socket  string
	globals []string
	refuse  bool // answer the commit with a protocol error
	asked   chan request
}

// request is a security context as it was asked for.
type request struct {
	engine, app, instance    string
	listener, closing        int
	committed, bound         bool
	boundName                uint32
	destroyedBeforeCommitted bool
}

func startCompositor(t *testing.T, refuse bool, globals ...string) *compositor {
	t.Helper()
	c := &compositor{socket: filepath.Join(t.TempDir(), "wayland-7"), globals: globals, refuse: refuse, asked: make(chan request, 1)}
	l, err := net.Listen("unix", c.socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go c.serve(conn.(*net.UnixConn))
		}
	}()
	return c
}

// withRights reads bytes, and keeps the descriptors that come with them.
type withRights struct {
	conn *net.UnixConn
	fds  []int
}

func (r *withRights) Read(p []byte) (int, error) {
	rights := make([]byte, 128)
	n, n2, _, _, err := r.conn.ReadMsgUnix(p, rights)
	if messages, e := unix.ParseSocketControlMessage(rights[:n2]); e == nil {
		for i := range messages {
			fds, _ := unix.ParseUnixRights(&messages[i])
			r.fds = append(r.fds, fds...)
		}
	}
	return n, err
}

func (c *compositor) serve(conn *net.UnixConn) {
	defer conn.Close()
	in, out := &withRights{conn: conn}, &connection{conn: conn}
	var registry, manager, context uint32
	got := request{listener: -1, closing: -1}
	for {
		object, opcode, body, err := receive(in)
		if err != nil {
			c.asked <- got
			return
		}
		r := &reader{body}
		switch {
		case object == display && opcode == displayGetRegistry:
			registry = r.uint()
			for i, name := range c.globals {
				out.send(registry, 0, nil, uint32(i+1), name, uint32(1))
			}
		case object == display && opcode == displaySync:
			out.send(r.uint(), 0, nil, uint32(0))
		case object == registry && opcode == registryBind:
			got.boundName, got.bound = r.uint(), r.str() == managerName
			r.uint()
			manager = r.uint()
		case object == manager && opcode == managerListener:
			context = r.uint()
			if len(in.fds) == 2 {
				got.listener, got.closing = in.fds[0], in.fds[1]
			}
		case object == context && opcode == contextEngine:
			got.engine = r.str()
		case object == context && opcode == contextAppID:
			got.app = r.str()
		case object == context && opcode == contextInstance:
			got.instance = r.str()
		case object == context && opcode == contextCommit:
			got.committed = true
			if c.refuse {
				out.send(display, 0, nil, context, uint32(1), "already used")
			}
		case object == context && opcode == contextDestroy:
			got.destroyedBeforeCommitted = !got.committed
		}
	}
}

func TestAContextIsWhatTheCompositorIsAskedFor(t *testing.T) {
	c := startCompositor(t, false, "wl_compositor", managerName, "wl_shm")
	if ok, err := Has(c.socket); !ok || err != nil {
		t.Fatalf("Has: %v, %v", ok, err)
	}
	<-c.asked
	path := filepath.Join(t.TempDir(), "sandbox")
	context, err := NewContext(c.socket, path, "org.example.engine", "org.example.App", "42")
	if err != nil {
		t.Fatal(err)
	}
	got := <-c.asked
	if got.engine != "org.example.engine" || got.app != "org.example.App" || got.instance != "42" || !got.committed || !got.bound || got.boundName != 2 || got.destroyedBeforeCommitted {
		t.Fatalf("asked for %+v", got)
	}
	// The compositor's end of the socket is one that a client can connect to.
	client, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	fd, _, err := unix.Accept(got.listener)
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(fd)
	hangsUp := func() bool {
		n, _ := unix.Poll([]unix.PollFd{{Fd: int32(got.closing), Events: unix.POLLIN}}, 0)
		return n == 1
	}
	if hangsUp() {
		t.Error("the compositor is told to stop listening while the sandbox runs")
	}
	context.Close()
	for end := time.Now().Add(time.Minute); !hangsUp() && time.Now().Before(end); {
		time.Sleep(5 * time.Millisecond)
	}
	if !hangsUp() {
		t.Error("the compositor is not told that the sandbox has ended")
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is left: %v", err)
	}
}

func TestACompositorWithoutContextsIsKnown(t *testing.T) {
	c := startCompositor(t, false, "wl_compositor")
	if ok, err := Has(c.socket); ok || err != nil {
		t.Fatalf("Has: %v, %v", ok, err)
	}
	path := filepath.Join(t.TempDir(), "sandbox")
	if _, err := NewContext(c.socket, path, "e", "a", "i"); !errors.Is(err, ErrNone) {
		t.Fatalf("NewContext: %v", err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("a socket was made")
	}
}

// Whatever fails, there is no socket: nothing takes a plain one in its place.
func TestARefusedContextLeavesNoSocket(t *testing.T) {
	c := startCompositor(t, true, managerName)
	path := filepath.Join(t.TempDir(), "sandbox")
	_, err := NewContext(c.socket, path, "e", "a", "i")
	if err == nil || !strings.Contains(err.Error(), "already used") {
		t.Fatalf("NewContext: %v", err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("the socket is left")
	}
}

func TestNoCompositorIsAnError(t *testing.T) {
	if _, err := Has(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("no error")
	}
}

func FuzzReader(f *testing.F) {
	f.Add([]byte{1, 0, 0, 0, 3, 0, 0, 0, 'a', 'b', 0, 0})
	f.Add([]byte{255, 255, 255, 255})
	f.Fuzz(func(t *testing.T, data []byte) {
		r := &reader{data}
		for len(r.rest) > 0 {
			before := len(r.rest)
			r.uint()
			r.str()
			if len(r.rest) >= before && before > 0 {
				t.Fatal("nothing was read")
			}
		}
	})
}
