package main

import (
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/sys/unix"
)

// progress tells how far layers are: bars on a terminal, else a line when one
// is complete.
type progress struct {
	bars *mpb.Progress
	mu   sync.Mutex
	out  io.Writer // nil: nothing is told
}

func newProgress(out io.Writer, quiet bool) *progress {
	if quiet {
		return &progress{}
	}
	if f, ok := out.(*os.File); ok {
		// A terminal without a size, as script(1) makes one, has no room for bars.
		if size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ); err == nil && size.Col > 0 {
			return &progress{bars: mpb.New(mpb.WithOutput(f), mpb.WithWidth(40)), out: out}
		}
	}
	return &progress{out: out}
}

// reader counts what is read of a layer.
func (p *progress) reader(name string, size int64, r io.ReadCloser) io.ReadCloser {
	if p.bars == nil {
		return &lineReader{ReadCloser: r, progress: p, name: name, size: size}
	}
	bar := p.bars.AddBar(size,
		mpb.PrependDecorators(decor.Name(name+" ")),
		mpb.AppendDecorators(decor.CountersKibiByte("% .1f / % .1f")),
	)
	return &barReader{ReadCloser: r, bar: bar}
}

// wait lets the bars be drawn to their end.
func (p *progress) wait() {
	if p.bars != nil {
		p.bars.Wait()
	}
}

type barReader struct {
	io.ReadCloser
	bar *mpb.Bar
}

func (r *barReader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	r.bar.IncrBy(n)
	return n, err
}

// Close ends the bar, complete or not.
func (r *barReader) Close() error {
	r.bar.Abort(false)
	return r.ReadCloser.Close()
}

type lineReader struct {
	io.ReadCloser
	progress *progress
	name     string
	size     int64
	read     int64
}

func (r *lineReader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	r.read += int64(n)
	return n, err
}

func (r *lineReader) Close() error {
	if r.progress.out != nil && r.read >= r.size {
		r.progress.mu.Lock()
		defer r.progress.mu.Unlock()
		fmt.Fprintf(r.progress.out, "snug: layer %s: %d bytes\n", r.name, r.read)
	}
	return r.ReadCloser.Close()
}
