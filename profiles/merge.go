package profiles

import (
	"sort"
	"strconv"
	"strings"

	"github.com/snug-sandbox/snug/cgroups"
	"github.com/snug-sandbox/snug/desktop"
	"github.com/snug-sandbox/snug/internal/units"
	"github.com/snug-sandbox/snug/seccomp"
	"github.com/snug-sandbox/snug/spec"
)

// strings reads a list of strings into to, where the lists of earlier profiles
// already are. Unless the key's list replaces, it adds up, and "!NAME" takes
// an inherited NAME out.
func (d *decoder) strings(at *keyPath, v any, to *[]string, r *rule) {
	list, ok := v.([]any)
	if on, isBool := v.(bool); isBool && r.no != "" {
		d.switchList(at, on, to, r)
		return
	}
	if !ok {
		m := Mistake{Want: "a list of strings", Got: describe(v)}
		if s, isText := v.(string); isText {
			m.Hint = "write " + at.key + " = " + wordList(at.key, s)
		}
		d.bad(at, m)
		return
	}
	name := ""
	if d.trace != nil {
		name = at.String()
	}
	if r.replaces {
		*to = nil
		d.trace.clear(name)
	}
	inherited := len(*to)
	for i, v := range list {
		at := at.element(i)
		s, ok := v.(string)
		if !ok {
			d.wrong(at, r.noun(), v)
			continue
		}
		if out, found := strings.CutPrefix(s, "!"); found && !r.replaces {
			inherited -= d.takeOut(at, out, to, inherited, name, r)
			continue
		}
		if s, ok = d.text(at, s, r); ok {
			d.add(at, s, to, inherited, name, r)
		}
	}
	if r.some && len(*to) == 0 {
		d.bad(at, Mistake{Got: describe(v), why: "an empty list lets everything through", Hint: "name what is reached, or write mode = \"none\""})
	}
}

// add appends s, unless an earlier profile already has it.
func (d *decoder) add(at *keyPath, s string, to *[]string, inherited int, name string, r *rule) {
	if s == "" && at.index == 0 && at.up.key == "args" {
		d.wrong(at, "the name or path of a program", s)
		return
	}
	if !r.replaces {
		for i, have := range *to {
			if have != s {
				continue
			}
			if i >= inherited {
				d.bad(at, Mistake{Got: describe(s), why: "it is listed twice", Hint: "take one of the two out"})
			}
			return
		}
	}
	*to = append(*to, s)
	d.trace.add(name, d, at)
}

// takeOut removes what a profile lists as "!NAME" from what it inherited, and
// returns how many entries that were.
func (d *decoder) takeOut(at *keyPath, s string, to *[]string, inherited int, name string, r *rule) int {
	s, ok := d.text(at, s, r)
	if !ok {
		return 0
	}
	for i, have := range (*to)[:inherited] {
		if have == s {
			*to = append((*to)[:i], (*to)[i+1:]...)
			d.trace.drop(name, i)
			return 1
		}
	}
	if d.missing {
		return 0
	}
	m := Mistake{Got: describe("!" + s), why: "there is no inherited " + strconv.Quote(s) + " to take out"}
	if near := nearest(s, (*to)[:inherited]); near != "" {
		m.Hint, m.near = "did you mean "+strconv.Quote("!"+near)+"?", true
	}
	d.bad(at, m)
	return 0
}

// wordList shows how a string is written as a list: a command as its words.
func wordList(key, s string) string {
	words := []string{s}
	if key == "args" && strings.TrimSpace(s) != "" {
		words = strings.Fields(s)
	}
	for i, w := range words {
		words[i] = units.TOML(w)
	}
	return "[" + strings.Join(words, ", ") + "]"
}

// ints reads a list of numbers, which adds up like one of strings.
func (d *decoder) ints(at *keyPath, v any, to *[]int, r *rule) {
	list, ok := v.([]any)
	if !ok {
		d.wrong(at, "a list of whole numbers", v)
		return
	}
	name := ""
	if d.trace != nil {
		name = at.String()
	}
	inherited := len(*to)
	for i, v := range list {
		at := at.element(i)
		if s, isText := v.(string); isText && strings.HasPrefix(s, "!") {
			inherited -= d.takeIntOut(at, s, to, inherited, name)
			continue
		}
		n, ok := d.integer(at, v, r)
		if !ok {
			continue
		}
		d.addInt(at, int(n), to, inherited, name)
	}
}

func (d *decoder) addInt(at *keyPath, n int, to *[]int, inherited int, name string) {
	for i, have := range *to {
		if have == n {
			if i >= inherited {
				d.bad(at, Mistake{Got: strconv.Itoa(n), why: "it is listed twice", Hint: "take one of the two out"})
			}
			return
		}
	}
	*to = append(*to, n)
	d.trace.add(name, d, at)
}

func (d *decoder) takeIntOut(at *keyPath, s string, to *[]int, inherited int, name string) int {
	if _, err := strconv.Atoi(s[1:]); err != nil {
		d.wrong(at, "a whole number, or \"!\" and one to take out", s)
		return 0
	}
	for i, have := range (*to)[:inherited] {
		if strconv.Itoa(have) == s[1:] {
			*to = append((*to)[:i], (*to)[i+1:]...)
			d.trace.drop(name, i)
			return 1
		}
	}
	if !d.missing {
		d.bad(at, Mistake{Got: describe(s), why: "there is no inherited " + s[1:] + " to take out"})
	}
	return 0
}

// stringTable reads a table of strings; its entries join those of earlier
// profiles.
func (d *decoder) stringTable(at *keyPath, v any, to *map[string]string, r *rule) {
	tree, ok := v.(map[string]any)
	if !ok {
		d.wrong(at, "a table of strings", v)
		return
	}
	for name, v := range tree {
		at := at.child(name)
		if want, _ := envName(name); want != "" {
			d.wrong(at, want, name)
			continue
		}
		s, ok := v.(string)
		if !ok {
			d.bad(at, Mistake{Want: "a string", Got: describe(v), Hint: asString(name, v)})
			continue
		}
		if s, ok = d.text(at, s, r); !ok {
			continue
		}
		if *to == nil {
			*to = make(map[string]string, len(tree))
		}
		(*to)[name] = s
		d.trace.single(d, at)
	}
}

// asString proposes quotes for a number or a word of TOML's own.
func asString(name string, v any) string {
	switch v.(type) {
	case int64, float64, bool:
		return "write " + joinKey("", name) + " = " + units.TOML(describe(v))
	}
	return ""
}

// unsetAndSet lets the later of two profiles win where one names a variable
// under unset and the other under keep or set. Tree is the later one's [env],
// which is already decoded.
func (d *decoder) unsetAndSet(tree map[string]any) {
	env := &d.spec.Env
	set, _ := tree["set"].(map[string]any)
	kept := written(tree["keep"])
	unset := written(tree["unset"])
	for i, name := range unset {
		at := (&keyPath{key: "env"}).child("unset").element(i)
		if name == "" {
			continue
		}
		if _, both := set[name]; both || contains(kept, name) {
			d.bad(at, Mistake{Got: describe(name), why: "this profile both unsets and passes it", Hint: "take one of the two out"})
		}
		d.unsetSet(name, set)
		d.forget("env.keep", &env.Keep, name)
	}
	for name := range set {
		d.forget("env.unset", &env.Unset, name)
	}
	for _, name := range kept {
		d.forget("env.unset", &env.Unset, name)
	}
}

// written are the names of a list as they stand in the file, with those that
// are taken out left empty.
func written(v any) []string {
	list, _ := v.([]any)
	names := make([]string, len(list))
	for i, v := range list {
		if s, ok := v.(string); ok && !strings.HasPrefix(s, "!") {
			names[i] = s
		}
	}
	return names
}

// unsetSet takes what pattern names out of the variables that earlier profiles
// set.
func (d *decoder) unsetSet(pattern string, own map[string]any) {
	for name := range d.spec.Env.Set {
		if _, ok := own[name]; ok || !envMatch(pattern, name) {
			continue
		}
		delete(d.spec.Env.Set, name)
		d.trace.forget("env.set." + joinKey("", name))
	}
}

func envMatch(pattern, name string) bool {
	if start, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(name, start)
	}
	return pattern == name
}

// forget takes s out of a list without a word.
func (d *decoder) forget(name string, list *[]string, s string) {
	for i, have := range *list {
		if have == s && s != "" {
			*list = append((*list)[:i], (*list)[i+1:]...)
			d.trace.drop(name, i)
			return
		}
	}
}

// tidy makes equal Specs of equal meaning: an empty list is no list.
func tidy(s *spec.Spec) {
	if len(s.Mounts) == 0 {
		s.Mounts = nil
	}
	for i := range tables {
		for j := range tables[i].keys {
			tidyField(tables[i].keys[j].at(s))
		}
	}
}

func tidyField(field any) {
	switch field := field.(type) {
	case *[]string:
		if len(*field) == 0 {
			*field = nil
		}
	case *[]int:
		if len(*field) == 0 {
			*field = nil
		}
	case *desktop.DBus:
		for i := range busTables {
			for j := range busKeys {
				tidyField(busKeys[j].at(busTables[i].at(field)))
			}
		}
	case *seccomp.Config:
		for i := range filterKeys {
			tidyField(filterKeys[i].at(field))
		}
	case *map[string]string:
		if len(*field) == 0 {
			*field = nil
		}
	case *map[string]units.Bytes:
		if len(*field) == 0 {
			*field = nil
		}
	case *[]cgroups.IO:
		if len(*field) == 0 {
			*field = nil
		}
	}
}

// sortedKeys are the keys of a table in order.
func sortedKeys[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}
