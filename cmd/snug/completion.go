package main

import (
	"fmt"
	"io"
	"sort"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/snug-sandbox/snug/internal/problem"
)

// shells are those that completion can be written for.
const shells = "bash|zsh|fish"

type completionVerb struct{ shell string }

func completionNode() *kong.Node {
	v := &completionVerb{}
	n := node("completion", "Print completion for bash, zsh or fish", `
The script completes verbs, options, their values, profiles and running sandboxes
by name, and the command in the sandbox with its arguments. Print it anew after an
update.

  snug completion bash > ~/.local/share/bash-completion/completions/snug
  snug completion zsh > ~/.local/share/zsh/site-functions/_snug
  snug completion fish > ~/.config/fish/completions/snug.fish
  source <(snug completion bash)
`, v)
	n.Flags = []*kong.Flag{helpOption()}
	n.Positional = []*kong.Positional{argument(shells, "The shell.", true, func(word string) error {
		v.shell = word
		return nil
	})}
	return n
}

func (v *completionVerb) do(std streams) error {
	var script string
	app := fullModel()
	switch v.shell {
	case "bash":
		script = bashScript(app)
	case "zsh":
		script = zshScript(app)
	case "fish":
		script = fishScript(app)
	default:
		fix := "snug completion bash"
		if near := nearest(v.shell, choices(shells)); near != "" {
			fix = "snug completion " + near
		}
		return &problem.Problem{What: "completion", Why: fmt.Sprintf("%q is not one of %s", v.shell, strings.Join(choices(shells), ", ")), Fix: fix}
	}
	_, err := io.WriteString(std.out, script)
	return err
}

// kind says what completes a value.
type kind int

const (
	nothing kind = iota // free text
	words               // one of a list
	files               // paths of the host, perhaps before a colon
	dirs
	verbWords
	namespaceWords
	profileNames
	sandboxNames
	variables
	wholeCommand
)

// kindOf tells from a value's name and placeholder what completes it.
func kindOf(v *kong.Value, placeholder string) kind {
	switch {
	case choices(placeholder) != nil:
		return words
	case strings.Contains(v.Name, "profile") || strings.Contains(v.Name, "PROFILE"):
		return profileNames
	case v.Name == "SANDBOX" || placeholder == "SANDBOX":
		return sandboxNames
	case strings.HasSuffix(v.Name, "env"):
		return variables
	case strings.HasPrefix(v.Name, "[--]"):
		return wholeCommand
	}
	switch strings.Trim(placeholder, "[].") {
	case "FILE", "SRC[:DST":
		return files
	case "DIR":
		return dirs
	case "VERB":
		return verbWords
	case "NS,":
		return namespaceWords
	}
	return nothing
}

// entry is a verb as the scripts see it: "profile show" is one.
type entry struct {
	node *kong.Node
	path string
}

// entries returns all verbs, and those below them.
func entries(app *kong.Application) []entry {
	var list []entry
	for _, n := range app.Children {
		list = append(list, entry{n, n.Name})
		for _, c := range n.Children {
			list = append(list, entry{c, n.Name + " " + c.Name})
		}
	}
	return list
}

// spellings returns everything that may be typed for an option.
func spellings(f *kong.Flag) []string {
	list := []string{"--" + f.Name}
	if f.Tag.Negatable != "" {
		list = append(list, "--no-"+f.Name)
	}
	if f.Short != 0 {
		list = append(list, "-"+string(f.Short))
	}
	return list
}

// valued returns the names of the options that take a value, sorted.
func valued(nodes []entry) []*kong.Flag {
	seen := map[string]*kong.Flag{}
	for _, e := range nodes {
		for _, f := range e.node.Flags {
			if !f.IsBool() {
				seen[f.Name] = f
			}
		}
	}
	var list []*kong.Flag
	for _, f := range seen {
		list = append(list, f)
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Name < list[j].Name })
	return list
}
