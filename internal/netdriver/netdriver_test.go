package netdriver

import (
	"os"
	"os/exec"
	"testing"
	"time"
)

func TestEnding(t *testing.T) {
	if ending(os.Getpid()) {
		t.Error("this process is said to end")
	}
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if ending(cmd.Process.Pid) {
		t.Error("a program that runs is said to end")
	}
	cmd.Process.Kill()
	for end := time.Now().Add(time.Minute); !ending(cmd.Process.Pid); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("a program that was killed is not said to end")
		}
	}
	cmd.Wait()
	if !ending(cmd.Process.Pid) {
		t.Error("one that is gone is not said to end")
	}
}
