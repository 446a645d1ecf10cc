package spec

import (
	"strings"

	"github.com/snug-sandbox/snug/internal/host"
	"github.com/snug-sandbox/snug/mounts"
	"github.com/snug-sandbox/snug/namespaces"
	"github.com/snug-sandbox/snug/network"
	"github.com/snug-sandbox/snug/process"
	"github.com/snug-sandbox/snug/userns"
)

// withNetwork makes the two ways to ask for the caller's network say the same.
// Without namespaces the mode alone says which sockets there are.
func (s Spec) withNetwork() Spec {
	s.Namespaces = s.Namespaces.Settled()
	if s.Namespaces.None {
		return s
	}
	if s.Network.Mode == network.Host && s.Namespaces.Net == "" {
		s.Namespaces.Net = namespaces.Share
	}
	if s.Namespaces.Net == namespaces.Share && s.Network.Mode == "" {
		s.Network.Mode = network.Host
	}
	return s
}

// hostNetwork reports whether the command may use the caller's network.
func (s Spec) hostNetwork() bool {
	return s.Namespaces.Net == namespaces.Share && (s.Network.Mode == network.Host || !s.Namespaces.None)
}

func (s Spec) table() mounts.Table {
	return mounts.Table{Rootfs: s.Rootfs, Mounts: s.Mounts, Masking: s.Security.Masking, Ordered: s.OrderedMounts}
}

// context gathers what the mounts need to know of the other tables.
func (s Spec) context(f host.Facts) mounts.Context {
	uid, gid := s.Identity.IDs(f)
	c := mounts.Context{
		OuterProc: s.Security.NestedUserns, // a namespace's maps are written there
		SharedPID: s.Namespaces.PID == namespaces.Share && s.Namespaces.Join.PID == nil, SharedIPC: s.Namespaces.IPC == namespaces.Share,
		ResolvConf: s.resolvConf(f), HostNames: s.hostNames(), ResolvFile: pick(f.Resolver.File != "", f.Resolver.File, "/etc/resolv.conf"),
		SharedUser: s.Namespaces.User == namespaces.Share, HostNetwork: s.hostNetwork(),
		UID: uid, GID: gid, OwnTmpfs: s.Identity.Map == userns.MapRange && (uid != 0 || gid != 0),
		User: s.Identity.User, Home: s.Identity.Home, Shell: s.Identity.Shell, Hostname: s.Namespaces.Name(),
	}
	if s.Identity.Map != userns.MapRange {
		c.MountUID, c.MountGID = uid, gid
	}
	root := uid == 0 && f.UID != 0
	if c.User == "" {
		c.User = pick(root, "root", f.User)
	}
	if c.Home == "" {
		c.Home = pick(root, "/root", f.Home)
	}
	if c.Shell == "" {
		c.Shell = s.callersShell(f)
	}
	return c
}

// reachesOut reports whether the sandbox is in a private network.
func (s Spec) reachesOut() bool { return s.Network.Mode == network.Private || s.Network.Reaches }

// resolvConf is the sandbox's own resolv.conf(5) where it has a network that
// reaches out, else empty.
func (s Spec) resolvConf(f host.Facts) string {
	if !s.reachesOut() {
		return ""
	}
	lines := append([]string{"# Snug's resolver, for this sandbox alone"}, f.Resolver.Lines...)
	lines = append(lines, "nameserver "+network.Server4.String())
	return strings.Join(lines, "\n") + "\n"
}

// hostNames are further lines of hosts(5).
func (s Spec) hostNames() string {
	if !s.reachesOut() {
		return ""
	}
	return network.Guest4.String() + " " + s.Namespaces.Name() + "\n" + network.Gateway4.String() + " " + network.HostName + "\n"
}

func pick(first bool, a, b string) string {
	if first {
		return a
	}
	return b
}

// callersShell is $SHELL where the sandbox shows the host's programs.
func (s Spec) callersShell(f host.Facts) string {
	if !s.Rootfs.HasTree() && s.Rootfs.Base != mounts.BaseEmpty {
		for _, kv := range f.Environ {
			if shell, ok := strings.CutPrefix(kv, "SHELL="); ok && strings.HasPrefix(shell, "/") {
				return shell
			}
		}
	}
	return "/bin/sh"
}

// workdir is the command's working directory: that of the profile, else the
// caller's where the sandbox has it, else the home directory, else /.
func (s Spec) workdir(f host.Facts, c mounts.Context) string {
	t := s.table()
	switch {
	case s.Command.Workdir != "":
		return s.Command.Workdir
	case f.Workdir != "" && t.Holds(f, c, f.Workdir):
		return f.Workdir
	case c.Home != "" && t.Holds(f, c, c.Home):
		return c.Home
	}
	return "/"
}

// Shows reports whether the host's path p is certainly visible inside, under its
// own name.
func (s Spec) Shows(f host.Facts, p string) bool {
	s = s.withNetwork()
	return s.table().Shows(f, s.context(f), p)
}

// wantsTerminal reports whether the sandbox gets a terminal of its own. With
// standard output somewhere else, as in a pipeline, the caller's terminal is
// left to whoever else uses it.
func (s Spec) wantsTerminal(io Streams) bool {
	switch s.Terminal.TTY {
	case process.TTYYes:
		return true
	case process.TTYNo:
		return false
	}
	return io.isTerminal(0) && io.isTerminal(1)
}

func (io Streams) isTerminal(fd int) bool {
	for _, t := range io.Terminals {
		if t == fd {
			return true
		}
	}
	return false
}

// terminals are the descriptors that become the sandbox's own terminal.
func terminals(s Spec, io Streams) []int {
	if s.Terminal.TTY == process.TTYYes {
		return []int{0, 1, 2}
	}
	return io.Terminals
}
