package profiles

import (
	"path"
	"strconv"
	"strings"

	"github.com/snug-sandbox/snug/mounts"
)

// mounts decodes the entries of [[mounts]].
func (d *decoder) mounts(v any) {
	p := &keyPath{key: "mounts"}
	for i, tree := range d.entries(p, v) {
		if tree != nil {
			d.mount(p.element(i), tree)
		}
	}
}

// mount decodes one entry and puts it into the Spec, unless its condition does
// not hold.
func (d *decoder) mount(p *keyPath, tree map[string]any) {
	mistakes := len(d.mistakes)
	holds, where := d.when(p, tree)
	d.unused = !holds
	m, remove := d.entry(p, tree)
	d.unused = false
	switch {
	case len(d.mistakes) > mistakes:
	case remove && holds:
		d.removeMount(p, m.Target)
	case !holds || !d.lies(where, m):
		d.gone = append(d.gone, m.Target)
	case d.sane(p, tree, m):
		d.addMount(p, tree, m)
	}
}

// sane refuses what no sandbox should have. It is asked about entries that are
// used only: in / the default profile's conditions leave the current directory
// out, and then it is not a mistake either.
func (d *decoder) sane(p *keyPath, tree map[string]any, m mounts.Mount) bool {
	key := "target"
	if _, ok := tree["source"]; ok && m.Type != mounts.Symlink {
		key = "source"
	}
	clean := path.Clean(m.Source)
	switch {
	case m.Target == "/" && m.Type != mounts.Remount:
		if _, ok := tree["target"]; ok {
			key = "target"
		}
		d.bad(p.child(key), Mistake{Want: "a path below /", Got: describe("/"), why: "the root itself is not a target", Hint: "use [rootfs]"})
		return false
	case (m.Type == mounts.Bind || m.Type == mounts.DevBind) && (clean == "/run" || clean == "/var/run"):
		d.bad(p.child(key), Mistake{Want: "a path below /run", Got: describe(m.Source),
			why: "/run as a whole holds sockets that are as good as root", Hint: "bind what is needed in it by name"})
		return false
	}
	return true
}

// entry decodes the keys of one entry.
func (d *decoder) entry(p *keyPath, tree map[string]any) (m mounts.Mount, remove bool) {
	seen := 0
	for _, name := range [...]string{"when", "remove"} {
		if _, ok := tree[name]; ok {
			seen++
		}
	}
	if v, ok := tree["remove"]; ok {
		d.boolean(p.child("remove"), v, &remove)
	}
	kind := d.mountType(p, tree)
	for i := range mountKeys {
		k := &mountKeys[i]
		v, ok := tree[k.name]
		if !ok {
			continue
		}
		seen++
		switch at := p.child(k.name); {
		case remove && k.name != "target":
			d.bad(at, Mistake{Got: k.name, why: "an entry with remove = true has a target and nothing else", Hint: "leave it out"})
		case kind != nil && k.in&kind.bit == 0:
			d.misplaced(at, kind)
		default:
			d.setMount(at, v, k, kind, &m)
		}
	}
	if seen < len(tree) {
		d.unknownKeys(p, tree, mountKeyList())
	}
	d.complete(p, tree, kind, &m, remove)
	return m, remove
}

// misspelt reports whether tree has an unknown key that was probably meant to
// be name; then that is the mistake, and not that name is missing.
func misspelt(tree map[string]any, name string) bool {
	known := mountKeyList()
	for key := range tree {
		if !contains(known, key) && (nearest(key, known) == name || synonym(key, known) == name) {
			return true
		}
	}
	return false
}

// mountType looks up the type first, because it decides which keys there are.
// It is nil when it is wrong.
func (d *decoder) mountType(p *keyPath, tree map[string]any) *mountType {
	name, ok := tree["type"].(string)
	if _, given := tree["type"]; !given {
		if d.file.broken {
			return nil // it may be what could not be read
		}
		return &mountTypeTable[0]
	}
	for i := range mountTypeTable {
		if ok && mountTypeTable[i].name == name {
			return &mountTypeTable[i]
		}
	}
	return nil
}

func (d *decoder) setMount(at *keyPath, v any, k *key[mounts.Mount], kind *mountType, m *mounts.Mount) {
	r := k.rule
	if k.name == "source" && kind != nil && kind.bit == inSymlink {
		r.text = linkText
	}
	// Origins of mounts move with their entry, and are kept beside it.
	trace := d.trace
	d.trace = nil
	d.set(at, v, k.at(m), &r)
	d.trace = trace
	if v == any(false) && k.name == "writable" && kind != nil && kind.bit == inTmpfs {
		d.bad(at, Mistake{Got: "false", why: "a tmpfs is writable while the sandbox is built, and afterwards unless read_only is set",
			Hint: "write read_only = true"})
	}
}

func (d *decoder) misplaced(at *keyPath, kind *mountType) {
	var takes []string
	for i := range mountKeys {
		if mountKeys[i].in&kind.bit != 0 {
			takes = append(takes, mountKeys[i].name)
		}
	}
	m := Mistake{Want: "one of " + list(takes, "or"), Got: at.key,
		why: "a mount of type " + strconv.Quote(kind.name) + " does not take this key; it takes " + list(takes, "and")}
	switch at.key {
	case "content":
		m.Hint = "write type = \"file\""
	case "size", "read_only":
		m.Hint = "write type = \"tmpfs\""
	case "lower", "upper", "work":
		m.Hint = "write type = \"overlay\""
	}
	if at.key == "read_only" && kind.bit&(inBind|inDevBind|inOverlay|inRemount) != 0 {
		m.Hint = "leave it out: it is read-only unless writable = true"
	}
	d.bad(at, m)
}

// complete fills in what may be left out, and reports what may not.
func (d *decoder) complete(p *keyPath, tree map[string]any, kind *mountType, m *mounts.Mount, remove bool) {
	has := func(name string) bool { _, ok := tree[name]; return ok }
	if d.file.broken {
		return // what is missing may be what could not be read
	}
	if remove {
		if !has("target") {
			d.lacks(p, tree, "target", "remove = true says by its target which inherited mount goes away")
		}
		return
	}
	if kind == nil {
		return
	}
	if m.Type == "" {
		m.Type = kind.name
	}
	for _, name := range kind.need {
		if !has(name) {
			d.lacks(p, tree, name, "a mount of type "+strconv.Quote(kind.name)+" needs it")
		}
	}
	if kind.bit&(inBind|inDevBind) != 0 {
		d.completeBind(p, tree, m)
	}
	if kind.bit == inOverlay {
		d.completeOverlay(p, tree, m)
	}
}

func (d *decoder) completeBind(p *keyPath, tree map[string]any, m *mounts.Mount) {
	has := func(name string) bool { _, ok := tree[name]; return ok }
	switch {
	case !has("source") && !has("target") && misspelt(tree, "target"):
	case !has("source") && !has("target"):
		d.lacks(p, tree, "source", "a bind needs a source, a target, or both")
	case m.Source == "":
		m.Source = m.Target
	case m.Target == "":
		m.Target = path.Clean(m.Source)
	}
}

func (d *decoder) completeOverlay(p *keyPath, tree map[string]any, m *mounts.Mount) {
	has := func(name string) bool { _, ok := tree[name]; return ok }
	if list, ok := tree["lower"].([]any); ok && len(list) == 0 {
		d.bad(p.child("lower"), Mistake{Want: "at least one directory", Got: "an empty list"})
	}
	if has("work") && !has("upper") {
		d.lacks(p, tree, "upper", "work is the work directory beside it")
	}
	if has("upper") && !m.Writable {
		d.bad(p.child("upper"), Mistake{Got: "upper", why: "an overlay that is not writable writes nothing to keep", Hint: "add writable = true"})
	}
}

func (d *decoder) lacks(p *keyPath, tree map[string]any, name, why string) {
	if misspelt(tree, name) {
		return
	}
	d.bad(p.child(name), Mistake{Want: name, Got: "nothing", why: "missing key: " + why})
}

// addMount appends m. Of several entries with one target the last is the one
// that counts; a mask or remount changes what is there and replaces only its
// like. Under an entry that may be skipped, the earlier one stays.
func (d *decoder) addMount(p *keyPath, tree map[string]any, m mounts.Mount) {
	if !m.Optional && d.targets[m.Target] {
		d.dropMounts(func(old *mounts.Mount) bool { return old.Target == m.Target && replaces(m.Type, old.Type) })
	}
	if d.targets == nil {
		d.targets = make(map[string]bool)
	}
	d.targets[m.Target] = true
	d.spec.Mounts = append(d.spec.Mounts, m)
	d.trace.mount(d, p, tree)
}

func replaces(kind, old string) bool {
	if kind == mounts.Mask || kind == mounts.Remount {
		return kind == old
	}
	return true
}

func (d *decoder) removeMount(p *keyPath, target string) {
	if d.dropMounts(func(old *mounts.Mount) bool { return old.Target == target }) || contains(d.gone, target) || d.missing {
		return
	}
	targets := append([]string{}, d.gone...)
	for i := range d.spec.Mounts {
		targets = append(targets, d.spec.Mounts[i].Target)
	}
	m := Mistake{Got: describe(target), why: "there is no inherited mount at " + strconv.Quote(target) + " to take out"}
	m.Hint, m.near = guess(target, targets)
	d.bad(p.child("target"), m)
}

// dropMounts takes out the mounts that are not wanted any more, and reports
// whether there were any.
func (d *decoder) dropMounts(unwanted func(*mounts.Mount) bool) bool {
	kept := d.spec.Mounts[:0]
	for i := range d.spec.Mounts {
		m := &d.spec.Mounts[i]
		if unwanted(m) {
			d.trace.dropMount(len(kept))
			d.gone = append(d.gone, m.Target)
			continue
		}
		kept = append(kept, *m)
	}
	dropped := len(kept) < len(d.spec.Mounts)
	d.spec.Mounts = kept
	return dropped
}

// mountKeyList are the keys of an entry, for messages.
func mountKeyList() []string {
	names := make([]string, 0, len(mountKeys)+2)
	for i := range mountKeys {
		names = append(names, mountKeys[i].name)
	}
	return append(names, "when", "remove")
}

// isBelow reports whether the path p is dir or inside it.
func isBelow(p, dir string) bool {
	return p == dir || dir == "/" || strings.HasPrefix(p, dir) && p[len(dir)] == '/'
}
