package doctor

import (
	"errors"
	"syscall"

	"github.com/snug-sandbox/snug/internal/problem"
)

// networks is about reaching out of a network namespace without root.
func networks(s seen) []Check { return []Check{tun(s), private(s)} }

// private is about a sandbox that really had such a network.
func private(s seen) Check {
	c := Check{Name: "private network", State: OK, Found: "ran true(1) with one"}
	switch {
	case s.private == nil:
	case s.private == errNotTried:
		c.State, c.Found, c.Breaks = Missing, "not tried, because no sandbox works", "network.mode = \"private\""
	default:
		c.State, c.Found, c.Breaks = Missing, s.private.Error(), "network.mode = \"private\""
		var p *problem.Problem
		if errors.As(s.private, &p) {
			c.Mend = p.Fix
		}
	}
	return c
}

func tun(s seen) Check {
	c := Check{Name: "/dev/net/tun", State: OK, Found: "can be opened"}
	if s.tun == nil {
		return c
	}
	c.State, c.Found = Missing, s.tun.Error()
	c.Breaks = "nothing; a private network is a pair of veth interfaces then, which is slower"
	missing := errors.Is(s.tun, syscall.ENOENT) || errors.Is(s.tun, syscall.ENODEV) || errors.Is(s.tun, syscall.ENXIO)
	switch {
	case s.Container == "docker" || s.Container == "podman":
		c.Mend = s.Container + " run --device /dev/net/tun ..."
	case missing:
		c.Mend = "sudo modprobe tun\necho tun | sudo tee /etc/modules-load.d/tun.conf   # keeps it"
	case errors.Is(s.tun, syscall.EACCES):
		c.Mend = "sudo chmod 0666 /dev/net/tun\n" +
			"echo 'KERNEL==\"tun\", MODE=\"0666\"' | sudo tee /etc/udev/rules.d/60-tun.rules   # keeps it"
	}
	return c
}
