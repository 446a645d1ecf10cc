// Package netdriver connects a sandbox's network namespace by a program that
// others made. It is the only place that knows RootlessKit's drivers, whose
// interface is not the same in all versions of it. What is used of them:
//
//   - port/builtin for the published ports: it listens outside, and a process in the
//     sandbox's namespaces dials there and hands the socket out. TCP of IPv4 is
//     pasta's own, which keeps the peers' addresses.
//
// What is not, and why:
//
//   - network/slirp4netns has ip(8) make the tap device, by nsenter(1): an execve takes
//     all capabilities from a user id that is not 0 inside, so that it works for root
//     alone. Here the sandbox's plan makes the device and gives it its addresses.
//   - network/pasta has pasta(1) go to the background, and gives neither its process
//     nor a way to end it. Versions up to 2023 stay when the namespace is gone. Here
//     pasta stays in the foreground, with a death signal, and with nothing forwarded
//     by itself: "-T auto", its default, shows the host's loopback services inside.
//   - port/slirp4netns knows no IPv6, and port/pasta ("pesto") needs a pasta of 2026.
//   - network/gvisortapvsock and its port driver need a process inside that copies
//     frames, dial 169.254.169.254 for the sandbox, answer nothing for AAAA and know
//     no rules. Package usernet is Snug's own driver on the same stack.
//   - network/vpnkit and lxcusernic need programs that distributions do not have, or
//     a set-up of the administrator's. Parent and child re-execute the program.
package netdriver

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/network"
)

// patience is how long a program may take to be ready.
const patience = 20 * time.Second

// Connection is a network that another program runs.
type Connection struct {
	// Published is what leads inside: "127.0.0.1:8080 -> 80/tcp".
	Published []string
	closers   []func() error // in the order of their making
	program   int            // the driver's process
}

// Connect has the order's driver connect the namespaces of its process. It must
// be called by the thread that lives as long as the process: with it the
// driver's program ends.
func Connect(o network.Order) (*Connection, error) {
	c := &Connection{}
	ports, err := parsePorts(o.Publish)
	if err == nil && o.Driver == network.Slirp {
		err = c.slirp(o, ports)
	} else if err == nil {
		err = c.pasta(o, ports)
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// Close ends the programs.
func (c *Connection) Close() error {
	for i := len(c.closers) - 1; i >= 0; i-- {
		c.closers[i]()
	}
	c.closers = nil
	return nil
}

// Lost is closed when one of the programs has ended by itself. Connect must have
// returned: until then there are short-lived ones.
func (c *Connection) Lost() <-chan struct{} {
	lost := make(chan struct{})
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGCHLD)
	go func() {
		for ; !childEnded(); <-ended {
		}
		close(lost)
	}()
	return lost
}

// Contacts are not known of other programs. It is an error when the driver's has
// ended by itself, or is ending: its device goes before it can be waited for.
func (c *Connection) Contacts() ([]network.Contact, error) {
	if ending(c.program) {
		return nil, errors.New("its program ended")
	}
	return nil, nil
}

// ending reports whether a process has begun to end, by its flags (proc_pid_stat(5),
// PF_EXITING of the kernel's include/linux/sched.h).
func ending(pid int) bool {
	const state, flags, exiting = 0, 6, 4
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	if err != nil || len(fields) <= flags || fields[state][0] == 'Z' {
		return true
	}
	n, err := strconv.ParseUint(string(fields[flags]), 10, 64)
	return err != nil || n&exiting != 0
}

// childEnded looks whether a process has ended that nobody has waited for.
func childEnded() bool {
	var info unix.Siginfo
	err := unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	return err == nil && info.Signo != 0
}

// needs looks for programs.
func needs(driver string, programs ...string) error {
	for _, name := range programs {
		if _, err := exec.LookPath(name); err != nil {
			return &problem.Problem{What: "network.driver", Why: driver + " needs the program " + name, Err: err,
				Fix: "install " + name + ", or driver = \"gvisor\", which needs no other program"}
		}
	}
	return nil
}

// within is a command in the network namespace of a process (nsenter(1)).
func within(pid int, args ...string) *exec.Cmd {
	cmd := exec.Command("nsenter", append([]string{"-t", strconv.Itoa(pid), "-U", "-n", "--preserve-credentials", "--"}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// words keeps what a program writes, for the error that it ends with.
type words struct {
	mu   sync.Mutex
	text bytes.Buffer
}

const mostWords = 64 << 10

func (w *words) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.text.Len() < mostWords {
		w.text.Write(p)
	}
	return len(p), nil
}

// explain adds the last line of them to an error.
func (w *words) explain(driver string, err error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	lines := strings.Split(strings.TrimSpace(w.text.String()), "\n")
	why := err.Error()
	if last := lines[len(lines)-1]; last != "" {
		why = fmt.Sprintf("%s (%s)", last, why)
	}
	return &problem.Problem{What: "network.driver", Why: driver + ": " + why, Err: err, Fix: "driver = \"gvisor\", which is the default"}
}
