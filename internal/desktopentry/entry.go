// Package desktopentry reads and writes desktop entries (Desktop Entry
// specification 1.5): which program an icon starts, and how.
package desktopentry

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Main is the group that every entry has.
const Main = "Desktop Entry"

// File is an entry, with everything that stands in it, in order.
type File struct {
	head   []string // lines before the first group
	Groups []*Group
}

// Group is one group of a File.
type Group struct {
	Name  string
	lines []line
}

// line is a key with its value, or text that is neither.
type line struct {
	key, value string // key: "" for comments and blank lines
	text       string
}

// Parse reads an entry. What it does not know it keeps.
func Parse(text string) (*File, error) {
	f := &File{}
	var group *Group
	for i, raw := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		trimmed := strings.TrimSpace(raw)
		switch {
		case strings.ContainsRune(raw, 0):
			return nil, fmt.Errorf("line %d: a NUL byte", i+1)
		case trimmed == "" || trimmed[0] == '#':
			f.keep(group, raw)
		case trimmed[0] == '[':
			name, ok := strings.CutSuffix(trimmed[1:], "]")
			if !ok || strings.ContainsAny(name, "[]") {
				return nil, fmt.Errorf("line %d: %q is not a group's name in brackets", i+1, trimmed)
			}
			if f.Group(name) != nil {
				return nil, fmt.Errorf("line %d: the group %q is there twice", i+1, name)
			}
			group = &Group{Name: name}
			f.Groups = append(f.Groups, group)
		default:
			key, value, ok := strings.Cut(raw, "=")
			key = strings.TrimSpace(key)
			if !ok || key == "" {
				return nil, fmt.Errorf("line %d: %q is not KEY=VALUE", i+1, trimmed)
			}
			if group == nil {
				return nil, fmt.Errorf("line %d: a key before the first group", i+1)
			}
			group.add(key, strings.TrimSpace(value))
		}
	}
	if f.Group(Main) == nil {
		return nil, errors.New("there is no group [" + Main + "]")
	}
	return f, nil
}

// add puts a key at the end. The last of several of one name is what a desktop
// reads (GKeyFile, KConfig): no other stays.
func (g *Group) add(key, value string) {
	g.lines = slices.DeleteFunc(g.lines, func(l line) bool { return l.key == key })
	g.lines = append(g.lines, line{key: key, value: value})
}

func (f *File) keep(group *Group, text string) {
	if group == nil {
		f.head = append(f.head, text)
		return
	}
	group.lines = append(group.lines, line{text: text})
}

// New returns an entry with an empty main group.
func New() *File { return &File{Groups: []*Group{{Name: Main}}} }

// Group returns the group of that name, or nil.
func (f *File) Group(name string) *Group {
	for _, g := range f.Groups {
		if g.Name == name {
			return g
		}
	}
	return nil
}

// Main is the group that every entry has.
func (f *File) Main() *Group { return f.Group(Main) }

// Get returns a value, "" when it is not there.
func (g *Group) Get(key string) string {
	for _, l := range g.lines {
		if l.key == key {
			return l.value
		}
	}
	return ""
}

// Set gives a key a value, where it stands or at the end.
func (g *Group) Set(key, value string) {
	for i := range g.lines {
		if g.lines[i].key == key {
			g.lines[i].value = value
			return
		}
	}
	end := len(g.lines)
	for end > 0 && g.lines[end-1].key == "" && strings.TrimSpace(g.lines[end-1].text) == "" {
		end-- // blank lines part groups
	}
	g.lines = append(g.lines[:end], append([]line{{key: key, value: value}}, g.lines[end:]...)...)
}

// Delete takes a key out, in all languages.
func (g *Group) Delete(key string) {
	kept := g.lines[:0]
	for _, l := range g.lines {
		if l.key != key && !strings.HasPrefix(l.key, key+"[") {
			kept = append(kept, l)
		}
	}
	g.lines = kept
}

// String writes the entry.
func (f *File) String() string {
	var b strings.Builder
	for _, text := range f.head {
		b.WriteString(text + "\n")
	}
	for _, g := range f.Groups {
		b.WriteString("[" + g.Name + "]\n")
		for _, l := range g.lines {
			if l.key == "" {
				b.WriteString(l.text + "\n")
			} else {
				b.WriteString(l.key + "=" + l.value + "\n")
			}
		}
	}
	return b.String()
}
