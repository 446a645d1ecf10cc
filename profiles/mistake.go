package profiles

import (
	"errors"
	"math"
	"sort"
	"strconv"
	"strings"

	"github.com/snug-sandbox/snug/internal/problem"
)

// Mistake is what is wrong at one place of a profile, in parts.
type Mistake struct {
	File   string // as it was named, or where it was found; "built-in:default"
	Line   int    // from 1; 0 when the mistake is not at a place in the file
	Column int    // in characters, from 1
	Key    string // such as "mounts[1].target"
	Want   string // what was expected; empty when nothing can be put here
	Got    string // what was found
	Hint   string // what to do, or the nearest right word; may be empty

	why   string // the sentence, when "expected Want, got Got" is not it
	near  bool   // Hint is a guess and belongs to the sentence
	cause error
}

// Error returns the sentence, without the place.
func (m *Mistake) Error() string {
	why := m.why
	if why == "" {
		why = "expected " + m.Want + ", got " + m.Got
	}
	if m.near {
		why += "; " + m.Hint
	}
	return why
}

// Unwrap returns what caused it, such as an error of the file system.
func (m *Mistake) Unwrap() error { return m.cause }

// mistake is a Mistake whose place is not yet looked up.
type mistake struct {
	file *file // nil: no file, the caller's own words
	path string
	*Mistake
}

// place finds the line and column, once it is clear that they are needed.
func (m *mistake) place() {
	if m.file == nil {
		return
	}
	m.File = m.file.name
	if m.Line == 0 {
		m.Key = m.path
		m.Line, m.Column = m.file.find(m.path)
	}
}

func (m *mistake) problem() *problem.Problem {
	p := &problem.Problem{What: m.where(), Why: m.Error(), Err: m.Mistake}
	if !m.near {
		p.Fix = m.Hint
	}
	return p
}

func (m *mistake) where() string {
	if m.file == nil {
		return m.Key
	}
	at := m.File
	if m.Line > 0 {
		at += ":" + strconv.Itoa(m.Line) + ":" + strconv.Itoa(m.Column)
	}
	if m.Key != "" {
		at += ": " + m.Key
	}
	return at
}

// problems returns all mistakes: the files in the order in which they apply,
// and each from top to bottom.
func (l *loader) problems() problem.List {
	order := make(map[*file]int, len(l.files))
	for i, f := range l.files {
		order[f] = i + 1
	}
	for _, m := range l.mistakes {
		m.place()
	}
	sort.SliceStable(l.mistakes, func(i, j int) bool {
		a, b := l.mistakes[i], l.mistakes[j]
		if a.file != b.file {
			return order[a.file] < order[b.file]
		}
		if a.Line != b.Line {
			return a.Line < b.Line
		}
		if a.Column != b.Column {
			return a.Column < b.Column
		}
		return a.Key < b.Key
	})
	list := make(problem.List, len(l.mistakes))
	for i, m := range l.mistakes {
		list[i] = m.problem()
	}
	return list
}

// addFailure notes that a profile that the caller named could not be read.
func (l *loader) addFailure(name string, err *problem.Problem) {
	m := &Mistake{File: name, Key: err.What, Got: name, why: err.Why, Hint: err.Fix, cause: err.Err}
	if m.cause == nil {
		m.cause = errors.New(err.Why)
	}
	l.mistakes = append(l.mistakes, &mistake{Mistake: m})
}

// bad notes a mistake at a place of the file that is being decoded.
func (d *decoder) bad(at *keyPath, m Mistake) {
	if d.file.broken && m.Got == describe(math.NaN()) {
		return // it stands for what the parser could not read
	}
	d.mistakes = append(d.mistakes, &mistake{file: d.file, path: at.String(), Mistake: &m})
}

// wrong notes a value that is not what was expected.
func (d *decoder) wrong(at *keyPath, want string, got any) {
	d.bad(at, Mistake{Want: want, Got: describe(got)})
}

// choice is "a", "b" or "c".
func choice(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = strconv.Quote(w)
	}
	return list(quoted, "or")
}

// list is a, b or c.
func list(words []string, last string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	n := len(words) - 1
	return strings.Join(words[:n], ", ") + " " + last + " " + words[n]
}

// guess is the part of a sentence that proposes the nearest right word.
func guess(word string, words []string) (hint string, near bool) {
	if found := nearest(word, words); found != "" {
		return "did you mean " + strconv.Quote(found) + "?", true
	}
	return "", false
}
