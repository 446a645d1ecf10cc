package bwrap

import (
	"strconv"
	"strings"
)

// option is an option with the number of values that follow it.
type option struct {
	name   string
	values int
}

// options are all options, those without a value first.
const (
	noValue = " --help --version --level-prefix --unshare-all --unshare-user --unshare-user-try --unshare-ipc --unshare-pid" +
		" --unshare-net --unshare-uts --unshare-cgroup --unshare-cgroup-try --share-net --disable-userns" +
		" --assert-userns-disabled --clearenv --new-session --die-with-parent --as-pid-1 "
	oneValue = " --args --argv0 --userns --userns2 --pidns --uid --gid --hostname --chdir --unsetenv --lock-file --sync-fd" +
		" --remount-ro --overlay-src --tmp-overlay --ro-overlay --exec-label --file-label --proc --dev --tmpfs --mqueue --dir" +
		" --seccomp --add-seccomp-fd --block-fd --userns-block-fd --info-fd --json-status-fd --cap-add --cap-drop --perms --size "
	twoValues = " --setenv --bind --bind-try --dev-bind --dev-bind-try --ro-bind --ro-bind-try --bind-fd --ro-bind-fd --file" +
		" --bind-data --ro-bind-data --symlink --chmod "
	threeValues = " --overlay "
)

func find(name string) (option, bool) {
	for values, list := range [...]string{noValue, oneValue, twoValues, threeValues} {
		if !strings.ContainsRune(name, ' ') && strings.Contains(list, " "+name+" ") {
			return option{name, values}, true
		}
	}
	return option{}, false
}

// IsOption reports whether a word is an option that takes part in describing a
// sandbox; --help and --version are not.
func IsOption(word string) bool {
	_, known := find(word)
	return known && word != "--help" && word != "--version"
}

func (o option) missing() error {
	switch {
	case o.values == 2:
		return message(o.name + " takes two arguments")
	case o.values == 3:
		return message(o.name + " takes three arguments")
	case o.name == "--chdir":
		return message(o.name + " takes one argument")
	}
	return message(o.name + " takes an argument")
}

// option acts on one option.
func (p *parser) option(o option, v []string) error {
	r := p.request
	if o.values == 0 {
		p.flag(o.name)
		return nil
	}
	switch o.name {
	case "--args":
		return p.arguments(v[0])
	case "--argv0":
		if r.Argv0 != "" {
			return message("--argv0 used multiple times")
		}
		r.Argv0 = v[0]
	case "--hostname":
		p.once(o.name)
		r.Hostname = &v[0]
	case "--chdir":
		p.once(o.name)
		r.Chdir = &v[0]
	case "--setenv":
		if v[0] == "" || strings.Contains(v[0], "=") {
			return message("setenv failed: Invalid argument")
		}
		r.Environ = append(without(r.Environ, v[0]), v[0]+"="+v[1])
	case "--unsetenv":
		if v[0] == "" || strings.Contains(v[0], "=") {
			return message("unsetenv failed: Invalid argument")
		}
		r.Environ = without(r.Environ, v[0])
	case "--lock-file":
		r.LockFiles = append(r.LockFiles, v[0])
	case "--uid", "--gid":
		return p.id(o.name, v[0])
	case "--exec-label", "--file-label":
		return p.label(o.name, v[0])
	case "--cap-add", "--cap-drop":
		c, err := capability(o.name == "--cap-add", v[0])
		r.Capabilities = append(r.Capabilities, c)
		return err
	case "--perms":
		return p.modifyPerms(v[0])
	case "--size":
		return p.modifySize(v[0])
	case "--overlay-src":
		if err := p.unused(o.name, true); err != nil {
			return err
		}
		p.layers = append(p.layers, v[0])
	default:
		if strings.HasSuffix(o.name, "-fd") && o.values == 1 || strings.HasPrefix(o.name, "--userns") || o.name == "--pidns" || o.name == "--seccomp" {
			return p.descriptor(o.name, v[0])
		}
		return p.operation(o.name, v)
	}
	return nil
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
	}
}

// once warns of an option of which only the last one counts.
func (p *parser) once(name string) {
	if p.seen[name] {
		p.request.Warnings = append(p.request.Warnings, "Only the last "+name+" option will take effect")
	}
	if p.seen == nil {
		p.seen = map[string]bool{}
	}
	p.seen[name] = true
}

// descriptor acts on an option whose value is a descriptor.
func (p *parser) descriptor(name, value string) error {
	r := p.request
	into := map[string]**int{
		"--userns": &r.UserFD, "--userns2": &r.User2FD, "--pidns": &r.PIDFD, "--sync-fd": &r.SyncFD, "--block-fd": &r.BlockFD,
		"--userns-block-fd": &r.UsernsBlockFD, "--info-fd": &r.InfoFD, "--json-status-fd": &r.StatusFD, "--seccomp": &r.Seccomp,
	}[name]
	if name == "--seccomp" && len(r.AddSeccomp) > 0 {
		return message("--seccomp cannot be combined with --add-seccomp-fd")
	}
	if name == "--add-seccomp-fd" && r.Seccomp != nil {
		return message("--add-seccomp-fd cannot be combined with --seccomp")
	}
	if into != nil {
		p.once(name)
	}
	fd, err := descriptor(value)
	if err != nil {
		return err
	}
	if into == nil {
		r.AddSeccomp = append(r.AddSeccomp, fd)
		return nil
	}
	*into = &fd
	return nil
}

func (p *parser) id(name, value string) error {
	p.once(name)
	n, err := strconv.ParseInt(trim(value), 10, 64)
	if err != nil || n < 0 || n > 1<<32-2 {
		return message("Invalid " + name[2:] + ": " + value)
	}
	id := int(n)
	if name == "--uid" {
		p.request.UID = &id
	} else {
		p.request.GID = &id
	}
	return nil
}

func (p *parser) label(name, value string) error {
	p.once(name)
	if !p.caller.SELinux {
		return message("labeling not supported on this system")
	}
	if name == "--exec-label" {
		p.request.ExecLabel = value
	} else {
		p.request.FileLabel = value
	}
	return nil
}

func (p *parser) modifyPerms(value string) error {
	if err := p.unused("--perms", false); err != nil {
		return err
	}
	if p.perms != nil {
		return message("--perms given twice for the same action")
	}
	perms, err := strconv.ParseUint(trim(value), 8, 32)
	if err != nil || perms > 0o7777 {
		return message("--perms takes an octal argument <= 07777")
	}
	n := int(perms)
	p.perms = &n
	return nil
}

func (p *parser) modifySize(value string) error {
	if err := p.unused("--size", false); err != nil {
		return err
	}
	if p.size != 0 {
		return message("--size given twice for the same action")
	}
	size, err := strconv.ParseUint(trim(value), 0, 63)
	if err != nil || size == 0 {
		return message("--size takes a non-zero number of bytes")
	}
	p.size = int64(size)
	return nil
}
