package snug_test

import (
	"bufio"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug"
)

// lines starts cmd and gives what it writes to standard output, line by line.
// The channel is closed at the end of the output.
func lines(t testing.TB, cmd *snug.Cmd) <-chan string {
	t.Helper()
	r, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Kill() })
	out := make(chan string, 100)
	go func() {
		defer close(out)
		for s := bufio.NewScanner(r); s.Scan(); {
			out <- s.Text()
		}
	}()
	return out
}

// patience is how long a test waits for what must come before it fails.
const patience = time.Minute

func nextLine(t testing.TB, out <-chan string) string {
	t.Helper()
	select {
	case line, ok := <-out:
		if !ok {
			return "(end)"
		}
		return line
	case <-time.After(patience):
		t.Fatal("nothing was written")
	}
	return ""
}

func expectLine(t testing.TB, out <-chan string, want string) {
	t.Helper()
	if got := nextLine(t, out); got != want {
		t.Fatalf("wrote %q, want %q", got, want)
	}
}

// eventually waits until the condition holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never came: %s", what)
		}
	}
}

func nameOf(sig unix.Signal) string { return strings.TrimSpace(unix.SignalName(sig)) }
