package child

import (
	"io"
	"math/bits"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"unsafe"
)

// guessOf lays words out as the kernel does for a new program.
func guessOf(words ...string) uint64 {
	stack := []uintptr{uintptr(len(words))}
	texts := make([][]byte, len(words))
	for i, w := range words {
		texts[i] = append([]byte(w), 0)
		stack = append(stack, uintptr(unsafe.Pointer(&texts[i][0])))
	}
	flags := guess((*region)(unsafe.Pointer(&make([]byte, aheadSize)[0])), unsafe.Pointer(&stack[0]))
	runtime.KeepAlive(texts)
	return flags
}

func TestGuess(t *testing.T) {
	const (
		mounts = syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS
		all    = 0x7e020000 // unshare(1) -Umpinu --cgroup, as strace(1) shows it
	)
	for _, c := range []struct {
		words []string
		want  uint64
	}{
		{nil, 0},
		{[]string{"snug"}, 0},
		{[]string{"snug", "run", "true"}, all},
		{[]string{"snug", "run", "--net", "host", "--", "true"}, all &^ syscall.CLONE_NEWNET},
		{[]string{"snug", "run", "-p", "x", "--net=host", "true"}, all &^ syscall.CLONE_NEWNET},
		{[]string{"snug", "run", "--net", "private", "host"}, all},
		{[]string{"snug", "run", "--", "--net", "host"}, all},
		{[]string{"snug", "run", "--net"}, all},
		{[]string{"snug", "runs"}, 0},
		{[]string{"snug", "ru"}, 0},
		{[]string{"snug", ""}, 0},
		{[]string{"snug", "explain", "run"}, 0},
		{[]string{"bwrap", "--ro-bind", "/", "/", "--unshare-all", "true"}, all},
		{[]string{"bwrap", "--unshare-net", "--unshare-pid", "true"}, mounts | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID},
		{[]string{"bwrap", "--unshare-user-try", "--unshare-cgroup-try"}, mounts | 0x02000000},
		{[]string{"bwrap", "--unshare-ut", "--unshare-utsx"}, 0},
		{[]string{"bwrap", "--unshare-uts", "--unshare-ipc"}, mounts | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC},
	} {
		if got := guessOf(c.words...); got != c.want {
			t.Errorf("%q: %#x, want %#x", c.words, got, c.want)
		}
	}
}

func TestGuessFromAFile(t *testing.T) {
	const want = syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID
	words := "--ro-bind\x00/usr\x00/usr\x00--unshare-pid\x00--unshare-pid-not\x00--unshare-net"
	file, err := os.Create(filepath.Join(t.TempDir(), "args"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	file.WriteString(words)
	file.Seek(0, io.SeekStart)
	fd := strconv.Itoa(int(file.Fd()))
	if got := guessOf("bwrap", "--args", fd, "true"); got != want {
		t.Errorf("%#x, want %#x", got, want)
	}
	if text, err := io.ReadAll(file); err != nil || string(text) != words {
		t.Errorf("%q is left, %v", text, err)
	}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	defer write.Close()
	for _, number := range []string{strconv.Itoa(int(read.Fd())), "", "-1", "x", "9999999", "999999", fd + "x"} {
		if got := guessOf("bwrap", "--args", number); got != 0 {
			t.Errorf("--args %s: %#x", number, got)
		}
	}
	if got := guessOf("bwrap", "--args"); got != 0 {
		t.Errorf("%#x", got)
	}
}

func TestElsewhere(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for range 20 {
		r := &region{}
		elsewhere(r)
		if r.affinity == 0 {
			t.Fatal("no processors")
		}
		missing := 0
		for i := range r.all {
			if r.others[i]&^r.all[i] != 0 {
				t.Fatalf("%x is not among %x", r.others, r.all)
			}
			missing += bits.OnesCount8(r.all[i] &^ r.others[i])
		}
		if missing != 1 {
			t.Fatalf("%d processors are missing: %x of %x", missing, r.others, r.all)
		}
	}
}

func TestSettleKeepsTheProcessors(t *testing.T) {
	runtime.LockOSThread() // and the thread ends with the test: it is not unlocked
	affinity := func(call uintptr, mask *[256]byte) {
		if _, _, errno := syscall.RawSyscall(call, 0, unsafe.Sizeof(*mask), uintptr(unsafe.Pointer(mask))); errno != 0 {
			t.Fatal(errno)
		}
	}
	var one, after [256]byte
	affinity(syscall.SYS_SCHED_GETAFFINITY, &one)
	for range 2 { // with all, and with the first
		r := &region{}
		elsewhere(r)
		settle(r)
		if affinity(syscall.SYS_SCHED_GETAFFINITY, &after); after != one {
			t.Fatalf("processors %x, before %x", after, one)
		}
		for i, b := range one {
			if b != 0 {
				one = [256]byte{}
				one[i] = b & -b
				break
			}
		}
		affinity(syscall.SYS_SCHED_SETAFFINITY, &one)
	}
}
