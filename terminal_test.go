package snug_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug"
	"github.com/snug-sandbox/snug/internal/kerneltest"
	"github.com/snug-sandbox/snug/process"
)

func TestTheTerminalInside(t *testing.T) {
	for _, options := range [][]string{{}, {"pid1=true"}, {"base=host"}} {
		term := newTerminal(t)
		term.main(`tty; [ -t 0 ] && [ -t 1 ] && [ -t 2 ] && echo all three; [ $(stat -c %t:%T /dev/console) = $(stat -c %t:%T /dev/pts/0) ] && echo console; echo through /dev/tty >/dev/tty; echo through console >/dev/console; ls /dev/pts`, options...)
		for _, text := range []string{"/dev/pts/0\r\n", "all three\r\n", "console\r\n", "through /dev/tty\r\n", "through console\r\n", "0", "ptmx\r\n"} {
			term.expect(text)
		}
		term.ends(0)
	}
}

func TestTheTerminalsSize(t *testing.T) {
	term := newTerminal(t)
	term.resize(45, 123)
	term.main(`stty size; trap 'stty size; exit 3' WINCH; echo ready; while :; do sleep 0.01; done`)
	term.expect("45 123\r\n")
	term.expect("ready\r\n")
	term.resize(50, 100)
	term.expect("50 100\r\n")
	term.ends(3)
}

func TestRawModeWhileTheCommandRuns(t *testing.T) {
	for script, code := range map[string]int{
		"echo ready; read line":               0,
		"echo ready; read line; exit 5":       5,
		"echo ready; read line; kill -9 $$":   137,
		"echo ready; read line; kill -SEGV 0": 139,
		"stty raw -echo; echo ready; read x":  0,
	} {
		term := newTerminal(t)
		before := term.modes()
		term.main("ulimit -c 0; " + script)
		term.expect("ready")
		if now := term.modes(); now.Lflag&(unix.ICANON|unix.ECHO|unix.ISIG) != 0 {
			t.Errorf("%q: not raw: %#x", script, now.Lflag)
		}
		term.typed("x\n")
		term.ends(code)
		if now := term.modes(); now != before {
			t.Errorf("%q: the modes are %+v, were %+v", script, now, before)
		}
	}
}

func TestTheTerminalIsGivenBackWhenTheCommandDoesNotRun(t *testing.T) {
	term := newTerminal(t)
	before := term.modes()
	term.run(outside(t, "main-of", "/no/such/program"))
	term.expect("run /no/such/program: not found inside the sandbox\r\n")
	term.ends(127)
	if now := term.modes(); now != before {
		t.Errorf("the modes are %+v, were %+v", now, before)
	}
}

func init() {
	register("main-of", func(args []string) error {
		r, err := snug.Main(snug.Command(snug.Spec{}, args[0], args[1:]...))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		fmt.Fprintf(os.Stderr, "main returned %d\n", r.Code())
		return nil
	})
}

func TestTheTerminalIsGivenBackAfterSignals(t *testing.T) {
	for sig, code := range map[syscall.Signal]int{syscall.SIGTERM: 143, syscall.SIGHUP: 129, syscall.SIGINT: 130, syscall.SIGQUIT: 131, syscall.SIGUSR1: 138} {
		term := newTerminal(t)
		before := term.modes()
		term.main("ulimit -c 0; echo ready; exec sleep 1000")
		term.expect("ready")
		term.cmd.Process.Signal(sig)
		term.ends(code)
		if now := term.modes(); now != before {
			t.Errorf("%v: the modes are %+v, were %+v", sig, now, before)
		}
	}
}

func TestKeysThatSendSignals(t *testing.T) {
	term := newTerminal(t)
	term.main(`trap 'echo got INT' INT; trap 'echo got QUIT; exit 7' QUIT; echo ready; while :; do sleep 0.01; done`)
	term.expect("ready\r\n")
	term.typed("\x03")
	term.expect("got INT\r\n")
	term.typed("\x1c")
	term.expect("got QUIT\r\n")
	term.ends(7)
}

func TestTypingAndItsEnd(t *testing.T) {
	term := newTerminal(t)
	term.main("cat; echo end")
	term.typed("one\n")
	term.expect("one\r\none\r\n") // the echo, and what cat writes
	term.typed("\x04")
	term.expect("end\r\n")
	term.ends(0)
}

func TestTheOutputIsComplete(t *testing.T) {
	for range 5 {
		term := newTerminal(t)
		term.main("seq 1 30000")
		term.ends(0)
		if screen := term.screen(); strings.Count(screen, "\r\n") != 30001 || !strings.Contains(screen, "\r\n29999\r\n30000\r\n") {
			t.Fatalf("%d lines", strings.Count(screen, "\r\n"))
		}
	}
}

func TestShortCommandsShowAll(t *testing.T) {
	for i := range 30 {
		term := newTerminal(t)
		term.main(fmt.Sprint("echo number ", i))
		term.expect(fmt.Sprint("number ", i, "\r\n"))
		term.ends(0)
	}
}

func TestPipesStayPipes(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	term := newTerminal(t)
	var out strings.Builder
	cmd := outside(t, "main", "tty >/dev/null 2>&1 || echo no name; readlink /proc/self/fd/1 | cut -c1-4; ls /dev/console 2>/dev/null || echo no console")
	cmd.Stdin, cmd.Stdout = term.slave, &out
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	// Standard input is the caller's terminal, which has no name inside.
	if want := "no name\npipe\nno console\n"; out.String() != want {
		t.Errorf("%q, want %q", &out, want)
	}
}

func TestATerminalWithoutOneOutside(t *testing.T) {
	kerneltest.Require(t, "userns", "proc", "pty")
	s := snug.Spec{}
	s.Terminal.TTY = process.TTYYes
	cmd := sh(s, "tty; cat; echo end")
	cmd.Stdin = strings.NewReader("typed\n")
	if out, err := all(t, cmd); err != nil || !strings.HasPrefix(strings.ReplaceAll(out, "typed\r\n", ""), "/dev/pts/0\r\nend\r\n") || strings.Count(out, "typed\r\n") != 2 {
		t.Errorf("%q, %v", out, err)
	}
}

func TestPipesToATerminal(t *testing.T) {
	kerneltest.Require(t, "userns", "proc", "pty")
	s := snug.Spec{}
	s.Terminal.TTY = process.TTYYes
	cmd := sh(s, "stty -echo; echo ready; read line; echo read $line; cat; tty <&2")
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err := errors.Join(err1, err2, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	expect := func(want string) {
		t.Helper()
		if line, err := lines.ReadString('\n'); line != want+"\r\n" {
			t.Errorf("%q, want %q (%v)", line, want, err)
		}
	}
	expect("ready")
	fmt.Fprintln(in, "a line")
	expect("read a line")
	in.Close()
	expect("/dev/pts/0")
	if rest, err := io.ReadAll(lines); err != nil || len(rest) > 0 {
		t.Errorf("then %q, %v", rest, err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

func TestNoTerminalWhereNoneIsWanted(t *testing.T) {
	term := newTerminal(t)
	term.main("[ -t 0 ] && echo the caller has one; (echo x >/dev/tty) 2>/dev/null || echo none of its own; ls /dev/pts", "tty=no")
	term.expect("the caller has one\r\nnone of its own\r\nptmx\r\n")
	term.ends(0)
}

func init() {
	register("push", func([]string) error {
		for _, c := range []byte("echo pushed\n") {
			if err := unix.IoctlSetPointerInt(0, unix.TIOCSTI, int(c)); !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EIO) {
				fmt.Printf("TIOCSTI: %v\n", err)
			}
		}
		if err := unix.IoctlSetInt(0, unix.TIOCSCTTY, 1); err == nil {
			fmt.Println("TIOCSCTTY worked")
		}
		if f, err := os.OpenFile("/dev/tty", os.O_RDWR, 0); err == nil {
			fmt.Println("/dev/tty was opened")
			f.Close()
		}
		fmt.Println("tried")
		return nil
	})
}

func TestNothingIsPushedIntoTheCallersTerminal(t *testing.T) {
	for _, script := range []string{probePath + " push", "setsid -w " + probePath + " push"} {
		term := newTerminal(t)
		term.main(script, "tty=no", "probe="+testBinary(t))
		term.expect("tried\r\n")
		term.ends(0)
		if screen := term.screen(); !strings.HasPrefix(screen, "tried\r\n") {
			t.Errorf("%s: %q", script, screen)
		}
		waiting, err := unix.IoctlGetInt(int(term.slave.Fd()), unix.TIOCINQ)
		if err != nil || waiting != 0 {
			t.Errorf("%s: %d bytes wait to be read, %v", script, waiting, err)
		}
	}
}

// What is pushed into the sandbox's own terminal stays there.
func TestWhatIsPushedInsideStaysInside(t *testing.T) {
	term := newTerminal(t)
	term.main(probePath+" push; true", "probe="+testBinary(t))
	term.expect("tried\r\n")
	term.ends(0)
	waiting, err := unix.IoctlGetInt(int(term.slave.Fd()), unix.TIOCINQ)
	if err != nil || waiting != 0 {
		t.Errorf("%d bytes wait to be read, %v", waiting, err)
	}
}

func TestJobControl(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("needs bash")
	}
	term := newTerminal(t)
	shell := exec.Command(bash, "--norc", "--noprofile", "--noediting", "-i")
	shell.Env = append(os.Environ(), "PS1=$ ", "PROBE="+testBinary(t))
	term.run(shell)
	term.expect("$ ")
	before := term.modes()
	term.typed(`(exec -a ` + probePath + ` $PROBE main 'echo st""arted; read a; echo got 1 $a; read a; echo got 2 $a')` + "\n")
	term.expect("started\r\n")
	for i := 1; i <= 2; i++ {
		term.typed("\x1a")
		term.expect("Stopped")
		term.expect("$ ")
		if now := term.modes(); now != before {
			t.Errorf("while it is stopped the modes are %+v, were %+v", now, before)
		}
		term.typed("echo in the sh\"\"ell\n")
		term.expect("in the shell\r\n")
		term.typed("fg\n")
		term.expect("echo st")
		eventually(t, "raw mode", func() bool { return term.modes().Lflag&unix.ICANON == 0 })
		term.typed("hello\n")
		term.expect(fmt.Sprintf("got %d hello\r\n", i))
	}
	term.expect("main returned 0\r\n")
	term.expect("$ ")
	term.typed("exit\n")
	term.cmd.Wait()
}

func TestASandboxInTheBackground(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("needs bash")
	}
	term := newTerminal(t)
	shell := exec.Command(bash, "--norc", "--noprofile", "--noediting", "-i")
	shell.Env = append(os.Environ(), "PS1=$ ", "PROBE="+testBinary(t))
	term.run(shell)
	term.expect("$ ")
	before := term.modes()
	term.typed(`(exec -a ` + probePath + ` $PROBE main 'sleep 0.1; echo do""ne') &` + "\n")
	term.expect("done\r")
	term.expect("main returned 0\r\n")
	if now := term.modes(); now != before {
		t.Errorf("the modes are %+v, were %+v", now, before)
	}
	term.typed("exit\n")
	term.cmd.Wait()
}

func TestKillingSnugOnATerminalEndsTheCommand(t *testing.T) {
	leavesNothing(t)
	term := newTerminal(t)
	term.main("trap '' HUP TERM; echo ready; sleep 1000; sleep 1000")
	term.expect("ready\r\n")
	term.cmd.Process.Kill()
	term.cmd.Wait()
	reapOrphans(t)
	term.master.Close()
	term.slave.Close()
}

func TestMainPassesSignalsOn(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGWINCH, syscall.SIGCONT} {
		name := strings.TrimPrefix(nameOf(sig), "SIG")
		cmd := outside(t, "main", fmt.Sprintf("trap 'echo got %s; exit 4' %s; echo ready; while :; do sleep 0.01; done", name, name))
		r, w := pipe(t)
		cmd.Stdout = w
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		w.Close()
		out := make([]byte, 100)
		n, _ := r.Read(out)
		if string(out[:n]) != "ready\n" {
			t.Fatalf("%q", out[:n])
		}
		cmd.Process.Signal(sig)
		n, _ = r.Read(out)
		if string(out[:n]) != "got "+name+"\n" {
			t.Errorf("%s: %q", name, out[:n])
			cmd.Process.Kill()
		}
		cmd.Wait()
	}
}

func init() {
	register("nohup", func([]string) error {
		signal.Ignore(syscall.SIGHUP)
		_, err := snug.Main(snug.Command(snug.Spec{}, "sh", "-c", "echo ready; read line; echo still here"))
		return err
	})
}

func TestWhatIsIgnoredOnEntryIsNotPassedOn(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	cmd := outside(t, "nohup")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	r, w := pipe(t)
	cmd.Stdout = w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	out := make([]byte, 100)
	r.Read(out)
	cmd.Process.Signal(syscall.SIGHUP)
	fmt.Fprintln(in, "line")
	if n, _ := r.Read(out); string(out[:n]) != "still here\n" {
		t.Errorf("%q", out[:n])
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}
