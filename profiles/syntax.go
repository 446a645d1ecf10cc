package profiles

import (
	"strings"
	"unicode/utf8"

	"github.com/BurntSushi/toml"

	"github.com/snug-sandbox/snug/internal/postponed"
)

// maxSyntax is how many errors of syntax are shown: after so many the file is
// probably no profile.
const maxSyntax = 20

// parse reads the TOML of f. The parser gives up at its first error. So what is
// wrong is taken out of the text, and the rest is read: whoever mends a profile
// sees all its mistakes at once.
func (f *file) parse() (bad []*mistake) {
	f.text = strings.TrimPrefix(f.text, "\ufeff")
	lines := map[int]bool{}
	for range maxSyntax {
		tree, err := decodeTOML(f.text)
		if err == nil {
			f.tree = tree
			return bad
		}
		// Two errors on one line are one.
		if m := f.syntax(*err); !lines[m.Line] {
			lines[m.Line] = true
			bad = append(bad, m)
		} else {
			err.Position.Len = 0 // not the value alone, then
		}
		f.broken = true
		f.text = without(f.text, *err)
	}
	f.tree = nil
	return bad
}

// decodeTOML reads text.
func decodeTOML(text string) (tree map[string]any, bad *toml.ParseError) {
	// The parser's own internal checks panic. None is known that a file can
	// trigger, but a profile must never end the program.
	defer func() {
		if r := recover(); r != nil {
			tree, bad = nil, &toml.ParseError{Message: "not valid TOML"}
		}
	}()
	if at, ok := badUTF8(text); ok {
		return nil, &toml.ParseError{Message: "not UTF-8 text", Position: toml.Position{Start: at}}
	}
	postponed.TOML()
	var all any
	_, err := toml.Decode(text, &all)
	if err == nil {
		tree, _ = all.(map[string]any)
		return tree, nil
	}
	if e, ok := err.(toml.ParseError); ok {
		return nil, &e
	}
	return nil, &toml.ParseError{Message: err.Error()}
}

// syntax makes a mistake of the parser's error. Its line and column are
// counted anew from the offset: the parser counts bytes, and it blames what
// is missing at the end of a line on the line below.
func (f *file) syntax(e toml.ParseError) *mistake {
	at := errorAt(f.text, e)
	line, column := 1, 1
	for _, r := range f.text[:at] {
		column++
		if r == '\n' {
			line, column = line+1, 1
		}
	}
	why := strings.TrimSuffix(e.Message, ".")
	m := &Mistake{Line: line, Column: column, Key: e.LastKey, Want: "TOML", Got: why, why: why}
	if strings.Contains(e.Message, "cannot have leading zeroes") {
		m.Hint = "write a file mode as a string, such as \"0755\""
	}
	return &mistake{file: f, Mistake: m}
}

// errorAt is the offset of an error.
func errorAt(text string, e toml.ParseError) int {
	at := min(max(e.Position.Start, 0), len(text))
	for at > 0 && at < len(text) && !utf8.RuneStart(text[at]) {
		at-- // the parser may point into a character
	}
	return at
}

// without is text with spaces in the place of what is wrong with it, so that
// everything else keeps its place.
func without(text string, e toml.ParseError) string {
	at := errorAt(text, e)
	if end := at + e.Position.Len; end <= len(text) && isNumber(text[at:end]) {
		return text[:at] + unread + strings.Repeat(" ", end-at-len(unread)) + text[end:]
	}
	start, end := lineAround(text, at)
	if line := text[start:end]; !utf8.ValidString(line) {
		return text[:start] + asciiOnly(line) + text[end:]
	}
	key, from := statement(text, start, e.LastKey)
	if from != start || key == "" || !closed(text[start:end]) {
		// Nobody knows where the value that is wrong ends: go on with the next table.
		start, end = from, nextHeader(text, end)
	}
	return text[:start] + blankOut(text[start:end]) + text[end:]
}

// unread stands for a number that cannot be read. Nothing takes it, and what is
// said about it is not shown.
const unread = "nan"

// isNumber reports whether s can be a number as a whole, a date included.
func isNumber(s string) bool {
	return len(s) >= len(unread) && strings.IndexByte("+-0123456789", s[0]) >= 0 && isBare(strings.NewReplacer("+", "", ".", "", ":", "").Replace(s))
}

// lineAround is the line that holds the offset at, without its end.
func lineAround(text string, at int) (start, end int) {
	start = strings.LastIndexByte(text[:at], '\n') + 1
	if n := strings.IndexByte(text[at:], '\n'); n >= 0 {
		return start, at + n
	}
	return start, len(text)
}

// statement returns the key that the line at the offset at gives a value to,
// and where that begins, which may be lines above. The key is empty when the
// line is none, such as a header. The parser knows the last key that it read.
func statement(text string, at int, last string) (key string, start int) {
	header := 0 // where the table begins that the parser is in
	for end := at; end > 0 && header == 0; {
		start, _ := lineAround(text, end-1)
		name := strings.Trim(strings.TrimSpace(text[start:end]), "[]")
		if rest, ok := strings.CutPrefix(last, name); ok && isHeader(text[start:end]) && (rest == "" || rest[0] == '.') {
			header, last = end, strings.TrimPrefix(rest, ".")
		}
		end = start
	}
	last, _, _ = strings.Cut(last, ".")
	_, end := lineAround(text, at)
	for end++; last != "" && end > header; {
		start, _ := lineAround(text, end-1)
		if assigned(text[start:min(end, len(text))]) == strings.Trim(last, `"'`) {
			return last, start
		}
		end = start
	}
	return "", at
}

// assigned is the first part of the key that a line begins with, "" when it
// does not begin with a key.
func assigned(line string) string {
	name, _, ok := strings.Cut(line, "=")
	name, _, _ = strings.Cut(name, ".")
	name = strings.Trim(name, " \t\"'")
	if !ok || !isBare(name) {
		return ""
	}
	return name
}

// closed reports whether the value on a line can end on it.
func closed(line string) bool {
	count := func(s string) int { return strings.Count(line, s) }
	return count("[") == count("]") && count("{") == count("}") && count(`"""`)%2 == 0 && count("'''")%2 == 0
}

// nextHeader is where the next line begins that is the header of a table.
func nextHeader(text string, at int) int {
	for at < len(text) {
		at++ // the end of the line before
		_, end := lineAround(text, min(at, len(text)))
		if isHeader(text[min(at, len(text)):end]) {
			return at
		}
		at = end
	}
	return len(text)
}

func isHeader(line string) bool {
	line, _, _ = strings.Cut(line, "#")
	line = strings.TrimSpace(line)
	name := strings.Trim(line, "[]")
	first, _, _ := strings.Cut(name, ".")
	return strings.HasPrefix(line, "[") && strings.HasSuffix(line, "]") && isBare(strings.TrimSpace(first))
}

// blankOut is s as spaces, with its lines.
func blankOut(s string) string {
	blank := []byte(s)
	for i, c := range blank {
		if c != '\n' {
			blank[i] = ' '
		}
	}
	return string(blank)
}

// asciiOnly is s with a question mark for each byte that is not ASCII.
func asciiOnly(s string) string {
	ascii := []byte(s)
	for i, c := range ascii {
		if c >= utf8.RuneSelf {
			ascii[i] = '?'
		}
	}
	return string(ascii)
}

// badUTF8 returns the offset of the first byte that is not part of a rune.
func badUTF8(s string) (int, bool) {
	if utf8.ValidString(s) {
		return 0, false
	}
	for i, r := range s {
		if r == utf8.RuneError {
			if _, size := utf8.DecodeRuneInString(s[i:]); size == 1 {
				return i, true
			}
		}
	}
	return 0, false
}
