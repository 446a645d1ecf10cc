package doctor

import (
	"strings"
	"syscall"

	"github.com/snug-sandbox/snug/internal/host"
	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/userns"
)

// everything is what breaks without the things that each sandbox is made of.
const everything = "every sandbox"

func kernel(s seen) []Check {
	c := Check{Name: "kernel", State: OK, Found: "Linux " + s.Kernel.String()}
	if least := host.MinKernel(); !s.Kernel.AtLeast(least.Major, least.Minor) {
		c.State, c.Breaks = Broken, everything
		c.Found += ", and " + least.String() + " is needed"
		c.Mend = newerKernel(s.Distro)
		return one(c)
	}
	return []Check{c, mountAPI(s)}
}

func newerKernel(d host.Distro) string {
	switch {
	case d.ID == "debian":
		return "sudo apt install -t $(lsb_release -cs)-backports linux-image-amd64   # or upgrade to Debian 12"
	case d.Is("ubuntu"):
		return "sudo apt install linux-generic-hwe-$(lsb_release -rs)"
	case d.ID == "fedora":
		return "sudo dnf upgrade --refresh kernel"
	case d.Is("arch"):
		return "sudo pacman -Syu linux"
	}
	return "boot Linux 5.12 or newer"
}

func mountAPI(s seen) Check {
	c := Check{Name: "mount calls", State: OK, Found: "openat2, open_tree and mount_setattr are there"}
	if s.mountAPI == nil {
		return c
	}
	c.State, c.Breaks, c.Found = Broken, everything, s.mountAPI.Error()
	if s.works() {
		c.State, c.Breaks = Limited, "mounts inside of what is mounted from the host"
	}
	if s.Seccomp != 0 {
		c.Found += ": a seccomp filter does not know the call"
		c.Mend = "start what is around this process with a newer seccomp profile, or with none:\n" +
			"docker run --security-opt seccomp=unconfined ...   # or: update docker and libseccomp"
	}
	return c
}

// namespaces has a line for each kind. Of the steps into the first, clone, map
// and mount, only the one that fails shows the remedy: the later ones fail
// with it.
func namespaces(s seen) []Check {
	steps := []struct {
		name, found, step string
		err               error
	}{
		{"user namespace", "can be made", "clone CLONE_NEWUSER", s.kinds["user"]},
		{"id map", "the caller's ids can be mapped", "map ids", s.idMap},
		{"mnt namespace", "can be made, and mounts in it changed", "change a mount", s.kinds["mnt"]},
	}
	var checks []Check
	failed := false
	for _, st := range steps {
		c := Check{Name: st.name, State: OK, Found: st.found}
		switch {
		case failed:
			c.State, c.Found = Broken, "needs the line above"
		case st.err != nil:
			c = refused(c, userns.Diagnose(st.err, st.step, s.Userns))
			c.Breaks = everything
			failed = true
		}
		checks = append(checks, c)
	}
	for _, kind := range host.NamespaceKinds()[2:] {
		checks = append(checks, namespace(s, kind, failed))
	}
	return checks
}

func namespace(s seen, kind string, failed bool) Check {
	c := Check{Name: kind + " namespace", State: OK, Found: "can be made"}
	err := s.kinds[kind]
	switch {
	case failed:
		c.State, c.Found = Broken, "needs the user namespace"
	case err == nil:
	case kind == "time":
		c = refused(c, userns.Diagnose(err, "clone "+flagOf(kind), s.Userns))
		c.State, c.Breaks = Missing, "monotonic_offset and boottime_offset in [namespaces]"
	default:
		c = refused(c, userns.Diagnose(err, "clone "+flagOf(kind), s.Userns))
		c.Breaks = "every sandbox that does not share the caller's: --share " + kind
	}
	return c
}

// flagOf is the name of clone(2)'s flag, which Diagnose looks for.
func flagOf(kind string) string { return "CLONE_NEW" + strings.ToUpper(kind) }

// refused turns c into a line about a problem.
func refused(c Check, p *problem.Problem) Check {
	c.State, c.Found, c.Mend = Broken, p.Why, p.Fix
	if c.Found == "" {
		c.Found = p.Error()
	}
	return c
}

// filesystems is about what can be mounted.
func filesystems(s seen) []Check { return []Check{procfs(s), overlay(s)} }

func procfs(s seen) Check {
	c := Check{Name: "procfs", State: OK, Found: "the whole of /proc is visible, so that sandboxes get their own"}
	switch {
	case s.sandbox == nil: // it had one
	case s.NoProc:
		c.State, c.Found, c.Breaks, c.Mend = Broken, "there is none at /proc", everything, "sudo mount -t proc proc /proc"
	case !s.Proc.Fresh():
		c = refused(c, userns.Diagnose(syscall.EPERM, "mount procfs", s.Userns))
		c.State = Limited
		c.Breaks = "a /proc of the sandbox's own, and with it the profile strict; default shows the one that is here"
	}
	return c
}

func overlay(s seen) Check {
	c := Check{Name: "overlayfs", State: OK, Found: "works without root"}
	switch {
	case s.overlay == nil:
		return c
	case s.overlay == errNotTried:
		c.Found = "not tried, because no sandbox works"
	default:
		c.Found = s.overlay.Error()
	}
	c.State, c.Breaks = Missing, "overlay in [rootfs], and mounts of type overlay"
	if s.works() {
		c.State, c.Breaks = Limited, "mounts of type overlay; for images and overlay in [rootfs] "+s.instead()+" stands in"
	}
	if s.overlay != errNotTried && !s.overlayFS {
		c.Mend = "sudo modprobe overlay"
	}
	return c
}

// instead is what stands in for overlayfs.
func (s seen) instead() string {
	if s.programs["fuse-overlayfs"] != "" && s.fuse == nil {
		return "fuse-overlayfs"
	}
	return "a copy of the image (only of an image)"
}

// smallest is the proof of the rest.
func smallest(s seen) []Check {
	c := Check{Name: "smallest sandbox", State: OK, Found: "ran true(1)"}
	if s.sandbox == nil {
		return one(c)
	}
	c = refused(c, asProblem(s.sandbox))
	c.Breaks = everything
	if s.bare == nil {
		c.Breaks = "every sandbox but those of snug run --no-namespaces, which ran: Landlock and the filter hold what they can there"
	}
	if s.withoutProc == nil {
		c.State = Limited
		c.Breaks = "every sandbox with a procfs of its own; with a mount of type proc, target = \"/proc\" and fallback = \"bind\" it ran"
	}
	return one(c)
}
