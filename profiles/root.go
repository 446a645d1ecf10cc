package profiles

// root lets the later of two profiles win where one names a base and the other
// a path: a root is either. Within one profile both are a mistake.
func (d *decoder) root(tree map[string]any) {
	_, base := tree["base"]
	_, path := tree["path"]
	r := &d.spec.Rootfs
	switch p := (&keyPath{key: "rootfs"}); {
	case base && path:
		d.bad(p.child("path"), Mistake{Got: "path", why: "a root is either a base or a path", Hint: "leave out base, or path"})
	case base:
		r.Path, r.Overlay, r.Upper, r.Work, r.KeepEtc = "", "", "", "", false
		for _, name := range [...]string{"path", "overlay", "upper", "work", "keep_etc"} {
			d.trace.forget("rootfs." + name)
		}
	case path:
		r.Base = ""
		d.trace.forget("rootfs.base")
	}
}
