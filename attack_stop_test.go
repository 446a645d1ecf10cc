package snug_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug"
	"github.com/snug-sandbox/snug/internal/kerneltest"
)

func init() {
	// attack-stop stops whoever comes in from outside: once, or without a pause. It
	// tells of the first one that was stopped.
	register("attack-stop", func(args []string) error {
		fmt.Println("ready")
		stopped := map[int]bool{}
		for {
			all, err := filepath.Glob("/proc/[0-9]*")
			if err != nil {
				return err
			}
			for _, dir := range all {
				pid, _ := strconv.Atoi(filepath.Base(dir))
				if pid < 3 || pid == os.Getpid() || args[0] == "once" && stopped[pid] || unix.Kill(pid, unix.SIGSTOP) != nil {
					continue
				}
				if !stopped[pid] {
					fmt.Println("stopped")
				}
				stopped[pid] = true
				for end := time.Now().Add(time.Second); args[0] == "always" && time.Now().Before(end); {
					unix.Kill(pid, unix.SIGSTOP)
				}
			}
		}
	})
	// main-enter runs a command in the sandbox that standard input describes, as a
	// command line does.
	register("main-enter", func([]string) error {
		var i snug.Instance
		if err := json.NewDecoder(os.Stdin).Decode(&i); err != nil {
			return err
		}
		cmd := i.Command("sleep", "1000")
		result, err := snug.Main(cmd)
		if err != nil {
			fmt.Println(err)
		}
		os.Exit(result.Code())
		return nil
	})
}

// What a sandbox does once to the processes that enter it is undone.
func TestWhoEntersAndIsStoppedGoesOn(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	i, _ := running(t, inside(t, snug.Spec{}, "attack-stop", "once"))
	for range 5 {
		// The command itself, once it is executed, may be stopped for good.
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		cmd := i.Command("true")
		cmd.SetContext(ctx)
		if err := cmd.Start(); err != nil {
			t.Error(err)
		} else {
			cmd.Kill()
			cmd.Wait()
		}
		cancel()
	}
}

// A sandbox that keeps stopping who enters keeps its caller from nothing.
func TestWhoWaitsToEnterCanBeEnded(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	i, out := running(t, inside(t, snug.Spec{}, "attack-stop", "always"))
	ctx, cancel := context.WithCancel(t.Context())
	cmd := i.Command("sleep", "1000")
	cmd.SetContext(ctx)
	lines := bufio.NewReader(out)
	go func() {
		lines.ReadString('\n')
		cancel()
	}()
	err := cmd.Start()
	if err == nil {
		err = cmd.Wait()
	}
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestSignalsEndWhoWaitsToEnter(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	i, out := running(t, inside(t, snug.Spec{}, "attack-stop", "always"))
	text, err := json.Marshal(i)
	if err != nil {
		t.Fatal(err)
	}
	cmd := outside(t, "main-enter")
	// A command that is stopped once it was executed stops who started it, as a shell's
	// job. A process group that nobody would continue is not stopped (setpgid(2)).
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	in, err := cmd.StdinPipe()
	if err := errors.Join(err, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	in.Write(text)
	io.WriteString(in, "\n")
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "stopped\n" {
		t.Error(line, err)
	}
	cmd.Process.Signal(syscall.SIGTERM)
	cmd.Wait()
	// Before the signal is waited for, it ends the program by itself.
	status := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if status.ExitStatus() != 128+int(syscall.SIGTERM) && status.Signal() != syscall.SIGTERM {
		t.Error(cmd.ProcessState)
	}
}
