package profiles

import (
	"errors"
	"os"
	"path"
	"strings"
)

// Entry is one profile that can be found by name.
type Entry struct {
	Name        string // what -p takes
	Place       string // "project", "user", "system" or "built-in"
	Path        string // the file; empty for a built-in
	Description string
	Shadowed    bool  // a profile of the same name in an earlier place wins
	Err         error // its mistakes, when it has any
}

// List returns all profiles that can be found by name, in the order in which
// they are looked up, and by name within a place. A place that does not exist
// is empty; one that cannot be read is an error, beside the entries of the
// others.
func List(in Inputs) ([]Entry, error) {
	var entries []Entry
	var failed []error
	for _, place := range in.Paths {
		files, err := os.ReadDir(place.Dir) // sorted by name
		if err != nil && !isMissing(err) {
			failed = append(failed, unreadable(place.Dir, err))
		}
		for _, file := range files {
			if name, ok := strings.CutSuffix(file.Name(), suffix); ok && name != "" {
				entries = append(entries, in.entry(name, place, path.Join(place.Dir, file.Name())))
			}
		}
	}
	for i := range builtins {
		b := &builtins[i]
		description, _ := b.tree()["description"].(string)
		entries = append(entries, Entry{Name: b.name, Place: "built-in", Description: description})
	}
	shade(entries)
	return entries, errors.Join(failed...)
}

func (in Inputs) entry(name string, place Place, full string) Entry {
	e := Entry{Name: name, Place: place.Name, Path: full}
	if _, _, err := read(full, true); errors.Is(err, errNoFile) {
		e.Err = unreadable(full, err)
		return e
	}
	p, err := Load(in, full)
	if err != nil {
		e.Err = err
		e.Description = descriptionOf(full)
		return e
	}
	e.Description = p.Spec.Description
	return e
}

// descriptionOf is the description of a profile that has mistakes elsewhere.
func descriptionOf(full string) string {
	text, _, err := read(full, true)
	if err != nil {
		return ""
	}
	f := file{name: full, text: text}
	f.parse()
	description, _ := f.tree["description"].(string)
	return description
}

func shade(entries []Entry) {
	seen := make(map[string]bool, len(entries))
	for i := range entries {
		entries[i].Shadowed = seen[entries[i].Name]
		seen[entries[i].Name] = true
	}
}
