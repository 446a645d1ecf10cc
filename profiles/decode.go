package profiles

import (
	"strconv"

	"github.com/snug-sandbox/snug/spec"
)

// decoder puts one file after the other into a Spec. It walks the generic tree
// that the TOML parser gives, and matches keys letter by letter: decoding
// into the structs would take Mode for mode, -1 for a huge number and 90 for
// ninety nanoseconds.
type decoder struct {
	*loader
	file    *file
	spec    *spec.Spec
	trace   *tracer           // nil but when origins are asked for
	gone    []string          // targets of entries that were taken out or not used
	targets map[string]bool   // of all entries so far: thousands of mounts are not compared each with each
	reals   map[string]string // what Inputs.Real said
	unused  bool              // inside an entry whose condition does not hold: unset variables are no mistake
}

// topKeys are the keys outside of all tables, and tableNames those of tables,
// for messages.
func topKeys() []string {
	names := []string{"version", "description", "extends"}
	for i := range tables {
		names = append(names, tables[i].name)
	}
	return append(names, "mounts")
}

// profile decodes d.file.
func (d *decoder) profile() {
	tree := d.file.tree
	seen := d.version(tree) + d.description(tree)
	if _, ok := tree["extends"]; ok {
		seen++
	}
	for i := range tables {
		t := &tables[i]
		if v, ok := tree[t.name]; ok {
			seen++
			d.table(t, v)
		}
	}
	if v, ok := tree["mounts"]; ok {
		seen++
		d.mounts(v)
	}
	if seen < len(tree) {
		d.unknownKeys(nil, tree, topKeys())
	}
}

func (d *decoder) version(tree map[string]any) int {
	v, ok := tree["version"]
	if !ok {
		return 0
	}
	if n, isInt := v.(int64); !isInt || n != 1 {
		d.bad(&keyPath{key: "version"}, Mistake{Want: "1", Got: describe(v), Hint: "this version of Snug reads profiles of version 1"})
	}
	return 1
}

// description is not inherited: the base's sentence would be wrong here.
func (d *decoder) description(tree map[string]any) int {
	d.spec.Description = ""
	v, ok := tree["description"]
	if !ok {
		return 0
	}
	p := &keyPath{key: "description"}
	if d.str(p, v, &d.spec.Description, &rule{}) {
		d.trace.single(d, p)
	}
	return 1
}

func (d *decoder) table(t *table, v any) {
	p := &keyPath{key: t.name}
	tree, ok := v.(map[string]any)
	if !ok {
		d.bad(p, Mistake{Want: "a table", Got: describe(v), Hint: "write [" + t.name + "] and its keys below"})
		return
	}
	if t.name == "rootfs" {
		d.root(tree)
	}
	seen := 0
	for i := range t.keys {
		k := &t.keys[i]
		v, ok := tree[k.name]
		if !ok {
			continue
		}
		seen++
		at := p.child(k.name)
		if !k.rule.later || !d.reserved(at, v) {
			d.set(at, v, k.at(d.spec), &k.rule)
		}
	}
	if t.name == "env" {
		d.unsetAndSet(tree)
	}
	if seen < len(tree) {
		d.unknownKeys(p, tree, t.keyList())
	}
}

// unknownKeys reports the keys of a table that nobody knows.
func (d *decoder) unknownKeys(p *keyPath, tree map[string]any, known []string) {
	for name, v := range tree {
		if contains(known, name) || d.reserved(p.child(name), v) {
			continue
		}
		m := Mistake{Got: "unknown key", why: "unknown key", Want: oneOf(known)}
		if m.Hint = hintFor(name, known, p); m.Hint != "" {
			m.near = true
		} else {
			m.why += "; expected " + m.Want
		}
		d.bad(p.child(name), m)
	}
}

// hintFor is what was probably meant by the unknown key name of the table p.
func hintFor(name string, known []string, p *keyPath) string {
	near, other := nearest(name, known), tableOf(name, p)
	switch {
	case p != nil && p.key == "limits" && IgnoredLimit(name) != "":
		return IgnoredLimit(name)
	case (name == "ro" || name == "readonly") && contains(known, "writable"):
		return "mounts are read-only unless writable = true"
	case synonym(name, known) != "":
		return "did you mean " + strconv.Quote(synonym(name, known)) + "?"
	case other != "" && (near == "" || distance(name, near, 2) > 1):
		return "it belongs in " + other
	case near != "":
		return "did you mean " + strconv.Quote(near) + "?"
	}
	if near = nearest(name, allKeys()); near != "" && tableOf(near, p) != "" {
		return "did you mean " + strconv.Quote(near) + " in " + tableOf(near, p) + "?"
	}
	return ""
}

// oneOf is "one of a, b or c".
func oneOf(words []string) string {
	if len(words) == 1 {
		return words[0]
	}
	return "one of " + list(words, "or")
}

func allKeys() []string {
	names := mountKeyList()
	for i := range tables {
		names = append(names, tables[i].keyList()...)
	}
	return names
}

// tableOf is the table that has the key name, when there is just one.
func tableOf(name string, p *keyPath) string {
	found := ""
	for i := range tables {
		t := &tables[i]
		if p != nil && p.key == t.name || !contains(t.keyList(), name) {
			continue
		}
		if found != "" {
			return ""
		}
		found = "[" + t.name + "]"
	}
	if found == "" && p == nil && contains(mountKeyList(), name) {
		found = "[[mounts]]"
	}
	return found
}

// synonym is the key that other programs call name.
func synonym(name string, known []string) string {
	found := ""
	switch name {
	case "src", "from", "host_path":
		found = "source"
	case "dst", "dest", "destination", "to", "mountpoint":
		found = "target"
	case "rw", "write":
		found = "writable"
	case "cwd", "chdir", "dir", "working_dir":
		found = "workdir"
	case "cmd", "argv", "exec":
		found = "args"
	case "mem", "memory_max", "mem_limit":
		found = "memory"
	case "swap", "swap_max", "memory_swap_max":
		found = "memory_swap"
	case "cpu", "cpu_quota":
		found = "cpus"
	case "cpu_shares":
		found = "cpu_weight"
	case "cpuset_cpus":
		found = "cpuset"
	case "tasks_max", "pids_max", "pids_limit":
		found = "pids"
	case "wall", "walltime", "wall_time":
		found = "timeout"
	case "caps", "cap_add":
		found = "capabilities"
	case "clear":
		found = "inherit"
	case "mount":
		found = "mounts"
	case "include", "inherits", "base":
		found = "extends"
	case "root":
		found = "rootfs"
	case "environment":
		found = "env"
	}
	if contains(known, found) {
		return found
	}
	return ""
}

func contains(words []string, word string) bool {
	for _, w := range words {
		if w == word {
			return true
		}
	}
	return false
}
