// Package network is what the sandbox can reach.
package network

// Values of Config.Mode.
const (
	None    = "none"    // loopback only, in a network namespace of its own
	Host    = "host"    // the caller's network namespace
	Private = "private" // a network stack of its own, reaching out through user-mode networking
)

// Config is the table [network].
type Config struct {
	// Mode is "none" (default: an own network namespace with nothing but a
	// loopback interface that is up), or "host" (the caller's network, with
	// its loopback services and abstract unix sockets). "private" is reserved.
	Mode string `toml:"mode"`

	// Exposed are the ports that the image says it listens on, such as
	// "80/tcp", once it was looked up. Nothing is reachable for that alone.
	Exposed []string `toml:"-"`
}
