package main

import (
	"sort"
	"strings"
	"unicode/utf8"
)

// branch is a path inside that something is mounted at, with what is mounted
// below it.
type branch struct {
	path   string // absolute
	mounts []viewMount
	below  []*branch
}

// grow puts all mounts into a tree by their targets.
func grow(list []viewMount) *branch {
	root := &branch{path: "/"}
	at := map[string]*branch{"/": root}
	for _, m := range list {
		if at[m.Target] == nil {
			at[m.Target] = &branch{path: m.Target}
		}
		at[m.Target].mounts = append(at[m.Target].mounts, m)
	}
	for path, b := range at {
		if path != "/" {
			above := nearestAbove(path, at)
			above.below = append(above.below, b)
		}
	}
	for _, b := range at {
		sort.Slice(b.below, func(i, j int) bool { return b.below[i].path < b.below[j].path })
	}
	return root
}

func nearestAbove(path string, at map[string]*branch) *branch {
	for {
		path = path[:strings.LastIndexByte(path, '/')]
		if path == "" {
			return at["/"]
		}
		if b := at[path]; b != nil {
			return b
		}
	}
}

// tree shows the file system, each mount below the one that it lies on.
func (t teller) tree(v *view) {
	var rows []row
	root := grow(v.Mounts)
	rows = append(rows, row{"/", v.Root.Mode, v.Root.What, ""})
	rows = appendMounts(rows, "", root)
	rows = appendBelow(rows, "  ", root)
	t.columns(rows)
}

// columns aligns rows. What does not fit into its column has a line of its own:
// one long path shall not move all the others apart.
func (t teller) columns(rows []row) {
	const mostName, mostWhat = 40, 72
	name, what := 0, 0
	for i := range rows {
		rows[i].name, rows[i].what = oneLine(rows[i].name), oneLine(rows[i].what)
		if n := letters(rows[i].name); n <= mostName {
			name = max(name, n)
		}
		if n := letters(rows[i].what); n <= mostWhat {
			what = max(what, n)
		}
	}
	for _, r := range rows {
		if letters(r.name) > mostName {
			t.line("  %s", r.name)
			r.name = ""
		}
		if letters(r.what) > mostWhat && r.from != "" {
			t.line("  %-*s  %-2s  %s", name, r.name, r.mode, r.what)
			r.name, r.mode, r.what = "", "", ""
		}
		t.line("  %-*s  %-2s  %-*s  %s", name, r.name, r.mode, what, r.what, r.from)
	}
}

func letters(s string) int { return utf8.RuneCountInString(s) }

// row is one line of the tree.
type row struct{ name, mode, what, from string }

// appendBelow shows what is mounted below b, with names relative to it.
func appendBelow(rows []row, indent string, b *branch) []row {
	for _, c := range b.below {
		name := strings.TrimPrefix(strings.TrimPrefix(c.path, b.path), "/")
		rows = appendMounts(rows, indent+name, c)
		rows = appendBelow(rows, indent+"  ", c)
	}
	return rows
}

func appendMounts(rows []row, name string, b *branch) []row {
	for _, m := range b.mounts {
		what, from := m.what, m.From
		if m.Left {
			what += " (not there: left out)"
		}
		if m.Over != "" {
			from += ", over " + m.Over
		}
		if m.Risk != "" || m.Refused != "" {
			from = "! " + from
		}
		rows = append(rows, row{name, m.Mode, what, from})
	}
	return rows
}
