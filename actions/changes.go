package actions

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"golang.org/x/sys/unix"
)

// Change is one path of the workspace that a step changed.
type Change struct {
	Path string `json:"path"` // from the workspace
	Kind string `json:"kind"` // "A" added, "C" changed, "D" deleted
	Type string `json:"type"` // "file", "directory", "symlink", "other"; "unreadable"
}

// readChanges lists what the upper directory of an overlay holds. Nothing of the
// step runs any more.
func readChanges(upper, workspace string) ([]Change, error) {
	var list []Change
	err := filepath.WalkDir(upper, func(path string, e fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(upper, path)
		if rel == "." {
			return err
		}
		var info fs.FileInfo
		if err == nil {
			info, err = e.Info()
		}
		if err != nil { // of a directory that was named before, or of what is in one
			if n := len(list); n > 0 && list[n-1].Path == rel {
				list = list[:n-1]
			}
			list = append(list, Change{rel, "A", "unreadable"})
			return nil
		}
		if info.IsDir() && info.Mode()&0o500 != 0o500 {
			os.Chmod(path, info.Mode().Perm()|0o700) // nobody else will look at it
		}
		c := Change{Path: rel, Kind: "A", Type: typeOf(info.Mode())}
		below, lowerErr := os.Lstat(filepath.Join(workspace, rel))
		switch {
		case isWhiteout(path, info):
			c.Kind, c.Type = "D", "other"
			if lowerErr != nil {
				return nil // of something that came and went
			}
			c.Type = typeOf(below.Mode())
		case lowerErr == nil && below.IsDir() && info.IsDir():
			if isOpaque(path) {
				list = append(list, gone(upper, workspace, rel)...)
			}
			return nil // its own attributes, or the way to something below
		case lowerErr == nil:
			c.Kind = "C"
		}
		list = append(list, c)
		return nil
	})
	sort.Slice(list, func(i, j int) bool { return list[i].Path < list[j].Path })
	return list, err
}

// gone lists what an opaque directory hides of the one below it.
func gone(upper, workspace, dir string) []Change {
	var list []Change
	entries, _ := os.ReadDir(filepath.Join(workspace, dir))
	for _, e := range entries {
		rel := filepath.Join(dir, e.Name())
		if _, err := os.Lstat(filepath.Join(upper, rel)); errors.Is(err, fs.ErrNotExist) {
			list = append(list, Change{Path: rel, Kind: "D", Type: typeOf(e.Type())})
		}
	}
	return list
}

// isWhiteout reports whether an entry of an upper directory says that something
// was deleted (Documentation/filesystems/overlayfs.rst).
func isWhiteout(path string, info fs.FileInfo) bool {
	if info.Mode()&fs.ModeCharDevice != 0 {
		st, ok := info.Sys().(*unixStat)
		return ok && st.Rdev == 0
	}
	return info.Mode().IsRegular() && info.Size() == 0 && hasAttribute(path, "user.overlay.whiteout")
}

func isOpaque(path string) bool { return hasAttribute(path, "user.overlay.opaque") }

func hasAttribute(path, name string) bool {
	var b [8]byte
	_, err := unix.Lgetxattr(path, name, b[:])
	return err == nil
}

func typeOf(m fs.FileMode) string {
	switch {
	case m.IsRegular():
		return "file"
	case m.IsDir():
		return "directory"
	case m&fs.ModeSymlink != 0:
		return "symlink"
	}
	return "other"
}

// within reports whether path is dir or below it.
func within(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}
