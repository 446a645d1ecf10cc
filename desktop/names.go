package desktop

import (
	"hash/fnv"
	"path"
	"strconv"
	"strings"
)

// maxName is the longest name on a bus (D-Bus specification, "Valid Names").
const maxName = 255

// CheckAppID says what is wrong with an application's id (Desktop Entry
// specification, "File naming"); "" when nothing is.
func CheckAppID(id string) string {
	parts := strings.Split(id, ".")
	switch {
	case len(id) > maxName:
		return "an application's id has at most 255 letters"
	case len(parts) < 2:
		return strconv.Quote(id) + " has no dot: an application's id is a domain's name backwards, and a name"
	}
	for i, p := range parts {
		if !isElement(p, i == len(parts)-1) {
			return strconv.Quote(p) + " in " + strconv.Quote(id) + " is not letters, digits and \"_\", with no digit in front"
		}
	}
	return ""
}

func isElement(s string, dashes bool) bool {
	if s == "" || s[0] >= '0' && s[0] <= '9' || s[0] == '-' {
		return false
	}
	return strings.IndexFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-' && dashes)
	}) < 0
}

// CheckBusName says what is wrong with a name of Bus.Talk, Own or See; "" when
// nothing is.
func CheckBusName(name string) string {
	base := strings.TrimSuffix(name, ".*")
	switch {
	case strings.HasPrefix(name, ":"):
		return strconv.Quote(name) + " is the name of a connection, which changes each time"
	case base == "org" || base == "com" || base == "*" || base == "":
		return strconv.Quote(name) + " stands for too much"
	case strings.Contains(base, "*"):
		return strconv.Quote(name) + ": a star stands at the end only, after a dot"
	case len(base) > maxName:
		return strconv.Quote(name) + " is too long for a name on a bus"
	case !strings.Contains(base, "."):
		return strconv.Quote(name) + " is not a name on a bus, such as org.freedesktop.Notifications"
	}
	for _, p := range strings.Split(base, ".") {
		if !isElement(p, true) {
			return strconv.Quote(name) + " is not a name on a bus: " + strconv.Quote(p)
		}
	}
	return ""
}

// CheckBusRule says what is wrong with a rule of Bus.Call or Broadcast; "" when
// nothing is.
func CheckBusRule(rule string) string {
	name, what, ok := strings.Cut(rule, "=")
	if !ok {
		return strconv.Quote(rule) + " has no \"=\": a rule is NAME=METHOD@PATH"
	}
	if why := CheckBusName(name); why != "" {
		return why
	}
	method, path, hasPath := strings.Cut(what, "@")
	if hasPath && !isObjectPath(strings.TrimSuffix(path, "/*")) {
		return strconv.Quote(path) + " is not the path of an object"
	}
	if method == "" || method == "*" {
		return ""
	}
	for _, p := range strings.Split(strings.TrimSuffix(method, ".*"), ".") {
		if !isElement(p, false) {
			return strconv.Quote(method) + " is not INTERFACE.METHOD, INTERFACE.* or *"
		}
	}
	return ""
}

func isObjectPath(path string) bool {
	if path == "" || path == "/" {
		return true
	}
	if path[0] != '/' {
		return false
	}
	for _, p := range strings.Split(path[1:], "/") {
		if p == "" || strings.Trim(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != "" {
			return false
		}
	}
	return true
}

func (b Bus) mistakes() (list []string) {
	for _, names := range [][]string{b.Talk, b.Own, b.See} {
		for _, n := range names {
			if why := CheckBusName(n); why != "" {
				list = append(list, why)
			}
		}
	}
	for _, rules := range [][]string{b.Call, b.Broadcast} {
		for _, r := range rules {
			if why := CheckBusRule(r); why != "" {
				list = append(list, why)
			}
		}
	}
	return list
}

// appIDPrefix is what ids begin with that nobody chose, so that they are no
// installed application's.
const appIDPrefix = "org.snug_sandbox."

// Interpreter reports whether a program starts others of all kinds: its name says
// nothing of which.
func Interpreter(program string) bool {
	const all = "sh bash dash env busybox python perl ruby node java gjs electron flatpak snap"
	return contains(strings.Fields(all), strings.TrimRight(path.Base(program), "0123456789."))
}

// Started is the name of the program that a command starts: that of the script,
// with its directory, where an interpreter is the first word.
func Started(args []string) string {
	if len(args) == 0 {
		return ""
	}
	program := path.Base(args[0])
	if program == "env" {
		if started := Started(afterEnv(args[1:])); started != "" {
			return started
		}
		return program
	}
	if !Interpreter(program) {
		return program
	}
	for _, word := range args[1:] {
		switch {
		case !strings.HasPrefix(word, "-"):
			if dir := path.Dir(word); path.IsAbs(word) && dir != "/" {
				return path.Base(dir) + "-" + path.Base(word)
			}
			return path.Base(word)
		case !strings.HasPrefix(word, "--") && strings.HasSuffix(word, "c") || word == "-e":
			return program // what follows is a text of code
		}
	}
	return program
}

// afterEnv leaves out what env(1) takes for itself.
func afterEnv(args []string) []string {
	for len(args) > 0 && (strings.HasPrefix(args[0], "-") || strings.Contains(args[0], "=")) {
		of := 1
		if contains([]string{"-u", "--unset", "-C", "--chdir"}, args[0]) {
			of = min(2, len(args)) // with its value
		}
		args = args[of:]
	}
	return args
}

// ID is the application's id of a run of the profile name.
func (c Config) ID(name string) string {
	if c.AppID != "" {
		return c.AppID
	}
	return appIDPrefix + Element(name)
}

// Element makes the last element of an application's id of any text. What cannot
// be read in it any more, beside what parts words, is told by a hash: two programs
// with one name would have one home.
func Element(text string) string {
	const longest = 64
	lost := false
	s := strings.Map(func(r rune) rune {
		if isElement("a"+string(r), false) {
			return r
		}
		lost = lost || !strings.ContainsRune("-. ", r)
		return '_'
	}, text)
	if s == "" || s[0] >= '0' && s[0] <= '9' {
		s = "_" + s
	}
	if lost || len(s) > longest {
		hash := fnv.New64a()
		hash.Write([]byte(text))
		tail := "_" + strconv.FormatUint(hash.Sum64(), 36)
		s = s[:min(len(s), longest-len(tail))] + tail
	}
	return s
}
