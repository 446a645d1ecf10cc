package usernet

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"

	"github.com/snug-sandbox/snug/network"
)

// Publish opens the host's ports that lead into the sandbox, and returns what
// each of them is.
func (n *Network) Publish() (published []string, err error) {
	for i, text := range n.config.Publish {
		p, err := network.ParsePublication(text)
		if err != nil {
			return nil, err
		}
		for host, inside := range p.Ports() {
			at, err := n.publish(p.Protocol, host, inside)
			if err != nil {
				return nil, network.PublishProblem(i, host, p.Protocol, err)
			}
			published = append(published, network.Published(at, inside, p.Protocol))
		}
	}
	return published, nil
}

// publish opens one port, and returns its address.
func (n *Network) publish(protocol string, at netip.AddrPort, inside uint16) (netip.AddrPort, error) {
	// "tcp4" and "tcp6" keep 0.0.0.0 and :: what they say.
	family := "4"
	if at.Addr().Is6() {
		family = "6"
	}
	if protocol == network.UDP {
		socket, err := net.ListenPacket("udp"+family, at.String())
		if err != nil {
			return at, err
		}
		n.closers = append(n.closers, func() { socket.Close() })
		go n.serveUDP(socket.(*net.UDPConn), inside)
		return unmapped(socket.LocalAddr()), nil
	}
	listener, err := net.Listen("tcp"+family, at.String())
	if err != nil {
		return at, err
	}
	n.closers = append(n.closers, func() { listener.Close() })
	go n.serveTCP(listener, inside)
	return unmapped(listener.Addr()), nil
}

func (n *Network) serveTCP(listener net.Listener, port uint16) {
	for {
		outside, err := listener.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil: // too many are open
			time.Sleep(20 * time.Millisecond)
			continue
		}
		go n.accept(outside.(*net.TCPConn), port)
	}
}

const insidePatience = 15 * time.Second

// accept joins a connection from outside to one inside, which comes from the
// same address where that can be somebody inside of the network.
func (n *Network) accept(outside *net.TCPConn, port uint16) {
	peer := unmapped(outside.RemoteAddr())
	ctx, cancel := context.WithTimeout(context.Background(), insidePatience)
	defer cancel()
	var inside *inner
	var err error
	for _, way := range ways(peer.Addr(), port) {
		from, protocol := fullAddress(netip.AddrPortFrom(way.from, 0))
		to, _ := fullAddress(way.to)
		if inside, err = n.dialInside(ctx, from, to, protocol); err == nil {
			break
		}
	}
	if err != nil {
		hardClose(outside)
		return
	}
	f := &flow{network: n, inside: inside, outside: outside, contact: &network.Contact{}}
	n.flows.Add(1)
	f.run(false)
}

type way struct {
	from netip.Addr
	to   netip.AddrPort
}

// ways are the ends of a connection to a port inside: of the peer's family, and
// of the other one, where the service may only listen on that.
func ways(peer netip.Addr, port uint16) []way {
	v4 := way{network.Gateway4, netip.AddrPortFrom(network.Guest4, port)}
	v6 := way{network.Gateway6, netip.AddrPortFrom(network.Guest6, port)}
	kept := !peer.IsLoopback() && !peer.IsUnspecified() && !peer.IsLinkLocalUnicast()
	if peer.Is6() {
		if kept {
			v6.from = peer.WithZone("")
		}
		return []way{v6, v4}
	}
	if kept && peer != network.Guest4 {
		v4.from = peer
	}
	return []way{v4, v6}
}

// serveUDP keeps a flow inside for each peer outside.
func (n *Network) serveUDP(socket *net.UDPConn, port uint16) {
	var mu sync.Mutex
	flows := map[netip.AddrPort]net.Conn{}
	buffer := make([]byte, 64<<10)
	for {
		got, peer, err := socket.ReadFromUDPAddrPort(buffer)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		mu.Lock()
		inside := flows[peer]
		if inside == nil && len(flows) < mostUDP {
			if inside = n.dialUDP(peer, port); inside != nil {
				flows[peer] = inside
				go func() {
					n.answerUDP(socket, inside, peer)
					mu.Lock()
					delete(flows, peer)
					mu.Unlock()
				}()
			}
		}
		mu.Unlock()
		if inside != nil {
			inside.SetReadDeadline(time.Now().Add(udpIdle))
			inside.Write(buffer[:got])
		}
	}
}

func (n *Network) dialUDP(peer netip.AddrPort, port uint16) net.Conn {
	w := ways(peer.Addr().Unmap(), port)[0]
	from, protocol := fullAddress(netip.AddrPortFrom(w.from, 0))
	if w.from == peer.Addr().Unmap() {
		from.Port = peer.Port()
	}
	to, _ := fullAddress(w.to)
	conn, err := gonet.DialUDP(n.stack, &tcpip.FullAddress{NIC: nic, Addr: from.Addr, Port: from.Port}, &to, protocol)
	if err != nil {
		return nil
	}
	return conn
}

func (n *Network) answerUDP(socket *net.UDPConn, inside net.Conn, peer netip.AddrPort) {
	defer inside.Close()
	buffer := *datagramBuffers.Get().(*[]byte)
	defer datagramBuffers.Put(&buffer)
	for {
		got, err := inside.Read(buffer)
		if err != nil {
			return
		}
		inside.SetReadDeadline(time.Now().Add(udpIdle))
		socket.WriteToUDPAddrPort(buffer[:got], peer)
	}
}
