package actions

import (
	"path"
	"regexp"
	"strings"
)

// braces are what a shell makes several words of, and this does not.
var braces = regexp.MustCompile(`(^|[^\\])\{[^}]*,.*\}`)

// badPattern says why a pattern of persist is none; "" when it is one.
func badPattern(p string) string {
	switch {
	case strings.HasPrefix(p, "/") || strings.HasPrefix(p, "~"):
		return "is not below the workspace"
	case strings.HasPrefix(p, "!"):
		return "takes nothing back: patterns name what is kept, and \\! is a name's own"
	case braces.MatchString(p):
		return "would be the name of one file: each pattern has a line of its own, and \\{ is a name's own"
	}
	for _, part := range strings.Split(p, "/") {
		if part == ".." {
			return "leads out of the workspace"
		}
		if isGit(part) {
			return "is about .git, of which nothing is copied back"
		}
		if _, err := path.Match(part, ""); err != nil {
			return "is not a pattern"
		}
	}
	return ""
}

// isGit reports whether a name is git's directory, on a file system that does
// not tell capitals apart, too.
func isGit(name string) bool { return strings.EqualFold(name, ".git") }

// matches reports whether a path below the workspace matches a pattern: "*" and
// "?" within a name, "**" for any number of directories. A pattern of a
// directory stands for everything in it.
func matches(pattern, name string) bool {
	return matchParts(strings.Split(pattern, "/"), strings.Split(name, "/"))
}

func matchParts(pattern, name []string) bool {
	switch {
	case len(pattern) == 0:
		return true // what is below
	case pattern[0] == "**":
		for i := range len(name) + 1 {
			if matchParts(pattern[1:], name[i:]) && (len(pattern) > 1 || i > 0 || len(name) > 0) {
				return true
			}
		}
		return false
	case len(name) == 0:
		return false
	}
	ok, _ := path.Match(pattern[0], name[0])
	return ok && matchParts(pattern[1:], name[1:])
}

func matchesAny(patterns []string, name string) bool {
	for _, p := range patterns {
		if matches(p, name) {
			return true
		}
	}
	return false
}
