package profiles

import (
	"github.com/snug-sandbox/snug/spec"
)

// Origin is the place in a profile that a value came from.
type Origin struct {
	File   string
	Line   int // from 1; 0 when it is not known
	Column int // in characters, from 1
}

// Origins says for each value of the Spec which line gave it: the keys are such
// as "network.mode", "env.set.CC", "env.keep[0]", "mounts[2]" and
// "mounts[2].target", with the indexes of the Spec. Loading does not keep
// them, because a run does not need them: they are worked out again here.
func (p *Profile) Origins() map[string]Origin {
	t := p.trace()
	found := make(map[string]Origin)
	for key, at := range t.singles {
		found[key] = at.origin()
	}
	for name, list := range t.lists {
		for i, at := range list {
			found[name+indexOf(i)] = at.origin()
		}
	}
	for i, keys := range t.mounts {
		entry := "mounts" + indexOf(i)
		for key, at := range keys {
			if key != "" {
				key = "." + key
			}
			found[entry+key] = at.origin()
		}
	}
	return found
}

func (p *Profile) trace() *tracer {
	t := &tracer{singles: make(map[string]spot), lists: make(map[string][]spot)}
	l := &loader{in: &p.in, files: p.files}
	var s spec.Spec
	l.apply(&s, t)
	return t
}

// tracer follows values while the files of a profile are put over each other.
// A nil tracer does nothing.
type tracer struct {
	singles map[string]spot
	lists   map[string][]spot // beside the elements of lists that add up
	mounts  []map[string]spot // beside Spec.Mounts; "" is the entry itself
}

// spot is a key of a file, whose line is not looked up yet.
type spot struct {
	file *file
	path string
}

func (s spot) origin() Origin {
	line, column := s.file.find(s.path)
	return Origin{File: s.file.name, Line: line, Column: column}
}

func (t *tracer) single(d *decoder, at *keyPath) {
	if t != nil {
		t.singles[at.String()] = spot{d.file, at.String()}
	}
}

func (t *tracer) forget(key string) {
	if t != nil {
		delete(t.singles, key)
	}
}

func (t *tracer) clear(list string) {
	if t != nil {
		delete(t.lists, list)
	}
}

func (t *tracer) add(list string, d *decoder, at *keyPath) {
	if t != nil {
		t.lists[list] = append(t.lists[list], spot{d.file, at.String()})
	}
}

func (t *tracer) drop(list string, i int) {
	if t != nil {
		all := t.lists[list]
		t.lists[list] = append(all[:i], all[i+1:]...)
	}
}

func (t *tracer) mount(d *decoder, p *keyPath, tree map[string]any) {
	if t == nil {
		return
	}
	keys := map[string]spot{"": {d.file, p.String()}}
	for name := range tree {
		if name != "when" {
			keys[name] = spot{d.file, p.child(name).String()}
		}
	}
	t.mounts = append(t.mounts, keys)
}

func (t *tracer) dropMount(i int) {
	if t != nil {
		t.mounts = append(t.mounts[:i], t.mounts[i+1:]...)
	}
}
