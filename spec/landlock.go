package spec

import (
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/internal/host"
	"github.com/snug-sandbox/snug/landlock"
	"github.com/snug-sandbox/snug/mounts"
	"github.com/snug-sandbox/snug/namespaces"
)

// Wall is what Landlock shall keep the command to, from the same tables as the
// mounts and namespaces.
func (s Spec) Wall(f host.Facts, c mounts.Context, io Streams) landlock.Wall {
	if s.Namespaces.None {
		w := s.bareWall(s.withoutMounts(f, c).rules)
		w.Open = openAgain(s, io)
		return w
	}
	w := landlock.Wall{
		// Landlock forbids every mount to whom it keeps from files.
		Files:   !s.mayMount(),
		Signals: s.Namespaces.PID == namespaces.Share && s.Namespaces.Join.PID == nil,
		Sockets: s.Namespaces.Net == namespaces.Share && !s.Security.OpenAbstract,
	}
	if !w.Files {
		return w
	}
	root := landlock.Rule{Path: "/", Access: landlock.Read, Dir: true}
	if s.Rootfs.Writable || s.Rootfs.Overlay == mounts.OverlayDiscard || s.Rootfs.Overlay == mounts.OverlayKeep {
		root.Access = landlock.All
	}
	w.Rules = []landlock.Rule{root}
	add := func(r landlock.Rule) {
		if r.Access&^root.Access != 0 { // a rule holds for all that is below
			w.Rules = append(w.Rules, r)
		}
	}
	for _, m := range s.table().Resolve(f, c) {
		if access := accessOf(m); access != 0 {
			add(landlock.Rule{Path: m.Target, Access: access, Dir: m.Type != mounts.Bind && m.Type != mounts.DevBind && m.Type != mounts.Remount})
		}
		if m.Type == mounts.Dev {
			add(landlock.Rule{Path: path.Join(m.Target, "shm"), Access: landlock.All, Dir: true})
		}
	}
	w.Open = openAgain(s, io)
	return w
}

func (s Spec) mayMount() bool {
	return s.Security.NestedUserns || s.Security.Bits()&(1<<unix.CAP_SYS_ADMIN) != 0
}

// accessOf is what a mount gives beside what all files inside have.
func accessOf(m mounts.Resolved) landlock.Access {
	switch {
	case m.Type == mounts.Dev, m.Type == mounts.Proc:
		return landlock.Devices
	case m.Type == mounts.Symlink, m.Type == mounts.Dir, m.Type == mounts.File, m.Type == mounts.Mask, !strings.HasPrefix(m.Flags(), "rw"):
		return 0
	}
	return landlock.All
}

// openAgain lets programs write to /dev/stderr. What is standard input is for
// reading, unless it is a terminal; what else was handed over is for any use.
func openAgain(s Spec, io Streams) []landlock.Open {
	list := []landlock.Open{{Descriptor: 0, Access: landlock.Look}, {Descriptor: 1, Access: landlock.Change}, {Descriptor: 2, Access: landlock.Change}}
	if io.isTerminal(0) {
		list[0].Access = landlock.Change
	}
	for _, fd := range slices.Concat(s.Command.FDs, io.Extra) {
		list = append(list, landlock.Open{Descriptor: fd, Access: landlock.Change}, landlock.Open{Descriptor: fd, Access: landlock.All})
	}
	return list
}
