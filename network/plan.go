package network

import (
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/internal/plan"
	"github.com/snug-sandbox/snug/internal/problem"
)

// Validate reports a mode that this version does not have.
func (c Config) Validate() error {
	switch c.Mode {
	case "", None, Host:
		return nil
	case Private:
		return &problem.Problem{What: "network.mode", Why: "\"private\" (user-mode networking) is not in this version",
			Fix: "\"none\", or \"host\" for the caller's network"}
	}
	return &problem.Problem{What: "network.mode", Why: strconv.Quote(c.Mode) + " is not a mode", Fix: "one of none, host"}
}

// Plan appends the steps that bring up the loopback interface of a new network
// namespace; the kernel gives it 127.0.0.1 and ::1 (netdevice(7)).
func Plan(p *plan.Builder) {
	const label = "bring up the loopback interface"
	// struct ifreq: a name of 16 bytes, then the flags.
	request := make([]byte, 40)
	copy(request, "lo")
	request[16] = unix.IFF_UP | unix.IFF_RUNNING
	fd := p.Do(label, plan.Socket, plan.Num(unix.AF_INET), plan.Num(unix.SOCK_DGRAM|unix.SOCK_CLOEXEC), plan.Num(0)).Keep("socket")
	p.Do(label, plan.Ioctl, plan.Reg(fd), plan.Hex(unix.SIOCSIFFLAGS), p.Bytes(request))
	p.Close(fd)
}
