package network

import (
	"encoding/binary"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/internal/plan"
	"github.com/snug-sandbox/snug/internal/program"
)

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

// The interface inside, and its other end where there is no tap device. The
// numbers are beyond those that the kernel gives by itself.
const (
	Interface  = "eth0"
	peer       = "snug0"
	index      = 1000
	peerNumber = 1001
)

// PlanPrivate appends the steps that make an interface in a new network
// namespace, whose other end goes to the parent as a descriptor, and wait until
// somebody answers there. It is a tap device; where the caller may open none, a
// pair of veth interfaces with a packet socket (packet(7)) on one of them.
// Gid is a group that the user namespace knows.
func (c Config) PlanPrivate(gid int, p *plan.Builder) {
	if c.Foreign() {
		if c.Driver == Slirp {
			planKept(p)
		}
		p.Barrier(plan.Action{Label: "connect the network by " + c.Driver, Connect: true})
		link := newNetlink(p)
		if c.Driver == Slirp {
			link.planAddresses(c.PacketSize(), slirp6, slirpGateway6)
		}
		link.planClosed()
		p.Close(link.socket)
		planSysctls(gid, p)
		return
	}
	const label = "make the interface " + Interface
	control, number := p.Rights()
	link := newNetlink(p)
	open := p.Do(label, plan.Openat, plan.Cwd, p.Text("/dev/net/tun"), plan.Bits(unix.O_RDWR|unix.O_CLOEXEC, &plan.OpenFlags), plan.Num(0)).
		Accept(syscall.ENOENT, syscall.EACCES, syscall.EPERM, syscall.ENODEV).Store(number)
	device := open.Keep("interface")
	taps := planTap(label, device, p)
	open.ElseHere()
	link.planVeth(label, number, device, c.PacketSize())
	for _, tap := range taps {
		tap.ThenHere()
	}
	link.planAddresses(c.PacketSize(), Guest6, Gateway6)
	p.Close(link.socket)
	planSysctls(gid, p)
	p.BarrierWith(plan.Action{Label: "run the network on the interface", Network: true}, control, plan.RightsSize)
	p.Close(device)
}

// PacketSize is the largest packet of the interface inside. A bandwidth is held
// better with small ones.
func (c Config) PacketSize() int {
	switch {
	case c.MTU != 0:
		return int(c.MTU)
	case !c.Bandwidth.Empty():
		return 1500
	}
	return DefaultMTU
}

// planTap makes the interface of a tap device (tuntap.rst of the kernel), with
// headers that let the helper leave checksums out, where there are such.
func planTap(label string, device program.Reg, p *plan.Builder) []plan.Step {
	p.Do(label, plan.Ioctl, plan.Reg(device), plan.Hex(unix.TUNSETIFINDEX), p.Words(index))
	return []plan.Step{planAttach(label, device, unix.IFF_VNET_HDR, p).Accept(syscall.EINVAL), planAttach(label, device, 0, p)}
}

func planAttach(label string, device program.Reg, flags uint16, p *plan.Builder) plan.Step {
	// struct ifreq: a name of 16 bytes, then the flags.
	request := make([]byte, 40)
	copy(request, Interface)
	binary.NativeEndian.PutUint16(request[16:], unix.IFF_TAP|unix.IFF_NO_PI|flags)
	return p.Do(label, plan.Ioctl, plan.Reg(device), plan.Hex(unix.TUNSETIFF), p.Bytes(request))
}

var tunHelp = &program.Help{Errno: syscall.EACCES, Why: "/dev/net/tun cannot be opened", Fix: "sudo chmod 0666 /dev/net/tun, or driver = \"gvisor\", which does without",
	Next: &program.Help{Errno: syscall.ENOENT, Why: "/dev/net/tun is missing", Fix: tunMissing,
		Next: &program.Help{Errno: syscall.ENODEV, Why: "the kernel has no tun devices", Fix: tunMissing}}}

const tunMissing = "sudo modprobe tun, or driver = \"gvisor\", which does without"

// planKept makes a tap device that stays when nobody has it open, for a program that
// opens it by its name.
func planKept(p *plan.Builder) {
	const label = "make the interface " + Interface
	device := p.Do(label, plan.Openat, plan.Cwd, p.Text("/dev/net/tun"), plan.Bits(unix.O_RDWR|unix.O_CLOEXEC, &plan.OpenFlags), plan.Num(0)).Help(tunHelp).Keep("interface")
	p.Do(label, plan.Ioctl, plan.Reg(device), plan.Hex(unix.TUNSETIFINDEX), p.Words(index))
	planAttach(label, device, 0, p)
	p.Do(label, plan.Ioctl, plan.Reg(device), plan.Hex(unix.TUNSETPERSIST), plan.Num(1))
	p.Close(device)
}

// planSysctls lets the command, which has no capabilities, send echo requests
// and listen on every port: nobody else is in this namespace (icmp(7), ip(7)).
func planSysctls(gid int, p *plan.Builder) {
	for _, s := range []struct{ label, file, value string }{
		{"let the command send echo requests", "ping_group_range", fmt.Sprintf("%d %d", gid, gid)},
		{"let the command listen on ports below 1024", "ip_unprivileged_port_start", "0"},
	} {
		open := p.Do(s.label, plan.Openat, plan.Cwd, p.Text("/proc/sys/net/ipv4/"+s.file), plan.Bits(unix.O_WRONLY|unix.O_CLOEXEC, &plan.OpenFlags), plan.Num(0)).
			Accept(syscall.ENOENT, syscall.EACCES, syscall.EPERM, syscall.EROFS).Note("the sandbox's network has no " + s.file + ": /proc/sys cannot be written here")
		fd := open.Keep("file")
		p.Do(s.label, plan.Write, plan.Reg(fd), p.Text(s.value), plan.Num(uint64(len(s.value)))).Accept(syscall.EINVAL)
		p.Close(fd)
		open.ElseHere()
	}
}
