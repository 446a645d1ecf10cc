package actions

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Credentials that actions leave in the workspace: checkout's, in both of its
// forms (until v5 in .git/config itself, since v6 in a file of $RUNNER_TEMP that
// it includes), and files of others.

// maxConfig is how much is read of a git configuration.
const maxConfig = 1 << 20

// credentialFiles are names, at the workspace's top, of files that hold nothing
// but credentials.
var credentialFiles = []string{"gha-creds-*.json", ".netrc", "_netrc", ".git-credentials", ".dockercfg"}

var section = regexp.MustCompile(`^\s*\[\s*([A-Za-z0-9.-]+)\s*(?:"(?:[^"\\]|\\.)*")?\s*\]`)

// urlPassword is what stands before the @ of a URL.
var urlPassword = regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://)[^/@\s"]+@`)

// cleanConfig returns a git configuration without what lets git sign in, and
// what it left out.
func cleanConfig(text string) (clean string, dropped []string) {
	var out strings.Builder
	name := ""
	continued, dropping := false, false
	for line := range strings.Lines(text) {
		was := continued && dropping
		whole := !continued
		continued = strings.HasSuffix(strings.TrimRight(line, "\r\n"), `\`)
		switch {
		case !whole && was:
			continue
		case !whole:
			out.WriteString(line)
			continue
		}
		dropping = false
		rest := line
		if m := section.FindStringSubmatchIndex(line); m != nil {
			name = strings.ToLower(line[m[2]:m[3]])
			rest = line[m[1]:]
		}
		key, value, _ := strings.Cut(rest, "=")
		key, value = strings.ToLower(strings.TrimSpace(key)), strings.TrimSpace(value)
		if secretKey(name, key, value) {
			dropped = append(dropped, label(name, key))
			dropping = true
			if head := line[:len(line)-len(rest)]; head != "" {
				out.WriteString(strings.TrimRight(urlPassword.ReplaceAllString(head, "$1"), "\n") + "\n")
			}
			continue
		}
		if urlPassword.MatchString(line) {
			dropped = append(dropped, "a password in a URL of "+label(name, key))
			line = urlPassword.ReplaceAllString(line, "$1")
		}
		out.WriteString(line)
	}
	return out.String(), dropped
}

func label(name, key string) string {
	if key == "" {
		return name
	}
	return name + "." + key
}

// secretKey reports whether a key of a git configuration is about signing in.
func secretKey(section, key, value string) bool {
	switch {
	case section == "http" || strings.HasPrefix(section, "http."):
		return slices.Contains([]string{"extraheader", "cookiefile", "sslkey", "sslcert", "proxy", "proxyauthmethod"}, key)
	case section == "credential" || strings.HasPrefix(section, "credential."):
		return key != ""
	case section == "include" || section == "includeif":
		return key == "path"
	case section == "core":
		return key == "sshcommand" || key == "askpass" || key == "gitproxy"
	case section == "url" || section == "remote":
		return false
	}
	return strings.Contains(strings.ToUpper(value), "AUTHORIZATION:")
}

// hidden is what a workspace has to be shown without.
type hidden struct {
	clean   map[string]string // paths below the workspace, and what they hold instead
	masked  []string          // paths below it that are made unreadable
	git     []string          // directories of git below it
	dropped []string          // what was found, for people
}

// depth is how many directories below the workspace checkouts are looked for.
const depth = 6

// findSecrets looks for credentials in a workspace.
func findSecrets(workspace string) (h hidden, err error) {
	h.clean = map[string]string{}
	err = filepath.WalkDir(workspace, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return nil // what cannot be read here cannot be read inside
		}
		rel, _ := filepath.Rel(workspace, path)
		levels := strings.Count(rel, "/")
		switch {
		case e.IsDir() && isGit(e.Name()):
			h.git = append(h.git, rel)
			h.gitDir(workspace, rel)
			return fs.SkipDir
		case e.IsDir() && (levels >= depth || e.Name() == "node_modules"):
			return fs.SkipDir
		case !e.IsDir() && levels == 0 && matchesName(credentialFiles, e.Name()):
			h.masked = append(h.masked, rel)
			h.dropped = append(h.dropped, rel)
		}
		return nil
	})
	return h, err
}

func matchesName(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		ok, _ := filepath.Match(p, name)
		return ok
	})
}

// gitDir cleans the configurations of a repository, of its submodules and its
// working trees.
func (h *hidden) gitDir(workspace, rel string) {
	filepath.WalkDir(filepath.Join(workspace, rel), func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		name := e.Name()
		switch {
		case e.IsDir() && (name == "objects" || name == "refs" || name == "logs" || name == "lfs"):
			return fs.SkipDir
		case e.Type().IsRegular() && (name == "config" || name == "config.worktree"):
			h.config(workspace, path)
		}
		return nil
	})
}

func (h *hidden) config(workspace, path string) {
	rel, _ := filepath.Rel(workspace, path)
	info, err := os.Stat(path)
	if err != nil || info.Size() > maxConfig {
		h.masked = append(h.masked, rel)
		return
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return
	}
	if clean, dropped := cleanConfig(string(text)); len(dropped) > 0 {
		h.clean[rel] = clean
		for _, what := range dropped {
			h.dropped = append(h.dropped, rel+": "+what)
		}
	}
}
