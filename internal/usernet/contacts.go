package usernet

import (
	"cmp"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/snug-sandbox/snug/network"
)

// mostContacts bounds what is remembered. Those that come later are counted
// together, without a name.
const mostContacts = 10000

// contacts remembers whom the sandbox reached, and whom it was refused.
type contacts struct {
	refused func(network.Contact, uint16) string
	asking  sync.Mutex // one refusal is told at a time
	mu      sync.Mutex
	known   map[contactKey]*network.Contact
}

type contactKey struct {
	name, address, protocol, why string
	port                         uint16
}

func newContacts(refused func(network.Contact, uint16) string) *contacts {
	return &contacts{refused: refused, known: map[contactKey]*network.Contact{}}
}

// add counts a contact, and returns it with whether it is the first.
func (c *contacts) add(protocol, name string, to netip.AddrPort, why string) (*network.Contact, bool) {
	k := contactKey{name: name, protocol: protocol, why: why, port: to.Port()}
	if to.Addr().IsValid() {
		k.address = to.Addr().String()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.known[k]; !known && len(c.known) >= mostContacts {
		k = contactKey{protocol: protocol, why: why}
	}
	found, known := c.known[k]
	if !known {
		found = &network.Contact{Name: k.name, Address: k.address, Port: k.port, Protocol: k.protocol, Why: k.why}
		c.known[k] = found
	}
	found.Count++
	return found, !known
}

// reached counts a contact that is allowed.
func (c *contacts) reached(protocol string, names []string, to netip.AddrPort) *network.Contact {
	contact, _ := c.add(protocol, first(names), to, "")
	return contact
}

// refuse counts a contact that is refused, and tells of it the first time.
func (c *contacts) refuse(protocol string, names []string, to netip.AddrPort, why string, source uint16) {
	contact, fresh := c.add(protocol, first(names), to, why)
	if !fresh || c.refused == nil {
		return
	}
	c.mu.Lock()
	told := *contact
	c.mu.Unlock()
	c.asking.Lock()
	program := c.refused(told, source)
	c.asking.Unlock()
	c.mu.Lock()
	contact.Program = program
	c.mu.Unlock()
}

// sent and received add to what went through, as it does: a flow may outlive the
// command.
func sent(contact *network.Contact, n int64)     { atomic.AddInt64(&contact.Sent, n) }
func received(contact *network.Contact, n int64) { atomic.AddInt64(&contact.Received, n) }

// called gives a contact the name that the connection says, where the address
// has none.
func (c *contacts) called(contact *network.Contact, name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if contact.Name == "" {
		contact.Name = name
	}
}

func first(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return names[0]
}

func (c *contacts) all() []network.Contact {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := make([]network.Contact, 0, len(c.known))
	for _, contact := range c.known {
		list = append(list, network.Contact{
			Name: contact.Name, Address: contact.Address, Port: contact.Port, Protocol: contact.Protocol, Why: contact.Why, Program: contact.Program, Count: contact.Count,
			Sent: atomic.LoadInt64(&contact.Sent), Received: atomic.LoadInt64(&contact.Received),
		})
	}
	slices.SortFunc(list, func(a, b network.Contact) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Address, b.Address), cmp.Compare(a.Port, b.Port),
			cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(a.Why, b.Why))
	})
	return list
}
