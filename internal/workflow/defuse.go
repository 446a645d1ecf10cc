package workflow

import (
	"bytes"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// prefix stands before each line of a step's output. With it no line begins with
// "::", and the patterns of problem matchers, which begin with "^", match none.
const prefix = "| "

// longest is how many bytes of a line are kept until its end comes. A longer one
// becomes several.
const longest = 64 << 10

// Defuser copies what a step prints so that no line of it is a command to the
// runner. It is for both streams of a step at once: the runner itself reads
// standard error before standard output when both have lines.
type Defuser struct {
	to   io.Writer
	line []byte // without an end as yet
	cr   bool   // the last byte was a carriage return

	// Commands counts the lines that would have been one.
	Commands int
}

// NewDefuser returns a Defuser that writes whole lines to w.
func NewDefuser(w io.Writer) *Defuser { return &Defuser{to: w} }

// Write takes the next bytes. Lines end where the runner sees their end: at a
// line feed, a carriage return, or both (.NET's StreamReader.ReadLine).
func (d *Defuser) Write(p []byte) (int, error) {
	var out bytes.Buffer
	for rest := p; len(rest) > 0; {
		if d.cr && rest[0] == '\n' {
			rest = rest[1:]
		}
		d.cr = false
		end := bytes.IndexAny(rest, "\r\n")
		if end < 0 {
			d.add(&out, rest)
			break
		}
		d.add(&out, rest[:end])
		d.flush(&out)
		d.cr = rest[end] == '\r'
		rest = rest[end+1:]
	}
	if _, err := d.to.Write(out.Bytes()); err != nil {
		return 0, err
	}
	return len(p), nil
}

// add takes a part of a line.
func (d *Defuser) add(out *bytes.Buffer, part []byte) {
	for len(d.line)+len(part) > longest {
		n := wholeRunes(part[:longest-len(d.line)])
		if n == 0 && len(d.line) == 0 {
			n = longest
		}
		d.line = append(d.line, part[:n]...)
		part = part[n:]
		d.flush(out)
	}
	d.line = append(d.line, part...)
}

// wholeRunes is the length of p without a rune at its end that goes on later.
func wholeRunes(p []byte) int {
	for back := 1; back < utf8.UTFMax && back <= len(p); back++ {
		if i := len(p) - back; utf8.RuneStart(p[i]) {
			if !utf8.FullRune(p[i:]) {
				return i
			}
			break
		}
	}
	return len(p)
}

func (d *Defuser) flush(out *bytes.Buffer) {
	safe, was := defuse(d.line)
	if was {
		d.Commands++
	}
	out.WriteString(prefix)
	out.Write(safe)
	out.WriteByte('\n')
	d.line = d.line[:0]
}

// Close writes a last line that had no end.
func (d *Defuser) Close() error {
	if len(d.line) == 0 {
		return nil
	}
	var out bytes.Buffer
	d.flush(&out)
	_, err := d.to.Write(out.Bytes())
	return err
}

// Text returns words of Snug's own, with names that others chose in them, so that
// no line is a command. What was none stays as it is.
func Text(s string) string {
	var out strings.Builder
	for line := range strings.Lines(strings.ReplaceAll(s, "\r", "\n")) {
		safe, _ := defuse([]byte(line))
		if opens(safe) {
			out.WriteString(prefix)
		}
		out.Write(safe)
	}
	return out.String()
}

// defuse puts a space into each "##[" of a line, and tells whether the line
// would have been a command.
func defuse(line []byte) (safe []byte, was bool) {
	was = opens(line)
	if bytes.IndexByte(line, '#') < 0 || bytes.IndexByte(line, '[') < 0 {
		return line, was // most lines
	}
	hashes, copied := 0, 0
	for i := 0; i < len(line); {
		r, size := utf8.DecodeRune(line[i:])
		switch {
		case r == '#':
			hashes++
		case r == '[' && hashes >= 2:
			safe = append(append(safe, line[copied:i]...), ' ')
			copied, hashes, was = i, 0, true
		case ignored(r):
			// "#", U+200B, "#[" is the same as "##[" to a comparison by the rules of
			// a language, which .NET makes.
		default:
			hashes = 0
		}
		i += size
	}
	return append(safe, line[copied:]...), was
}

// opens reports whether a line begins as a command does.
func opens(line []byte) bool {
	first := bytes.TrimLeftFunc(line, blank)
	return bytes.HasPrefix(first, []byte(":")) && bytes.HasPrefix(bytes.TrimLeftFunc(first[1:], ignored), []byte(":"))
}

func blank(r rune) bool { return unicode.IsSpace(r) || ignored(r) }

// ignored reports whether comparing texts by the rules of a language skips r:
// controls, formats, marks that stand for nothing by themselves, and what is no
// character at all.
func ignored(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.M, unicode.Other_Default_Ignorable_Code_Point, unicode.Noncharacter_Code_Point) && r != '\t'
}
