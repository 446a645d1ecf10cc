package profiles

import "github.com/snug-sandbox/snug/desktop"

// busTable is one table of desktop.dbus, busKey a key of each of them.
type busTable struct {
	name string
	at   func(*desktop.DBus) *desktop.Bus
}

type busKey struct {
	name string
	at   func(*desktop.Bus) any
	rule rule
}

var busTables = []busTable{
	{"session", func(d *desktop.DBus) *desktop.Bus { return &d.Session }},
	{"system", func(d *desktop.DBus) *desktop.Bus { return &d.System }},
}

var busKeys = []busKey{
	{"talk", func(b *desktop.Bus) any { return &b.Talk }, rule{text: value, word: busName}},
	{"own", func(b *desktop.Bus) any { return &b.Own }, rule{text: value, word: busName}},
	{"see", func(b *desktop.Bus) any { return &b.See }, rule{text: value, word: busName}},
	{"call", func(b *desktop.Bus) any { return &b.Call }, rule{text: value, word: busRule}},
	{"broadcast", func(b *desktop.Bus) any { return &b.Broadcast }, rule{text: value, word: busRule}},
}

func busNames() (tables, keys []string) {
	for i := range busTables {
		tables = append(tables, busTables[i].name)
	}
	for i := range busKeys {
		keys = append(keys, busKeys[i].name)
	}
	return tables, keys
}

// buses reads the table desktop.dbus, whose lists add up as all do.
func (d *decoder) buses(at *keyPath, v any, to *desktop.DBus) {
	names, keys := busNames()
	tree := d.subtable(at, v, names)
	for i := range busTables {
		v, ok := tree[busTables[i].name]
		if !ok {
			continue
		}
		at := at.child(busTables[i].name)
		inner := d.subtable(at, v, keys)
		for j := range busKeys {
			if v, ok := inner[busKeys[j].name]; ok {
				d.set(at.child(busKeys[j].name), v, busKeys[j].at(busTables[i].at(to)), &busKeys[j].rule)
			}
		}
	}
}

// subtable returns a table inside of another one, having reported the keys that
// it should not have; nil when it is none.
func (d *decoder) subtable(at *keyPath, v any, known []string) map[string]any {
	tree, ok := v.(map[string]any)
	if !ok {
		d.bad(at, Mistake{Want: "a table", Got: describe(v), Hint: "its keys are " + list(known, "and")})
		return nil
	}
	d.unknownKeys(at, tree, known)
	return tree
}

// buses writes a row for each list.
func (s *shower) buses(name string, b *desktop.DBus, at string) {
	for i := range busTables {
		for j := range busKeys {
			prefix := busTables[i].name + "."
			row := shower{origins: s.origins}
			row.set(busKeys[j].name, busKeys[j].at(busTables[i].at(b)), at+"."+prefix+busKeys[j].name)
			s.text.WriteString(prefixed(name+"."+prefix, row.text.String()))
			s.bad = append(s.bad, row.bad...)
		}
	}
}

// switched is a string, or what a bool stands for.
func (r *rule) switched(v any) (string, bool) {
	if on, ok := v.(bool); ok {
		word := r.no
		if on {
			word = r.yes
		}
		return word, word != ""
	}
	s, ok := v.(string)
	return s, ok
}

// switchList makes a list of what true stands for, or an empty one.
func (d *decoder) switchList(at *keyPath, on bool, to *[]string, r *rule) {
	*to = nil
	if d.trace != nil {
		d.trace.clear(at.String())
	}
	if on {
		*to = []string{r.yes}
		d.trace.add(at.String(), d, at)
	}
}

func appID(s string) (want, near string) {
	if why := desktop.CheckAppID(s); why != "" {
		return "an application's id such as \"org.example.App\": " + why, ""
	}
	return "", ""
}

func playerName(s string) (want, near string) {
	if desktop.CheckBusName("org.mpris.MediaPlayer2."+s) != "" {
		return "the name of a player on the bus, such as \"vlc\"", ""
	}
	return "", ""
}

func portal(s string) (want, near string) {
	words := append(desktop.PortalWords(), "all")
	if !contains(words, s) {
		return "\"all\", or a portal: " + list(desktop.PortalWords(), "or"), nearest(s, words)
	}
	return "", ""
}

func busName(s string) (want, near string) {
	if why := desktop.CheckBusName(s); why != "" {
		return "a name on a bus such as \"org.example.App\" or \"org.example.*\": " + why, ""
	}
	return "", ""
}

func busRule(s string) (want, near string) {
	if why := desktop.CheckBusRule(s); why != "" {
		return "a rule such as \"org.example.App=org.example.Interface.*@/org/example/App\": " + why, ""
	}
	return "", ""
}
