package profiles

import (
	"io/fs"
	"strings"
	"syscall"
	"unicode/utf8"

	"github.com/BurntSushi/toml"
)

// maxSize is more than any profile needs, and little enough that a wrong file
// (a disk image, /dev/zero) is refused at once.
const maxSize = 1 << 20

// file is one profile as it was read.
type file struct {
	name  string // as messages show it
	path  string // absolute; tells files apart
	dir   string // ${profile_dir}, absolute; empty for a built-in
	text  string
	tree  map[string]any
	stem  string // the name by which it was found, empty when it was a path
	place int    // index of the place where it was found

	positions positions // filled when a message needs it
}

// label is the prefix of a built-in profile's file name.
const label = "built-in:"

// parse reads the TOML of f. A syntax error is the only mistake it knows, and
// it is always the first one: the parser cannot go on after it.
func (f *file) parse() (bad *mistake) {
	f.text = strings.TrimPrefix(f.text, "\ufeff")
	// The parser's own internal checks panic. None is known that a file can
	// trigger, but a profile must never end the program.
	defer func() {
		if r := recover(); r != nil {
			bad = f.syntax(toml.ParseError{Message: "not valid TOML"})
		}
	}()
	if at, ok := badUTF8(f.text); ok {
		return f.syntax(toml.ParseError{Message: "not UTF-8 text", Position: toml.Position{Start: at}})
	}
	var tree any
	_, err := toml.Decode(f.text, &tree)
	if err == nil {
		f.tree, _ = tree.(map[string]any)
		return nil
	}
	f.tree = nil
	if e, ok := err.(toml.ParseError); ok {
		return f.syntax(e)
	}
	return f.syntax(toml.ParseError{Message: err.Error()})
}

// syntax makes a mistake of the parser's error. Its line and column are
// counted anew from the offset: the parser counts bytes, and it blames what
// is missing at the end of a line on the line below.
func (f *file) syntax(e toml.ParseError) *mistake {
	at := min(max(e.Position.Start, 0), len(f.text))
	for at > 0 && at < len(f.text) && !utf8.RuneStart(f.text[at]) {
		at-- // the parser may point into a character
	}
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

// read returns the text of a file and the id of its owner. Package os would
// register the descriptor with the poller first, which costs every start three
// system calls more.
func read(name string) (text string, owner int, err error) {
	fd, err := retry(func() (int, error) {
		return syscall.Open(name, syscall.O_RDONLY|syscall.O_CLOEXEC|syscall.O_NOCTTY, 0)
	})
	if err != nil {
		return "", 0, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	defer syscall.Close(fd)
	var st syscall.Stat_t
	if err := syscall.Fstat(fd, &st); err != nil {
		return "", 0, &fs.PathError{Op: "stat", Path: name, Err: err}
	}
	buf := make([]byte, 0, min(max(st.Size, 4096), maxSize)+1)
	for {
		n, err := retry(func() (int, error) { return syscall.Read(fd, buf[len(buf):cap(buf)]) })
		if err != nil {
			return "", 0, &fs.PathError{Op: "read", Path: name, Err: err}
		}
		buf = buf[:len(buf)+n]
		switch {
		case n == 0:
			return string(buf), int(st.Uid), nil
		case len(buf) > maxSize:
			return "", 0, &fs.PathError{Op: "read", Path: name, Err: errTooBig}
		case len(buf) == cap(buf):
			buf = append(make([]byte, 0, 4*cap(buf)), buf...)
		}
	}
}

// retry repeats a call that a signal interrupted.
func retry(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if err != syscall.EINTR {
			return n, err
		}
	}
}

type constError string

func (e constError) Error() string { return string(e) }

const errTooBig = constError("larger than 1 MiB, which is no profile")
