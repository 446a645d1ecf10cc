package layer

import (
	"archive/tar"
	"io"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// later fills small files in goroutines of its own, while the one that reads the
// stream goes on. That one alone looks names up and makes files, in the order of
// the stream: what is left to do needs the file's descriptor only.
type later struct {
	fill    func(unfilled, func(limit int64) ([]byte, error)) error
	files   chan unfilled
	open    sync.WaitGroup // files that are not filled yet
	problem atomic.Pointer[error]
}

// unfilled is a file that was made and has nothing in it.
type unfilled struct {
	fd    int
	h     *tar.Header
	parts []part
}

// part is a part of a file's content, in a buffer that it keeps.
type part struct {
	text []byte
	of   *buffer
}

// fillers is how many goroutines fill files of one stream. The kernel's part of
// it is about as large as that of making them.
const fillers = 2

func newLater(fill func(unfilled, func(limit int64) ([]byte, error)) error) *later {
	l := &later{fill: fill, files: make(chan unfilled, 64)}
	for range fillers {
		go l.run()
	}
	return l
}

// add takes a file's content from the tape, to be written later. The file is at
// most as large as a buffer, so that some are left for what follows.
func (l *later) add(f unfilled, t *tape) error {
	for left := f.h.Size; left > 0; {
		text, err := t.take(left)
		if err != nil {
			f.drop()
			return cutOff(err)
		}
		left -= int64(len(text))
		f.parts = append(f.parts, part{text, t.r.keep()})
	}
	l.open.Add(1)
	l.files <- f
	return nil
}

func (l *later) run() {
	for f := range l.files {
		if err := l.failed(); err != nil {
			f.drop()
		} else if err := l.fill(f, f.next()); err != nil {
			f.release()
			err = entryProblem(f.h.Name, err)
			l.problem.CompareAndSwap(nil, &err)
		} else {
			f.release()
		}
		l.open.Done()
	}
}

// next returns what gives out the content.
func (f unfilled) next() func(int64) ([]byte, error) {
	parts := f.parts
	return func(int64) ([]byte, error) {
		if len(parts) == 0 {
			return nil, io.EOF
		}
		text := parts[0].text
		parts = parts[1:]
		return text, nil
	}
}

func (f unfilled) release() {
	for _, p := range f.parts {
		p.of.release()
	}
}

func (f unfilled) drop() {
	f.release()
	unix.Close(f.fd)
}

// failed returns the first error of a file that was added.
func (l *later) failed() error {
	if err := l.problem.Load(); err != nil {
		return *err
	}
	return nil
}

// wait waits for all files that were added.
func (l *later) wait() error {
	l.open.Wait()
	return l.failed()
}

// stop waits and ends the goroutines.
func (l *later) stop() {
	l.wait()
	close(l.files)
}
