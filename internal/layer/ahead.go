package layer

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"sync/atomic"
)

// ahead reads a stream in a goroutine of its own, which also computes its digest:
// files are written meanwhile.
type ahead struct {
	full, empty chan *buffer
	done        chan struct{}
	now         []byte  // what is left of last
	last        *buffer // the one that was taken last
	err         error   // valid when full is closed
	digest      string
	size        int64
}

const aheadBuffers, aheadSize = 8, 256 << 10

// buffer is a part of a stream. It takes the next part when nobody uses it any more.
type buffer struct {
	memory [aheadSize]byte
	length int
	users  atomic.Int32
	back   chan<- *buffer
}

func (b *buffer) release() {
	if b.users.Add(-1) == 0 {
		b.back <- b
	}
}

func readAhead(r io.Reader, limit int64) *ahead {
	a := &ahead{full: make(chan *buffer, aheadBuffers), empty: make(chan *buffer, aheadBuffers), done: make(chan struct{})}
	for range aheadBuffers {
		a.empty <- &buffer{back: a.empty}
	}
	go a.run(r, limit)
	return a
}

func (a *ahead) run(r io.Reader, limit int64) {
	defer close(a.full)
	sum := sha256.New()
	for {
		var b *buffer
		select {
		case b = <-a.empty:
		case <-a.done:
			return
		}
		n, err := fill(r, b.memory[:])
		sum.Write(b.memory[:n])
		a.size += int64(n)
		if a.size > limit {
			a.err = overLimit(fmt.Sprintf("it unpacks to more than %d bytes", limit), "--max-size")
			return
		}
		if n > 0 {
			b.length = n
			b.users.Store(1)
			a.full <- b
		}
		if err == io.EOF {
			a.digest = "sha256:" + hex.EncodeToString(sum.Sum(nil))
			return
		}
		if err != nil {
			a.err = err
			return
		}
	}
}

// fill reads until b is full. Unlike io.ReadFull it tells the end of a stream
// from a source that says itself that its data were cut off.
func fill(r io.Reader, b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		var more int
		more, err = r.Read(b[n:])
		n += more
	}
	return n, err
}

func (a *ahead) Read(p []byte) (int, error) {
	b, err := a.next(int64(len(p)))
	return copy(p, b), err
}

// next returns what comes next of the stream, at most limit bytes, which stay as
// they are until the next call, or for who calls keep.
func (a *ahead) next(limit int64) ([]byte, error) {
	for len(a.now) == 0 {
		if a.last != nil {
			a.last.release()
			a.last = nil
		}
		b, ok := <-a.full
		if !ok {
			if a.err != nil {
				return nil, a.err
			}
			return nil, io.EOF
		}
		a.now, a.last = b.memory[:b.length], b
	}
	n := min(int64(len(a.now)), limit)
	p := a.now[:n]
	a.now = a.now[n:]
	return p, nil
}

// keep returns the buffer that next gave a part of, which stays as it is until
// it is released.
func (a *ahead) keep() *buffer {
	a.last.users.Add(1)
	return a.last
}

// finish returns the digest and the size of the stream, which was read to its end.
func (a *ahead) finish() (string, int64, error) {
	return a.digest, a.size, a.err
}

// stop has the goroutine end when its source gives something again.
func (a *ahead) stop() { close(a.done) }
