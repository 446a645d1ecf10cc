package main

import (
	"os"
	"os/exec"
	"testing"
	"time"
)

func TestQuitProgramExitsAtOnce(t *testing.T) {
	path, err := writeProgram(t.TempDir(), "quit", quitCode)
	if err != nil {
		t.Fatal(err)
	}
	if err := exec.Command(path).Run(); err != nil {
		t.Error(err)
	}
}

func TestWaitProgramWaitsForTheEndOfItsInput(t *testing.T) {
	path, err := writeProgram(t.TempDir(), "wait", waitCode)
	if err != nil {
		t.Fatal(err)
	}
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path)
	cmd.Stdin = in
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in.Close()
	family, err := descendants(os.Getpid())
	if err != nil || len(family) != 2 || family[1] != cmd.Process.Pid {
		t.Errorf("processes below this one: %v, %v; want %d", family, err, cmd.Process.Pid)
	}
	out.Close()
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

func TestMedian(t *testing.T) {
	if got := median([]time.Duration{5, 1, 3}); got != 3 {
		t.Errorf("odd: %d", got)
	}
	if got := median([]time.Duration{1, 9, 3, 5}); got != 4 {
		t.Errorf("even: %d", got)
	}
}

func TestTargets(t *testing.T) {
	if !(target{value: 0.7, limit: 0.7}).met() || (target{value: 0.71, limit: 0.7}).met() {
		t.Error("at most")
	}
	if !(target{value: 2, limit: 2, atLeast: true}).met() || (target{value: 1.9, limit: 2, atLeast: true}).met() {
		t.Error("at least")
	}
}

func TestParsePSS(t *testing.T) {
	text := "00400000-7fff [rollup]\nRss:    3000 kB\nPss:            1234 kB\nPss_Dirty: 7 kB\n"
	if kB, err := parsePSS(text); kB != 1234 || err != nil {
		t.Errorf("got %d, %v", kB, err)
	}
	if _, err := parsePSS("Rss: 1 kB\n"); err == nil {
		t.Error("no error for a text without the line")
	}
}

func TestParseStat(t *testing.T) {
	pid, parent, ok := parseStat("42 (a) (b) S 7 1 1 0")
	if !ok || pid != 42 || parent != 7 {
		t.Errorf("got %d, %d, %v", pid, parent, ok)
	}
	if _, _, ok := parseStat("nonsense"); ok {
		t.Error("nonsense was understood")
	}
}

func TestTallyCountsOnlyWhatIsMore(t *testing.T) {
	before, after := tally{10, 5, 8}, tally{9, 6, 10}
	if got := after.over(before); got != 3 {
		t.Errorf("got %d, want 3", got)
	}
}

func TestWhatIsLeftIsCounted(t *testing.T) {
	if err := adopt(true); err != nil {
		t.Fatal(err)
	}
	before, err := count()
	if err != nil {
		t.Fatal(err)
	}
	path, err := writeProgram(t.TempDir(), "wait", waitCode)
	if err != nil {
		t.Fatal(err)
	}
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	// The shell ends at once and leaves its child to us.
	cmd := exec.Command("/bin/sh", "-c", `"$0" <&3 & :`, path)
	cmd.ExtraFiles = []*os.File{in}
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	after, err := count()
	if err != nil || after.processes != before.processes+1 || after.fds != before.fds+2 {
		t.Errorf("before: %v; with one process and a pipe more: %v, %v", before, after, err)
	}
	in.Close()
	out.Close()
	if after, err = settled(before); err != nil || after.over(before) != 0 {
		t.Errorf("before: %v; in the end: %v, %v", before, after, err)
	}
}
