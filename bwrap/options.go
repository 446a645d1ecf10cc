package bwrap

import "slices"

// arity is the number of values that an option takes, -1 for no option.
func arity(name string) int {
	switch name {
	case "--help", "--version", "--level-prefix", "--unshare-all", "--unshare-user", "--unshare-user-try", "--unshare-ipc",
		"--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup", "--unshare-cgroup-try", "--share-net",
		"--disable-userns", "--assert-userns-disabled", "--clearenv", "--new-session", "--die-with-parent", "--as-pid-1",
		"--not-a-security-boundary":
		return 0
	case "--args", "--argv0", "--userns", "--userns2", "--pidns", "--uid", "--gid", "--hostname", "--chdir", "--unsetenv",
		"--lock-file", "--sync-fd", "--remount-ro", "--overlay-src", "--tmp-overlay", "--ro-overlay", "--exec-label",
		"--file-label", "--proc", "--dev", "--tmpfs", "--mqueue", "--dir", "--seccomp", "--add-seccomp-fd", "--block-fd",
		"--userns-block-fd", "--info-fd", "--json-status-fd", "--cap-add", "--cap-drop", "--perms", "--size":
		return 1
	case "--setenv", "--bind", "--bind-try", "--dev-bind", "--dev-bind-try", "--ro-bind", "--ro-bind-try", "--bind-fd",
		"--ro-bind-fd", "--file", "--bind-data", "--ro-bind-data", "--symlink", "--chmod":
		return 2
	case "--overlay":
		return 3
	}
	return -1
}

// IsOption reports whether a word is an option that takes part in describing a
// sandbox; --help and --version are not.
func IsOption(word string) bool {
	return arity(word) >= 0 && word != "--help" && word != "--version"
}

// missing is the error of an option without all its values.
func missing(name string) error {
	switch name {
	case "--argv0", "--chdir", "--remount-ro":
		return message(name + " takes one argument")
	case "--ro-bind-fd":
		return message("--bind-fd takes two arguments") // as bubblewrap has it
	case "--overlay-src":
		return message(overlaySrcUnused)
	}
	switch arity(name) {
	case 2:
		return message(name + " takes two arguments")
	case 3:
		return message(name + " takes three arguments")
	}
	return message(name + " takes an argument")
}

// option acts on one option, which has all its values.
func (p *parser) option(name string, v []string) error {
	switch len(v) {
	case 0:
		p.flag(name)
		return nil
	case 1:
		return p.single(name, v[0])
	}
	if name == "--setenv" {
		return p.setenv(v[0], v[1])
	}
	return p.operation(name, v)
}

// flag acts on an option without a value.
func (p *parser) flag(name string) {
	r := p.request
	switch name {
	case "--help":
		r.Help = true
	case "--version":
		r.Version = true
	case "--level-prefix":
		r.LevelPrefix = true
	case "--unshare-all":
		// Not the same as --unshare-user: --disable-userns asks for that.
		r.UserTry, r.IPC, r.PID, r.Net, r.UTS, r.CgroupTry = true, true, true, true, true, true
	case "--unshare-user":
		r.User = true
	case "--unshare-user-try":
		r.UserTry = true
	case "--unshare-ipc":
		r.IPC = true
	case "--unshare-pid":
		r.PID = true
	case "--unshare-net":
		r.Net = true
	case "--share-net":
		r.Net = false
	case "--unshare-uts":
		r.UTS = true
	case "--unshare-cgroup":
		r.Cgroup = true
	case "--unshare-cgroup-try":
		r.CgroupTry = true
	case "--disable-userns":
		r.DisableUserns = true
	case "--assert-userns-disabled":
		r.UsernsDisabled = true
	case "--clearenv":
		r.Environ = nil
	case "--new-session":
		r.NewSession = true
	case "--die-with-parent":
		r.DieWithParent = true
	case "--as-pid-1":
		r.AsPID1 = true
	case "--not-a-security-boundary":
		// Lets mounts below a bind keep flags that cannot be changed. Here they are
		// changed all at once (mount_setattr(2)), or the bind fails.
	}
}

// single acts on an option with one value.
func (p *parser) single(name, v string) error {
	r := p.request
	switch name {
	case "--args":
		return p.arguments(v)
	case "--argv0":
		return p.argv0(v)
	case "--hostname":
		p.text(name, v, &r.Hostname)
	case "--chdir":
		p.text(name, v, &r.Chdir)
		return notEmpty(name, v)
	case "--unsetenv":
		return p.unsetenv(v)
	case "--lock-file":
		r.LockFiles = append(r.LockFiles, v)
		return notEmpty(name, v)
	case "--uid":
		return p.number(name, v, &r.UID, "uid")
	case "--gid":
		return p.number(name, v, &r.GID, "gid")
	case "--exec-label":
		return p.label(name, v, &r.ExecLabel)
	case "--file-label":
		return p.label(name, v, &r.FileLabel)
	case "--cap-add", "--cap-drop":
		return p.capability(name == "--cap-add", v)
	case "--perms":
		return p.modifyPerms(v)
	case "--size":
		return p.modifySize(v)
	case "--overlay-src":
		p.layers = append(p.layers, v)
	case "--userns":
		return p.number(name, v, &r.UserFD, "fd")
	case "--userns2":
		return p.number(name, v, &r.User2FD, "fd")
	case "--pidns":
		return p.number(name, v, &r.PIDFD, "fd")
	case "--sync-fd":
		fd, err := natural(v, "fd")
		if !slices.Contains(r.SyncFDs, fd) {
			r.SyncFDs = append(r.SyncFDs, fd)
		}
		return err
	case "--block-fd":
		return p.number(name, v, &r.BlockFD, "fd")
	case "--userns-block-fd":
		return p.number(name, v, &r.UsernsBlockFD, "fd")
	case "--info-fd":
		return p.number(name, v, &r.InfoFD, "fd")
	case "--json-status-fd":
		return p.number(name, v, &r.StatusFD, "fd")
	case "--seccomp":
		return p.seccomp(v)
	case "--add-seccomp-fd":
		return p.addSeccomp(v)
	default:
		return p.operation(name, []string{v})
	}
	return nil
}
