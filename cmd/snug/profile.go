package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/profiles"
)

func profileNode() *kong.Node {
	n := node("profile", "List, show, check and start profiles", profileDetail, nil)
	n.Flags = []*kong.Flag{helpOption()}
	n.Children = []*kong.Node{
		profileListNode(), profileShowNode(), profileCheckNode(), profileSchemaNode(), profileNewNode(),
	}
	for _, c := range n.Children {
		c.Parent = n
	}
	return n
}

const profileDetail = `
A profile is a TOML file that describes a sandbox. It is found by name in
./.snug, in $XDG_CONFIG_HOME/snug/profiles, in /etc/snug/profiles and among the
built-in ones, in this order; a name with a slash or ending in .toml is a path.

  snug profile list
  snug profile show build
  snug profile new web > .snug/web.toml
  snug profile check .snug/*.toml
`

type profileListVerb struct{ names, json bool }

func profileListNode() *kong.Node {
	v := &profileListVerb{}
	n := node("list", "List the profiles that can be used by name", "", v)
	n.Flags = []*kong.Flag{
		mark("names", "Only the names, one a line.", &v.names),
		mark("json", "As JSON.", &v.json),
		helpOption(),
	}
	return n
}

func (v *profileListVerb) do(std streams) error {
	// A place that cannot be read does not keep the others from being listed.
	entries, listErr := profiles.List(profiles.Default())
	var err error
	switch {
	case v.json:
		err = writeJSON(std.out, listed(entries))
	case v.names:
		_, err = io.WriteString(std.out, usableNames(entries))
	default:
		err = writeTable(std.out, table(entries))
	}
	if err != nil {
		return err
	}
	return listErr
}

// profileEntry is a profile in the list for programs.
type profileEntry struct {
	Name        string `json:"name"`
	Place       string `json:"place"`
	Path        string `json:"path,omitempty"`
	Description string `json:"description"`
	Shadowed    bool   `json:"shadowed"`
	Error       string `json:"error,omitempty"`
}

func listed(entries []profiles.Entry) []profileEntry {
	list := []profileEntry{}
	for _, e := range entries {
		p := profileEntry{Name: e.Name, Place: e.Place, Path: e.Path, Description: e.Description, Shadowed: e.Shadowed}
		if e.Err != nil {
			p.Error = e.Err.Error()
		}
		list = append(list, p)
	}
	return list
}

// usableNames are what -p takes, one a line.
func usableNames(entries []profiles.Entry) string {
	var b strings.Builder
	for _, e := range entries {
		if !e.Shadowed {
			b.WriteString(e.Name + "\n")
		}
	}
	return b.String()
}

func table(entries []profiles.Entry) [][]string {
	rows := [][]string{{"NAME", "FROM", "DESCRIPTION"}}
	for _, e := range entries {
		description := e.Description
		if e.Err != nil {
			description = "has mistakes: snug profile check " + e.Path
		}
		if e.Shadowed {
			description = "(hidden by the one above) " + description
		}
		rows = append(rows, []string{e.Name, e.Place, description})
	}
	return rows
}

type profileShowVerb struct{ names []string }

func profileShowNode() *kong.Node {
	v := &profileShowVerb{}
	n := node("show", "Show what profiles come to, with where each value is from", `
Several profiles are shown as "snug run -p A -p B" would use them. The result
is a profile again.

  snug profile show build
  snug profile show default ./more.toml
`, v)
	n.Flags = []*kong.Flag{helpOption()}
	n.Positional = []*kong.Positional{arguments("PROFILE", "Name or path of a profile.", true, wordsMapper{&v.names})}
	return n
}

func (v *profileShowVerb) do(std streams) error {
	p, err := profiles.Load(profiles.Default(), v.names...)
	if err != nil {
		return err
	}
	return profiles.Show(std.out, p)
}

type profileCheckVerb struct{ files []string }

func profileCheckNode() *kong.Node {
	v := &profileCheckVerb{}
	n := node("check", "Check profiles and report every mistake", `
Each mistake is reported with its line and column, what was expected and, for a
misspelt key, the right one. The exit code is 1 when there is one.

  snug profile check .snug/*.toml
`, v)
	n.Flags = []*kong.Flag{helpOption()}
	n.Positional = []*kong.Positional{arguments("FILE", "File to check, or a profile's name.", true, wordsMapper{&v.files})}
	return n
}

func (v *profileCheckVerb) do(std streams) error {
	in := profiles.Default()
	var wrong error
	for _, file := range v.files {
		if err := profiles.Check(in, file); err != nil {
			problem.Print(std.err, err)
			wrong = errFound
			continue
		}
		if _, err := fmt.Fprintf(std.out, "%s: ok\n", problem.Printable(file)); err != nil {
			return err
		}
	}
	return wrong
}

type profileSchemaVerb struct{}

func profileSchemaNode() *kong.Node {
	n := node("schema", "Print the JSON Schema of profiles, for editors", `
  snug profile schema > ~/.config/snug/schema.json
`, profileSchemaVerb{})
	n.Flags = []*kong.Flag{helpOption()}
	return n
}

func (profileSchemaVerb) do(std streams) error {
	_, err := std.out.Write(profiles.Schema())
	return err
}

type profileNewVerb struct {
	name   string
	output string
}

func profileNewNode() *kong.Node {
	v := &profileNewVerb{}
	n := node("new", "Print a profile to start from, with a comment on each part", `
  snug profile new
  snug profile new web > .snug/web.toml
  snug profile new web --output .snug/web.toml
`, v)
	n.Flags = []*kong.Flag{
		option("output/o", "FILE", "Write it to a new file.", func(s string) error {
			if v.output = s; s == "" {
				return badValue("the name of the file is empty")
			}
			return nil
		}),
		helpOption(),
	}
	n.Positional = []*kong.Positional{argument("NAME", "Name of the profile. Default: that of the file.", false, func(s string) error {
		v.name = s
		return nil
	})}
	return n
}

func (v *profileNewVerb) do(std streams) error {
	name := v.name
	if name == "" && v.output != "" {
		name = strings.TrimSuffix(filepath.Base(v.output), ".toml")
	}
	text := profiles.New(name)
	if v.output == "" {
		_, err := io.WriteString(std.out, text)
		return err
	}
	if err := writeNew(v.output, text); err != nil {
		p := &problem.Problem{What: "--output " + v.output, Why: "cannot make the file: " + bare(err), Err: err}
		if errors.Is(err, fs.ErrExist) {
			p.Fix = "choose another name; what is there stays as it is"
		}
		return p
	}
	return nil
}

// writeNew writes a file that must not be there yet, and its directory.
func writeNew(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	if _, err := io.WriteString(f, text); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// writeJSON prints v as people and programs can read it.
func writeJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}

// writeTable prints rows in columns that are as wide as they have to be.
func writeTable(w io.Writer, rows [][]string) error {
	for _, row := range rows {
		for i, cell := range row {
			row[i] = problem.Printable(strings.Join(strings.Fields(cell), " "))
		}
	}
	_, err := io.WriteString(w, layout(rows, 0))
	return err
}
