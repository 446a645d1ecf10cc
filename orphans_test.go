package snug_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug"
	"github.com/snug-sandbox/snug/internal/kerneltest"
)

func init() {
	register("main-true", func([]string) error {
		_, err := snug.Main(snug.Command(snug.Spec{}, "true"))
		return err
	})
	// idle-init is a process 1 that waits for no process, while another one runs
	// sandboxes.
	register("idle-init", func(args []string) error {
		if err := errors.Join(unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""), unix.Mount("proc", "/proc", "proc", 0, "")); err != nil {
			return err
		}
		cmd := &exec.Cmd{Path: args[0], Args: []string{probePath, "run-five", args[0]}, Stdout: os.Stdout, Stderr: os.Stdout}
		if err := cmd.Start(); err != nil {
			return err
		}
		time.Sleep(2 * patience) // ended by the test
		return nil
	})
	register("run-five", func(args []string) error {
		for range 5 {
			if err := (&exec.Cmd{Path: args[0], Args: []string{probePath, "main-true"}}).Run(); err != nil {
				return err
			}
		}
		left := -1 // but process 1 and this one; what ends by itself needs a moment
		for end := time.Now().Add(patience); left != 0 && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
			all, err := filepath.Glob("/proc/[0-9]*/stat")
			if err != nil {
				return err
			}
			left = len(all) - 2
		}
		fmt.Println("left:", left)
		return nil
	})
}

// In a container whose process 1 is no init nobody would wait for what a run
// leaves behind.
func TestNoZombiesAreLeftToAProcessOneThatIsNoInit(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	cmd := outside(t, "idle-init", testBinary(t))
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.StdoutPipe()
	if err := errors.Join(err, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	got, _ := bufio.NewReader(out).ReadString('\n')
	cmd.Process.Kill()
	cmd.Wait()
	if got != "left: 0\n" {
		t.Error(got)
	}
}
