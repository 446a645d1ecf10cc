package doctor

import (
	"errors"
	"syscall"
)

// network is about reaching out of a network namespace without root.
func network(s seen) []Check { return one(tun(s)) }

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
