package usernet

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/fdbased"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"

	"github.com/snug-sandbox/snug/network"
)

// guest is a network and the stack of a sandbox that is on it: two stacks on a
// pair of sockets. The host's loopback interface plays the world.
type guest struct {
	network *Network
	stack   *stack.Stack
}

func newGuest(t testing.TB, config network.Config) *guest {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range pair {
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 4<<20)
	}
	config.Mode, config.HostLoopback = network.Private, true
	n, err := New(network.Order{Config: config}, pair[0], nil)
	if err != nil {
		t.Fatal(err)
	}
	g := &guest{n, stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol, ipv6.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol, udp.NewProtocol},
	})}
	lower, err := fdbased.New(&fdbased.Options{FDs: []int{pair[1]}, MTU: uint32(config.PacketSize()), EthernetHeader: true,
		Address: tcpip.LinkAddress(network.GuestMAC[:]), PacketDispatchMode: fdbased.RecvMMsg})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.stack.CreateNIC(nic, lower); err != nil {
		t.Fatal(err)
	}
	own := tcpip.ProtocolAddress{Protocol: ipv4.ProtocolNumber, AddressWithPrefix: tcpip.AddressWithPrefix{Address: address(network.Guest4), PrefixLen: network.Prefix4}}
	if err := g.stack.AddProtocolAddress(nic, own, stack.AddressProperties{}); err != nil {
		t.Fatal(err)
	}
	g.stack.AddStaticNeighbor(nic, ipv4.ProtocolNumber, address(network.Gateway4), tcpip.LinkAddress(network.GatewayMAC[:]))
	n.stack.AddStaticNeighbor(nic, ipv4.ProtocolNumber, address(network.Guest4), tcpip.LinkAddress(network.GuestMAC[:]))
	g.stack.SetRouteTable([]tcpip.Route{{Destination: header.IPv4EmptySubnet, Gateway: address(network.Gateway4), NIC: nic}})
	// Stacks that are destroyed while packets are on their way wait for themselves.
	t.Cleanup(n.Close)
	return g
}

// dial connects to a port of the host's loopback interface.
func (g *guest) dial(port uint16) (*gonet.TCPConn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return gonet.DialContextTCP(ctx, g.stack, tcpip.FullAddress{NIC: nic, Addr: address(network.Gateway4), Port: port}, ipv4.ProtocolNumber)
}

// listen serves each connection on a port of the loopback interface.
func listen(t testing.TB, serve func(*net.TCPConn)) uint16 {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go serve(c.(*net.TCPConn))
		}
	}()
	return netip.MustParseAddrPort(l.Addr().String()).Port()
}

// echoAll does not splice: Go keeps the pipes for that.
func echoAll(c *net.TCPConn) {
	io.Copy(struct{ io.Writer }{c}, struct{ io.Reader }{c})
	c.Close()
}

// usage is what leaks would show in.
type usage struct{ goroutines, files int }

func used() usage {
	list, _ := os.ReadDir("/proc/self/fd")
	return usage{runtime.NumGoroutine(), len(list)}
}

// settles waits until no more is used than before, and a little.
func settles(t *testing.T, before usage) {
	t.Helper()
	var now usage
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if now = used(); now.goroutines <= before.goroutines+5 && now.files <= before.files+2 {
			return
		}
	}
	t.Errorf("%+v before, and now %+v", before, now)
}

// roundTrip sends a word and wants it back.
func roundTrip(c io.ReadWriter) error {
	if _, err := c.Write([]byte("word")); err != nil {
		return err
	}
	_, err := io.ReadFull(c, make([]byte, 4))
	return err
}

// Short connections, hundreds at a time, leave no goroutine and no descriptor
// behind. Scripts/bench-net makes ten thousand of them.
func TestManyConnectionsLeaveNothing(t *testing.T) {
	const total, atATime = 1000, 500
	g := newGuest(t, network.Config{})
	port := listen(t, echoAll)
	before := used()
	var left, failed atomic.Int64
	left.Store(total)
	var all sync.WaitGroup
	for range atATime {
		all.Go(func() {
			for left.Add(-1) >= 0 {
				c, err := g.dial(port)
				if err == nil {
					err = roundTrip(c)
					c.Close()
				}
				if err != nil {
					failed.Add(1)
				}
			}
		})
	}
	all.Wait()
	if n := failed.Load(); n > 0 {
		t.Errorf("%d of %d connections failed", n, total)
	}
	settles(t, before)
	want := network.Contact{Name: network.HostName, Address: network.Gateway4.String(), Port: port, Protocol: network.TCP, Count: total, Sent: 4 * total, Received: 4 * total}
	var list []network.Contact
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if list = g.network.Contacts(); len(list) == 1 && list[0] == want {
			return
		}
	}
	t.Errorf("the contacts are %+v", list)
}

// heap is how much memory is in use.
func heap() int64 {
	runtime.GC()
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	return int64(memory.HeapAlloc)
}

// Who does not read holds up nobody else, and no more is kept for all of them than
// a host can bear.
func TestSlowReadersHoldNobodyUp(t *testing.T) {
	const readers, most = 150, 150 << 20
	g := newGuest(t, network.Config{})
	receive := tcpip.TCPReceiveBufferSizeRangeOption{Min: 4 << 10, Default: 16 << 10, Max: 16 << 10}
	g.stack.SetTransportProtocolOption(tcp.ProtocolNumber, &receive)
	var sent atomic.Int64
	flood := listen(t, func(c *net.TCPConn) {
		defer c.Close()
		c.SetWriteBuffer(64 << 10)
		for block := bytes.Repeat([]byte("x"), 64<<10); ; {
			n, err := c.Write(block)
			sent.Add(int64(n))
			if err != nil {
				return
			}
		}
	})
	port := listen(t, echoAll)
	before, held := used(), heap()
	var open []*gonet.TCPConn
	for range readers {
		c, err := g.dial(flood)
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, c)
	}
	for last := int64(-1); last != sent.Load() || last == 0; time.Sleep(50 * time.Millisecond) {
		last = sent.Load()
	}
	if kept := heap() - held; kept > most {
		t.Errorf("%d MB are kept for %d that do not read", kept>>20, readers)
	}
	c, err := g.dial(port)
	if err == nil {
		err = roundTrip(c)
		c.Close()
	}
	if err != nil {
		t.Errorf("one that reads: %v", err)
	}
	for _, c := range open {
		c.Close()
	}
	settles(t, before)
}

// A connection whose one direction has ended goes on in the other, and one that
// is broken off outside is broken off inside.
func TestHalfOpenConnections(t *testing.T) {
	g := newGuest(t, network.Config{})
	count := listen(t, func(c *net.TCPConn) { // answers once it has heard all
		all, _ := io.ReadAll(c)
		c.Write(all)
		c.Close()
	})
	heard := make(chan string, 1)
	silent := listen(t, func(c *net.TCPConn) { // says nothing more, and listens
		c.CloseWrite()
		all, _ := io.ReadAll(c)
		heard <- string(all)
		c.Close()
	})
	broken := listen(t, func(c *net.TCPConn) {
		io.ReadFull(c, make([]byte, 4))
		c.SetLinger(0)
		c.Close()
	})
	before := used()
	dial := func(port uint16) *gonet.TCPConn {
		c, err := g.dial(port)
		if err != nil {
			t.Fatal(err)
		}
		c.SetDeadline(time.Now().Add(time.Minute))
		return c
	}
	c := dial(count)
	c.Write([]byte("all of it"))
	c.CloseWrite()
	if all, err := io.ReadAll(c); string(all) != "all of it" || err != nil {
		t.Errorf("after the end of what is sent: %q, %v", all, err)
	}
	c.Close()
	c = dial(silent)
	if all, err := io.ReadAll(c); len(all) != 0 || err != nil {
		t.Errorf("from one that says nothing: %q, %v", all, err)
	}
	c.Write([]byte("still here"))
	c.Close()
	if got := <-heard; got != "still here" {
		t.Errorf("one that says nothing heard %q", got)
	}
	c = dial(broken)
	if err := roundTrip(c); err == nil || err == io.EOF || err == io.ErrUnexpectedEOF {
		t.Errorf("one that is broken off ends with %v", err)
	}
	c.Close()
	settles(t, before)
}

// A port inside is used again for the same address soon after the other side has
// ended a connection from it.
func TestAPortIsUsedAgain(t *testing.T) {
	g := newGuest(t, network.Config{})
	port := listen(t, func(c *net.TCPConn) { c.Close() })
	from, to := tcpip.FullAddress{NIC: nic, Addr: address(network.Guest4), Port: 40000}, tcpip.FullAddress{NIC: nic, Addr: address(network.Gateway4), Port: port}
	for n := range 3 {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		c, err := gonet.DialTCPWithBind(ctx, g.stack, from, to, ipv4.ProtocolNumber)
		cancel()
		if err != nil {
			t.Fatalf("connection %d: %v", n+1, err)
		}
		c.SetDeadline(time.Now().Add(time.Minute))
		io.ReadAll(c)
		c.Close()
		time.Sleep(50 * time.Millisecond)
	}
}
