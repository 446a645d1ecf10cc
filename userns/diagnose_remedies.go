package userns

import (
	"strings"

	"github.com/snug-sandbox/snug/internal/host"
)

// setSysctl is how a setting is changed now and for good. From inside a
// container it cannot be.
func setSysctl(u host.Userns, name, value string) string {
	_, last, _ := strings.Cut(name, ".")
	commands := "sudo sysctl -w " + name + "=" + value + "\n" +
		"echo " + name + "=" + value + " | sudo tee /etc/sysctl.d/60-" + last + ".conf   # keeps it"
	if u.Container != "" {
		return "outside of the " + u.Container + " container:\n" + commands
	}
	return commands
}

// appArmorProfileFor is the commands that give the program at exe a profile
// which allows everything, user namespaces among it. Ubuntu does the same for
// the browsers and podman that it ships. It is printf and no here-document: a
// remedy is shown indented, and has to work when it is copied like that.
func appArmorProfileFor(exe string) string {
	if exe == "" {
		exe = "/usr/local/bin/snug"
	}
	name := profileName(exe)
	file := "/etc/apparmor.d/" + name
	return "printf '%s\\n' 'abi <abi/4.0>,' 'include <tunables/global>' " +
		shellQuote("profile "+name+" "+globQuote(exe)+" flags=(unconfined) {") +
		" '  userns,' '  include if exists <local/" + name + ">' '}' | sudo tee " + file + "\n" +
		"sudo apparmor_parser -r " + file
}

// shellQuote makes one word of s for a shell.
func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// profileName is the path with dots for slashes, as AppArmor's own profiles are
// named, and nothing that a shell or AppArmor would read otherwise.
func profileName(exe string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '/':
			return '.'
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_', r == '.':
			return r
		}
		return '_'
	}, strings.TrimPrefix(exe, "/"))
}

// globQuote writes a path so that AppArmor takes every character as itself.
func globQuote(path string) string {
	const special = `\"*?[]{}`
	if !strings.ContainsAny(path, special+" #,^@") {
		return path
	}
	var b strings.Builder
	for _, r := range path {
		if strings.ContainsRune(special, r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return `"` + b.String() + `"`
}

// unfilter is how the seccomp filter around the caller is lifted.
func unfilter(u host.Userns) string {
	switch u.Container {
	case "docker":
		return "docker run --security-opt seccomp=unconfined" + dockerRest(u) + " ...\n" +
			"or give it a seccomp profile that allows clone, unshare, setns, mount, umount2, pivot_root and the new mount calls"
	case "podman":
		return "podman run --security-opt seccomp=unconfined" + podmanRest(u) + " ..."
	case "kubernetes":
		return "in the pod's securityContext: seccompProfile: {type: Unconfined}, procMount: Unmasked"
	case "flatpak":
		return "start it outside of Flatpak: flatpak-spawn --host snug ..."
	case "":
		if u.Nested() {
			return "when another Snug made the sandbox around it: set nested_userns = true in [security] of that profile\n" +
				"otherwise start it outside of that sandbox"
		}
		return "in a systemd unit: no RestrictNamespaces=, and a SystemCallFilter= that allows clone, unshare and @mount\n" +
			"otherwise start it from a shell that is not filtered: grep Seccomp: /proc/self/status shows 0"
	}
	return "start the " + u.Container + " container with a seccomp profile that allows clone, unshare, mount and pivot_root"
}

// dockerRest are the other two options that a sandbox inside docker takes, each
// only where this container needs it.
func dockerRest(u host.Userns) string {
	rest := ""
	if strings.HasSuffix(u.AppArmor, "(enforce)") {
		rest += " --security-opt apparmor=unconfined"
	}
	if !u.Proc.Fresh() {
		rest += " --security-opt systempaths=unconfined"
	}
	return rest
}

func podmanRest(u host.Userns) string {
	if u.Proc.Fresh() {
		return ""
	}
	return " --security-opt unmask=ALL"
}

// unconfine is how the AppArmor profile around the caller is lifted.
func unconfine(u host.Userns, label string) string {
	switch u.Container {
	case "docker", "podman":
		return u.Container + " run --security-opt apparmor=unconfined ..."
	case "kubernetes":
		return "in the pod's securityContext: appArmorProfile: {type: Unconfined}"
	case "lxc":
		return "in the container's configuration: lxc.apparmor.profile = unconfined, and security.nesting=true with LXD and Incus"
	}
	return "allow userns, mount, umount, pivot_root and capability in the profile " + label + ", or start it outside of that program"
}

// unmaskProc is how the whole of /proc is shown.
func unmaskProc(u host.Userns) string {
	switch u.Container {
	case "docker":
		return "docker run --security-opt systempaths=unconfined ..."
	case "podman":
		return "podman run --security-opt unmask=ALL ..."
	case "kubernetes":
		return "in the pod's securityContext: procMount: Unmasked"
	case "lxc":
		return "in the container's configuration: lxc.mount.auto = proc:rw"
	}
	if u.Nested() {
		return "when another Snug made the sandbox around it: set unmask = [\"ALL\"] in [security] of that profile"
	}
	return "start what is around this process with a whole, writable /proc"
}
