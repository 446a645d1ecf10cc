package usernet

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"github.com/snug-sandbox/snug/internal/units"
)

// A limit is held within a tenth over ten seconds, whatever is sent for, and
// after it was changed; a delay is added to each packet.
func TestShaperHoldsABandwidth(t *testing.T) {
	for _, rate := range []int64{64_000, 2_000_000, 10_000_000} {
		synctest.Test(t, func(t *testing.T) {
			s := newShaper()
			defer drain(s)
			var through atomic.Int64
			for _, now := range []int64{rate * 4, rate} {
				s.set(now, 0)
				const seconds = 10
				before := through.Load()
				flood(s, now, seconds*time.Second, &through)
				bits := through.Load() - before
				if per := bits / seconds; per < now*9/10 || per > now*11/10 {
					t.Errorf("%d bit/s are %d", now, per)
				}
			}
		})
	}
}

// drain ends a shaper: a bubble's goroutines have to end with its test.
func drain(s *shaper) {
	close(s.queue)
	time.Sleep(time.Hour)
}

// flood sends more than a line takes, and counts the bits that go through.
func flood(s *shaper, rate int64, during time.Duration, through *atomic.Int64) {
	const size = 1460
	pause := time.Duration(int64(size*8) * int64(time.Second) / (rate * 2)) // twice as much as fits
	for end := time.Now().Add(during); time.Now().Before(end); time.Sleep(pause) {
		pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(make([]byte, size))})
		s.push(pkt, size, func() { through.Add(size * 8) })
	}
}

func TestShaperDelays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShaper()
		defer drain(s)
		s.set(0, units.Duration(40*time.Millisecond))
		start := time.Now()
		arrived := make(chan time.Duration, 3)
		for range 3 {
			pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(make([]byte, 100))})
			s.push(pkt, 100, func() { arrived <- time.Since(start) })
		}
		for range 3 {
			if d := <-arrived; d != 20*time.Millisecond {
				t.Errorf("a packet came after %v: half of the latency is for each way", d)
			}
		}
	})
}
