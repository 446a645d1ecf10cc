package profiles

import (
	"strings"

	"github.com/snug-sandbox/snug/internal/units"
	"github.com/snug-sandbox/snug/seccomp"
)

// filterKey is one key of the table security.seccomp.
type filterKey struct {
	name string
	at   func(*seccomp.Config) any
	rule rule
}

var filterKeys = []filterKey{
	{"base", func(c *seccomp.Config) any { return &c.Base }, rule{enum: filterWords}},
	{"file", func(c *seccomp.Config) any { return &c.File }, rule{text: hostPath}},
	{"allow", func(c *seccomp.Config) any { return &c.Allow }, rule{word: allowRule}},
	{"deny", func(c *seccomp.Config) any { return &c.Deny }, rule{word: denyRule}},
	{"log", func(c *seccomp.Config) any { return &c.Log }, rule{word: allowRule}},
	{"errno", func(c *seccomp.Config) any { return &c.Errno }, rule{word: notEmpty}},
	{"compat", func(c *seccomp.Config) any { return &c.Compat }, rule{}},
	{"log_denials", func(c *seccomp.Config) any { return &c.LogDenials }, rule{}},
}

func filterKeyList() []string {
	names := make([]string, len(filterKeys))
	for i := range filterKeys {
		names[i] = filterKeys[i].name
	}
	return names
}

// filter reads a word, which takes the place of whatever there was, or a table,
// which adds to it.
func (d *decoder) filter(at *keyPath, v any, to *seccomp.Config, r *rule) bool {
	tree, ok := v.(map[string]any)
	if !ok {
		var word seccomp.Config
		if s, isText := v.(string); !isText {
			d.bad(at, Mistake{Want: r.noun() + ", or a table", Got: describe(v), Hint: "its keys are " + list(filterKeyList(), "and")})
			return false
		} else if !d.str(at, s, &word.Base, r) {
			return false
		}
		for _, key := range filterKeyList() {
			d.trace.forget(at.child(key).String())
			d.trace.clear(at.child(key).String())
		}
		*to = word
		return true
	}
	d.trace.forget(at.String())
	if _, given := tree["file"]; given && tree["base"] == nil {
		to.Base = "" // a later file takes the place of an earlier base, and the other way round
	}
	if _, given := tree["base"]; given && tree["file"] == nil {
		to.File = ""
	}
	seen := 0
	for i := range filterKeys {
		k := &filterKeys[i]
		if v, ok := tree[k.name]; ok {
			seen++
			d.set(at.child(k.name), v, k.at(to), &k.rule)
		}
	}
	if seen < len(tree) {
		d.unknownKeys(at, tree, filterKeyList())
	}
	return false // the keys are what came from somewhere
}

// filter writes the key seccomp of a table as a word, or with a row for each of
// its keys.
func (s *shower) filter(name string, c *seccomp.Config, at string) {
	if word := (seccomp.Config{Base: c.Base}); c.File == "" && c.Errno == "" && !c.Compat && !c.LogDenials && len(c.Allow)+len(c.Deny)+len(c.Log) == 0 {
		if c.Base != "" {
			from := at
			if s.from(from) == "" {
				from += ".base"
			}
			s.row(name, units.TOML(word.Base), from)
		}
		return
	}
	for i := range filterKeys {
		k := &filterKeys[i]
		row := shower{origins: s.origins}
		row.set(k.name, k.at(c), at+"."+k.name)
		s.text.WriteString(prefixed(name+".", row.text.String()))
		s.bad = append(s.bad, row.bad...)
	}
}

// prefixed puts prefix before the row of a key.
func prefixed(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}

// allowRule is a rule for calls that are made, denyRule one for calls that are
// not, which may say with what they fail.
func allowRule(s string) (want, near string) { return callRule(s, false) }
func denyRule(s string) (want, near string)  { return callRule(s, true) }

func callRule(s string, deny bool) (want, near string) {
	why := seccomp.CheckRule(s, deny)
	if why == "" {
		return "", ""
	}
	end := strings.IndexAny(s, "(:")
	if end < 0 {
		end = len(s)
	}
	if name := nearest(s[:end], seccomp.Names()); name != "" && name != s[:end] {
		near = name + s[end:]
	}
	return "a rule for system calls such as \"@debug\" or \"ioctl(arg1 == TIOCSTI)\": " + why, near
}
