package profiles

import "slices"

// root lets the later of two profiles win where one names a base and the other
// a path or an image: a root is one of them. Within one profile several are a
// mistake.
func (d *decoder) root(tree map[string]any) {
	_, base := tree["base"]
	_, path := tree["path"]
	_, image := tree["image"]
	r := &d.spec.Rootfs
	switch p := (&keyPath{key: "rootfs"}); {
	case base && path:
		d.bad(p.child("path"), Mistake{Got: "path", why: "a root is either a base or a path", Hint: "leave out base, or path"})
	case image && (base || path):
		d.bad(p.child("image"), Mistake{Got: "image", why: "a root is either an image, a base or a path", Hint: "leave out the others"})
	case image && tree["overlay"] == "none":
		d.bad(p.child("overlay"), Mistake{Got: "\"none\"", why: "the layers of an image are shared, and never written to", Hint: "readonly, or discard, which is the default of an image"})
	case base:
		r.Path, r.Image, r.Name, r.Overlay, r.Upper, r.Work, r.KeepEtc = "", "", "", "", "", "", false
		r.Driver = ""
		d.forgetRoot("path", "image", "name", "overlay", "upper", "work", "keep_etc", "driver")
	case path:
		r.Base, r.Image, r.Name = "", "", ""
		d.forgetRoot("base", "image", "name")
	case image:
		r.Base, r.Path = "", ""
		d.forgetRoot("base", "path")
	}
}

// rootKinds are the keys of [rootfs] that say what the root is. Without any it is
// a base.
var rootKinds = []string{"base", "path", "image"}

// rootKind is which of them holds once all profiles are read: an entry of
// [[mounts]] may depend on it that comes before the key.
func (l *loader) rootKind() string {
	if l.in.Root != "" {
		return l.in.Root
	}
	for _, f := range slices.Backward(l.files) {
		tree, _ := f.tree["rootfs"].(map[string]any)
		for _, kind := range rootKinds {
			if _, ok := tree[kind]; ok {
				return kind
			}
		}
	}
	return "base"
}

// forgetRoot drops where keys of [rootfs] were set.
func (d *decoder) forgetRoot(names ...string) {
	for _, name := range names {
		d.trace.forget("rootfs." + name)
	}
}
