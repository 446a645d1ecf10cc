package netdriver

import (
	"os"
	"strconv"
	"strings"

	"github.com/rootless-containers/rootlesskit/v3/pkg/network/slirp4netns"

	"github.com/snug-sandbox/snug/network"
)

// slirp runs slirp4netns(1), whose gateway and resolver have the addresses of
// Snug's own; for IPv6 they are others.
func (c *Connection) slirp(o network.Order, ports []port) error {
	if err := needs(network.Slirp, "nsenter", "ip"); err != nil {
		return err
	}
	said := &words{}
	driver, err := slirp4netns.NewParentDriver(said, o.Program, o.PacketSize(), nil, network.Interface, !o.HostLoopback, "", false, false, true)
	if err != nil {
		return said.explain(network.Slirp, err)
	}
	_, end, err := driver.ConfigureNetwork(o.PID, o.Dir, "")
	if end != nil {
		c.closers = append(c.closers, end)
	}
	if err != nil {
		return said.explain(network.Slirp, err)
	}
	if err := configure(o, said); err != nil {
		return said.explain(network.Slirp, err)
	}
	return c.publish(o, ports, said)
}

// configure gives the interface its addresses and routes (ip(8)). Where the
// kernel has no IPv6 there is none inside.
func configure(o network.Order, said *words) error {
	device := " dev " + network.Interface + "\n"
	v4 := "link set mtu " + strconv.Itoa(o.PacketSize()) + " up" + device +
		"addr add " + network.Guest4.String() + "/" + strconv.Itoa(network.Prefix4) + device +
		"route add default via " + network.Gateway4.String() + device
	v6 := "addr add fd00::100/64 nodad" + device + "route add default via fd00::2" + device
	if err := batch(o.PID, said, "-4", v4); err != nil {
		return err
	}
	if _, err := os.Stat("/proc/sys/net/ipv6"); err == nil {
		batch(o.PID, &words{}, "-6", v6)
	}
	return nil
}

func batch(pid int, said *words, family, lines string) error {
	cmd := within(pid, "ip", family, "-batch", "-")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(lines), said, said
	return cmd.Run()
}
