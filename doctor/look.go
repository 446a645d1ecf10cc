package doctor

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/snug-sandbox/snug"
	"github.com/snug-sandbox/snug/internal/host"
	"github.com/snug-sandbox/snug/mounts"
	ns "github.com/snug-sandbox/snug/namespaces"
	"github.com/snug-sandbox/snug/network"
	"github.com/snug-sandbox/snug/spec"
	"github.com/snug-sandbox/snug/userns"
)

// seen is all that the judgement is made of. An error that is nil means that
// the thing works.
type seen struct {
	host.Userns

	mountAPI  error            // openat2(2), open_tree(2), mount_setattr(2)
	outerProc bool             // /proc is that of a pid namespace around
	idMap     error            // mapping the caller's own ids
	kinds     map[string]error // a namespace of each kind
	tables    error            // what is wrong with /etc/subuid or /etc/subgid

	landlock   int // version of the interface
	landlockNo error
	seccomp    error
	tun        error
	overlayFS  bool // the kernel has overlayfs loaded
	fuse       error

	cgroup      string // the directory that may be divided
	cgroupFrom  string // how the caller comes by it
	controllers []string
	cgroupNo    string // why there is none
	bus         string // the session's D-Bus
	systemd     bool   // behind it

	programs map[string]string // path of each helper that is there
	groups   map[int]string    // names of the caller's groups

	// What sandboxes that really ran ended with.
	sandbox     error // the smallest
	withoutProc error // that with fallback = "bind" for /proc; tried when sandbox failed
	idRange     error // one that maps a range; tried when all that it takes is there
	overlay     error // one with an overlay; tried when sandbox worked
	private     error // one with a private network; the same
	bare        error // one without namespaces; tried when the others failed
}

// runner runs a sandbox that does nothing, and returns why it could not.
type runner func(context.Context, spec.Spec) error

// errNotTried is the outcome of a sandbox that had no chance.
var errNotTried = errors.New("not tried")

// look does all the looking.
func look(ctx context.Context, run runner) seen {
	s := seen{Userns: host.GatherUserns("/"), kinds: map[string]error{}, programs: map[string]string{}}
	s.mountAPI = host.ProbeMountAPI()
	if s.outerProc = !s.NoProc && !host.KnownToProc(); !s.outerProc {
		s.idMap = host.ProbeMap()
	}
	s.kinds["user"] = host.ProbeClone()
	for _, kind := range host.NamespaceKinds()[1:] {
		s.kinds[kind] = host.ProbeNamespace(kind)
	}
	_, s.tables = host.Gather(host.Want{SubIDs: true})
	s.landlock, s.landlockNo = host.LandlockABI()
	s.seccomp = host.ProbeSeccomp()
	s.tun = host.ProbeTun()
	s.fuse = host.ProbeFuse()
	s.overlayFS = host.HasFilesystem("overlay")
	if f, err := host.Gather(host.Want{Cgroup: true}); err == nil {
		f = f.WithScope()
		s.cgroup, s.cgroupFrom, s.controllers, s.cgroupNo = f.CgroupDir, f.CgroupFrom, f.CgroupControllers, f.CgroupWhy
	}
	s.bus, s.systemd = host.UserBus()
	s.groups = host.GroupNames(append([]int{s.GID}, s.Groups...))
	for _, name := range helperNames() {
		s.programs[name] = host.FindHelper(name)
	}
	s.runSandboxes(ctx, run)
	s.believe()
	return s
}

func (s *seen) runSandboxes(ctx context.Context, run runner) {
	s.withoutProc, s.idRange, s.overlay, s.private, s.bare = errNotTried, errNotTried, errNotTried, errNotTried, errNotTried
	var table []mounts.Mount
	if s.sandbox = run(ctx, spec.Spec{}); s.sandbox != nil {
		table = []mounts.Mount{{Type: mounts.Proc, Target: "/proc", Fallback: "bind"}}
		if s.withoutProc = run(ctx, spec.Spec{Mounts: table}); s.withoutProc != nil {
			s.bare = run(ctx, spec.Spec{Namespaces: ns.Config{None: true}})
			return
		}
	}
	s.overlay = run(ctx, spec.Spec{Mounts: append(table,
		mounts.Mount{Type: mounts.Overlay, Target: "/tmp", Lower: []string{"/etc"}, Writable: true})})
	s.private = run(ctx, spec.Spec{Mounts: table, Network: network.Config{Mode: network.Private}})
	if s.canMapRange() {
		s.idRange = run(ctx, spec.Spec{Mounts: table, Identity: userns.Config{Map: userns.MapRange}})
	}
}

// works reports whether a sandbox ran.
func (s *seen) works() bool { return s.sandbox == nil || s.withoutProc == nil }

// believe puts what sandboxes ended with above what was probed: a probe is only
// something similar, and what ran has proved that it can.
func (s *seen) believe() {
	if !s.works() {
		if step := new(snug.StepError); s.outerProc && errors.As(s.sandbox, &step) && isMapping(step.Label) {
			s.idMap = step.Errno
		}
		return
	}
	s.idMap = nil
	for kind := range s.kinds {
		if kind != "time" { // it is not in the smallest sandbox
			s.kinds[kind] = nil
		}
	}
}

// isMapping reports whether a step is one of those that map ids.
func isMapping(label string) bool {
	return label == "give up setgroups" || strings.HasPrefix(label, "map user ") || strings.HasPrefix(label, "map group ")
}

// canMapRange reports whether nothing is known that would stop it.
func (s *seen) canMapRange() bool {
	return s.tables == nil && userns.MissingForRange(s.Facts) == nil &&
		userns.PowerlessHelper("newuidmap", s.Userns) == nil && userns.PowerlessHelper("newgidmap", s.Userns) == nil
}

// patience is how long one sandbox may take that should take milliseconds.
const patience = 20 * time.Second

// runSandbox runs true(1). A sandbox that was built and holds no such program,
// as on a distribution without /usr/bin, is a sandbox all the same.
func runSandbox(ctx context.Context, s spec.Spec) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	c := snug.CommandContext(ctx, s, "true")
	// Not /dev/null, which may be refused here: the command line needs none.
	c.Stdin, c.Stdout, c.Stderr = strings.NewReader(""), io.Discard, io.Discard
	err := c.Run()
	if r := c.Result(); r != nil && r.Cause == snug.CauseExec {
		return nil
	}
	return err
}
