package host

import (
	"path/filepath"
	"slices"
	"strings"
)

// container tells what manager started the world around the caller. It is for
// the words of a remedy only; nothing is decided by it.
func container(root string, mounts []mountEntry) string {
	groups := readSmall(filepath.Join(root, "proc/self/cgroup"))
	switch {
	case exists(filepath.Join(root, ".flatpak-info")):
		return "flatpak"
	case strings.Contains(groups, "kubepods"),
		exists(filepath.Join(root, "var/run/secrets/kubernetes.io")):
		return "kubernetes"
	case exists(filepath.Join(root, "run/.containerenv")), strings.Contains(groups, "/libpod"):
		return "podman"
	case strings.Contains(groups, "/docker"),
		exists(filepath.Join(root, ".dockerenv")) && managedRoot(mounts):
		return "docker"
	}
	if name := environValue(root, "container"); name != "" {
		return name
	}
	return strings.TrimSpace(readSmall(filepath.Join(root, "run/systemd/container")))
}

// managedRoot doubts a lone /.dockerenv: an image that became a virtual
// machine's disk still has it. A container manager mounts /etc/hosts or gives
// an overlay as root.
func managedRoot(mounts []mountEntry) bool {
	return slices.ContainsFunc(mounts, func(m mountEntry) bool {
		switch m.point {
		case "/etc/hosts", "/etc/hostname", "/etc/resolv.conf":
			return true
		case "/":
			return strings.Contains(m.fstype, "overlay")
		}
		return false
	})
}

func environValue(root, name string) string {
	for _, entry := range strings.Split(readSmall(filepath.Join(root, "proc/self/environ")), "\x00") {
		if value, ok := strings.CutPrefix(entry, name+"="); ok {
			return value
		}
	}
	return ""
}
