package network

import "strconv"

// What the supervisor of a sandbox and its network's helper tell each other, as
// lines of JSON on a socket. The helper ends with the socket.

// Order is the first line that the helper gets. Descriptor 3 is the socket, 4
// the interface, and 5 a socket that listens for changes.
type Order struct {
	Config
	// What follows is for a driver of somebody else's, which gets neither
	// descriptor 4 nor 5.
	Program string `json:"program,omitempty"` // its file
	PID     int    `json:"pid,omitempty"`     // of a process in the sandbox's namespaces
	Dir     string `json:"dir,omitempty"`     // a directory for it alone
}

// Kinds of a Message.
const (
	Ready    = "ready"    // the helper answers; Published
	Failed   = "failed"   // it cannot: What, Why, Fix; it ends
	Refusal  = "refusal"  // Contact, seen for the first time, waits for a Reply
	Finished = "finished" // Contacts, all of them; it ends
	Lost     = "lost"     // instead of Finished: there is no network any more; it ends
)

// Message is a line of the helper's.
type Message struct {
	Kind      string    `json:"kind"`
	What      string    `json:"what,omitempty"`
	Why       string    `json:"why,omitempty"`
	Fix       string    `json:"fix,omitempty"`
	Published []string  `json:"published,omitempty"`
	Contact   *Contact  `json:"contact,omitempty"`
	Contacts  []Contact `json:"contacts,omitempty"`
	Source    uint16    `json:"source,omitempty"` // the port inside that the contact came from
	Number    int       `json:"number,omitempty"` // of the refusal, for its Reply
}

// Reply is a line of the supervisor's.
type Reply struct {
	Program string `json:"program"`          // that the contact of a refusal came from
	Number  int    `json:"number,omitempty"` // of that refusal
	Finish  bool   `json:"finish,omitempty"`
}

// Change is a line of somebody who changes a running sandbox; the answer is an
// Answer.
type Change struct {
	Bandwidth Bandwidth `json:"bandwidth"`
	Up        bool      `json:"up"` // which of Bandwidth count
	Down      bool      `json:"down"`
	Latency   bool      `json:"latency"`
}

// Answer is what became of a Change.
type Answer struct {
	Before, After Bandwidth
}

// Contact is somebody whom the command reached, or wanted to.
type Contact struct {
	// Name is what the address was looked up as, or what TLS or HTTP called it.
	Name     string `json:"name,omitempty"`
	Address  string `json:"address,omitempty"` // empty for a name that was refused
	Port     uint16 `json:"port,omitempty"`
	Protocol string `json:"protocol"` // "tcp", "udp", "icmp", or "dns" for a name that was looked up
	Why      string `json:"why,omitempty"`
	Program  string `json:"program,omitempty"` // that was refused
	Count    int    `json:"count"`
	Sent     int64  `json:"sent"` // bytes
	Received int64  `json:"received"`
}

// DNS is the Protocol of a name that was looked up.
const DNS = "dns"

// String names whom the contact is with.
func (c Contact) String() string {
	host := c.Name
	switch {
	case host == "" && c.Address == "":
		host = "." // the root of the names
	case host == "":
		host = bracket(c.Address)
	case c.Address != "":
		host += " (" + c.Address + ")"
	}
	if c.Port != 0 {
		host += " port " + strconv.Itoa(int(c.Port))
	}
	return host + ", " + c.Protocol
}

// Rule is what would allow the contact, for a profile.
func (c Contact) Rule() string {
	host := c.Name
	if host == "" {
		host = bracket(c.Address)
	}
	if c.Protocol == DNS {
		return host
	}
	if c.Port != 0 {
		host += ":" + strconv.Itoa(int(c.Port))
	}
	if c.Protocol != TCP {
		host += "/" + c.Protocol
	}
	return host
}

// bracket is an address as it stands in front of a port.
func bracket(a string) string {
	for i := range len(a) {
		if a[i] == ':' {
			return "[" + a + "]"
		}
	}
	return a
}
