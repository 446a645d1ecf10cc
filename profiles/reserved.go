package profiles

// reserved are keys and values that later versions of Snug will know. A
// profile that has one asks for a protection or a service that this version
// would silently not give.
var reserved = []struct {
	key   string
	value string // empty: the key, whatever its value
	what  string
}{
	{"security.apparmor", "", "AppArmor profiles"},
	{"security.selinux", "", "SELinux labels"},
}

// reserved reports, as a mistake, a key or value of the list.
func (d *decoder) reserved(at *keyPath, v any) bool {
	key := at.String()
	for i := range reserved {
		r := &reserved[i]
		if r.key != key || r.value != "" && v != any(r.value) {
			continue
		}
		why := "this version of Snug does not implement " + r.what + " yet"
		d.bad(at, Mistake{Got: describe(v), why: why, Hint: "leave it out, or use a version that has it"})
		return true
	}
	return false
}
