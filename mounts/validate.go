package mounts

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/snug-sandbox/snug/internal/problem"
)

// Validate reports every entry that makes no sense on any machine.
func (t Table) Validate() error {
	var list problem.List
	list = append(list, t.Rootfs.problems()...)
	for i, m := range t.Mounts {
		what := "mounts[" + strconv.Itoa(i) + "]"
		if m.Target != "" {
			what += " (" + m.Target + ")"
		}
		list = append(list, m.problems(what, t.Ordered)...)
	}
	for _, p := range t.Masking.Unmask {
		if !canUnmask(p) {
			list = append(list, &problem.Problem{What: "security.unmask", Why: strconv.Quote(p) + " is not a protected path",
				Fix: "one of " + strings.Join(protectedPaths(), " ") + " or ALL"})
		}
	}
	for _, c := range []struct {
		key, value string
		words      []string
	}{{"hidepid", t.Masking.HidePID, []string{"", HideOff, HideNoAccess, HideInvisible, HidePtraceable}}, {"proc_subset", t.Masking.ProcSubset, []string{"", SubsetAll, SubsetPID}}} {
		if !slices.Contains(c.words, c.value) {
			list = append(list, &problem.Problem{What: "security." + c.key, Why: strconv.Quote(c.value) + " is not a word for it", Fix: "one of " + strings.Join(c.words[1:], ", ")})
		}
	}
	return list.Err()
}

func canUnmask(p string) bool {
	for _, known := range protectedPaths() {
		if p == known {
			return true
		}
	}
	return p == "ALL"
}

func protectedPaths() []string {
	var paths []string
	for _, p := range MaskedPaths {
		paths = append(paths, "/proc/"+p.Path)
	}
	for _, p := range ReadonlyPaths {
		paths = append(paths, "/proc/"+p.Path)
	}
	return paths
}

func (r Rootfs) problems() []*problem.Problem {
	var list []*problem.Problem
	bad := func(key, why, fix string) {
		list = append(list, &problem.Problem{What: "rootfs." + key, Why: why, Fix: fix})
	}
	switch r.Base {
	case "", BaseSystem, BaseHost, BaseEmpty:
	default:
		bad("base", strconv.Quote(r.Base)+" is not a base", "one of system, host, empty")
	}
	if r.Base != "" && r.Path != "" {
		bad("path", "a root is either a base or a path", "leave out rootfs.base")
	}
	if r.Image != "" && (r.Base != "" || r.Path != "") {
		bad("image", "a root is either an image, a base or a path", "leave out the others")
	}
	if r.Image != "" && r.Writable {
		bad("writable", "the layers of an image are shared, and never writable", "overlay = \"discard\" or \"keep\"")
	}
	if r.Name != "" && (r.Image == "" || r.Overlay != OverlayNone && r.Overlay != OverlayKeep) {
		bad("name", "it names what is kept on top of an image", "set rootfs.image, and leave out overlay or say \"keep\"")
	}
	switch r.Overlay {
	case OverlayNone, OverlayReadonly, OverlayDiscard, OverlayKeep:
	default:
		bad("overlay", strconv.Quote(r.Overlay)+" is not a kind of overlay", "one of readonly, discard, keep")
	}
	switch {
	case r.Driver != DriverAuto && r.Driver != DriverKernel && r.Driver != DriverFuse && r.Driver != DriverCopy:
		bad("driver", strconv.Quote(r.Driver)+" lays no file system over another", "one of kernel, fuse, copy")
	case r.Driver != DriverAuto && r.Image == "" && r.Overlay == OverlayNone:
		bad("driver", "there is nothing that is laid over the root", "set rootfs.overlay, or leave out rootfs.driver")
	case r.Driver == DriverCopy && r.Image == "":
		bad("driver", "only an image is copied", "rootfs.driver = \"fuse\", or copy the directory yourself and leave out rootfs.overlay")
	case r.Driver == DriverCopy && r.Upper != "" && r.Layers == nil:
		bad("driver", "a copy has no upper directory", "give what is kept a name: rootfs.name")
	}
	if r.Overlay != OverlayNone && !r.HasTree() {
		bad("overlay", "an overlay needs a directory below it", "name it in rootfs.path")
	}
	if r.Name == "" && (r.Overlay == OverlayKeep) != (r.Upper != "") {
		bad("upper", "overlay = \"keep\" and upper go together", keepFix(r))
	}
	if r.Name != "" && r.Upper != "" && r.Layers == nil {
		bad("upper", "what is written is kept either under a name or in a directory", "leave out rootfs.name or rootfs.upper")
	}
	if r.Writable && r.Base == BaseHost {
		bad("writable", "the host's tree is never writable as a whole", "bind the directories that shall be writable")
	}
	for key, p := range map[string]string{"path": r.Path, "upper": r.Upper, "work": r.Work} {
		if p != "" && !path.IsAbs(p) || strings.ContainsRune(p, 0) {
			bad(key, strconv.Quote(p)+" is not an absolute path", "")
		}
	}
	return list
}

func keepFix(r Rootfs) string {
	if r.Image != "" && r.Upper == "" {
		return "give what is kept a name: rootfs.name"
	}
	return ""
}

func (m Mount) problems(what string, ordered bool) []*problem.Problem {
	var list []*problem.Problem
	bad := func(why, fix string) { list = append(list, &problem.Problem{What: what, Why: why, Fix: fix}) }
	m = withType(m)
	for _, p := range append([]string{m.Source, m.Target, m.Upper, m.Work, m.Content}, m.Lower...) {
		if strings.ContainsRune(p, 0) && p != m.Content {
			bad("a path cannot hold a NUL byte", "")
		}
	}
	if m.Target == "" && !(m.Source != "" && (m.Type == Bind || m.Type == DevBind)) {
		bad("target is missing", "say where the mount appears inside")
	} else if m.Target != "" && !path.IsAbs(m.Target) {
		bad("target is not an absolute path", "")
	}
	if path.Clean("/"+normal(m).Target) == "/" && m.Type != Remount && !ordered {
		bad("the root itself is not a target", "use [rootfs]")
	}
	switch m.Type {
	case Bind, DevBind:
		if !ordered && !path.IsAbs(m.Source) {
			bad("source is not an absolute path", "")
		}
		if clean := path.Clean(m.Source); !ordered && (clean == "/run" || clean == "/var/run") {
			bad("/run as a whole holds sockets that are as good as root", "bind what is needed in it by name")
		}
	case Symlink:
		if m.Source == "" {
			bad("source, the text of the link, is missing", "")
		}
	case Overlay:
		if len(m.Lower) == 0 {
			bad("lower is missing", "name at least one directory, the topmost first")
		}
	case Tmpfs, Proc, Dev, Mqueue, Dir, File, Mask, Remount:
	case Write, Chmod:
		if !ordered {
			bad(strconv.Quote(m.Type)+" is for ordered mounts only", "use the type file")
		}
	default:
		bad(strconv.Quote(m.Type)+" is not a type of mount", "one of bind, dev-bind, tmpfs, proc, dev, mqueue, overlay, symlink, dir, file, mask, remount")
	}
	if m.Size < 0 {
		bad("size is negative", "")
	}
	return list
}

func withType(m Mount) Mount {
	if m.Type == "" {
		m.Type = Bind
	}
	return m
}
