package profiles

import (
	"strings"

	"github.com/snug-sandbox/snug/mounts"
	"github.com/snug-sandbox/snug/userns"
)

// The functions below are the wordRules of the schema.

func notEmpty(s string) (want, near string) {
	if s == "" {
		return "a string that is not empty", ""
	}
	return "", ""
}

// envName is what environ(7) allows. A variable of the profile cannot stand in
// a name, only in a value.
func envName(s string) (want, near string) {
	if s == "" || strings.ContainsAny(s, "=\x00") || strings.Contains(s, "${") {
		near, _, _ = strings.Cut(s, "=")
		return "the name of a variable, without \"=\"", near
	}
	return "", ""
}

// envPattern is a name, or a name's beginning with a star behind it.
func envPattern(s string) (want, near string) {
	name := strings.TrimSuffix(s, "*")
	if name == "" && s != "" {
		return "", ""
	}
	if strings.Contains(name, "*") {
		return "the name of a variable, with a star at the end only", ""
	}
	return envName(name)
}

// loginName keeps out what would break a line of /etc/passwd (passwd(5)).
func loginName(s string) (want, near string) {
	if s == "" || len(s) > 256 || s == "." || s == ".." || strings.HasPrefix(s, "-") || strings.ContainsFunc(s, breaksLine) || strings.ContainsAny(s, "/ ") {
		return "a login name", ""
	}
	return "", ""
}

func passwdField(s string) (want, near string) {
	if strings.ContainsFunc(s, breaksLine) {
		return "a path without colons and control characters", ""
	}
	return "", ""
}

func breaksLine(r rune) bool { return r < ' ' || r == 0x7f || r == ':' || r == '\uFFFD' }

// hostName is what sethostname(2) and the line of /etc/hosts take.
func hostName(s string) (want, near string) {
	if s == "" || len(s) > 64 || strings.HasPrefix(s, "-") || strings.ContainsFunc(s, notHost) {
		return "a host name of 1 to 64 letters, digits, \"-\", \".\" and \"_\"", ""
	}
	return "", ""
}

func notHost(r rune) bool {
	return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-' || r == '.' || r == '_')
}

// domainName is what setdomainname(2) takes; the kernel's own default is
// "(none)".
func domainName(s string) (want, near string) {
	if s == "(none)" {
		return "", ""
	}
	if want, _ = hostName(s); want != "" {
		return "a domain name of 1 to 64 letters, digits, \"-\", \".\" and \"_\"", ""
	}
	return "", ""
}

func capability(s string) (want, near string) {
	if s == "ALL" || contains(userns.Capabilities[:], s) {
		return "", ""
	}
	full := strings.ToUpper(s)
	if !strings.HasPrefix(full, "CAP_") && full != "ALL" {
		full = "CAP_" + full
	}
	return "a capability such as \"CAP_NET_RAW\", or \"ALL\"", nearest(full, append([]string{"ALL"}, userns.Capabilities[:]...))
}

// procPath is one of the paths that are hidden or read-only.
func procPath(s string) (want, near string) {
	paths := protectedPaths()
	if s == "ALL" || contains(paths, s) {
		return "", ""
	}
	return "\"ALL\" or one of " + list(paths, "and"), nearest(s, paths)
}

func protectedPaths() []string {
	var paths []string
	for i := range mounts.MaskedPaths {
		paths = append(paths, "/proc/"+mounts.MaskedPaths[i].Path)
	}
	for i := range mounts.ReadonlyPaths {
		paths = append(paths, "/proc/"+mounts.ReadonlyPaths[i].Path)
	}
	return paths
}
