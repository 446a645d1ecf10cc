package desktop

import (
	"path"
	"strings"
)

func (b *builder) camera() {
	if b.Camera != Devices {
		return // the portal is a rule of the bus
	}
	p := b.add("camera", "the cameras in /dev/video*")
	p.Risk = "it can take pictures, and nobody is asked"
	for _, n := range b.f.globs([]string{"/dev/video*", "/dev/media*"}) {
		p.device(n)
	}
	p.bind("/dev/v4l", "/sys/class/video4linux", "/sys/bus/media", "/run/udev/data")
	for _, n := range b.f.glob("/sys/class/video4linux/*") {
		p.sysDevice(b.f, path.Join(n, "device"))
	}
}

// joystick hands in the devices of game controllers, and of their events only
// those: the others are keyboards.
func (b *builder) joystick() {
	if !b.Joystick {
		return
	}
	p := b.add("joystick", "game controllers")
	sticks := b.f.glob("/sys/class/input/js*")
	for _, js := range sticks {
		p.device("/dev/input/" + path.Base(js))
		p.sysDevice(b.f, path.Join(js, "device"))
		for _, event := range b.f.glob(b.f.real(path.Join(js, "device")) + "/event*") {
			p.device("/dev/input/" + path.Base(event))
		}
		p.link(b.f, js)
	}
	if len(sticks) == 0 {
		p.Opens = "nothing: there is no game controller"
	}
	p.bind("/run/udev/data")
}

func (b *builder) printing() {
	if b.Printing != Cups {
		return // the portal is a rule of the bus
	}
	server := b.f.Env["CUPS_SERVER"]
	for _, name := range []string{path.Join(b.f.Home, ".cups/client.conf"), "/etc/cups/client.conf"} {
		for line := range strings.Lines(b.f.read(name)) {
			if f := strings.Fields(line); len(f) == 2 && f[0] == "ServerName" && server == "" {
				server = f[1]
			}
		}
	}
	socket := unixSocket(server)
	if socket == "" {
		socket = "/run/cups/cups.sock"
	}
	if !b.f.exists(socket) {
		b.bad("printing", "CUPS does not listen at "+socket, "start it (sudo systemctl start cups), or printing = \"portal\"")
		return
	}
	p := b.add("printing", "the socket of CUPS")
	p.Risk = "it can print, and see and change the queue, and nobody is asked"
	p.socket(socket, "/run/cups/cups.sock")
	p.Env["CUPS_SERVER"] = "/run/cups/cups.sock"
}
