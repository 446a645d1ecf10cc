package snug_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug"
	"github.com/snug-sandbox/snug/internal/kerneltest"
	"github.com/snug-sandbox/snug/mounts"
)

// terminal is a pseudo-terminal of the test's own, with a program in its
// foreground.
type terminal struct {
	t      *testing.T
	master *os.File
	slave  *os.File
	cmd    *exec.Cmd

	mu     sync.Mutex
	output strings.Builder
	read   int // what expect has seen
}

func newTerminal(t *testing.T) *terminal {
	t.Helper()
	kerneltest.Require(t, "userns", "proc", "pty")
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprint("/dev/pts/", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	term := &terminal{t: t, master: master, slave: slave}
	t.Cleanup(func() { master.Close(); slave.Close() })
	term.resize(24, 80)
	go term.collect()
	return term
}

func (term *terminal) collect() {
	p := make([]byte, 64<<10)
	for {
		n, err := term.master.Read(p)
		if err != nil {
			return
		}
		term.mu.Lock()
		term.output.Write(p[:n])
		term.mu.Unlock()
	}
}

// run starts a program as the session's leader and foreground job.
func (term *terminal) run(cmd *exec.Cmd) {
	term.t.Helper()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = term.slave, term.slave, term.slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		term.t.Fatal(err)
	}
	term.cmd = cmd
	term.t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
}

// main runs a script with snug.Main on the terminal.
func (term *terminal) main(script string, options ...string) {
	term.t.Helper()
	term.run(outside(term.t, "main", append(options, script)...))
}

func (term *terminal) typed(text string) {
	term.t.Helper()
	if _, err := term.master.WriteString(text); err != nil {
		term.t.Fatal(err)
	}
}

func (term *terminal) resize(rows, columns uint16) {
	term.t.Helper()
	if err := unix.IoctlSetWinsize(int(term.master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: columns}); err != nil {
		term.t.Fatal(err)
	}
}

// modes are the terminal's settings, as its user would see them.
func (term *terminal) modes() unix.Termios {
	term.t.Helper()
	modes, err := unix.IoctlGetTermios(int(term.slave.Fd()), unix.TCGETS)
	if err != nil {
		term.t.Fatal(err)
	}
	return *modes
}

func (term *terminal) screen() string {
	term.mu.Lock()
	defer term.mu.Unlock()
	return term.output.String()
}

// expect waits for text, after all that was expected before.
func (term *terminal) expect(text string) {
	term.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(2 * time.Millisecond) {
		screen := term.screen()
		if at := strings.Index(screen[term.read:], text); at >= 0 {
			term.read += at + len(text)
			return
		}
		if time.Now().After(end) {
			term.t.Fatalf("no %q on the terminal:\n%q", text, screen)
		}
	}
}

// ends waits for the end of the program, with the exit code.
func (term *terminal) ends(code int) {
	term.t.Helper()
	term.expect(fmt.Sprintf("main returned %d\r\n", code))
	term.cmd.Wait()
}

func init() {
	register("main", func(args []string) error {
		s := snug.Spec{}
		for ; len(args) > 1; args = args[1:] {
			switch name, value, _ := strings.Cut(args[0], "="); name {
			case "tty":
				s.Terminal.TTY = value
			case "pid1":
				s.Command.PID1 = true
			case "base":
				s.Rootfs.Base = value
			case "probe":
				s.Mounts = append(s.Mounts, mounts.Mount{Source: value, Target: probePath})
			default:
				return fmt.Errorf("no option %q", args[0])
			}
		}
		r, err := snug.Main(snug.Command(s, "sh", "-c", args[0]))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		fmt.Fprintf(os.Stderr, "main returned %d\n", r.Code())
		return nil
	})
}
