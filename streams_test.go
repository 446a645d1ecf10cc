package snug_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug"
	"github.com/snug-sandbox/snug/internal/kerneltest"
)

func TestStdinIsReadFromAnyReader(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	cmd := sh(snug.Spec{}, "cat; echo end")
	cmd.Stdin = strings.NewReader("one\ntwo\n")
	want(t, cmd, "one\ntwo\nend")
}

func TestStdinFileIsHandedOverAsItIs(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte("first\nsecond\nthird\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Seek(6, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	// The offset is the file's, not the descriptor's: what the command reads
	// byte by byte moves it here too.
	cmd := sh(snug.Spec{}, "read line; echo $line")
	cmd.Stdin = f
	want(t, cmd, "second")
	rest, _ := io.ReadAll(f)
	if string(rest) != "third\n" {
		t.Errorf("left in the file: %q", rest)
	}
}

func TestNoStdinIsEmpty(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	want(t, sh(snug.Spec{}, "wc -c; stat -Lc %t:%T /proc/self/fd/0"), "0\n1:3")
}

func TestNoStdoutIsNowhere(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	cmd := sh(snug.Spec{}, "exec 4>&1; stat -Lc %t:%T /proc/self/fd/4 >&3; echo nowhere; echo nowhere >&2")
	r, w := pipe(t)
	cmd.ExtraFiles = []*os.File{w}
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	if out, _ := io.ReadAll(r); string(out) != "1:3\n" {
		t.Errorf("standard output is %q, want /dev/null, 1:3", out)
	}
}

func TestOneWriterForBothOutputsKeepsTheOrder(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	cmd := sh(snug.Spec{}, "for i in 1 2 3; do echo out $i; echo err $i >&2; done")
	out, err := cmd.CombinedOutput()
	if err != nil || string(out) != "out 1\nerr 1\nout 2\nerr 2\nout 3\nerr 3\n" {
		t.Errorf("got %q, %v", out, err)
	}
}

func TestOutputsMayDiffer(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	var out, errs bytes.Buffer
	cmd := sh(snug.Spec{}, "echo out; echo err >&2")
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil || out.String() != "out\n" || errs.String() != "err\n" {
		t.Errorf("got %q and %q, %v", &out, &errs, err)
	}
}

// notComparable is a writer that panics when it is compared.
type notComparable struct{ list []io.Writer }

func (n notComparable) Write(p []byte) (int, error) { return n.list[0].Write(p) }

func TestWritersNeedNotBeComparable(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	var out bytes.Buffer
	cmd := sh(snug.Spec{}, "echo out")
	cmd.Stdout, cmd.Stderr = notComparable{[]io.Writer{&out}}, notComparable{[]io.Writer{&out}}
	if err := cmd.Run(); err != nil || out.String() != "out\n" {
		t.Errorf("got %q, %v", &out, err)
	}
}

func TestPipes(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	cmd := sh(snug.Spec{}, "tr a-z A-Z; echo done >&2")
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	errs, err3 := cmd.StderrPipe()
	if err := errors.Join(err1, err2, err3, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(in, "hello")
	in.Close()
	got, _ := io.ReadAll(out)
	said, _ := io.ReadAll(errs)
	if err := cmd.Wait(); err != nil || string(got) != "HELLO\n" || string(said) != "done\n" {
		t.Errorf("got %q and %q, %v", got, said, err)
	}
}

func TestPipesAreForUnsetStreams(t *testing.T) {
	cmd := snug.Command(snug.Spec{}, "true")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	_, err1 := cmd.StdinPipe()
	_, err2 := cmd.StdoutPipe()
	_, err3 := cmd.StderrPipe()
	_, err4 := cmd.Output()
	_, err5 := cmd.CombinedOutput()
	for i, err := range []error{err1, err2, err3, err4, err5} {
		if err == nil || !strings.Contains(err.Error(), "already set") {
			t.Errorf("%d: got %v", i+1, err)
		}
	}
}

func TestBinaryDataPassesUnchanged(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	const size = 64 << 20
	there, back := sha256.New(), sha256.New()
	source := io.TeeReader(io.LimitReader(rand.New(rand.NewSource(1)), size), there)
	cmd := snug.Command(snug.Spec{}, "cat")
	cmd.Stdin, cmd.Stdout = source, back
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(there.Sum(nil), back.Sum(nil)) {
		t.Error("what came back differs from what was sent")
	}
}

func TestOutputKeepsTheEndOfStderr(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	_, err := sh(snug.Spec{}, "yes | head -c 200000 >&2; echo the last words >&2; exit 3").Output()
	var exit *snug.ExitError
	if !errors.As(err, &exit) || exit.ExitCode != 3 {
		t.Fatalf("got %v", err)
	}
	if n := len(exit.Stderr); n > 64<<10 || !bytes.HasSuffix(exit.Stderr, []byte("the last words\n")) {
		t.Errorf("kept %d bytes", n)
	}
}

func TestExtraFilesBeginAtThree(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	dir := t.TempDir()
	a, b := create(t, dir, "a"), create(t, dir, "b")
	cmd := sh(snug.Spec{}, "echo to a >&3; echo to b >&5; [ ! -e /proc/self/fd/4 ]")
	cmd.ExtraFiles = []*os.File{a, nil, b}
	if out, err := all(t, cmd); err != nil {
		t.Fatal(err, out)
	}
	for name, text := range map[string]string{"a": "to a\n", "b": "to b\n"} {
		if got, _ := os.ReadFile(filepath.Join(dir, name)); string(got) != text {
			t.Errorf("%s holds %q", name, got)
		}
	}
}

func TestFilesHaveTheNumbersOfTheirKeys(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	register := func(fd int, text string) *os.File {
		r, w := pipe(t)
		io.WriteString(w, text)
		w.Close()
		return r
	}
	s := snug.Spec{}
	cmd := snug.Command(s, "bash", "-c", "cat <&7; cat <&200; cat <&33; ls /proc/self/fd")
	cmd.Files = map[int]*os.File{200: register(200, "two hundred\n"), 7: register(7, "seven\n"), 33: register(33, "thirty-three\n")}
	// 3 is the directory that ls reads.
	want(t, cmd, "seven\ntwo hundred\nthirty-three\n0\n1\n2\n200\n3\n33\n7")
}

func TestCallersDescriptorsByNumber(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	r, w := pipe(t)
	fd, err := unix.FcntlInt(r.Fd(), unix.F_DUPFD, 50)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	io.WriteString(w, "by number\n")
	w.Close()
	s := snug.Spec{}
	s.Command.FDs = []int{fd}
	want(t, snug.Command(s, "bash", "-c", fmt.Sprintf("cat <&%d", fd)), "by number")
}

func TestADescriptorThatIsNotOpenIsNamed(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	s := snug.Spec{}
	s.Command.FDs = []int{777}
	err := snug.Command(s, "true").Run()
	if !errors.Is(err, unix.EBADF) || !strings.Contains(err.Error(), "777") {
		t.Errorf("got %v, want EBADF and the number", err)
	}
}

func TestOnlyWhatWasAskedForIsOpenInside(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	// Descriptors that exec would inherit: no O_CLOEXEC.
	for range 5 {
		fd, err := unix.Open("/etc/passwd", unix.O_RDONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
	}
	want(t, snug.Command(snug.Spec{}, "ls", "/proc/self/fd"), "0\n1\n2\n3")
	s := snug.Spec{}
	s.Command.PID1 = true
	want(t, snug.Command(s, "ls", "/proc/self/fd"), "0\n1\n2\n3")
}

func TestYesEndsWhenNobodyReads(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	want(t, sh(snug.Spec{}, "yes | head -1"), "y")
	cmd := snug.Command(snug.Spec{}, "yes")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	io.ReadFull(out, make([]byte, 2))
	out.Close()
	cmd.Wait()
	if r := cmd.Result(); r.Signal != syscall.SIGPIPE || r.Code() != 128+13 {
		t.Errorf("yes ended by %v, code %d", r.Signal, r.Code())
	}
}

func TestInputThatIsNotReadIsNoError(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	cmd := snug.Command(snug.Spec{}, "true")
	cmd.Stdin = io.LimitReader(rand.New(rand.NewSource(1)), 10<<20)
	if err := cmd.Run(); err != nil {
		t.Error(err)
	}
}

// brokenReader fails in the middle.
type brokenReader struct{ read bool }

var errBroken = errors.New("broken in the middle")

func (b *brokenReader) Read(p []byte) (int, error) {
	if b.read {
		return 0, errBroken
	}
	b.read = true
	return copy(p, "half"), nil
}

func TestAReaderThatFailsIsReported(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	cmd := snug.Command(snug.Spec{}, "cat")
	cmd.Stdin = &brokenReader{}
	out, err := cmd.Output()
	if !errors.Is(err, errBroken) || string(out) != "half" {
		t.Errorf("got %q, %v", out, err)
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errBroken }

func TestAWriterThatFailsIsReported(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	cmd := sh(snug.Spec{}, "echo text")
	cmd.Stdout = brokenWriter{}
	if err := cmd.Run(); !errors.Is(err, errBroken) {
		t.Errorf("got %v", err)
	}
}

func TestWaitDelayBoundsTheCopying(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	r, w := pipe(t)
	defer w.Close()
	cmd := snug.Command(snug.Spec{}, "true")
	cmd.Stdin = io.MultiReader(r) // never ends, and is no file
	cmd.WaitDelay = 10 * time.Millisecond
	if err := cmd.Run(); err == nil || !strings.Contains(err.Error(), "WaitDelay") {
		t.Errorf("got %v", err)
	}
}

func init() {
	register("closed-streams", func([]string) error {
		for fd := range 3 {
			unix.Close(fd)
		}
		cmd := sh(snug.Spec{}, "ls /proc/self/fd | wc -l; echo to nowhere >&2")
		out, err := cmd.Output()
		if err == nil && string(out) != "4\n" {
			err = fmt.Errorf("%q descriptors are open, not 4", out)
		}
		if err != nil {
			os.WriteFile(os.Getenv("REPORT"), []byte(err.Error()), 0o600)
		}
		return err
	})
}

func TestACallerWithoutStandardStreams(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	cmd := outside(t, "closed-streams")
	report := filepath.Join(t.TempDir(), "report")
	cmd.Env = append(os.Environ(), "REPORT="+report)
	if err := cmd.Run(); err != nil {
		text, _ := os.ReadFile(report)
		t.Errorf("%v: %s", err, text)
	}
}

func pipe(t testing.TB) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

func create(t testing.TB, dir, name string) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}
