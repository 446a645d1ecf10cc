package snug

import (
	"os"
	"os/exec"
	"syscall"

	"github.com/snug-sandbox/snug/internal/child"
	"github.com/snug-sandbox/snug/internal/host"
	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/network"
)

// connectNetwork has the helper connect the network namespace of a process that
// waits, by a program that others made.
func (c *Cmd) connectNetwork(pid int) error {
	config := c.Spec.Network
	program := host.FindHelper(config.Driver)
	if program == "" {
		return &problem.Problem{What: "network.driver", Why: "there is no program " + config.Driver, Fix: host.ReadDistro("/").Install(config.Driver) + "\nor driver = \"gvisor\", which needs no other program"}
	}
	if err := host.ProbeTun(); err != nil {
		return &problem.Problem{What: "network.driver", Why: config.Driver + " needs /dev/net/tun: " + err.Error(), Err: err,
			Fix: "sudo chmod 0666 /dev/net/tun (sudo modprobe tun, where it is missing), or driver = \"gvisor\", which does without"}
	}
	n, err := startDriver(network.Order{Config: config, Program: program, PID: pid})
	if err != nil {
		return err
	}
	return c.awaitNetwork(n)
}

// plainHelper is a helper in no sandbox. A driver's program enters the user
// namespace that it connects, which only a process of the caller's own may.
type plainHelper struct{ *exec.Cmd }

func (p plainHelper) Kill() error { return p.Process.Kill() }

// startDriver starts the helper beside the sandbox. It kills what it starts when
// its socket is closed, and the kernel does when it is killed itself.
func startDriver(order network.Order) (*privateNetwork, error) {
	child.Whole()
	path, err := host.OwnProgram(networkHelper)
	if err != nil {
		return nil, &problem.Problem{What: "network.driver", Why: err.Error(), Err: err}
	}
	n, theirs, err := newPrivateNetwork()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	if n.dir, err = os.MkdirTemp("", "snug-net-"); err != nil {
		n.control.Close()
		return nil, err
	}
	cmd := exec.Command(path, "serve")
	cmd.ExtraFiles, cmd.Dir = []*os.File{theirs}, "/"
	// Programs that administrators use are not in everybody's path.
	cmd.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin:/usr/bin:/bin")
	// Keys of the terminal are for the command.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		n.Close()
		return nil, helperProblem(path, err)
	}
	n.helper = plainHelper{cmd}
	order.Dir = n.dir
	n.tell(order)
	return n, nil
}
