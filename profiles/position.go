package profiles

import "strings"

// The TOML parser gives no positions for keys that it decoded, and neither
// does any other way that it can be used. So where a message or a listing
// needs a line, the text is read once more, for its keys only. It is known to
// be valid TOML then; on anything else the scan ends somewhere, without harm.

// position is a place in a text, counted in characters from 1.
type position struct{ line, column int }

// positions are those of all keys and list elements, by their keyPath.
type positions map[string]position

// find returns the place of a key, or of the nearest one above it that the text
// has: a missing key is blamed on its table.
func (f *file) find(path string) (line, column int) {
	if f.positions == nil {
		f.positions = scan(f.text, nil)
	}
	for path != "" {
		if at, ok := f.positions[path]; ok {
			return at.line, at.column
		}
		path = parent(path)
	}
	return 1, 1
}

// parent cuts off the last key or index of a path.
func parent(path string) string {
	quoted := false
	cut := 0
	for i := 0; i < len(path); i++ {
		switch path[i] {
		case '\\':
			if quoted {
				i++
			}
		case '"':
			quoted = !quoted
		case '.', '[':
			if !quoted {
				cut = i
			}
		}
	}
	return path[:cut]
}

// scanner walks over a text.
type scanner struct {
	text string
	off  int
	at   position

	found  positions
	counts map[string]int      // entries so far of each array of tables
	seen   func(keys []string) // told of every key in order, for tests; may be nil
}

// scan returns the positions of all keys of text.
func scan(text string, seen func([]string)) positions {
	s := scanner{text: text, at: position{1, 1}, found: make(positions), counts: make(map[string]int), seen: seen}
	table, keys := "", []string(nil)
	for s.blank(true); s.off < len(s.text); s.blank(true) {
		start := s.off
		if s.peek() == '[' {
			table, keys = s.header()
		} else {
			s.pair(table, keys)
		}
		if s.off == start {
			break // not TOML
		}
	}
	return s.found
}

// peek returns the byte that comes next, 0 at the end.
func (s *scanner) peek() byte {
	if s.off < len(s.text) {
		return s.text[s.off]
	}
	return 0
}

func (s *scanner) starts(with string) bool { return strings.HasPrefix(s.text[s.off:], with) }

// skip goes on by n bytes, counting lines and characters.
func (s *scanner) skip(n int) {
	for ; n > 0 && s.off < len(s.text); n-- {
		c := s.text[s.off]
		s.off++
		switch {
		case c == '\n':
			s.at.line, s.at.column = s.at.line+1, 1
		case c&0xc0 != 0x80: // not inside a character
			s.at.column++
		}
	}
}

// blank skips white space, and with newlines also ends of lines and comments.
func (s *scanner) blank(newlines bool) {
	for {
		switch c := s.peek(); {
		case c == ' ' || c == '\t', newlines && (c == '\r' || c == '\n'):
			s.skip(1)
		case c == '#' && newlines:
			s.skip(len(s.line()))
		default:
			return
		}
	}
}

// line is the rest of the line.
func (s *scanner) line() string {
	rest := s.text[s.off:]
	if i := strings.IndexByte(rest, '\n'); i >= 0 {
		return rest[:i]
	}
	return rest
}

// header reads [a.b] or [[a.b]] and returns the path of the table, and its keys
// without indexes.
func (s *scanner) header() (table string, keys []string) {
	array := s.starts("[[")
	s.skip(1)
	if array {
		s.skip(1)
	}
	keys, places := s.keys()
	for i, key := range keys {
		table = joinKey(table, key)
		last := i == len(keys)-1
		if last && array {
			s.note(table, places[i])
			s.counts[table]++
		}
		if n := s.counts[table]; n > 0 {
			table += indexOf(n - 1)
		}
		s.note(table, places[i])
	}
	s.tell(keys)
	for s.peek() == ']' {
		s.skip(1)
	}
	return table, keys
}

// keys reads a dotted key.
func (s *scanner) keys() (keys []string, places []position) {
	for {
		s.blank(false)
		at := s.at
		key, ok := s.key()
		if !ok {
			return keys, places
		}
		keys, places = append(keys, key), append(places, at)
		s.blank(false)
		if s.peek() != '.' {
			return keys, places
		}
		s.skip(1)
	}
}

// key reads one part of a dotted key.
func (s *scanner) key() (string, bool) {
	if c := s.peek(); c == '"' || c == '\'' {
		raw := s.quoted()
		if c == '\'' {
			return raw, true
		}
		return unescape(raw), true
	}
	rest := s.text[s.off:]
	n := 0
	for n < len(rest) && isBare(rest[n:n+1]) {
		n++
	}
	s.skip(n)
	return rest[:n], n > 0
}

// quoted skips a string in one kind of quotes on one line, and returns what is
// between them as it stands.
func (s *scanner) quoted() string {
	quote := s.peek()
	s.skip(1)
	start := s.off
	for s.off < len(s.text) && s.peek() != quote && s.peek() != '\n' {
		if s.peek() == '\\' && quote == '"' {
			s.skip(1)
		}
		s.skip(1)
	}
	raw := s.text[start:s.off]
	s.skip(1)
	return raw
}

// pair reads key = value below table.
func (s *scanner) pair(table string, above []string) {
	keys, places := s.keys()
	path := table
	for i, key := range keys {
		path = joinKey(path, key)
		s.note(path, places[i])
	}
	all := append(append([]string(nil), above...), keys...)
	s.tell(all)
	if s.blank(false); s.peek() == '=' {
		s.skip(1)
		s.value(path, all)
	}
}

// value skips a value, noting what lies in it.
func (s *scanner) value(path string, keys []string) {
	s.blank(false)
	switch {
	case s.starts(`"""`) || s.starts(`'''`):
		s.multiline()
	case s.peek() == '"' || s.peek() == '\'':
		s.quoted()
	case s.peek() == '[':
		s.array(path, keys)
	case s.peek() == '{':
		s.inline(path, keys)
	default:
		n := strings.IndexAny(s.text[s.off:], ",]}#\n")
		if n < 0 {
			n = len(s.text) - s.off
		}
		s.skip(n)
	}
}

// multiline skips a string in three quotes. Up to two quotes may stand before
// the closing three.
func (s *scanner) multiline() {
	quote := s.text[s.off : s.off+3]
	s.skip(3)
	for s.off < len(s.text) && !s.starts(quote) {
		if s.peek() == '\\' && quote == `"""` {
			s.skip(1)
		}
		s.skip(1)
	}
	s.skip(3)
	for i := 0; i < 2 && s.peek() == quote[0]; i++ {
		s.skip(1)
	}
}

func (s *scanner) array(path string, keys []string) {
	s.skip(1)
	for i := 0; ; i++ {
		if s.blank(true); s.peek() == ']' || s.off >= len(s.text) {
			break
		}
		element := path + indexOf(i)
		s.note(element, s.at)
		start := s.off
		s.value(element, keys)
		if s.blank(true); s.peek() == ',' {
			s.skip(1)
		}
		if s.off == start {
			return
		}
	}
	s.skip(1)
}

func (s *scanner) inline(path string, keys []string) {
	s.skip(1)
	for {
		if s.blank(true); s.peek() == '}' || s.off >= len(s.text) {
			break
		}
		start := s.off
		s.pair(path, keys)
		if s.blank(true); s.peek() == ',' {
			s.skip(1)
		}
		if s.off == start {
			return
		}
	}
	s.skip(1)
}

// note remembers the first place of a key: that is where it is defined.
func (s *scanner) note(path string, at position) {
	if _, known := s.found[path]; !known {
		s.found[path] = at
	}
}

func (s *scanner) tell(keys []string) {
	if s.seen != nil {
		s.seen(keys)
	}
}
