package usernet

import (
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"github.com/snug-sandbox/snug/internal/units"
)

// shaper holds packets of one direction until they may go: no more than a number
// of bits in a second, and each later than it came. It is here and not a queueing
// discipline of the interface's (tc(8)), because a command with CAP_NET_ADMIN over
// its network could take that away, and kernels lack parts of it.
type shaper struct {
	mu     sync.Mutex
	rate   int64 // bits a second; 0 is no limit
	delay  time.Duration
	free   time.Time // when the line is free
	queued int       // bytes
	queue  chan held
}

type held struct {
	pkt  *stack.PacketBuffer
	size int
	due  time.Time
	send func()
}

// mostQueued is how much waits at most: so much that one connection uses the
// whole bandwidth, in bytes.
const mostQueued = 512 << 10

func newShaper() *shaper {
	s := &shaper{queue: make(chan held, 1<<14)}
	go s.run()
	return s
}

func (s *shaper) set(rate int64, latency units.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rate, s.delay = rate, time.Duration(latency)/2
}

// push takes a packet, with a reference of its own. One that does not fit is
// dropped, as on any line.
func (s *shaper) push(pkt *stack.PacketBuffer, size int, send func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	room := mostQueued + int(s.rate/8*int64(s.delay)/int64(time.Second))
	if s.rate == 0 {
		room = 64 << 20
	}
	if s.queued > 0 && s.queued+size > room {
		pkt.DecRef()
		return
	}
	if s.free.Before(now) {
		s.free = now
	}
	if s.rate > 0 {
		s.free = s.free.Add(time.Duration(int64(size) * 8 * int64(time.Second) / s.rate))
	}
	select {
	case s.queue <- held{pkt, size, s.free.Add(s.delay), send}:
		s.queued += size
	default:
		pkt.DecRef()
	}
}

func (s *shaper) run() {
	for h := range s.queue {
		if wait := time.Until(h.due); wait > 0 {
			time.Sleep(wait)
		}
		s.mu.Lock()
		s.queued -= h.size
		s.mu.Unlock()
		h.send()
		h.pkt.DecRef()
	}
}
