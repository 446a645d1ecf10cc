package snug

import (
	"bytes"
	"io"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/internal/child"
)

// terminal joins the sandbox's own terminal to the caller's: what is typed
// outside goes in, what is written inside comes out, and nothing inside ever
// holds a descriptor of the caller's terminal.
type terminal struct {
	master *os.File
	outer  *os.File // the caller's terminal, nil when it has none
	in     io.Reader
	out    io.Writer
	closes [2]io.Closer // with the end of in and out

	thaw   func()        // wakes a paused sandbox up
	saved  *unix.Termios // of outer, before it was made raw
	mu     sync.Mutex    // guards raw
	raw    bool
	ended  [2]*os.File // a pipe that is closed with the sandbox's end
	output sync.WaitGroup
}

// takeTerminal receives the master end while the child waits.
func (c *Cmd) takeTerminal(fds []int) error {
	child.Whole()
	if len(fds) == 0 {
		return os.ErrInvalid
	}
	fd := fds[0]
	t := &terminal{master: os.NewFile(uintptr(fd), "ptmx"), in: c.Stdin, out: c.Stdout, thaw: c.thaw}
	var err error
	if t.ended[0], t.ended[1], err = os.Pipe(); err != nil {
		t.master.Close()
		return err
	}
	t.closes = [2]io.Closer{c.keepOpen(c.Stdin), c.keepOpen(c.Stdout)}
	for _, s := range []any{c.Stdin, c.Stdout, c.Stderr} {
		if f, ok := s.(*os.File); ok && f != nil && isTerminal(int(f.Fd())) {
			t.outer = f
			break
		}
	}
	c.terminal = t
	if t.outer != nil {
		if t.saved, err = unix.IoctlGetTermios(int(t.outer.Fd()), unix.TCGETS); err != nil {
			return err
		}
		// The inner terminal starts as the outer one is: same keys, same size.
		if err := unix.IoctlSetTermios(fd, unix.TCSETS, t.saved); err != nil {
			return err
		}
		t.resize()
		t.makeRaw()
	}
	t.output.Add(1)
	go t.copyOut()
	go t.copyIn()
	return nil
}

// resize gives the inner terminal the size of the outer one; the kernel then
// sends SIGWINCH inside.
func (t *terminal) resize() {
	if t == nil || t.outer == nil {
		return
	}
	if size, err := unix.IoctlGetWinsize(int(t.outer.Fd()), unix.TIOCGWINSZ); err == nil {
		unix.IoctlSetWinsize(int(t.master.Fd()), unix.TIOCSWINSZ, size)
	}
}

// makeRaw leaves every key to the inner terminal. In the background it does
// nothing: another job has the terminal.
func (t *terminal) makeRaw() {
	if t == nil || t.outer == nil || !t.foreground() {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	raw := *t.saved
	raw.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON
	raw.Oflag &^= unix.OPOST
	raw.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
	raw.Cflag = raw.Cflag&^(unix.CSIZE|unix.PARENB) | unix.CS8
	raw.Cc[unix.VMIN], raw.Cc[unix.VTIME] = 1, 0
	t.raw = unix.IoctlSetTermios(int(t.outer.Fd()), unix.TCSETSW, &raw) == nil
}

// restore gives the outer terminal back as it was.
func (t *terminal) restore() {
	if t == nil || t.outer == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.raw && t.foreground() {
		unix.IoctlSetTermios(int(t.outer.Fd()), unix.TCSETSW, t.saved)
		t.raw = false
	}
}

func (t *terminal) foreground() bool {
	group, err := unix.IoctlGetInt(int(t.outer.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

// copyOut ends with EIO, once no process has the inner terminal open.
func (t *terminal) copyOut() {
	defer t.output.Done()
	defer t.closes[1].Close()
	if t.out == nil {
		t.out = io.Discard
	}
	io.Copy(t.out, onlyReader{t.master})
}

// onlyReader keeps io.Copy from tricks that a terminal does not know.
type onlyReader struct{ io.Reader }

func (t *terminal) copyIn() {
	defer t.ended[0].Close()
	defer t.closes[0].Close()
	if t.in == nil {
		return
	}
	f, ok := t.in.(*os.File)
	if !ok {
		io.Copy(t.master, t.in)
		t.master.Write([]byte{4}) // the key that ends input
		return
	}
	buf := make([]byte, 4096)
	for t.readable(f) {
		n, err := unix.Read(int(f.Fd()), buf)
		switch {
		case err == unix.EINTR || err == unix.EAGAIN:
			continue
		case n <= 0:
			if t.outer != f {
				t.master.Write([]byte{4})
			}
			return
		}
		if t.interrupts(buf[:n]) {
			t.thaw()
		}
		t.master.Write(buf[:n])
	}
}

// interrupts reports whether one of the keys that end a command was typed.
func (t *terminal) interrupts(typed []byte) bool {
	return t.saved != nil && (bytes.IndexByte(typed, t.saved.Cc[unix.VINTR]) >= 0 || bytes.IndexByte(typed, t.saved.Cc[unix.VQUIT]) >= 0)
}

// readable waits for input, but no longer than the sandbox lives: what is typed
// later belongs to somebody else.
func (t *terminal) readable(f *os.File) bool {
	ended := int(t.ended[0].Fd())
	for {
		polls := []unix.PollFd{{Fd: int32(f.Fd()), Events: unix.POLLIN}, {Fd: int32(ended), Events: unix.POLLIN}}
		switch _, err := unix.Poll(polls, -1); {
		case err == unix.EINTR:
		case err != nil || polls[1].Revents != 0:
			return false
		default:
			return true
		}
	}
}

// drain shows what was written last and gives the outer terminal back.
func (t *terminal) drain() {
	if t == nil {
		return
	}
	t.ended[1].Close()
	t.output.Wait()
	t.restore()
	t.master.Close()
}
