package spec

import (
	"github.com/snug-sandbox/snug/internal/host"
	"github.com/snug-sandbox/snug/mounts"
	"github.com/snug-sandbox/snug/process"
)

// Resolved is a Spec together with what follows from it on one machine, for
// people and programs that want to know before anything runs. Compile works
// from the same values.
type Resolved struct {
	Spec Spec // as given, with the settings of the network made to agree

	Shown    []mounts.Resolved // all mounts above the root, in the order in which they are made
	UID, GID int               // of the command, inside
	User     string            // its login name
	Home     string            // its home directory
	Shell    string            // what runs when Spec.Command.Args is empty
	Workdir  string            // its working directory
	Environ  []string          // its environment, "K=V", sorted by name
	Terminal bool              // whether it gets a terminal of its own
}

// Resolve fills in what s leaves to the machine that f describes. It looks at
// nothing but its arguments, and fails as Validate does.
func (s Spec) Resolve(f host.Facts, io Streams) (Resolved, error) {
	s = s.withNetwork()
	if err := s.Validate(); err != nil {
		return Resolved{}, err
	}
	c := s.context(f)
	c.Terminal = s.wantsTerminal(io)
	r := Resolved{
		Spec: s, Shown: s.table().Resolve(f, c), UID: c.UID, GID: c.GID, User: c.User, Home: c.Home, Shell: c.Shell,
		Workdir: s.workdir(f, c), Terminal: c.Terminal,
	}
	r.Environ = s.environ(f, c, r.Workdir)
	return r, nil
}

func (s Spec) environ(f host.Facts, c mounts.Context, workdir string) []string {
	id := process.Identity{User: c.User, Home: c.Home, Shell: c.Shell}
	hostPath := !s.Rootfs.HasTree() && s.Rootfs.Base != mounts.BaseEmpty
	return s.Env.Environ(f.Environ, id, hostPath, workdir)
}
