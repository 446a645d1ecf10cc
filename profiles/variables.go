package profiles

import (
	"strconv"
	"strings"
)

// expand replaces the variables of s: ${HOME}, ${PWD}, ${UID}, ${XDG_…},
// ${profile_dir}, ${env:NAME} and ${env:NAME:-default}; "$${" is a literal
// "${". Where variables are not allowed, one is a mistake.
func (d *decoder) expand(at *keyPath, s string, allowed bool) (string, bool) {
	start := strings.Index(s, "${")
	if start < 0 {
		return s, true
	}
	var b strings.Builder
	for ; start >= 0; start = strings.Index(s, "${") {
		if start > 0 && s[start-1] == '$' {
			b.WriteString(s[:start-1] + "${")
			s = s[start+2:]
			continue
		}
		length := closing(s[start:])
		if length < 0 {
			d.bad(at, Mistake{Want: "}", Got: describe(s), why: "\"${\" begins a variable, and its \"}\" is missing",
				Hint: "write $${ for a literal ${"})
			return "", false
		}
		if !allowed {
			d.bad(at, Mistake{Want: "a value without variables", Got: describe(s), why: "variables are not replaced here",
				Hint: "write the value itself; variables stand where a path or a value is meant"})
			return "", false
		}
		v, ok := d.variable(at, s[start+2:start+length-1])
		if !ok {
			return "", false
		}
		b.WriteString(s[:start] + v)
		s = s[start+length:]
	}
	b.WriteString(s)
	return b.String(), true
}

// closing returns the length of the variable that s begins with, -1 when it
// does not end. Variables may stand in the default of another.
func closing(s string) int {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch {
		case strings.HasPrefix(s[i:], "$${"):
			i += 2
		case strings.HasPrefix(s[i:], "${"):
			depth++
			i++
		case s[i] == '}':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return -1
}

// variable returns the value of what stands between ${ and }.
func (d *decoder) variable(at *keyPath, name string) (string, bool) {
	if env, ok := strings.CutPrefix(name, "env:"); ok {
		return d.envVariable(at, env)
	}
	switch name {
	case "HOME":
		if d.in.Home == "" {
			return d.noHome(at)
		}
		return d.in.Home, true
	case "PWD":
		if d.in.Dir == "" {
			return d.unset(at, name, "the current directory has no path: it was deleted, or it is outside of the root directory", "change to another directory")
		}
		return d.in.Dir, true
	case "UID":
		return strconv.Itoa(d.in.UID), true
	case "profile_dir":
		if d.file.dir == "" {
			return d.unset(at, name, "a built-in profile has no directory", "")
		}
		return d.file.dir, true
	}
	if strings.HasPrefix(name, "XDG_") && isBare(name) {
		return d.xdgVariable(at, name)
	}
	return d.unknownVariable(at, name)
}

func (d *decoder) noHome(at *keyPath) (string, bool) {
	return d.unset(at, "HOME", "the home directory is not known", "set HOME in the environment")
}

// unset reports a variable that has no value, but in an entry that is not used.
func (d *decoder) unset(at *keyPath, name, why, fix string) (string, bool) {
	if !d.unused {
		d.bad(at, Mistake{Got: "${" + name + "}", why: "${" + name + "} has no value: " + why, Hint: fix})
	}
	return "", false
}

func (d *decoder) envVariable(at *keyPath, text string) (string, bool) {
	name, fallback, hasFallback := strings.Cut(text, ":-")
	if want, _ := envName(name); want != "" || strings.Contains(name, ":") {
		d.bad(at, Mistake{Want: "${env:NAME} or ${env:NAME:-default}", Got: "${env:" + text + "}"})
		return "", false
	}
	v, ok := d.in.env(name)
	switch {
	case hasFallback && v == "":
		return d.expand(at, fallback, true)
	case !ok:
		return d.unset(at, "env:"+name, "the environment does not have it", "set "+name+", or give a default: ${env:"+name+":-VALUE}")
	}
	return v, true
}

func (in *Inputs) env(name string) (string, bool) {
	if in.Env == nil {
		return "", false
	}
	return in.Env(name)
}

func (d *decoder) xdgVariable(at *keyPath, name string) (string, bool) {
	if v, ok := d.in.xdg(name); ok {
		return v, true
	}
	if d.in.Home == "" && contains(xdgNames, name) && name != "XDG_RUNTIME_DIR" {
		return d.noHome(at)
	}
	if near := nearest(name, xdgNames); near != "" && near != name {
		return d.unknownVariable(at, name)
	}
	return d.unset(at, name, "the environment does not have it", "set "+name+", or give a default: ${env:"+name+":-VALUE}")
}

// xdgNames are the variables of the XDG Base Directory Specification.
var xdgNames = []string{
	"XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME",
	"XDG_RUNTIME_DIR", "XDG_CONFIG_DIRS", "XDG_DATA_DIRS",
}

// xdg returns a variable of the XDG Base Directory Specification with the
// default that it has there. A relative path is invalid and counts as unset,
// as the specification asks. Other variables that begin so are the
// environment's.
func (in *Inputs) xdg(name string) (string, bool) {
	v, _ := in.env(name)
	if v != "" && (v[0] == '/' || !contains(xdgNames, name)) {
		return v, true
	}
	below := ""
	switch name {
	case "XDG_CONFIG_HOME":
		below = "/.config"
	case "XDG_CACHE_HOME":
		below = "/.cache"
	case "XDG_DATA_HOME":
		below = "/.local/share"
	case "XDG_STATE_HOME":
		below = "/.local/state"
	case "XDG_CONFIG_DIRS":
		return "/etc/xdg", true
	case "XDG_DATA_DIRS":
		return "/usr/local/share/:/usr/share/", true
	}
	if below == "" || in.Home == "" {
		return "", false
	}
	return strings.TrimSuffix(in.Home, "/") + below, true
}

func (d *decoder) unknownVariable(at *keyPath, name string) (string, bool) {
	m := Mistake{Got: "${" + name + "}", why: "unknown variable ${" + name + "}",
		Want: "one of ${HOME}, ${PWD}, ${UID}, ${XDG_...}, ${profile_dir}, ${env:NAME} and ${env:NAME:-default}"}
	known := append([]string{"HOME", "PWD", "UID", "profile_dir"}, xdgNames...)
	bare, fallback, _ := strings.Cut(name, ":-")
	_, isSet := d.in.env(name)
	switch near := nearest(name, known); {
	case isSet || contains(known, bare) || fallback != "" && isBare(bare):
		m.Hint, m.near = "did you mean ${env:"+name+"}?", true
	case near != "":
		m.Hint, m.near = "did you mean ${"+near+"}?", true
	case isBare(name):
		m.Hint, m.near = "did you mean ${env:"+name+"}?", true
	default:
		m.why += "; expected " + m.Want
	}
	d.bad(at, m)
	return "", false
}
