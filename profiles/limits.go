package profiles

import (
	"math"
	"strconv"
	"strings"

	"github.com/snug-sandbox/snug/cgroups"
	"github.com/snug-sandbox/snug/internal/cgroupfs"
	"github.com/snug-sandbox/snug/internal/units"
)

// ioKeys are the keys of one entry of [[limits.io]]. The key remove is read
// apart.
var ioKeys = []key[cgroups.IO]{
	{name: "path", at: func(io *cgroups.IO) any { return &io.Path }, rule: rule{text: hostPath}},
	{name: "device", at: func(io *cgroups.IO) any { return &io.Device }, rule: rule{word: blockDevice}},
	{name: "read", at: func(io *cgroups.IO) any { return &io.Read }},
	{name: "write", at: func(io *cgroups.IO) any { return &io.Write }},
	{name: "read_iops", at: func(io *cgroups.IO) any { return &io.ReadIOPS }, rule: rule{min: 1, max: math.MaxInt64}},
	{name: "write_iops", at: func(io *cgroups.IO) any { return &io.WriteIOPS }, rule: rule{min: 1, max: math.MaxInt64}},
	{name: "weight", at: func(io *cgroups.IO) any { return &io.Weight }, rule: rule{min: 1, max: 10000}},
}

func ioKeyList() []string {
	names := []string{"remove"}
	for i := range ioKeys {
		names = append(names, ioKeys[i].name)
	}
	return names
}

// ioLimits reads [[limits.io]]. An entry for a path or device that an earlier
// profile has too takes its place.
func (d *decoder) ioLimits(at *keyPath, v any, to *[]cgroups.IO) {
	entries := d.entries(at, v)
	own := map[string]bool{}
	for i, tree := range entries {
		if tree == nil {
			continue
		}
		at := at.element(i)
		mistakes := len(d.mistakes)
		io, remove := d.ioEntry(at, tree)
		switch {
		case len(d.mistakes) > mistakes:
		case own[io.Name()]:
			d.bad(at, Mistake{Got: describe(io.Name()), why: "there is an entry for " + strconv.Quote(io.Name()) + " already", Hint: "make one of the two"})
		case remove:
			d.removeIO(at, io.Name(), to)
		default:
			d.addIO(at, io, to)
		}
		own[io.Name()] = true
	}
}

// entries returns the tables of an array of tables; nil stands for what is none.
func (d *decoder) entries(at *keyPath, v any) []map[string]any {
	switch list := v.(type) {
	case []map[string]any:
		return list
	case []any: // io = [{…}, {…}]
		trees := make([]map[string]any, len(list))
		for i, v := range list {
			var ok bool
			if trees[i], ok = v.(map[string]any); !ok {
				d.wrong(at.element(i), "a table", v)
			}
		}
		return trees
	}
	d.bad(at, Mistake{Want: "an array of tables", Got: describe(v), Hint: "write [[" + at.String() + "]], with two brackets, above each entry"})
	return nil
}

func (d *decoder) ioEntry(at *keyPath, tree map[string]any) (io cgroups.IO, remove bool) {
	seen := 0
	if v, ok := tree["remove"]; ok {
		seen++
		d.boolean(at.child("remove"), v, &remove)
	}
	trace := d.trace
	d.trace = nil // the entry as a whole is traced
	for i := range ioKeys {
		k := &ioKeys[i]
		if v, ok := tree[k.name]; ok {
			seen++
			d.set(at.child(k.name), v, k.at(&io), &k.rule)
		}
	}
	d.trace = trace
	if seen < len(tree) {
		d.unknownKeys(at, tree, ioKeyList())
	}
	_, path := tree["path"]
	_, device := tree["device"]
	const what = "a path or a device"
	switch {
	case !path && !device:
		d.bad(at, Mistake{Want: what, Got: "neither", why: "neither path nor device says what is limited", Hint: "add path = \"/\", or device = \"/dev/vda\""})
	case path && device:
		d.bad(at.child("device"), Mistake{Want: what, Got: "both", why: "path and device both say what is limited", Hint: "take one of the two out"})
	case remove && len(tree) > 2:
		d.bad(at, Mistake{Got: "more keys", why: "an entry with remove = true has a path or device and nothing else", Hint: "leave the rest out"})
	case !remove && len(tree) == 1:
		d.bad(at, Mistake{Got: "no limit", why: "nothing is limited", Hint: "add read, write, read_iops, write_iops or weight"})
	}
	return io, remove
}

func (d *decoder) addIO(at *keyPath, io cgroups.IO, to *[]cgroups.IO) {
	for i := range *to {
		if (*to)[i].Name() == io.Name() {
			*to = append((*to)[:i], (*to)[i+1:]...)
			d.trace.drop("limits.io", i)
			break
		}
	}
	*to = append(*to, io)
	d.trace.add("limits.io", d, at)
}

func (d *decoder) removeIO(at *keyPath, name string, to *[]cgroups.IO) {
	for i := range *to {
		if (*to)[i].Name() == name {
			*to = append((*to)[:i], (*to)[i+1:]...)
			d.trace.drop("limits.io", i)
			return
		}
	}
	if !d.missing {
		d.bad(at, Mistake{Got: describe(name), why: "there is no inherited limit for " + strconv.Quote(name) + " to take out"})
	}
}

// hugetlb reads [limits.hugetlb]: sizes of pages with amounts.
func (d *decoder) hugetlb(at *keyPath, v any, to *map[string]units.Bytes) {
	tree, ok := v.(map[string]any)
	if !ok {
		d.bad(at, Mistake{Want: "a table", Got: describe(v), Hint: "write [limits.hugetlb] and \"2MiB\" = \"64MiB\" below"})
		return
	}
	for name, v := range tree {
		at := at.child(name)
		size, near := PageSize(name)
		if size == "" {
			m := Mistake{Want: "the size of a huge page such as \"2MiB\" or \"1GiB\"", Got: describe(name)}
			if near != "" {
				m.Hint, m.near = "did you mean "+strconv.Quote(near)+"?", true
			}
			d.bad(at, m)
			continue
		}
		var most units.Bytes
		if !d.bytes(at, v, &most, &rule{}) {
			continue
		}
		if *to == nil {
			*to = make(map[string]units.Bytes, len(tree))
		}
		(*to)[size] = most
		if d.trace != nil {
			d.trace.singles["limits.hugetlb."+joinKey("", size)] = spot{d.file, at.String()}
		}
	}
}

// PageSize is the size of a huge page in the form that a Spec has; "", and what
// was probably meant, when it is none.
func PageSize(name string) (size, near string) {
	b, err := units.ParseBytes(name)
	if err == nil && b >= 4096 && b&(b-1) == 0 {
		return b.String(), ""
	}
	for _, unit := range []string{"MB", "GB", "KB", "kB"} {
		if number, ok := strings.CutSuffix(name, unit); ok {
			return "", number + strings.ToUpper(unit[:1]) + "iB"
		}
	}
	return "", ""
}

// blockDevice is what names a device in [[limits.io]].
func blockDevice(s string) (want, near string) {
	if cgroups.IsDevice(s) {
		return "", ""
	}
	if s != "" && !strings.ContainsAny(s, "/:") {
		near = "/dev/" + s
	}
	return "a device such as \"/dev/vda\" or \"8:0\"", near
}

// cpuSet is what cpuset takes.
func cpuSet(s string) (want, near string) {
	if _, err := cgroupfs.ParseCPUSet(s); err != nil {
		return "a list of CPUs such as \"0-3,8\"", ""
	}
	return "", ""
}

// parsed reads an amount in text with parse, or a whole number as it stands.
func parsed[T ~int64](d *decoder, at *keyPath, v any, to *T, want string, parse func(string) (T, error)) bool {
	var err error
	if n, isInt := v.(int64); isInt {
		if n < 0 {
			d.wrong(at, want, v)
			return false
		}
		*to = T(n)
		return true
	}
	s, ok := d.unit(at, v, want)
	if !ok {
		return false
	}
	n, err := parse(s)
	if err != nil {
		d.amount(at, want, v, err)
		return false
	}
	*to = n
	return true
}

func (d *decoder) memory(at *keyPath, v any, to *units.Memory) bool {
	return parsed(d, at, v, to, "an amount of memory such as \"512MiB\" or \"50%\" of the machine's", units.ParseMemory)
}

func (d *decoder) rate(at *keyPath, v any, to *units.Rate) bool {
	const want = "a number of bytes a second such as \"10MB/s\""
	var n units.Rate
	if !parsed(d, at, v, &n, want, units.ParseRate) {
		return false
	}
	if n == 0 {
		d.wrong(at, "more than 0 bytes a second", v)
		return false
	}
	*to = n
	return true
}

// rlimit reads one limit, or a soft and a hard one.
func (d *decoder) rlimit(at *keyPath, v any, to **units.Rlimit, r *rule) bool {
	want, parse := "a number, an amount of bytes such as \"8MiB\", \"infinity\", or \"SOFT:HARD\"", units.ParseRlimit
	if r.times {
		want, parse = "a span of time such as \"200ms\", a number of microseconds, \"infinity\", or \"SOFT:HARD\"", units.ParseTimeRlimit
	}
	if n, isInt := v.(int64); isInt {
		v = strconv.FormatInt(n, 10)
		if n < 0 {
			d.wrong(at, want, n)
			return false
		}
	}
	s, ok := d.unit(at, v, want)
	if !ok {
		return false
	}
	l, err := parse(s)
	switch {
	case err != nil && strings.Contains(err.Error(), "soft limit"):
		d.bad(at, Mistake{Want: want, Got: describe(v), why: err.Error()})
	case err != nil:
		d.amount(at, want, v, err)
	case r.max > 0 && int64(l.Hard) > r.max:
		d.wrong(at, "a number from 0 to "+strconv.FormatInt(r.max, 10), v)
	default:
		*to = &l
		return true
	}
	return false
}

// IgnoredLimit says what to write instead of limits that Linux keeps and never
// looks at; "" for others.
func IgnoredLimit(name string) string {
	switch name {
	case "rss":
		return "Linux ignores RLIMIT_RSS; use memory"
	case "locks":
		return "Linux ignores RLIMIT_LOCKS"
	}
	return ""
}

// ioEntry writes an entry of [[limits.io]].
func (s *shower) ioEntry(i int, io *cgroups.IO) {
	s.line("\n[[limits.io]]", s.from("limits.io"+indexOf(i)))
	for j := range ioKeys {
		s.set(ioKeys[j].name, ioKeys[j].at(io), "limits.io"+indexOf(i)+"."+ioKeys[j].name)
	}
}

// hugetlb writes [limits.hugetlb].
func (s *shower) hugetlb(sizes map[string]units.Bytes) {
	if len(sizes) > 0 {
		s.line("\n[limits.hugetlb]", "")
	}
	for _, size := range sortedKeys(sizes) {
		s.row(size, units.TOML(sizes[size].String()), "limits.hugetlb."+joinKey("", size))
	}
}
