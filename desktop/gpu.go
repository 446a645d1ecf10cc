package desktop

import (
	"path"
	"strings"

	"github.com/snug-sandbox/snug/mounts"
)

// gpuNodes are the devices that renderers use.
var gpuNodes = [...]string{
	"/dev/dri/*", "/dev/udmabuf", "/dev/mali*", "/dev/umplock", "/dev/kfd",
	"/dev/nvidiactl", "/dev/nvidia-modeset", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools", "/dev/nvidia[0-9]*", "/dev/nvidia-caps/*",
}

func (b *builder) gpu() {
	if !b.GPU {
		return
	}
	nodes := b.f.globs(gpuNodes[:])
	if len(nodes) == 0 {
		p := b.add("gpu", "nothing: there is no such device, and programs draw by the CPU")
		p.Env["LIBGL_ALWAYS_SOFTWARE"] = "1"
		return
	}
	p := b.add("gpu", "the devices for rendering: "+strings.Join(nodes, " "))
	p.Risk = "a driver of a graphics card is much of the kernel"
	for _, n := range nodes {
		if !strings.HasPrefix(n, "/dev/dri/by-path") {
			p.device(n)
		}
	}
	p.bind("/sys/devices/system/cpu", "/sys/bus/pci", "/sys/class/drm")
	for _, n := range b.f.glob("/sys/class/drm/*") {
		p.sysDevice(b.f, path.Join(n, "device"))
	}
	for _, n := range b.f.glob("/sys/dev/char/226:*") {
		p.link(b.f, n)
	}
	if contains(nodes, "/dev/nvidiactl") {
		p.bind(b.f.glob("/sys/module/nvidia*")...)
	}
}

func (f Facts) globs(patterns []string) (list []string) {
	for _, pattern := range patterns {
		list = append(list, f.glob(pattern)...)
	}
	return list
}

// sysDevice shows the directory that a link in /sys leads to, once.
func (p *Part) sysDevice(f Facts, link string) {
	dir := f.real(link)
	if !strings.HasPrefix(dir, "/sys/devices/") {
		return
	}
	for _, m := range p.Mounts {
		if m.Target == dir {
			return
		}
	}
	p.bind(dir)
}

// link makes a symbolic link of /sys anew, with where it leads in the end.
func (p *Part) link(f Facts, name string) {
	p.Mounts = append(p.Mounts, mounts.Mount{Type: mounts.Symlink, Source: f.real(name), Target: name})
}
