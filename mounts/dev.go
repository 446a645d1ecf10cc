package mounts

import (
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/internal/plan"
	"github.com/snug-sandbox/snug/internal/program"
)

// deviceNodes are the devices of a minimal /dev. They are bound from the host,
// because a user namespace cannot make device nodes.
var deviceNodes = [...]string{"null", "zero", "full", "random", "urandom", "tty"}

// DeviceNodes returns the names of the devices in a minimal /dev.
func DeviceNodes() []string { return deviceNodes[:] }

// deviceLinks are the links that programs expect in /dev.
var deviceLinks = [...]struct{ name, text string }{
	{"fd", "/proc/self/fd"}, {"stdin", "/proc/self/fd/0"}, {"stdout", "/proc/self/fd/1"}, {"stderr", "/proc/self/fd/2"},
	{"core", "/proc/kcore"}, {"ptmx", "pts/ptmx"},
}

// dev makes a /dev with the few devices that any program may have, terminals
// of its own, and shared memory. The directory itself is read-only.
func (b *builder) dev(r Resolved) error {
	label := "make a minimal " + r.Target
	s, err := b.prepare(r, label)
	if err != nil {
		return err
	}
	fd := b.takeDev(r)
	made := fd != 0
	if !made {
		fd = b.newTmpfs(label, Mount{Noexec: !b.table.Ordered})
	}
	b.place(label, fd, s, Directory)
	if !made {
		b.fillDev(fd, r.Target)
	}
	m := &mounted{own: true, at: s.at, dir: fd, dirAt: s.at}
	s.node = b.cover(s, fd, m)
	for _, l := range deviceLinks {
		s.node.add(l.name).link = l.text
	}
	s.node.add("pts").cover(&mounted{at: r.Target + "/pts", dir: fd, dirAt: r.Target})
	s.node.add("shm").cover(&mounted{own: true, at: r.Target + "/shm", dir: fd, dirAt: r.Target})
	if b.context.Terminal {
		label := "show the terminal as " + r.Target + "/console"
		b.Do(label, plan.Mknodat, plan.Reg(fd), b.Text("console"), plan.Octal(unix.S_IFREG|0o444), plan.Num(0))
		b.console = spot{dir: fd, path: "console"}
		if b.pts == 0 {
			b.pts = b.Do(label, plan.Openat, plan.Reg(fd), b.Text("pts"), plan.Bits(unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, &plan.OpenFlags), plan.Num(0)).Keep("terminals")
		}
	}
	if b.table.Ordered {
		return nil
	}
	seal := readonly{label: "make " + r.Target + " read-only", dir: fd}
	if s.maybe {
		b.seal(seal) // nothing goes into it, and later it may not be there
		return nil
	}
	b.late = append(b.late, seal)
	return nil
}

// fillDev makes what is in a minimal /dev.
func (b *builder) fillDev(dev program.Reg, at string) {
	for _, name := range deviceNodes {
		b.deviceNode(dev, name)
	}
	for _, l := range deviceLinks {
		b.Do("link "+at+"/"+l.name, plan.Symlinkat, b.Text(l.text), plan.Reg(dev), b.Text(l.name))
	}
	b.devpts(dev, at)
	b.shm(dev, at)
}

// deviceNode binds a device of the host. Read-only is the node, which is the
// host's own file, not what is written to the device.
func (b *builder) deviceNode(dev program.Reg, name string) {
	label := "bind /dev/" + name
	attrs := uint64(unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NOEXEC)
	if !b.table.Ordered {
		attrs |= unix.MOUNT_ATTR_RDONLY
	}
	open := b.Do(label, plan.OpenTree, plan.Cwd, b.Text("/dev/"+name), treeFlags(unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_NO_AUTOMOUNT))
	if name == "tty" || name == "full" {
		open.Accept(syscall.ENOENT).Note("the host has no /dev/" + name)
	}
	fd := open.Keep("tree")
	b.Do(label, plan.MountSetattr, plan.Reg(fd), b.Text(""), atFlags(unix.AT_EMPTY_PATH), b.attr(attrs, 0, unix.MS_PRIVATE), plan.Num(attrSize))
	b.Do(label, plan.Mknodat, plan.Reg(dev), b.Text(name), plan.Octal(unix.S_IFREG|0o444), plan.Num(0))
	b.Do(label, plan.MoveMount, plan.Reg(fd), b.Text(""), plan.Reg(dev), b.Text(name), moveFlags(unix.MOVE_MOUNT_F_EMPTY_PATH))
	b.Close(fd)
	open.ElseHere()
}

// devpts mounts an instance of its own: no terminal outside can be named inside.
func (b *builder) devpts(dev program.Reg, at string) {
	label := "mount terminals at " + at + "/pts"
	fd, _ := b.newFilesystem(label, "devpts", unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NOEXEC,
		option{"newinstance", ""}, option{"ptmxmode", "0666"}, option{"mode", "620"})
	b.Do(label, plan.Mkdirat, plan.Reg(dev), b.Text("pts"), plan.Octal(0o755))
	b.Do(label, plan.MoveMount, plan.Reg(fd), b.Text(""), plan.Reg(dev), b.Text("pts"), moveFlags(unix.MOVE_MOUNT_F_EMPTY_PATH))
	b.Close(fd)
}

func (b *builder) shm(dev program.Reg, at string) {
	label := "mount a tmpfs at " + at + "/shm"
	perm := sticky()
	if b.table.Ordered {
		perm = mode(0o755)
	}
	fd := b.newTmpfs(label, Mount{Mode: perm})
	b.Do(label, plan.Mkdirat, plan.Reg(dev), b.Text("shm"), plan.Octal(0o1777))
	b.Do(label, plan.MoveMount, plan.Reg(fd), b.Text(""), plan.Reg(dev), b.Text("shm"), moveFlags(unix.MOVE_MOUNT_F_EMPTY_PATH))
	b.Close(fd)
}

// makeTerminal opens a new terminal, of the sandbox's own devpts where there is
// one, sends its master end to the parent, waits until it is set up, and
// returns the slave end. The master never was in the command's reach.
func (b *builder) makeTerminal() program.Reg {
	if !b.context.Terminal {
		return 0
	}
	dir, name := plan.Cwd, "/dev/ptmx"
	if b.pts != 0 {
		dir, name = plan.Reg(b.pts), "ptmx"
	}
	slave := PlanTerminal(dir, name, b.Builder)
	if b.pts != 0 {
		b.showConsole()
		b.Close(b.pts)
	}
	return slave
}

// PlanTerminal appends the steps that open a new terminal at a path below dir,
// send its master end to the parent, and wait until that has set it up. The
// register holds the slave end. What is there and is no terminal is an error.
func PlanTerminal(dir program.Arg, path string, p *plan.Builder) program.Reg {
	const label = "make a terminal"
	control, number := p.Rights()
	master := p.Do(label, plan.Openat, dir, p.Text(path), plan.Bits(unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, &plan.OpenFlags), plan.Num(0)).
		Store(number).Keep("master")
	p.Do(label, plan.Ioctl, plan.Reg(master), plan.Hex(unix.TIOCSPTLCK), p.Space(8))
	slave := p.Do(label, plan.Ioctl, plan.Reg(master), plan.Hex(unix.TIOCGPTPEER), plan.Bits(unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, &plan.OpenFlags)).Keep("terminal")
	p.SendFile("hand the terminal to the parent", control, plan.RightsSize)
	p.Close(master)
	return slave
}

func (b *builder) showConsole() {
	const label = "show the terminal as /dev/console"
	fd := b.Do(label, plan.OpenTree, plan.Reg(b.pts), b.Text("0"), treeFlags(unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)).Keep("tree")
	b.Do(label, plan.MoveMount, plan.Reg(fd), b.Text(""), plan.Reg(b.console.dir), b.Text(b.console.path), moveFlags(unix.MOVE_MOUNT_F_EMPTY_PATH))
	b.Close(fd)
}
