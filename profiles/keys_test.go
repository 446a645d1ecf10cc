package profiles

import (
	"reflect"
	"slices"
	"testing"

	"github.com/snug-sandbox/snug/cgroups"
	"github.com/snug-sandbox/snug/mounts"
	"github.com/snug-sandbox/snug/spec"
)

// tagged returns the keys that the struct tags of s give, embedded structs
// flattened, with the address of each field of v.
func tagged(v reflect.Value) (names []string, fields map[string]any) {
	fields = make(map[string]any)
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if f.Anonymous {
			inner, more := tagged(v.Field(i))
			names = append(names, inner...)
			for name, field := range more {
				fields[name] = field
			}
			continue
		}
		if tag := f.Tag.Get("toml"); tag != "" && tag != "-" {
			names = append(names, tag)
			fields[tag] = v.Field(i).Addr().Interface()
		}
	}
	return names, fields
}

func TestKeysAreTheStructTagsOfSpec(t *testing.T) {
	var s spec.Spec
	top := reflect.ValueOf(&s).Elem()
	var names []string
	for i := range top.NumField() {
		tag := top.Type().Field(i).Tag.Get("toml")
		if top.Field(i).Kind() != reflect.Struct {
			continue
		}
		names = append(names, tag)
		j := slices.IndexFunc(tables, func(t table) bool { return t.name == tag })
		if j < 0 {
			t.Errorf("no table %q", tag)
			continue
		}
		sameKeys(t, tag, top.Field(i), tables[j].keys, &s)
	}
	if len(names) != len(tables) {
		t.Errorf("tables of the Spec are %v; there are %d tables here", names, len(tables))
	}
	var io cgroups.IO
	sameKeys(t, "limits.io", reflect.ValueOf(&io).Elem(), ioKeys, &io)
	var m mounts.Mount
	sameKeys(t, "mounts", reflect.ValueOf(&m).Elem(), mountKeys, &m)
}

func sameKeys[T any](t *testing.T, name string, v reflect.Value, keys []key[T], at *T) {
	t.Helper()
	tags, fields := tagged(v)
	if len(tags) != len(keys) {
		t.Errorf("[%s] has the tags %v but %d keys", name, tags, len(keys))
	}
	for _, k := range keys {
		if fields[k.name] != k.at(at) {
			t.Errorf("%s.%s does not go to the field with this tag", name, k.name)
		}
	}
}

func TestEveryTypeOfMountHasARowAndAWord(t *testing.T) {
	if len(mountTypeTable) != len(typeWords) {
		t.Fatalf("%d rows for %d words", len(mountTypeTable), len(typeWords))
	}
	var all mountTypes
	for i, row := range mountTypeTable {
		if row.name != typeWords[i] || all&row.bit != 0 {
			t.Errorf("row %d is %q, its word %q", i, row.name, typeWords[i])
		}
		all |= row.bit
		for _, name := range row.need {
			j := slices.IndexFunc(mountKeys, func(k key[mounts.Mount]) bool { return k.name == name })
			if j < 0 || mountKeys[j].in&row.bit == 0 {
				t.Errorf("%s needs %s but does not take it", row.name, name)
			}
		}
	}
	if all != inAll {
		t.Errorf("the types are %b, all of them %b", all, inAll)
	}
}

func TestWhatLaterVersionsWillKnowIsNotKnownNow(t *testing.T) {
	for _, r := range reserved {
		for i := range tables {
			for _, k := range tables[i].keys {
				if r.value == "" && tables[i].name+"."+k.name == r.key {
					t.Errorf("%s is both a key and reserved", r.key)
				}
				if r.value != "" && contains(k.rule.enum, r.value) && tables[i].name+"."+k.name == r.key {
					t.Errorf("%s = %q is both a value and reserved", r.key, r.value)
				}
			}
		}
	}
}

func TestEveryWordOfOtherProgramsNamesAKeyThatThereIs(t *testing.T) {
	known := append(append(topKeys(), mountKeyList()...), allKeys()...)
	for _, word := range []string{"src", "from", "dst", "dest", "destination", "to", "mountpoint", "rw", "write", "cwd", "chdir", "dir",
		"cmd", "argv", "exec", "mem", "swap", "cpu", "cpu_shares", "cpuset_cpus", "tasks_max", "walltime", "caps", "cap_add", "clear", "mount", "include", "inherits", "base", "root", "environment"} {
		if synonym(word, known) == "" {
			t.Errorf("%q names no key", word)
		}
		if synonym(word, nil) != "" {
			t.Errorf("%q names a key of a table that has none", word)
		}
	}
}
