package main

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/desktop"
	"github.com/snug-sandbox/snug/internal/desktopentry"
)

// names are the ids of the entries that start a program, as far as they are names
// on a bus: an application takes that of its entry (Desktop Entry specification,
// "D-Bus Activation").
func (p places) names(program string) []string {
	return slices.DeleteFunc(p.ids(program), func(id string) bool { return desktop.CheckAppID(id) != "" })
}

// ids are those of the entries that start a program.
func (p places) ids(program string) (list []string) {
	file := executable(program)
	if file == "" || desktop.Interpreter(file) {
		return nil
	}
	for _, dir := range append([]string{p.home}, p.dirs...) {
		root := filepath.Join(dir, "applications")
		filepath.WalkDir(root, func(name string, _ fs.DirEntry, err error) error {
			id, ok := strings.CutSuffix(strings.TrimPrefix(name, root+"/"), ".desktop")
			id = strings.ReplaceAll(id, "/", "-")
			if err != nil || !ok || slices.Contains(list, id) {
				return nil
			}
			text, err := os.ReadFile(name)
			if err == nil && strings.Contains(string(text), filepath.Base(program)) && starts(string(text), file) {
				list = append(list, id)
			}
			return nil
		})
	}
	slices.Sort(list)
	return list
}

// starts reports whether an entry starts the program in a file. One that install
// wrote is about what stands behind "--".
func starts(text, file string) bool {
	f, err := desktopentry.Parse(text)
	if err != nil {
		return false
	}
	words, err := desktopentry.Words(f.Main().Get("Exec"))
	if err != nil {
		return false
	}
	if at := slices.Index(words, "--"); f.Main().Get(desktopentry.Marker) != "" && at >= 0 && at+1 < len(words) {
		words = words[at+1:]
	}
	return executable(words[0]) == file
}

// installed reports whether nobody but root chose the name of a file: what came from
// elsewhere could be called kwalletd6, and be told passwords under that name.
func installed(file string) bool {
	for _, name := range []string{file, filepath.Dir(file)} {
		var stat unix.Stat_t
		if unix.Lstat(name, &stat) != nil || stat.Uid != 0 || stat.Mode&0o022 != 0 {
			return false
		}
	}
	return true
}

// executable is the file that a word starts, links followed; "" when there is
// none.
func executable(word string) string {
	name, err := exec.LookPath(word)
	if err != nil {
		return ""
	}
	if name, err = filepath.EvalSymlinks(name); err != nil {
		return ""
	}
	return name
}
