package spec

import (
	"slices"

	"github.com/snug-sandbox/snug/images"
	"github.com/snug-sandbox/snug/internal/host"
	"github.com/snug-sandbox/snug/namespaces"
	"github.com/snug-sandbox/snug/network"
	"github.com/snug-sandbox/snug/userns"
)

// Maps are the maps of ids (user_namespaces(7)) that s will have on an image, which may be
// nil, for a caller with the given ids. They are usual where that is certain before s is
// compiled, and what the child of its plan does up to the root is what that of most plans
// does (child.Identify).
func (s Spec) Maps(i *images.Image, uid, gid int) (users, groups string, usual bool) {
	if i != nil {
		asRoot := slices.Contains([]string{"", "0", "root", "0:0", "root:root"}, i.Config.Config.User)
		switch {
		case !asRoot || s.Rootfs.Name != "" || ChooseIDs(s.Identity.Map, i) != images.Single:
			return "", "", false
		case s.Identity.Map == "":
			s.Identity.Map = userns.MapRoot
		}
	}
	s = s.withNetwork()
	n, id := s.Namespaces, s.Identity
	usual = !n.None && !n.Join.Any() && !n.NewTime() && allNew(n) && n.Hostname == "" && n.Domainname == "" &&
		id.Map != userns.MapRange && id.Block == nil && s.Network.Mode != network.Private && s.Inherit == nil && !s.OrderedMounts &&
		!s.Command.PID1 && s.Command.OOMScoreAdj == nil && !s.Security.NestedUserns && len(s.Security.Capabilities) == 0 && s.Security.Seccomp.NoKeys()
	insideUser, insideGroup := id.IDs(host.Facts{UID: uid, GID: gid})
	return userns.Line(insideUser, uid), userns.Line(insideGroup, gid), usual
}

// allNew reports whether no namespace is the caller's.
func allNew(n namespaces.Config) bool {
	return !slices.Contains([]string{n.User, n.PID, n.Net, n.IPC, n.UTS, n.Cgroup}, namespaces.Share)
}
