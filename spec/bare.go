package spec

import (
	"path"
	"strings"

	"github.com/snug-sandbox/snug/internal/host"
	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/landlock"
	"github.com/snug-sandbox/snug/mounts"
	"github.com/snug-sandbox/snug/network"
	"github.com/snug-sandbox/snug/userns"
)

// bare is what stands for the mounts where there are no namespaces: rules of
// Landlock for what is shown of the host at its own place.
//
// Landlock gives and never takes away: what a rule gives for a directory holds
// for all below it. A profile that would be held by less than it says is
// refused; what is there in private, or made for the sandbox, is not there.
type bare struct {
	rules []landlock.Rule
	gone  []string // what the command does without
	wrong problem.List
}

// withoutMounts works out the rules.
func (s Spec) withoutMounts(f host.Facts, c mounts.Context) bare {
	var b bare
	if s.Rootfs.Base == mounts.BaseHost {
		b.rules = append(b.rules, landlock.Rule{Path: "/", Access: landlock.Read, Dir: true})
	}
	for _, r := range s.table().Resolve(f, c) {
		switch r.Type {
		case mounts.Bind, mounts.DevBind:
			b.show(r)
		case mounts.Proc:
			b.add(r, landlock.Rule{Path: "/proc", Access: landlock.Read, Dir: true})
		case mounts.Dev:
			for _, node := range mounts.DeviceNodes() {
				b.rules = append(b.rules, landlock.Rule{Path: path.Join("/dev", node), Access: landlock.Devices})
			}
			b.gone = append(b.gone, "/dev/shm", "/dev/pts")
		case mounts.Symlink:
			if r.From != "rootfs" { // those are the host's own
				b.refuse(r, "a link cannot be made without a mount namespace")
			}
		case mounts.Tmpfs:
			b.hide(r)
			b.gone = append(b.gone, r.Target)
		case mounts.Mask:
			b.hide(r)
		default:
			b.refuse(r, "a mount of type "+r.Type+" needs a mount namespace")
		}
	}
	return b
}

// show gives what a bind does.
func (b *bare) show(r mounts.Resolved) {
	rule := landlock.Rule{Path: r.Target, Access: landlock.Read, Needed: !r.Optional}
	if strings.HasPrefix(r.Flags(), "rw") {
		rule.Access = landlock.All
	}
	if r.Noexec {
		rule.Access = rule.Access.Noexec()
	}
	switch {
	case path.Clean(r.Source) != r.Target:
		b.refuse(r, "without a mount namespace "+r.Source+" is at its own place only")
	case r.Type == mounts.Bind && (r.Target == "/dev" || strings.HasPrefix(r.Target, "/dev/")):
		b.refuse(r, "without a mount namespace nothing keeps its devices from working")
	default:
		b.add(r, rule)
	}
}

// add adds a rule, unless those above it give more.
func (b *bare) add(r mounts.Resolved, rule landlock.Rule) {
	if above, at := b.above(r.Target); above&^rule.Access != 0 {
		b.refuse(r, "it is below "+at+", and Landlock gives there what it gives above")
	}
	b.rules = append(b.rules, rule)
}

// hide makes sure that nothing is given at a path.
func (b *bare) hide(r mounts.Resolved) {
	if above, at := b.above(r.Target); above != 0 {
		b.refuse(r, "Landlock cannot hide what is below "+at+", which is shown")
	}
}

// above is what the rules give at a path, and the path of the last of them.
func (b *bare) above(target string) (a landlock.Access, at string) {
	for _, rule := range b.rules {
		if rule.Path == target || rule.Path == "/" || strings.HasPrefix(target, rule.Path+"/") {
			a, at = a|rule.Access, rule.Path
		}
	}
	return a, at
}

func (b *bare) refuse(r mounts.Resolved, why string) {
	b.wrong = append(b.wrong, &problem.Problem{What: r.From + " (" + r.Target + ")", Why: why, Fix: "leave it out, or leave out --no-namespaces (none = true in [namespaces])"})
}

// Given are the rules that say which files the command may use; nil where the
// mounts do.
func (s Spec) Given(f host.Facts) []landlock.Rule {
	if !s.Namespaces.None {
		return nil
	}
	s = s.withNetwork()
	return s.withoutMounts(f, s.context(f)).rules
}

// bareContradictions finds what cannot be had without namespaces at all.
func (s Spec) bareContradictions() problem.List {
	var list problem.List
	for _, c := range []struct {
		what, why string
		wrong     bool
	}{
		{"security.landlock", "without namespaces nothing but Landlock keeps the command from files", s.Security.Landlock == landlock.No},
		{"security.nested_userns", "a command that may mount cannot be held by Landlock, and nothing else is there without namespaces", s.Security.NestedUserns},
		{"security.capabilities", "without a user namespace there are none to give", len(s.Security.Capabilities) > 0},
		{"identity.map", "ids are mapped in a new user namespace only", s.Identity.Map != "" && s.Identity.Map != userns.MapSelf || s.Identity.UID != nil || s.Identity.GID != nil || s.Identity.Groups != nil},
		{"command.pid1", "without a pid namespace somebody else is process 1", s.Command.PID1},
		{"network.mode", "without a network namespace there is the caller's network, or none", s.Network.Mode != "" && s.Network.Mode != network.None && s.Network.Mode != network.Host},
		{"rootfs", "another root needs a mount namespace", s.Rootfs.HasTree()},
	} {
		if c.wrong {
			list = append(list, &problem.Problem{What: c.what, Why: c.why, Fix: "leave one of the two out"})
		}
	}
	return list
}

// bareWall is the wall of a sandbox without namespaces.
func (s Spec) bareWall(rules []landlock.Rule) landlock.Wall {
	return landlock.Wall{Files: true, Rules: rules, Signals: true, Sockets: true, TCP: s.Network.Mode != network.Host}
}

// planBare checks that the sandbox holds what it must, and notes what it does
// not.
func (c *compiler) planBare() error {
	if err := mounts.Refuse(c.facts.Kernel); err != nil {
		return err
	}
	b := c.withoutMounts(c.facts, c.context)
	if len(b.wrong) > 0 {
		return b.wrong.Err()
	}
	if held, _ := c.bareWall(nil).On(c.facts.Landlock); !held.Files {
		return &problem.Problem{What: "--no-namespaces", Why: "nothing but Landlock keeps the command from files then, and this kernel has no Landlock that can (Linux 5.19, with landlock in lsm=)",
			Fix: "snug doctor tells how user namespaces are allowed, and how Landlock is switched on"}
	}
	c.p.Notes = append(c.p.Notes, c.BareNotes(c.facts, c.context)...)
	return nil
}

// BareNotes says what a sandbox without namespaces does not hold, and lacks.
func (s Spec) BareNotes(f host.Facts, c mounts.Context) []string {
	if !s.Namespaces.None {
		return nil
	}
	open := []string{"see the names, sizes and owners of all files, and the command lines of all processes", "change permissions, times and attributes of your files",
		"change the priorities of your processes"}
	if s.Security.Seccomp.Off() {
		open = append(open, "connect to every socket of this machine, abstract ones and those of your session included, and use your keys and shared memory")
	} else if s.Security.Seccomp.StrictBase() {
		open = append(open[:1], open[2:]...)
	}
	if held, _ := s.bareWall(nil).On(f.Landlock); !held.Signals {
		open = append(open, "send signals to your processes (Landlock holds them from Linux 6.12 on)")
	}
	notes := []string{"without namespaces the command can " + strings.Join(open, "; it can ")}
	if gone := s.withoutMounts(f, c).gone; len(gone) > 0 {
		notes = append(notes, "without namespaces there is no private "+strings.Join(gone, ", ")+"; nothing there can be opened. TMPDIR leads to a directory that is gone at the end")
	}
	return notes
}
