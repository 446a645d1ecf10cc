package snug

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/internal/host"
	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/network"
)

// driver is another program that a private network is made with.
type driver struct {
	cmd  *exec.Cmd
	dir  string   // its own, which goes with it
	exit *os.File // it ends when this is closed
}

// driverPatience is how long such a program may take to be ready.
const driverPatience = 20 * time.Second

// startDriver has a program connect the network namespace of a process that
// waits. It sets the addresses inside, too.
func (c *Cmd) startDriver(pid int) error {
	config := c.Spec.Network
	path := host.FindHelper(config.Driver)
	if path == "" {
		return &problem.Problem{What: "network.driver", Why: "there is no program " + config.Driver, Fix: host.ReadDistro("/").Install(config.Driver) + "\nor driver = \"gvisor\", which needs no other program"}
	}
	if err := host.ProbeTun(); err != nil {
		return &problem.Problem{What: "network.driver", Why: config.Driver + " needs /dev/net/tun: " + err.Error(), Err: err,
			Fix: "sudo chmod 0666 /dev/net/tun (sudo modprobe tun, where it is missing), or driver = \"gvisor\", which does without"}
	}
	dir, err := os.MkdirTemp("", "snug-net-")
	if err != nil {
		return err
	}
	d := &driver{dir: dir}
	c.parents = append(c.parents, d)
	if config.Driver == network.Slirp {
		err = d.slirp(path, config, pid)
	} else {
		err = d.pasta(path, config, pid)
	}
	if err != nil {
		return &problem.Problem{What: "network.driver", Why: config.Driver + ": " + err.Error(), Err: err}
	}
	return nil
}

// start starts the program, which writes to a pipe when it is ready.
func (d *driver) start(path string, args ...string) (ready *os.File, err error) {
	ready, theirs, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	end, exit, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer end.Close()
	d.exit = exit
	d.cmd = exec.Command(path, args...)
	d.cmd.ExtraFiles = []*os.File{theirs, end}
	errs, err := os.Create(filepath.Join(d.dir, "errors"))
	if err != nil {
		return nil, err
	}
	defer errs.Close()
	d.cmd.Stderr, d.cmd.Stdout, d.cmd.Dir = errs, errs, "/"
	// Keys of the terminal are for the command. The death signal is for a program
	// that does not look at its pipe.
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	return ready, d.cmd.Start()
}

// slirp runs slirp4netns(1). It ends when its pipe is closed, with Snug at the latest.
func (d *driver) slirp(path string, config network.Config, pid int) error {
	api := filepath.Join(d.dir, "api")
	args := []string{"--configure", "--mtu=" + strconv.Itoa(config.PacketSize()), "--enable-ipv6", "--ready-fd=3", "--exit-fd=4", "--api-socket=" + api}
	if !config.HostLoopback {
		args = append(args, "--disable-host-loopback")
	}
	ready, err := d.start(path, append(args, strconv.Itoa(pid), network.Interface)...)
	if err != nil {
		return err
	}
	defer ready.Close()
	ready.SetReadDeadline(time.Now().Add(driverPatience))
	if n, err := ready.Read(make([]byte, 1)); n == 0 {
		return d.why(err)
	}
	return forEachPort(config, func(p network.Publication, outside, inside int) error { return slirpPort(api, p, outside, inside) })
}

// slirpPort opens a port of the host (slirp4netns(1), API SOCKET).
func slirpPort(api string, p network.Publication, outside, inside int) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	conn := os.NewFile(uintptr(fd), "api")
	defer conn.Close()
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: api}); err != nil {
		return err
	}
	request := map[string]any{"execute": "add_hostfwd", "arguments": map[string]any{
		"proto": p.Protocol, "host_addr": p.Address.String(), "host_port": outside, "guest_port": inside}}
	if err := json.NewEncoder(conn).Encode(request); err != nil {
		return err
	}
	unix.Shutdown(fd, unix.SHUT_WR)
	answer, err := io.ReadAll(conn)
	if err == nil && strings.Contains(string(answer), "error") {
		err = fmt.Errorf("%s port %d of %s cannot be opened: %s", p.Protocol, outside, p.Address, strings.TrimSpace(string(answer)))
	}
	return err
}

// pasta runs pasta(1) in the foreground: in the background old versions of it
// outlive the namespace. Nothing is forwarded that is not published, in neither
// direction: by default the host's loopback services would be.
func (d *driver) pasta(path string, config network.Config, pid int) error {
	pidFile := filepath.Join(d.dir, "pid")
	args := []string{"--config-net", "--foreground", "--quiet", "--pid", pidFile, "--ns-ifname", network.Interface, "--mtu", strconv.Itoa(config.PacketSize()),
		"--tcp-ns", "none", "--udp-ns", "none", "--dns-forward", network.Server4.String()}
	if !config.HostLoopback {
		args = append(args, "--no-map-gw")
	}
	ports := map[string][]string{}
	forEachPort(config, func(p network.Publication, outside, inside int) error {
		ports[p.Protocol] = append(ports[p.Protocol], fmt.Sprintf("%s/%d:%d", p.Address, outside, inside))
		return nil
	})
	for option, protocol := range map[string]string{"--tcp-ports": network.TCP, "--udp-ports": network.UDP} {
		if len(ports[protocol]) == 0 {
			args = append(args, option, "none")
		}
		for _, port := range ports[protocol] {
			args = append(args, option, port)
		}
	}
	ready, err := d.start(path, append(args, strconv.Itoa(pid))...)
	if err != nil {
		return err
	}
	defer ready.Close()
	for end := time.Now().Add(driverPatience); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if text, err := os.ReadFile(pidFile); err == nil && len(text) > 0 {
			return nil
		}
		var status syscall.WaitStatus
		if got, _ := syscall.Wait4(d.cmd.Process.Pid, &status, syscall.WNOHANG, nil); got != 0 {
			d.cmd = nil
			return d.why(errors.New("it ended"))
		}
	}
	return errors.New("it is not ready after " + driverPatience.String())
}

func forEachPort(config network.Config, open func(p network.Publication, outside, inside int) error) error {
	for i, text := range config.Publish {
		p, err := network.ParsePublication(text)
		if err != nil {
			return err
		}
		for inside := int(p.Inside.First); inside <= int(p.Inside.Last); inside++ {
			if err := open(p, int(p.Host.First)+inside-int(p.Inside.First), inside); err != nil {
				return fmt.Errorf("network.publish[%d]: %w", i, err)
			}
		}
	}
	return nil
}

// why is what the program said, or that there was nothing to read.
func (d *driver) why(err error) error {
	text, _ := os.ReadFile(filepath.Join(d.dir, "errors"))
	if lines := strings.Split(strings.TrimSpace(string(text)), "\n"); len(lines) > 0 && lines[len(lines)-1] != "" {
		return errors.New(lines[len(lines)-1])
	}
	return err
}

// Close ends the program.
func (d *driver) Close() error {
	defer os.RemoveAll(d.dir)
	if d.exit != nil {
		d.exit.Close()
	}
	if d.cmd == nil || d.cmd.Process == nil {
		return nil
	}
	d.cmd.Process.Kill()
	return d.cmd.Wait()
}
