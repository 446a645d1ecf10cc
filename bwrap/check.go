package bwrap

// check looks for options that contradict each other or lack one another, in
// bubblewrap's order. Whether there is a command comes in between.
func (p *parser) check() error {
	r := p.request
	switch {
	case len(p.layers) > 0:
		return message(overlaySrcUnused)
	case r.UsernsBlockFD != nil && !r.User:
		return message("--userns-block-fd requires --unshare-user")
	case r.UsernsBlockFD != nil && r.InfoFD == nil:
		return message("--userns-block-fd requires --info-fd")
	case r.UserFD != nil && r.User:
		return message("--userns not compatible --unshare-user")
	case r.UserFD != nil && r.UserTry:
		return message("--userns not compatible --unshare-user-try")
	case r.DisableUserns && !r.User:
		return message("--disable-userns requires --unshare-user")
	case r.DisableUserns && r.UsernsBlockFD != nil:
		return message("--disable-userns is not compatible with  --userns-block-fd")
	case len(r.Args) == 0:
		return &UsageError{}
	}
	return p.checkNamespaces()
}

// checkNamespaces looks for what needs a namespace of its own. Who is not root
// gets a user namespace unasked.
func (p *parser) checkNamespaces() error {
	r := p.request
	user := r.User || r.UserTry || r.UserFD != nil || p.caller.UID != 0
	switch {
	case !user && r.UID != nil && *r.UID != p.caller.UID:
		return message("Specifying --uid requires --unshare-user or --userns")
	case !user && r.GID != nil && *r.GID != p.caller.GID:
		return message("Specifying --gid requires --unshare-user or --userns")
	case r.Hostname != nil && !r.UTS:
		return message("Specifying --hostname requires --unshare-uts")
	case r.AsPID1 && !r.PID:
		return message("Specifying --as-pid-1 requires --unshare-pid")
	case r.AsPID1 && len(r.LockFiles) > 0:
		return message("Specifying --as-pid-1 and --lock-file is not permitted")
	}
	return nil
}
