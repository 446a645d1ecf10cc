package host

import (
	"os"
	"path"
	"strings"
)

// Resolver is how the host looks names up (resolv.conf(5)).
type Resolver struct {
	// File is what /etc/resolv.conf is, or the path that it leads to as a symbolic link.
	File string
	// Lines are those with the words search, domain and options.
	Lines []string
}

func resolver(root string) Resolver {
	const name = "/etc/resolv.conf"
	r := Resolver{File: name}
	if link, err := os.Readlink(root + name); err == nil {
		if r.File = path.Clean(link); link[0] != '/' {
			r.File = path.Join("/etc", link)
		}
	}
	text, err := os.ReadFile(root + name)
	if err != nil || len(text) > 64<<10 {
		return r
	}
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		if len(words) < 2 {
			continue
		}
		switch words[0] {
		case "search", "domain", "options":
			r.Lines = append(r.Lines, strings.Join(words, " "))
		}
	}
	return r
}
