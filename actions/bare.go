package actions

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/snug-sandbox/snug/internal/problem"
)

// A step without namespaces, for machines that forbid them and only where
// without-namespaces asks for it. Landlock gives what is there, at its own place,
// and hides nothing below what it gives: what the step may see and change is in
// the run's own directory, a copy of the workspace among it.

// withoutNamespaces runs the step so. why is what keeps this machine from more.
func (r *runner) withoutNamespaces(why error) (code int, err error) {
	s := r.step
	s.bare = true
	if err := s.bareWrong(why); err != nil {
		return 0, err
	}
	if s.Workspace == "overlay" {
		if err := s.copyWorkspace(); err != nil {
			return 0, &problem.Problem{What: "a copy of the workspace", Why: bareError(err).Error(), Err: err}
		}
	}
	if err := r.prepareScript(); err != nil {
		return 0, err
	}
	profile, err := s.profile()
	if err != nil {
		return 0, err
	}
	r.report.Bare = true
	r.report.warn("this machine makes no namespaces (%s): Landlock and the filter of system calls alone hold the step", bareError(why))
	return r.start(profile)
}

// bareWrong is what a step asks for that it cannot have then.
func (s *step) bareWrong(why error) error {
	var list problem.List
	for _, c := range []struct {
		input, what, fix string
		wrong            bool
	}{
		{"network", "allowlist needs namespaces", "network: none, or host", s.Network == "allowlist"},
		{"rootfs", "an image needs namespaces", "rootfs: host", s.Rootfs != "host"},
		{"workspace", "rw leaves .git open where there are no namespaces, and credentials in it", "workspace: overlay, which copies it", s.Workspace == "rw" && len(s.hidden.git)+len(s.hidden.masked) > 0},
		{"workspace", "ro leaves the credentials in it open where there are no namespaces", "persist-credentials: false of actions/checkout, or workspace: overlay, which copies it", s.Workspace == "ro" && len(s.hidden.dropped) > 0},
	} {
		if c.wrong {
			list = append(list, &problem.Problem{What: "input " + c.input, Why: c.what + ", and this machine makes none: " + why.Error(), Fix: c.fix})
		}
	}
	return list.Err()
}

// bareMounts is what such a step sees beside the system.
func (s *step) bareMounts() []table {
	list := []table{{"source": s.layout.path("snug")}, {"source": s.layout.path("home"), "writable": true}}
	for _, f := range fileCommands {
		list = append(list, table{"source": s.handed(f[1]), "writable": true})
	}
	if s.job.tools != "" && !within(s.job.tools, "/opt") {
		list = append(list, table{"source": s.job.tools, "optional": true})
	}
	for _, dir := range s.cacheDirs() {
		list = append(list, table{"source": dir, "optional": true})
	}
	return append(list, table{"source": s.workspaceInside(), "writable": s.Workspace != "ro"})
}

// copyWorkspace copies the workspace as the step may see it.
func (s *step) copyWorkspace() error {
	to, err := os.OpenRoot(s.layout.path("tree"))
	if err != nil {
		return err
	}
	defer to.Close()
	var made []string // directories, whose times are set last
	err = filepath.WalkDir(s.job.workspace, func(path string, e fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(s.job.workspace, path)
		if err != nil || rel == "." || slices.Contains(s.hidden.masked, rel) {
			return nil // what cannot be read is not there
		}
		info, err := e.Info()
		if err != nil {
			return nil
		}
		switch {
		case info.IsDir():
			made = append(made, rel)
			return to.Mkdir(rel, info.Mode().Perm()|0o700)
		case info.Mode()&fs.ModeSymlink != 0:
			text, err := os.Readlink(path)
			if err != nil {
				return err
			}
			return to.Symlink(text, rel)
		case !info.Mode().IsRegular():
			return nil
		}
		if text, ok := s.hidden.clean[rel]; ok {
			return to.WriteFile(rel, []byte(text), 0o644)
		}
		return copyFile(to, rel, path, info)
	})
	for _, dir := range slices.Backward(made) {
		if info, err := os.Lstat(filepath.Join(s.job.workspace, dir)); err == nil {
			to.Chtimes(dir, time.Time{}, info.ModTime())
		}
	}
	return err
}

func copyFile(to *os.Root, rel, path string, info fs.FileInfo) error {
	in, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer in.Close()
	out, err := to.OpenFile(rel, os.O_WRONLY|os.O_CREATE|os.O_EXCL, info.Mode().Perm())
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if closed := out.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = to.Chtimes(rel, time.Time{}, info.ModTime())
	}
	return err
}

// copyChanges lists how the copy differs from the workspace.
func (s *step) copyChanges() ([]Change, error) {
	tree, workspace := s.layout.path("tree"), s.job.workspace
	var list []Change
	err := filepath.WalkDir(tree, func(path string, e fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(tree, path)
		if err != nil || rel == "." {
			return nil
		}
		info, err := e.Info()
		if err != nil {
			return nil
		}
		was, missing := os.Lstat(filepath.Join(workspace, rel))
		switch {
		case missing != nil:
			list = append(list, Change{rel, "A", typeOf(info.Mode())})
		case !s.same(rel, info, was):
			list = append(list, Change{rel, "C", typeOf(info.Mode())})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = filepath.WalkDir(workspace, func(path string, e fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(workspace, path)
		if err != nil || rel == "." || slices.Contains(s.hidden.masked, rel) || e.Type()&^(fs.ModeDir|fs.ModeSymlink) != 0 {
			return nil
		}
		if _, err := os.Lstat(filepath.Join(tree, rel)); os.IsNotExist(err) && readable(path, e) {
			list = append(list, Change{rel, "D", typeOf(e.Type())})
			if e.IsDir() {
				return fs.SkipDir
			}
		}
		return nil
	})
	sort.Slice(list, func(i, j int) bool { return list[i].Path < list[j].Path })
	return list, err
}

// readable reports whether a path of the workspace can have been copied.
func readable(path string, e fs.DirEntry) bool {
	if !e.Type().IsRegular() {
		return true
	}
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	return f.Close() == nil
}

// same reports whether a path of the copy is as it was.
func (s *step) same(rel string, is, was fs.FileInfo) bool {
	if typeOf(is.Mode()) != typeOf(was.Mode()) {
		return false
	}
	path := s.layout.path(filepath.Join("tree", rel))
	switch {
	case is.IsDir():
		return true
	case is.Mode()&fs.ModeSymlink != 0:
		one, _ := os.Readlink(path)
		other, _ := os.Readlink(filepath.Join(s.job.workspace, rel))
		return one == other
	}
	if clean, ok := s.hidden.clean[rel]; ok {
		text, err := os.ReadFile(path)
		return err == nil && string(text) == clean
	}
	return is.Size() == was.Size() && is.ModTime().Equal(was.ModTime()) && is.Mode().Perm() == was.Mode().Perm()
}

// bareLine says in the summary what held the step.
func (r *runner) bareLine(b *strings.Builder) {
	if r.report.Bare {
		fmt.Fprintf(b, "⚠️ **Without namespaces**: Landlock and the filter of system calls alone held this step. %s\n\n", cell(strings.Join(r.report.Warnings, "; ")))
	}
}
