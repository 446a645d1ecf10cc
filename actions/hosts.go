package actions

import (
	"fmt"
	"slices"
	"strings"

	"github.com/snug-sandbox/snug/network"
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
// preset, or a rule. Where one names a host without a port, it is 443.
func expandHost(word string) ([]string, error) {
	if strings.HasPrefix(word, "@") {
		if list := presets[word]; list != nil {
			return list, nil
		}
		return nil, fmt.Errorf("%q is no preset", word)
	}
	r, err := network.ParseRule(word)
	switch {
	case err != nil:
		return nil, err
	case r.Prefix.IsValid() && isClosed(r.Prefix.Addr()):
		return nil, fmt.Errorf("%q is where clouds have the keys of their machines: no list opens it", word)
	case r.Ports.Last != 0 || r.Protocol == network.ICMP || r.Prefix.IsValid() && !r.Prefix.IsSingleIP():
		return []string{word}, nil
	}
	host, protocol, _ := strings.Cut(word, "/")
	if r.Prefix.IsValid() && r.Prefix.Addr().Is6() {
		host = "[" + r.Prefix.Addr().String() + "]"
	}
	rule := host + ":443"
	if protocol != "" {
		rule += "/" + protocol
	}
	return []string{rule}, nil
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
