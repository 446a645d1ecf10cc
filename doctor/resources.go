package doctor

import (
	"slices"
	"strings"

	"github.com/snug-sandbox/snug/internal/host"
)

const cgroupBreaks = "limits of memory, CPUs, processes and disk traffic in [limits], but for enforce = \"best-effort\""

// resources is about limits, and who grants them.
func resources(s seen) []Check { return []Check{cgroups(s), session(s)} }

func cgroups(s seen) Check {
	c := Check{Name: "cgroup delegation", State: OK, Found: s.cgroupFrom + ", " + s.cgroup + ": " + strings.Join(s.controllers, " ")}
	if s.cgroup == "" {
		c.State, c.Found, c.Breaks = Missing, s.cgroupNo, cgroupBreaks
		c.Mend = delegate(s)
		return c
	}
	var lacking, keys []string
	for _, need := range []struct{ controller, key string }{
		{"memory", "memory"}, {"cpu", "cpus, cpu_weight"}, {"pids", "pids"}, {"cpuset", "cpuset"}, {"io", "io, io_weight"},
	} {
		if !slices.Contains(s.controllers, need.controller) {
			lacking, keys = append(lacking, need.controller), append(keys, need.key)
		}
	}
	if len(lacking) > 0 {
		c.State, c.Found = Limited, c.Found+", without "+strings.Join(lacking, " and ")
		c.Breaks = strings.Join(keys, ", ") + " in [limits]"
		c.Mend = delegateAll
	}
	return c
}

// delegateAll makes systemd hand all controllers to users; without it they get
// memory and pids, and cpu since version 252.
const delegateAll = "sudo mkdir -p /etc/systemd/system/user@.service.d\n" +
	"printf '[Service]\\nDelegate=cpu cpuset io memory pids\\n' | sudo tee /etc/systemd/system/user@.service.d/delegate.conf\n" +
	"sudo systemctl daemon-reload   # then log out and in again"

func delegate(s seen) string {
	switch {
	case strings.HasPrefix(s.cgroupNo, "cgroup v1"):
		if s.Container != "" {
			return "outside of the " + s.Container + " container, boot with cgroup v2: systemd.unified_cgroup_hierarchy=1"
		}
		return kernelArgument(s.Distro, "systemd.unified_cgroup_hierarchy=1")
	case s.Container == "docker":
		return "docker run --cgroupns=private --security-opt writable-cgroups=true ...   # since Docker 28"
	case s.Container == "podman":
		return "podman run --cgroupns=private --security-opt unmask=/sys/fs/cgroup ..."
	case s.Container != "":
		return "start the " + s.Container + " container with a writable /sys/fs/cgroup"
	case s.systemd:
		return "systemd-run --user --scope -p Delegate=yes snug run ..."
	}
	return "in a login session of systemd: systemd-run --user --scope -p Delegate=yes snug run ...\n" +
		"as a service of root: sudo systemd-run --pty --uid=" + s.User + " -p Delegate=yes snug run ..."
}

func session(s seen) Check {
	c := Check{Name: "systemd session", State: OK, Found: "user manager and bus at " + s.bus}
	switch {
	case s.bus != "" && s.systemd:
		return c
	case s.bus != "":
		c.State, c.Found = Limited, "a bus at "+s.bus+", but no user manager behind it"
	case s.systemd:
		c.State, c.Found = Limited, "a user manager, but no bus in $XDG_RUNTIME_DIR"
		c.Mend = installBus(s.Distro)
	case s.Container != "":
		c.State, c.Found = Missing, "none, as usual in a container"
	default:
		c.State, c.Found = Missing, "neither $XDG_RUNTIME_DIR/bus nor a user manager"
		c.Mend = "log in on a console or through ssh instead of su or sudo, or keep a manager running:\n" +
			"sudo loginctl enable-linger " + s.User + " && export XDG_RUNTIME_DIR=/run/user/$(id -u)"
	}
	c.Breaks = "systemd-run --user, which hands out a cgroup for [limits]"
	return c
}

func installBus(d host.Distro) string {
	if d.Is("debian") || d.Is("ubuntu") {
		return "sudo apt install dbus-user-session   # then log out and in again"
	}
	return "systemctl --user start dbus.socket"
}
