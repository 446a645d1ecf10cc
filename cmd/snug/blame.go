package main

import (
	"fmt"
	"strings"

	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/profiles"
)

// sandbox is what a command line describes.
type sandbox struct {
	*profiles.Profile
	box   *box
	added map[int]string // which option added Spec.Mounts[i]
}

// keyOptions are the options that set keys of a Spec.
var keyOptions = [...]struct{ key, option string }{
	{"rootfs.path", "rootfs"}, {"rootfs.image", "image"}, {"rootfs.name", "keep"}, {"rootfs.overlay", "overlay"}, {"rootfs.upper", "upper"}, {"rootfs.driver", "overlay-driver"},
	{"env.set", "env"}, {"env.keep", "keep-env"}, {"env.unset", "unset-env"},
	{"identity.map", "map"}, {"identity.uid", "uid"}, {"identity.gid", "gid"}, {"identity.groups", "group-add"},
	{"security.capabilities", "cap"}, {"network.mode", "net"},
	{"network.join", "join"}, {"network.allow", "allow"}, {"network.deny", "deny"}, {"network.publish", "publish"}, {"network.publish_all", "publish-all"}, {"network.host_loopback", "host-loopback"},
	{"network.dns", "dns"}, {"network.bandwidth", "bandwidth"},
	{"namespaces.", "share"}, {"namespaces.", "unshare"}, {"namespaces.hostname", "hostname"},
	{"limits.memory", "memory"}, {"limits.memory_high", "memory-high"}, {"limits.memory_swap", "memory-swap"}, {"limits.oom", "oom"},
	{"limits.cpus", "cpus"}, {"limits.cpu_weight", "cpu-weight"}, {"limits.cpuset", "cpuset"}, {"limits.pids", "pids"},
	{"limits.io", "io"}, {"limits.io_weight", "io-weight"}, {"limits.hugetlb", "hugetlb"}, {"limits.account", "account"}, {"limits.enforce", "enforce"},
	{"limits.cpu_time", "cpu-time"}, {"limits.timeout", "timeout"}, {"limits.grace", "grace"},
	{"command.workdir", "workdir"}, {"command.fds", "fd"}, {"command.pid1", "pid1"}, {"terminal.tty", "tty"},
}

// blame says where a value came from that turned out to be wrong: the packages
// below know only its key in the Spec, the user wrote an option or a line.
func (s *sandbox) blame(err error) error {
	switch e := err.(type) {
	case *problem.Problem:
		return s.placed(e)
	case problem.List:
		list := make(problem.List, len(e))
		for i, p := range e {
			list[i] = s.placed(p)
		}
		return list
	}
	return err
}

func (s *sandbox) placed(p *problem.Problem) *problem.Problem {
	key, _, _ := strings.Cut(p.What, " ")
	placed := *p
	at, written := s.Origins()[key]
	if option := s.option(key); option != "" && !(written && strings.HasSuffix(key, "]")) {
		placed.What, placed.Fix = option, s.inOptions(p.Fix)
	} else if written {
		placed.What = fmt.Sprintf("%s:%d:%d: %s", at.File, at.Line, at.Column, p.What)
	} else if option := s.lacking(key); option != "" {
		placed.What, placed.Fix = option, s.inOptions(p.Fix)
	} else if len(s.box.command) > 0 && p.What == "run "+s.box.command[0] && strings.IndexAny(s.box.command[0], "-–—") == 0 {
		placed.Fix = "put options of snug in front of --, and the command behind it; they begin with two hyphens"
	}
	return &placed
}

// inOptions says in a remedy what to write on the command line.
func (s *sandbox) inOptions(fix string) string {
	for _, name := range namespaceNames {
		if option := s.option("namespaces." + name); option != "" {
			fix = strings.ReplaceAll(fix, "namespaces."+name+" = \"share\"", option)
		}
	}
	return strings.NewReplacer("rootfs.path", "--rootfs", "rootfs.upper", "--upper", "rootfs.driver", "--overlay-driver", "rootfs.overlay", "--overlay", "rootfs.image", "--image", "rootfs.name", "--keep", "[rootfs]", "--rootfs").Replace(fix)
}

// lacking returns the option for a key that nobody set, where another of its
// table was given that needs it; or "".
func (s *sandbox) lacking(key string) string {
	table, _, _ := strings.Cut(key, ".")
	found := ""
	for _, k := range keyOptions {
		if k.key == key {
			found = "--" + k.option
		}
	}
	for _, k := range keyOptions {
		if strings.HasPrefix(k.key, table+".") && s.option(k.key) != "" {
			return found
		}
	}
	return ""
}

// option returns the option on the command line that set a key, or "".
func (s *sandbox) option(key string) string {
	for i, option := range s.added {
		if key == fmt.Sprintf("mounts[%d]", i) {
			return option
		}
	}
	for _, k := range keyOptions {
		if !isOf(key, k.key) {
			continue
		}
		var given []change
		for _, c := range s.box.changes {
			if c.option == k.option && (k.key != "namespaces." || strings.Contains(c.value, strings.TrimPrefix(key, k.key))) {
				given = append(given, c)
			}
		}
		switch {
		case len(given) == 1 && k.option != "env": // whose values may be secret
			return strings.TrimSpace("--" + k.option + " " + given[0].value)
		case len(given) > 0:
			return "--" + k.option
		}
	}
	return ""
}

// isOf reports whether a key is another one or below it: "limits.io[0]" is of
// "limits.io", "limits.io_weight" is not.
func isOf(key, above string) bool {
	rest, ok := strings.CutPrefix(key, above)
	return ok && (rest == "" || strings.HasSuffix(above, ".") || rest[0] == '.' || rest[0] == '[')
}
