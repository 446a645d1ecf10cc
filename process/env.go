package process

import (
	"path"
	"slices"
	"strings"
)

// Identity is who the environment speaks of.
type Identity struct {
	User, Home, Shell string
}

// defaultNames are the variables of the caller that are passed on; a trailing
// * takes all names that begin so.
var defaultNames = [...]string{"TERM", "COLORTERM", "NO_COLOR", "LANG", "LANGUAGE", "LC_*", "TZ"}

// DefaultPath is PATH where the caller's does not fit.
const DefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Environ returns the command's environment, sorted by name. The caller's PATH
// is taken over where hostPath is set; entries that are not absolute are left out.
func (e Env) Environ(caller []string, id Identity, hostPath bool, workdir string) []string {
	vars := make(map[string]string, 16)
	for _, kv := range caller {
		name, value, ok := strings.Cut(kv, "=")
		if !ok || name == "" {
			continue
		}
		if e.Inherit || matches(defaultNames[:], name) || matches(e.Keep, name) {
			vars[name] = value
		}
		if name == "PATH" && hostPath {
			vars[name] = absolutePath(value)
		}
	}
	if vars["PATH"] == "" {
		vars["PATH"] = DefaultPath
	}
	vars["HOME"], vars["USER"], vars["LOGNAME"], vars["SHELL"] = id.Home, id.User, id.User, id.Shell
	vars["PWD"] = workdir
	delete(vars, "OLDPWD")
	for name := range vars {
		if matches(e.Unset, name) {
			delete(vars, name)
		}
	}
	for name, value := range e.Set {
		vars[name] = value
	}
	environ := make([]string, 0, len(vars))
	for name, value := range vars {
		environ = append(environ, name+"="+value)
	}
	slices.Sort(environ)
	return environ
}

func matches(patterns []string, name string) bool {
	for _, p := range patterns {
		if prefix, ok := strings.CutSuffix(p, "*"); p == name || ok && strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

func absolutePath(value string) string {
	var dirs []string
	for _, dir := range strings.Split(value, ":") {
		if path.IsAbs(dir) {
			dirs = append(dirs, dir)
		}
	}
	return strings.Join(dirs, ":")
}
