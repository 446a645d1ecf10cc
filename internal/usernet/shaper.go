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
	came time.Time
	send func()
}

// What waits at most, in bytes: a quarter of a second's worth, so that one
// connection uses the whole bandwidth, within bounds.
const (
	leastQueued = 16 << 10
	mostQueued  = 512 << 10
	unlimited   = 64 << 20 // where nothing but a delay holds packets
)

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

// room is how many bytes may wait; the caller holds the lock.
func (s *shaper) room() int { return room(s.rate, s.delay) }

func room(rate int64, delay time.Duration) int {
	if rate == 0 {
		return unlimited
	}
	perSecond := float64(rate) / 8
	return min(max(int(perSecond/4), leastQueued), mostQueued) + min(int(perSecond*delay.Seconds()), unlimited)
}

// push takes a packet, with a reference of its own. One that does not fit is
// dropped, as on any line.
func (s *shaper) push(pkt *stack.PacketBuffer, size int, send func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.queued > 0 && s.queued+size > s.room() {
		pkt.DecRef()
		return
	}
	select {
	case s.queue <- held{pkt, size, time.Now(), send}:
		s.queued += size
	default:
		pkt.DecRef()
	}
}

// due is when a packet may go: once the line is free and it has passed it, at the
// rate that holds now, and after the delay.
func (s *shaper) due(h held) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.free.Before(h.came) {
		s.free = h.came
	}
	if s.rate > 0 {
		s.free = s.free.Add(time.Duration(float64(h.size) * 8 * float64(time.Second) / float64(s.rate)))
	}
	return s.free.Add(s.delay)
}

func (s *shaper) run() {
	for h := range s.queue {
		if wait := time.Until(s.due(h)); wait > 0 {
			time.Sleep(wait)
		}
		s.mu.Lock()
		s.queued -= h.size
		s.mu.Unlock()
		h.send()
		h.pkt.DecRef()
	}
}
