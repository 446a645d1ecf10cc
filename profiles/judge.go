package profiles

import (
	"errors"
	"slices"
	"strings"

	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/spec"
)

// judge asks the packages that a Spec is made of whether it makes sense as a
// whole: one profile may set what does not go with what another set. The key
// that they name is where the blame goes. Those that are built in are sure to make
// sense, whatever the machine: each start would take time to find that out again.
func (l *loader) judge(s *spec.Spec) {
	tidy(s)
	if !slices.ContainsFunc(l.files, func(f *file) bool { return f.dir != "" }) {
		return
	}
	whole := *s
	if !whole.Rootfs.HasTree() && whole.Rootfs.Base == "" && whole.Rootfs.Overlay != "" {
		// The directory under the overlay may come from the command line: a
		// profile can be for any tree.
		whole.Rootfs.Path = "/"
	}
	err := whole.Validate()
	if err == nil {
		return
	}
	var list problem.List
	if !errors.As(err, &list) {
		list = problem.List{{Why: err.Error(), Err: err}}
	}
	t := (&Profile{in: *l.in, files: l.files}).trace()
	for _, p := range list {
		l.mistakes = append(l.mistakes, blame(p, t))
	}
}

// blame turns a problem whose What begins with a key into a mistake at the
// place where that key was set.
func blame(p *problem.Problem, t *tracer) *mistake {
	key, _, _ := strings.Cut(p.What, " ")
	m := &mistake{Mistake: &Mistake{Key: p.What, Want: "", Got: key, why: p.Why, Hint: p.Fix, cause: p}}
	if at, ok := t.spotOf(key); ok {
		m.file, m.path = at.file, at.path
	}
	return m
}

// spotOf is the place of a key of the resolved Spec, or of the nearest one
// above or below it.
func (t *tracer) spotOf(key string) (spot, bool) {
	for i, keys := range t.mounts {
		if key == "mounts"+indexOf(i) {
			return keys[""], true
		}
	}
	if at, ok := t.singles[key]; ok {
		return at, true
	}
	list, _, _ := strings.Cut(key, "[")
	for i, at := range t.lists[list] {
		if key == list+indexOf(i) {
			return at, true
		}
	}
	if list := t.lists[key]; len(list) > 0 {
		return list[len(list)-1], true
	}
	for _, name := range sortedKeys(t.singles) {
		if table, _, _ := strings.Cut(key, "."); strings.HasPrefix(name, table+".") {
			return t.singles[name], true
		}
	}
	return spot{}, false
}
