package doctor

// helpers are programs beside newuidmap and newgidmap that sandboxes of this
// kind use, and for what.
func helpers() []struct{ name, use string } {
	return []struct{ name, use string }{
		{"fuse-overlayfs", "overlays where the kernel's overlayfs is refused"},
		{"slirp4netns", "user-mode networking"},
		{"pasta", "user-mode networking"},
		{"xdg-dbus-proxy", "filtered access to D-Bus"},
	}
}

func helperNames() []string {
	var names []string
	for _, h := range helpers() {
		names = append(names, h.name)
	}
	return names
}

func programs(s seen) []Check {
	var checks []Check
	for _, h := range helpers() {
		c := Check{Name: h.name, State: OK, Found: s.programs[h.name]}
		if c.Found == "" {
			c.State, c.Found = Missing, "not found"
			c.Breaks = "nothing in this version; it is one way to have " + h.use
			if h.name == "fuse-overlayfs" {
				c.Breaks = "nothing where overlayfs works; else images are copied instead"
			}
			c.Mend = s.Distro.Install(h.name)
		} else if h.name == "fuse-overlayfs" && s.fuse != nil {
			c.State, c.Found = Limited, c.Found+", and /dev/fuse: "+s.fuse.Error()
			c.Breaks, c.Mend = "nothing where overlayfs works; else images are copied instead", "sudo modprobe fuse; sudo chmod 666 /dev/fuse"
		}
		checks = append(checks, c)
	}
	return checks
}
