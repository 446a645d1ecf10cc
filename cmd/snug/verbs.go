package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/alecthomas/kong"
	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/internal/problem"
)

const tagline = "Run commands in sandboxes, as an ordinary user."

// verbEntry is a word that may follow "snug". Its grammar is built only when
// it is the one that was typed, and for the command line that is given; without
// one it is complete.
type verbEntry struct {
	name  string
	build func(args []string) *kong.Node
}

// verbs returns the words that may follow "snug", in the order of the help.
func verbs() []verbEntry {
	return []verbEntry{
		{"run", runNode},
		{"explain", explainNode},
		{"ps", whole(psNode)},
		{"stats", whole(statsNode)},
		{"exec", whole(execNode)},
		{"kill", whole(killNode)},
		{"pause", whole(pauseNode)},
		{"resume", whole(resumeNode)},
		{"update", updateNode},
		{"doctor", whole(doctorNode)},
		{"desktop", whole(desktopNode)},
		{"image", whole(imageNode)},
		{"actions", whole(actionsNode)},
		{"profile", whole(profileNode)},
		{"bwrap", whole(bwrapNode)},
		{"completion", whole(completionNode)},
		{"man", whole(manNode)},
		{"version", whole(versionNode)},
		{"help", whole(helpNode)},
	}
}

// whole builds a small grammar, complete whatever the command line.
func whole(build func() *kong.Node) func([]string) *kong.Node {
	return func([]string) *kong.Node { return build() }
}

func verbNames() []string {
	var names []string
	for _, v := range verbs() {
		names = append(names, v.name)
	}
	return names
}

// findVerb returns the verb called word, or an error that says what was
// probably meant.
func findVerb(word string) (verbEntry, error) {
	for _, v := range verbs() {
		if v.name == word {
			return v, nil
		}
	}
	if strings.HasPrefix(word, "-") {
		return verbEntry{}, &problem.Problem{
			What: word, Why: "no such option before a verb", Fix: "snug run " + word + " ..., or snug --help",
		}
	}
	p := &problem.Problem{What: fmt.Sprintf("%q", word), Why: "snug has no such verb"}
	if near := nearest(word, verbNames()); near != "" {
		p.Fix = "snug " + near
	}
	if isCommand(word) {
		p.Fix = strings.TrimPrefix(p.Fix+"\nsnug run -- "+word, "\n")
	}
	if p.Fix == "" {
		p.Fix = "snug --help"
	}
	return verbEntry{}, p
}

// isCommand reports whether a shell would find a program under this name.
func isCommand(name string) bool {
	if strings.Contains(name, "/") {
		return isExecutable(name)
	}
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		if isExecutable(filepath.Join(dir, name)) {
			return true
		}
	}
	return false
}

func isExecutable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && unix.Access(path, unix.X_OK) == nil
}
