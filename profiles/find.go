package profiles

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"syscall"

	"github.com/snug-sandbox/snug/internal/problem"
)

// isPath reports whether name is a path rather than a profile's name.
func isPath(name string) bool {
	return strings.Contains(name, "/") || strings.HasSuffix(name, suffix)
}

const suffix = ".toml"

// find reads the profile that the file by, or the caller when by is nil, calls
// name.
func (l *loader) find(name string, by *file) (*file, *problem.Problem) {
	switch {
	case name == "" || strings.ContainsRune(name, 0):
		return nil, &problem.Problem{What: "profile " + strconv.Quote(name), Why: "this is not the name or path of a profile"}
	case isPath(name):
		return l.findPath(name, by)
	}
	return l.findName(name, by)
}

func (l *loader) findPath(name string, by *file) (*file, *problem.Problem) {
	shown, full := name, name
	if !path.IsAbs(name) {
		dir := l.in.Dir
		if by != nil {
			dir = by.dir
			shown = path.Join(path.Dir(by.name), name)
		}
		if dir == "" {
			return nil, &problem.Problem{What: "profile " + strconv.Quote(name), Why: "a relative path has nothing to start from here",
				Fix: "give the profile as an absolute path"}
		}
		full = path.Join(dir, name)
	}
	text, _, err := read(full, by != nil)
	if err != nil {
		return nil, unreadable(shown, err)
	}
	return &file{name: shown, path: full, dir: path.Dir(full), text: text, place: -1}, nil
}

// unreadable is the problem of a profile that is not there or cannot be read.
func unreadable(shown string, err error) *problem.Problem {
	p := &problem.Problem{What: "profile " + shown, Why: err.Error(), Err: err}
	var e *fs.PathError
	if errors.As(err, &e) {
		p.Why = e.Err.Error()
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		p.Why = "there is no such file"
	case errors.Is(err, fs.ErrPermission):
		p.Fix = "make it readable for you, with the directories above it"
	}
	return p
}

// findName goes through the places in order. A profile that extends its own
// name means the next one of that name, so that a user's "default" can build
// on the built-in one. A built-in extends built-ins only: what it means does
// not depend on where it is used.
func (l *loader) findName(name string, by *file) (*file, *problem.Problem) {
	first := 0
	switch {
	case by != nil && by.dir == "":
		first = len(l.in.Paths)
	case by != nil && by.stem == name:
		first = by.place + 1
	}
	for i := first; i < len(l.in.Paths); i++ {
		if l.unnamed && l.in.Paths[i].Name == projectPlace {
			continue
		}
		full := path.Join(l.in.Paths[i].Dir, name+suffix)
		text, owner, err := read(full, true)
		if isMissing(err) {
			continue
		}
		if err != nil {
			return nil, unreadable(full, err)
		}
		if l.in.Paths[i].Name == projectPlace && owner != l.in.UID && owner != 0 {
			return nil, stranger(full, owner)
		}
		return &file{name: full, path: full, dir: path.Dir(full), text: text, stem: name, place: i}, nil
	}
	if b := findBuiltin(name); b != nil && !(by != nil && by.dir == "" && by.stem == name) {
		return b.file(len(l.in.Paths)), nil
	}
	return nil, l.unknown(name, by)
}

func isMissing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// stranger refuses a profile that is taken without being asked for by path and
// that somebody else wrote: in a shared directory such as /tmp anybody can
// leave a .snug/default.toml for those who come by.
func stranger(full string, owner int) *problem.Problem {
	return &problem.Problem{
		What: "profile " + full,
		Why:  "it belongs to user id " + strconv.Itoa(owner) + ", and a profile of the working directory is only used when it is yours",
		Fix:  "read it, then name it by its path: -p " + full,
	}
}

func (l *loader) unknown(name string, by *file) *problem.Problem {
	p := &problem.Problem{What: "profile " + strconv.Quote(name), Err: fs.ErrNotExist}
	var dirs []string
	for _, place := range l.in.Paths {
		dirs = append(dirs, place.Dir)
	}
	p.Why = "not found in " + strings.Join(append(dirs, "the built-ins"), ", ")
	if by != nil && by.stem == name {
		p.Why = "it extends its own name, and no place further on has another profile of that name"
	}
	if by != nil && by.dir == "" {
		p.Why = "not one of the built-ins"
	}
	if near := nearest(name, l.names()); near != "" && near != name {
		p.Why += "; did you mean " + strconv.Quote(near) + "?"
	}
	p.Fix = "snug profile list"
	return p
}

// names are all profiles that can be found by name; only messages need them. It
// is not List, which reads the profiles: they may be looking for one themselves.
func (l *loader) names() []string {
	var names []string
	for _, place := range l.in.Paths {
		files, _ := os.ReadDir(place.Dir)
		for _, file := range files {
			if name, ok := strings.CutSuffix(file.Name(), suffix); ok {
				names = append(names, name)
			}
		}
	}
	for i := range builtins {
		names = append(names, builtins[i].name)
	}
	return names
}
