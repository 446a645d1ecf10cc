package snug

import (
	"errors"

	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/namespaces"
	"github.com/snug-sandbox/snug/network"
)

// JoinNetwork has the command in the network namespace of a running sandbox. Its
// user namespace comes with it: power over a network is power over the user
// namespace that owns it. All else is the command's own. It must be called before
// Start, and takes the place of c.Spec.Network.
func (c *Cmd) JoinNetwork(i Instance) error {
	own := i.Spec.Namespaces
	if own.Net == namespaces.Share || own.User == namespaces.Share {
		return &problem.Problem{What: "network.join", Why: "that sandbox has no network of its own", Fix: "net = \"host\" for the host's network"}
	}
	if c.Spec.Namespaces.User == namespaces.Share || c.Spec.Namespaces.Net == namespaces.Share {
		return &problem.Problem{What: "network.join", Why: "the user and the network namespace are those of the sandbox that is joined", Fix: "leave out namespaces.user and namespaces.net"}
	}
	e := &entrance{Instance: i}
	if !e.openNamespaces() {
		err := e.short
		if err == nil {
			err = errors.New("none of its processes that can be looked at is in the namespaces that it began with")
		}
		return &problem.Problem{What: "network.join", Why: err.Error(), Err: err}
	}
	join := &c.Spec.Namespaces.Join
	for n, k := range own.Own() {
		file := e.namespaces[n]
		switch fd := int(file.Fd()); k.Name {
		case "user":
			join.User = &fd
		case "net":
			join.Net = &fd
		default:
			file.Close()
			continue
		}
		c.closers = append(c.closers, file)
	}
	c.Spec.Network = network.Config{Reaches: i.Spec.Network.Mode == network.Private || i.Spec.Network.Reaches}
	c.Spec.Identity.Map = i.Spec.Identity.Map
	return nil
}
