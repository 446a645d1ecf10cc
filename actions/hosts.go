package actions

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// presets are the hosts that a package manager needs. Where a project has several
// under its domain, mirrors among them, it is the domain.
var presets = map[string][]string{
	"@npm":    {"*.npmjs.org:443", "*.yarnpkg.com:443", "nodejs.org:443"},
	"@pypi":   {"pypi.org:443", "files.pythonhosted.org:443"},
	"@go":     {"*.golang.org:443", "storage.googleapis.com:443", "go.dev:443", "dl.google.com:443"},
	"@crates": {"crates.io:443", "index.crates.io:443", "static.crates.io:443", "static.rust-lang.org:443"},
	"@apt": {
		"archive.ubuntu.com:80", "azure.archive.ubuntu.com:80", "security.ubuntu.com:80", "ports.ubuntu.com:80",
		"*.debian.org:80", "*.debian.org:443",
	},
	"@github": {
		"github.com:443", "api.github.com:443", "codeload.github.com:443", "objects.githubusercontent.com:443",
		"raw.githubusercontent.com:443", "release-assets.githubusercontent.com:443",
	},
}

func presetNames() []string {
	var names []string
	for name := range presets {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// expandHost turns a word of allowed-hosts into entries of network.allow: a
// preset, or a name or address with or without a port. Without one it is 443.
func expandHost(word string) (list []string, why string) {
	if strings.HasPrefix(word, "@") {
		if list := presets[word]; list != nil {
			return list, ""
		}
		return nil, "is no preset"
	}
	if strings.Contains(word, "://") || strings.ContainsAny(word, "@?#") {
		return nil, "is more than a host: leave out what stands around its name"
	}
	if _, err := netip.ParsePrefix(word); err == nil {
		return []string{word}, ""
	}
	host, port := splitPort(word)
	if port == "" {
		port = "443"
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return nil, "has no port that exists"
	}
	if !isAddress(host) && !isHostName(host) {
		return nil, "is not a host: a name, *.name, an address, or a network of addresses"
	}
	if strings.Contains(host, ":") && !strings.HasPrefix(host, "[") {
		host = "[" + host + "]"
	}
	return []string{host + ":" + port}, ""
}

func isAddress(s string) bool {
	_, err := netip.ParseAddr(strings.Trim(s, "[]"))
	return err == nil
}

// splitPort parts "host:port", and leaves an IPv6 address whole.
func splitPort(word string) (host, port string) {
	i := strings.LastIndexByte(word, ':')
	if i < 0 || strings.HasSuffix(word, "]") || strings.Count(word, ":") > 1 && !strings.Contains(word, "]") {
		return word, ""
	}
	return word[:i], word[i+1:]
}

// isHostName accepts a name of DNS, with "*." in front of it or not.
func isHostName(s string) bool {
	s = strings.TrimSuffix(strings.TrimPrefix(s, "*."), ".")
	if s == "" || len(s) > 253 {
		return false
	}
	for _, label := range strings.Split(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, r := range label {
			if !(r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z') {
				return false
			}
		}
	}
	return true
}

// kit is what a built-in profile needs beside itself.
type kit struct {
	hosts  []string // of network: allowlist, where no others are named
	caches []string // below the home directory
}

var kits = map[string]kit{
	"ci-go":     {presets["@go"], []string{"~/go/pkg/mod", "~/.cache/go-build"}},
	"ci-node":   {presets["@npm"], []string{"~/.npm", "~/.cache/yarn", "~/.local/share/pnpm/store"}},
	"ci-python": {presets["@pypi"], []string{"~/.cache/pip"}},
}
