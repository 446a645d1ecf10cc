package netdriver

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"github.com/snug-sandbox/snug/network"
)

// slirp runs slirp4netns(1) on the tap device that the sandbox's plan has made. Its
// gateway and resolver have the addresses of Snug's own; for IPv6 they are others.
func (c *Connection) slirp(o network.Order, ports []port) error {
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	defer read.Close()
	args := []string{"--mtu", strconv.Itoa(o.PacketSize()), "--ready-fd", "3", "--enable-ipv6"}
	if !o.HostLoopback {
		args = append(args, "--disable-host-loopback")
	}
	said := &words{}
	cmd := exec.Command(o.Program, append(args, strconv.Itoa(o.PID), network.Interface)...)
	cmd.Stdout, cmd.Stderr, cmd.Dir, cmd.ExtraFiles = said, said, "/", []*os.File{write}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	err = cmd.Start()
	write.Close()
	if err != nil {
		return said.explain(network.Slirp, err)
	}
	c.program = cmd.Process.Pid
	c.closers = append(c.closers, func() error {
		cmd.Process.Kill()
		return cmd.Wait()
	})
	read.SetReadDeadline(time.Now().Add(patience))
	switch n, err := read.Read(make([]byte, 1)); {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return said.explain(network.Slirp, errors.New("it is not ready after "+patience.String()))
	case n == 0:
		c.Close() // all that it said is there then
		return said.explain(network.Slirp, errors.New("it ended"))
	}
	return c.publish(o, ports, said)
}
