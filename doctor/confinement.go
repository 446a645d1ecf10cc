package doctor

import (
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/snug-sandbox/snug/internal/host"
	ll "github.com/snug-sandbox/snug/landlock"
)

// confinement is about what holds the command back inside, and what holds us
// back already.
func confinement(s seen) []Check { return []Check{seccomp(s), landlock(s), around(s)} }

func seccomp(s seen) Check {
	c := Check{Name: "seccomp", State: OK, Found: "filters can be installed"}
	if s.seccomp == nil {
		return c
	}
	c.State, c.Found = Missing, "filters are refused: "+s.seccomp.Error()
	c.Breaks = "every sandbox but with seccomp = \"none\" in [security]"
	c.Mend = "boot a kernel with CONFIG_SECCOMP_FILTER=y"
	return c
}

func landlock(s seen) Check {
	c := Check{Name: "Landlock", State: OK, Found: fmt.Sprintf("ABI %d", s.landlock)}
	if s.landlockNo == nil {
		return landlockLacks(c, s.landlock)
	}
	c.State, c.Breaks = Missing, "the second wall around files, --no-namespaces, and landlock = \"require\" in [security]"
	switch {
	case errors.Is(s.landlockNo, syscall.EOPNOTSUPP):
		c.Found = "built into the kernel, but switched off when it was started"
		c.Mend = kernelArgument(s.Distro, "lsm=landlock,$(cat /sys/kernel/security/lsm)")
	case errors.Is(s.landlockNo, syscall.ENOSYS):
		c.Found = "this kernel has none"
		c.Mend = "boot Linux 5.13 or newer with CONFIG_SECURITY_LANDLOCK=y"
	default:
		c.Found = s.landlockNo.Error()
	}
	return c
}

// landlockLacks tells what an older version of the interface cannot hold.
func landlockLacks(c Check, abi int) Check {
	whole := ll.Wall{Files: true, TCP: true, Signals: true, Sockets: true}
	held, lacks := whole.On(abi)
	if len(lacks) == 0 {
		c.Found += ": files, TCP, signals and abstract sockets can be held"
		return c
	}
	c.State, c.Found = Limited, c.Found+" cannot hold "+strings.Join(lacks, ", ")
	c.Breaks = "the second wall around these, and landlock = \"require\" in [security]"
	if !held.Files {
		c.Breaks = "the second wall around these, --no-namespaces, and landlock = \"require\" in [security]"
	}
	c.Mend = "boot Linux 6.12 or newer"
	return c
}

// kernelArgument is how the kernel is started with another argument.
func kernelArgument(d host.Distro, arg string) string {
	switch {
	case d.Is("fedora"), d.Is("rhel"):
		return "sudo grubby --update-kernel=ALL --args=\"" + arg + "\" && sudo reboot"
	case d.Is("debian"), d.Is("ubuntu"):
		return "echo \"GRUB_CMDLINE_LINUX=\\\"\\$GRUB_CMDLINE_LINUX " + arg + "\\\"\" | sudo tee -a /etc/default/grub\n" +
			"sudo update-grub && sudo reboot"
	case d.Is("arch"):
		return "add to GRUB_CMDLINE_LINUX in /etc/default/grub: " + arg + "\n" +
			"sudo grub-mkconfig -o /boot/grub/grub.cfg && sudo reboot"
	}
	return "start the kernel with the argument " + arg
}

// around tells what this process runs in, which explains other lines.
func around(s seen) Check {
	var layers []string
	if s.Container != "" {
		layers = append(layers, "a "+s.Container+" container")
	}
	switch hasUser, _ := s.HasNamespace("user"); {
	case s.Nested():
		layers = append(layers, "a user namespace")
	case hasUser && len(s.UIDMap) == 0:
		layers = append(layers, "a user namespace without ids")
	}
	if s.outerProc {
		layers = append(layers, "a pid namespace that /proc does not show")
	}
	if s.Chrooted {
		layers = append(layers, "a chroot")
	}
	if s.Seccomp == 2 {
		layers = append(layers, "a seccomp filter")
	}
	if s.NoNewPrivs {
		layers = append(layers, "no_new_privs")
	}
	if label := s.AppArmor; label != "" && label != "unconfined" {
		layers = append(layers, "the AppArmor profile "+label)
	}
	found := "nothing"
	if len(layers) > 0 {
		found = strings.Join(layers, ", ")
	}
	return Check{Name: "around us", State: OK, Found: found}
}
