package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/snug-sandbox/snug/network"
)

// A reader that goes away ends snug as it ends other tools: by SIGPIPE, without
// a word.
func TestBrokenPipeIsQuiet(t *testing.T) {
	for _, line := range []string{"--help", "man", "profile list", "profile show default", "profile schema", "explain", "explain --plan", "explain --json", "completion bash"} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		r.Close()
		cmd := exec.Command("snug", strings.Fields(line)...)
		var stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = w, &stderr
		cmd.Run()
		w.Close()
		status := cmd.ProcessState.Sys().(syscall.WaitStatus)
		if !status.Signaled() || status.Signal() != syscall.SIGPIPE || stderr.Len() > 0 {
			t.Errorf("snug %s: %v, %q", line, cmd.ProcessState, stderr.String())
		}
	}
}

// A disk that is full is not a broken pipe: it is said, and the exit code is not 0.
func TestFullDiskIsTold(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("needs /dev/full")
	}
	defer full.Close()
	for _, line := range []string{"--help", "man", "version", "profile list", "profile list --names", "explain", "explain --plan", "completion bash", "profile check default"} {
		cmd := exec.Command("snug", strings.Fields(line)...)
		var stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = full, &stderr
		cmd.Run()
		if cmd.ProcessState.ExitCode() != codeFailed || !strings.Contains(stderr.String(), "no space left") {
			t.Errorf("snug %s: %v, %q", line, cmd.ProcessState, stderr.String())
		}
	}
}

// TestARefusedNameIsOneLine has a program ask for names that would be lines of Snug's
// own, or of a runner's commands, in the log.
func TestARefusedNameIsOneLine(t *testing.T) {
	for _, c := range []struct {
		contact network.Contact
		want    string
	}{
		{network.Contact{Name: "x\n::error::y\x1b[2J.example", Protocol: network.DNS, Program: "a\nsnug: b", Why: "not in allow"}, `x\n::error::y\x1b[2J.example, dns by a\nsnug: b`},
		{network.Contact{Protocol: network.DNS, Why: "not in allow"}, "., dns"},
	} {
		read, write, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		tellRefused(write, c.contact)
		write.Close()
		if text, _ := io.ReadAll(read); string(text) != "snug: refused: "+c.want+": not in allow\n" {
			t.Errorf("%q", text)
		}
		read.Close()
	}
}
