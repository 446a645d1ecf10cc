package profiles

import (
	"path"

	"github.com/snug-sandbox/snug/mounts"
)

// whenKey is one condition of the table when. Each takes a string or a list of
// strings; an entry of [[mounts]] is used when all conditions hold.
type whenKey struct {
	name string
	rule rule
	// holds is asked for each string; nil for the conditions on where the
	// entry lies, which are known only when it is decoded.
	holds func(in *Inputs, s string) bool
	doc   string
}

var whenKeys = []whenKey{
	// The environment comes first: whether the other conditions can be
	// expanded may depend on it.
	{"env", rule{word: envName}, isSet, "Names of variables that the caller's environment has."},
	{"not_env", rule{word: envName}, isNotSet, "Names of variables that the caller's environment does not have."},
	{"exists", rule{text: hostPath}, isThere, "Paths of the host that exist."},
	{"not_exists", rule{text: hostPath}, isNotThere, "Paths of the host that do not exist."},
	{"covers_none", rule{text: hostPath}, nil, "Paths of the host: the entry's source, or its target when it has no source on the host, is none of them and no directory above one of them."},
	{"within_none", rule{text: hostPath}, nil, "Paths of the host: the entry's source, or its target when it has no source on the host, is none of them and does not lie inside one of them."},
	{"root", rule{enum: rootKinds}, nil, "What the root is: base, path or image, as the keys of [rootfs] have it; one of them, where a list is given."},
}

func isSet(in *Inputs, name string) bool    { _, ok := in.env(name); return ok }
func isNotSet(in *Inputs, name string) bool { return !isSet(in, name) }
func isThere(in *Inputs, p string) bool     { return in.Exists != nil && in.Exists(p) }
func isNotThere(in *Inputs, p string) bool  { return !isThere(in, p) }

// area is where an entry must not lie.
type area struct {
	coversNone []string
	withinNone []string
}

// when evaluates the conditions of an entry, and returns those on where it
// lies for later. Once one does not hold, the others are still checked for
// mistakes, but variables without a value are none.
func (d *decoder) when(p *keyPath, tree map[string]any) (holds bool, where area) {
	v, ok := tree["when"]
	if !ok {
		return true, where
	}
	p = p.child("when")
	table, ok := v.(map[string]any)
	if !ok {
		d.bad(p, Mistake{Want: "a table", Got: describe(v), Hint: "write when = { exists = \"/path\" } or when = { env = \"NAME\" }"})
		return true, where
	}
	holds = true
	seen := 0
	for i := range whenKeys {
		k := &whenKeys[i]
		v, ok := table[k.name]
		if !ok {
			continue
		}
		seen++
		d.unused = !holds
		all := d.conditions(p.child(k.name), v, &k.rule)
		d.unused = false
		for _, s := range all {
			holds = holds && (k.holds == nil || k.holds(d.in, s))
		}
		switch k.name {
		case "covers_none":
			where.coversNone = all
		case "within_none":
			where.withinNone = all
		case "root":
			holds = holds && contains(all, d.rootKind())
		}
	}
	if seen < len(table) {
		d.unknownKeys(p, table, whenKeyList())
	}
	return holds, where
}

// conditions reads a string or a list of strings.
func (d *decoder) conditions(at *keyPath, v any, r *rule) []string {
	list, ok := v.([]any)
	if !ok {
		return d.condition(nil, at, v, r)
	}
	var all []string
	for i, v := range list {
		all = d.condition(all, at.element(i), v, r)
	}
	return all
}

func (d *decoder) condition(all []string, at *keyPath, v any, r *rule) []string {
	s, ok := v.(string)
	if !ok {
		d.wrong(at, r.noun()+", or a list of them", v)
		return all
	}
	if s, ok = d.text(at, s, r); ok {
		all = append(all, s)
	}
	return all
}

// lies reports whether m is outside of the area: what it shows of the host, or
// what it hides. The symbolic links of the host are followed: a directory may
// be the home directory under another name.
func (d *decoder) lies(where area, m mounts.Mount) bool {
	if where.coversNone == nil && where.withinNone == nil {
		return true
	}
	own := m.Target
	if m.Type == mounts.Bind || m.Type == mounts.DevBind {
		own = m.Source
	}
	own = d.real(own)
	for _, p := range where.coversNone {
		if isBelow(d.real(p), own) {
			return false
		}
	}
	for _, p := range where.withinNone {
		if isBelow(own, d.real(p)) {
			return false
		}
	}
	return true
}

// real is p without symbolic links, "." and "..". The same few directories are
// asked for again and again, and each costs system calls.
func (d *decoder) real(p string) string {
	if known, ok := d.reals[p]; ok {
		return known
	}
	resolved := p
	if d.in.Real != nil {
		resolved = d.in.Real(p)
	}
	resolved = path.Clean(resolved)
	if d.reals == nil {
		d.reals = make(map[string]string, 16)
	}
	d.reals[p] = resolved
	return resolved
}

func whenKeyList() []string {
	names := make([]string, len(whenKeys))
	for i := range whenKeys {
		names[i] = whenKeys[i].name
	}
	return names
}
