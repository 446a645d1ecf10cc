package netdriver

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/snug-sandbox/snug/network"
)

// pasta runs pasta(1) in the foreground. Nothing is forwarded that is not
// published, in neither direction.
func (c *Connection) pasta(o network.Order, ports []port) error {
	ready := filepath.Join(o.Dir, "pid")
	args := []string{"--config-net", "--foreground", "--quiet", "--pid", ready, "--ns-ifname", network.Interface, "--mtu", strconv.Itoa(o.PacketSize()),
		"--address", network.Guest4.String(), "--netmask", strconv.Itoa(network.Prefix4), "--gateway", network.Gateway4.String(),
		"--dns-forward", network.Server4.String(), "--tcp-ns", "none", "--udp-ns", "none"}
	if !o.HostLoopback {
		args = append(args, "--no-map-gw")
	}
	args = append(args, "--udp-ports", "none")
	own := ports[:0:0]
	for _, p := range ports {
		if p.family() == "tcp4" {
			own = append(own, p)
		}
	}
	if len(own) == 0 {
		args = append(args, "--tcp-ports", "none")
	}
	for _, p := range own {
		if err := p.try(); err != nil {
			return err
		}
		args = append(args, "--tcp-ports", fmt.Sprintf("%s/%d:%d", p.host.Addr(), p.host.Port(), p.inside))
		c.opened(p)
	}
	said := &words{}
	cmd := exec.Command(o.Program, append(args, strconv.Itoa(o.PID))...)
	cmd.Stdout, cmd.Stderr, cmd.Dir = said, said, "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return said.explain(network.Pasta, err)
	}
	c.program = cmd.Process.Pid
	c.closers = append(c.closers, func() error {
		cmd.Process.Kill()
		return cmd.Wait()
	})
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if text, err := os.ReadFile(ready); err == nil && len(text) > 0 {
			return c.publish(o, slices.DeleteFunc(ports, func(p port) bool { return p.family() == "tcp4" }), said)
		}
		if childEnded() {
			c.Close() // all that it said is there then
			return said.explain(network.Pasta, errors.New("it ended"))
		}
	}
	return said.explain(network.Pasta, errors.New("it is not ready after "+patience.String()))
}
