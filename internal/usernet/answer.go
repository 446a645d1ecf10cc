package usernet

import (
	"sync"
	"time"
)

// answer is the beginning of what comes back on a flow, where that tells how what
// is sent is to be read.
type answer struct {
	mu     sync.Mutex
	grown  *sync.Cond // nil: nobody looks at it
	enough func([]byte) bool
	text   []byte
	known  bool // no more of it is needed, or will come
}

// watch keeps what comes until it is enough.
func (a *answer) watch(enough func([]byte) bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.grown, a.enough = sync.NewCond(&a.mu), enough
}

const mostKept = 16 << 10 // of what comes at a time

func (a *answer) add(p []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.grown != nil && !a.known {
		a.text = append(a.text, p[:min(len(p), mostKept)]...)
		if a.known = a.enough(a.text); a.known {
			a.grown.Broadcast()
		}
	}
}

func (a *answer) end() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.known = true
	if a.grown != nil {
		a.grown.Broadcast()
	}
}

// wait returns enough of it, or all there is by then.
func (a *answer) wait(patience time.Duration) []byte {
	defer time.AfterFunc(patience, a.end).Stop()
	a.mu.Lock()
	defer a.mu.Unlock()
	for !a.known {
		a.grown.Wait()
	}
	return a.text
}
