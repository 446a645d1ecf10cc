package netdriver

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/netip"
	"os"
	"strconv"
	"time"

	portdriver "github.com/rootless-containers/rootlesskit/v3/pkg/port"
	"github.com/rootless-containers/rootlesskit/v3/pkg/port/builtin"

	"github.com/snug-sandbox/snug/network"
)

// port is one published port.
type port struct {
	index    int // of the entry in publish
	protocol string
	host     netip.AddrPort
	inside   uint16
}

func parsePorts(publish []string) (list []port, err error) {
	for i, text := range publish {
		p, err := network.ParsePublication(text)
		if err != nil {
			return nil, err
		}
		for host, inside := range p.Ports() {
			list = append(list, port{i, p.Protocol, host, inside})
		}
	}
	return list, nil
}

// family is the protocol as package net names it, which keeps 0.0.0.0 and :: what
// they say.
func (p port) family() string {
	if p.host.Addr().Is6() {
		return p.protocol + "6"
	}
	return p.protocol + "4"
}

// try opens the port for a moment: this says best why it cannot be had. A host
// port 0 becomes one that is free.
func (p *port) try() error {
	var at net.Addr
	if p.protocol == network.UDP {
		socket, err := net.ListenPacket(p.family(), p.host.String())
		if err != nil {
			return network.PublishProblem(p.index, p.host, p.protocol, err)
		}
		defer socket.Close()
		at = socket.LocalAddr()
	} else {
		listener, err := net.Listen(p.family(), p.host.String())
		if err != nil {
			return network.PublishProblem(p.index, p.host, p.protocol, err)
		}
		defer listener.Close()
		at = listener.Addr()
	}
	if p.host.Port() == 0 {
		_, number, _ := net.SplitHostPort(at.String())
		n, err := strconv.ParseUint(number, 10, 16)
		p.host = netip.AddrPortFrom(p.host.Addr(), uint16(n))
		return err
	}
	return nil
}

// opened notes a port that leads inside now.
func (c *Connection) opened(p port) {
	c.Published = append(c.Published, network.Published(p.host, p.inside, p.protocol))
}

// PortsVerb is the argument of the program that makes it the process inside, and
// what RootlessKit's driver tells that process the one after it.
const PortsVerb = "ports"

// publish opens ports by RootlessKit's builtin driver.
func (c *Connection) publish(o network.Order, ports []port, said *words) error {
	if len(ports) == 0 {
		return nil
	}
	if err := needs(o.Driver, "nsenter"); err != nil {
		return err
	}
	driver, err := builtin.NewParentDriver(said, o.Dir, false, "")
	if err != nil {
		return said.explain(o.Driver, err)
	}
	about, err := json.Marshal(driver.OpaqueForChild())
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	inside := within(o.PID, self, PortsVerb, string(about))
	inside.Stderr = said
	if err := inside.Start(); err != nil {
		return said.explain(o.Driver, err)
	}
	c.closers = append(c.closers, func() error {
		inside.Process.Kill()
		return inside.Wait()
	})
	ready, quit, failed := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	c.closers = append(c.closers, func() error { close(quit); return nil })
	go func() { failed <- driver.RunParentDriver(ready, quit, nil) }()
	select {
	case <-ready:
	case err := <-failed:
		return said.explain(o.Driver, err)
	case <-time.After(patience):
		return said.explain(o.Driver, errors.New("the ports' process does not answer"))
	}
	for _, p := range ports {
		if err := p.try(); err != nil {
			return err
		}
		// A service inside listens on the interface's address, as for the other drivers.
		if _, err := driver.AddPort(context.Background(), portdriver.Spec{Proto: p.family(), ParentIP: p.host.Addr().String(),
			ParentPort: int(p.host.Port()), ChildIP: network.Guest4.String(), ChildPort: int(p.inside)}); err != nil {
			return network.PublishProblem(p.index, p.host, p.protocol, err)
		}
		c.opened(p)
	}
	return nil
}

// ServePorts is the process inside: it dials for the driver outside.
func ServePorts(about string) error {
	var m map[string]string
	if err := json.Unmarshal([]byte(about), &m); err != nil {
		return err
	}
	return builtin.NewChildDriver(os.Stderr).RunChildDriver(m, make(chan struct{}), "")
}
