package egress

import (
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Bounds of Pins. A name that is used keeps the address a little longer than its
// time to live: programs look up first and connect later.
const (
	grace     = 30 * time.Second
	longest   = 24 * time.Hour
	mostPins  = 1 << 16
	mostNames = 64 // of one address
)

// Pins remember which names addresses were looked up as.
type Pins struct {
	now   func() time.Time
	mu    sync.Mutex
	pins  map[netip.Addr]map[string]time.Time // until when
	count int
}

// NewPins returns Pins that tell the time by now.
func NewPins(now func() time.Time) *Pins {
	return &Pins{now: now, pins: map[netip.Addr]map[string]time.Time{}}
}

// Add has addresses stand for a name.
func (p *Pins) Add(name string, addresses []netip.Addr, ttl time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	until := p.now().Add(min(ttl, longest) + grace)
	for _, a := range addresses {
		a = a.Unmap()
		names := p.pins[a]
		if names == nil {
			names = map[string]time.Time{}
			p.pins[a] = names
		}
		if _, known := names[name]; !known {
			if p.count >= mostPins {
				p.sweep()
			}
			if p.count >= mostPins || len(names) >= mostNames {
				continue
			}
			p.count++
		}
		if until.After(names[name]) {
			names[name] = until
		}
	}
}

// Names are those that an address stands for, sorted.
func (p *Pins) Names(a netip.Addr) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var list []string
	now := p.now()
	for name, until := range p.pins[a.Unmap()] {
		if until.After(now) {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return list
}

// sweep forgets what has expired.
func (p *Pins) sweep() {
	now := p.now()
	for a, names := range p.pins {
		for name, until := range names {
			if !until.After(now) {
				delete(names, name)
				p.count--
			}
		}
		if len(names) == 0 {
			delete(p.pins, a)
		}
	}
}
