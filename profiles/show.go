package profiles

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/snug-sandbox/snug/cgroups"
	"github.com/snug-sandbox/snug/desktop"
	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/internal/units"
	"github.com/snug-sandbox/snug/network"
	"github.com/snug-sandbox/snug/seccomp"
)

// Show writes p as one profile that extends nothing and holds no variables,
// each value with the place that it came from. Load makes the same Spec of it.
// A value with bytes that are not UTF-8, which TOML cannot hold, is written as a
// comment; the error, a problem.List, then says which these are.
func Show(w io.Writer, p *Profile) error {
	s := shower{origins: p.Origins()}
	s.comment("Profile " + p.Spec.Name + ", resolved from " + strings.Join(p.Sources, ", "))
	s.line("version = 1", "")
	s.set("description", &p.Spec.Description, "description")
	for i := range tables {
		s.table(&tables[i], p)
	}
	for i := range p.Spec.Mounts {
		s.mount(i, p)
	}
	if _, err := io.WriteString(w, s.text.String()); err != nil {
		return err
	}
	return s.bad.Err()
}

// shower writes TOML.
type shower struct {
	text    strings.Builder
	origins map[string]Origin
	bad     problem.List
}

func (s *shower) table(t *table, p *Profile) {
	var rows shower
	rows.origins = s.origins
	set := map[string]string(nil)
	for i := range t.keys {
		k := &t.keys[i]
		switch field := k.at(&p.Spec).(type) {
		case *map[string]string:
			set = *field
		case *map[string]units.Bytes, *[]cgroups.IO: // tables of their own, below
		default:
			rows.set(k.name, field, t.name+"."+k.name)
		}
	}
	if rows.text.Len() > 0 {
		s.text.WriteString("\n[" + t.name + "]\n" + rows.text.String())
	}
	s.bad = append(s.bad, rows.bad...)
	if t.name == "limits" {
		s.hugetlb(p.Spec.Limits.Hugetlb)
		for i := range p.Spec.Limits.IO {
			s.ioEntry(i, &p.Spec.Limits.IO[i])
		}
	}
	if len(set) > 0 {
		s.text.WriteString("\n[" + t.name + ".set]\n")
	}
	for _, name := range sortedKeys(set) {
		at := t.name + ".set." + joinKey("", name)
		if utf8.ValidString(name) {
			s.str(name, set[name], at)
		} else {
			s.cannotHold(name, set[name], t.name+".set", name)
		}
	}
}

func (s *shower) mount(i int, p *Profile) {
	at := "mounts" + indexOf(i)
	rows := shower{origins: s.origins}
	rows.line("[[mounts]]", s.from(at))
	for j := range mountKeys {
		k := &mountKeys[j]
		rows.set(k.name, k.at(&p.Spec.Mounts[i]), at+"."+k.name)
	}
	text := rows.text.String()
	if rows.bad != nil { // half of a mount would be another mount
		text = strings.ReplaceAll("# "+strings.TrimSuffix(text, "\n"), "\n", "\n# ") + "\n"
		text = strings.ReplaceAll(text, "\n# # ", "\n# ")
	}
	s.text.WriteString("\n" + text)
	s.bad = append(s.bad, rows.bad...)
}

// set writes the row of a field, unless it holds nothing.
func (s *shower) set(name string, field any, at string) {
	switch f := field.(type) {
	case *[]string:
		words := make([]string, len(*f))
		for i, v := range *f {
			words[i] = literal(v)
			if !utf8.ValidString(v) {
				s.cannotHold(name, v, at+indexOf(i), v)
				words[i] = ""
			}
		}
		s.list(name, words, at)
	case *[]int:
		words := make([]string, len(*f))
		for i, n := range *f {
			words[i] = strconv.Itoa(n)
		}
		s.list(name, words, at)
	case *string:
		if *f != "" {
			s.str(name, *f, at)
		}
	case *seccomp.Config:
		s.filter(name, f, at)
	case *network.Bandwidth:
		s.shape(name, f, at)
	case *desktop.DBus:
		s.buses(name, f, at)
	default:
		if text := plainText(field); text != "" {
			s.row(name, text, at)
		}
	}
}

// plainText is a value that needs no escapes, "" when it holds nothing.
func plainText(field any) string {
	switch f := field.(type) {
	case *bool:
		if *f {
			return "true"
		}
	case *int64:
		if *f != 0 {
			return strconv.FormatInt(*f, 10)
		}
	case *float64:
		if *f != 0 {
			return strconv.FormatFloat(*f, 'f', -1, 64)
		}
	case **int:
		if *f != nil {
			return strconv.Itoa(**f)
		}
	case *units.Bytes:
		if *f != 0 {
			return units.TOML(f.String())
		}
	case *units.Memory:
		if *f != 0 {
			return units.TOML(f.String())
		}
	case *units.Bandwidth:
		if *f != 0 {
			return units.TOML(f.String())
		}
	case *units.Rate:
		if *f != 0 {
			return units.TOML(f.String())
		}
	case **units.Rlimit:
		if *f != nil {
			return rlimitText(**f)
		}
	case *units.Duration:
		if *f != 0 {
			return units.TOML(f.String())
		}
	case **units.FileMode:
		if *f != nil {
			return units.TOML((*f).String())
		}
	case **units.Limit:
		if *f != nil {
			return limitText(**f)
		}
	}
	return ""
}

func limitText(l units.Limit) string {
	if l == units.Unlimited {
		return units.TOML(l.String())
	}
	return l.String()
}

func rlimitText(l units.Rlimit) string {
	if l.Soft == l.Hard {
		return limitText(l.Soft)
	}
	return units.TOML(l.String())
}

// list writes a list on one line, or with a line for each element when they
// came from several lines.
func (s *shower) list(name string, words []string, at string) {
	if len(words) == 0 {
		return
	}
	first := s.from(at + "[0]")
	for i := range words {
		if words[i] == "" {
			s.longList(name, words, at)
			return
		}
		if from := s.from(at + indexOf(i)); from != first {
			s.longList(name, words, at)
			return
		}
	}
	if first == "" {
		first = s.from(at)
	}
	s.line(name+" = ["+strings.Join(words, ", ")+"]", first)
}

func (s *shower) longList(name string, words []string, at string) {
	s.line(name+" = [", "")
	for i, w := range words {
		if w != "" {
			s.line("  "+w+",", s.from(at+indexOf(i)))
		}
	}
	s.line("]", "")
}

func (s *shower) row(name, text, at string) {
	s.line(joinKey("", name)+" = "+text, s.from(at))
}

// str writes the row of a string.
func (s *shower) str(name, v, at string) {
	if utf8.ValidString(v) {
		s.row(name, literal(v), at)
	} else {
		s.cannotHold(name, v, at, v)
	}
}

// literal is a string that reads back as v: what would be a variable is not.
func literal(v string) string { return units.TOML(strings.ReplaceAll(v, "${", "$${")) }

// cannotHold writes a comment in the place of a value that TOML has no way to
// write, because of the word bad in it.
func (s *shower) cannotHold(name, v, at, bad string) {
	s.bad = append(s.bad, &problem.Problem{What: at, Why: strconv.Quote(bad) + " is not UTF-8 text: it is in a comment, because TOML cannot hold it"})
	if !isBare(name) {
		name = strconv.Quote(name)
	}
	s.line("# "+commentText(name+" = "+strconv.Quote(v)), s.from(at))
}

func (s *shower) from(at string) string {
	o, ok := s.origins[at]
	if !ok {
		return ""
	}
	return fmt.Sprintf("%s:%d", o.File, o.Line)
}

func (s *shower) line(text, from string) {
	s.text.WriteString(text)
	if from != "" {
		s.text.WriteString("  # " + commentText(from))
	}
	s.text.WriteByte('\n')
}

func (s *shower) comment(text string) { s.text.WriteString("# " + commentText(text) + "\n") }

// commentText keeps out what TOML forbids in a comment.
func commentText(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
}
