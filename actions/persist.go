package actions

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

type unixStat = syscall.Stat_t

// copier brings what a step wrote back to the workspace. Nothing that it does
// there follows a symbolic link, whatever the workspace holds already: each
// directory is opened below the one before it, by one name.
type copier struct {
	upper, workspace *os.Root
	workspacePath    string
	refused          []Violation
	done             []string
}

// persist copies the changes that patterns name, and returns what was copied and
// what was refused.
func persist(upper, workspace string, changes []Change, patterns []string) (done []string, refused []Violation, err error) {
	if len(patterns) == 0 {
		return nil, nil, nil
	}
	c := &copier{workspacePath: workspace}
	if c.upper, err = os.OpenRoot(upper); err != nil {
		return nil, nil, err
	}
	defer c.upper.Close()
	if c.workspace, err = os.OpenRoot(workspace); err != nil {
		return nil, nil, err
	}
	defer c.workspace.Close()
	for _, change := range changes {
		if !matchesAny(patterns, change.Path) {
			continue
		}
		if why := c.judge(change); why != "" {
			c.refused = append(c.refused, Violation{Kind: "workspace", What: change.Path, Why: why})
			continue
		}
		if err := c.take(change); err != nil {
			return c.done, c.refused, fmt.Errorf("persist %s: %w", change.Path, bareError(err))
		}
		c.done = append(c.done, change.Path)
	}
	return c.done, c.refused, nil
}

// judge says why a change is not brought back; "" when it is.
func (c *copier) judge(change Change) string {
	parts := strings.Split(change.Path, "/")
	if slices.ContainsFunc(parts, isGit) {
		return "it is in .git, where hooks and settings of later steps are"
	}
	// Where the workspace itself has a symbolic link on the way, writing would go
	// elsewhere.
	for i := range parts[:len(parts)-1] {
		dir := strings.Join(parts[:i+1], "/")
		if info, err := c.workspace.Lstat(dir); err == nil && !info.IsDir() {
			return dir + " is not a directory in the workspace"
		}
	}
	if change.Kind == "D" {
		return ""
	}
	switch change.Type {
	case "file", "directory":
		return ""
	case "symlink":
		return c.judgeLink(change.Path)
	case "unreadable":
		return "it cannot be read, or its path is too long"
	}
	return "it is neither a file nor a directory nor a symbolic link"
}

// judgeLink refuses a link out of the workspace, or to .git. What it leads to is
// worked out on its text alone: through other links it may come elsewhere, but
// these were judged too, or were there before.
func (c *copier) judgeLink(name string) string {
	text, err := c.upper.Readlink(name)
	if err != nil {
		return bareError(err).Error()
	}
	if path.IsAbs(text) {
		if rel, ok := strings.CutPrefix(text, c.workspacePath+"/"); ok && !escapes(rel) {
			return "it is a symbolic link to an absolute path"
		}
		return "it is a symbolic link out of the workspace, to " + text
	}
	to := path.Join(path.Dir(name), text)
	switch {
	case escapes(to) || stepsOut(path.Dir(name), text):
		return "it is a symbolic link out of the workspace, to " + text
	case slices.ContainsFunc(strings.Split(to, "/"), isGit):
		return "it is a symbolic link into .git, to " + text
	}
	// Links that were there before may lead out, to what is not there yet.
	for p := to; p != "."; p = path.Dir(p) {
		if real, err := filepath.EvalSymlinks(filepath.Join(c.workspacePath, p)); err == nil && !within(real, c.workspacePath) {
			return "it is a symbolic link out of the workspace, by way of " + p
		}
	}
	return ""
}

func escapes(p string) bool { return p == ".." || strings.HasPrefix(p, "../") }

// stepsOut reports whether following text from dir leaves the top on the way, or
// may: ".." after a name leads to wherever that name leads.
func stepsOut(dir, text string) bool {
	level, named := 0, false
	if dir != "." {
		level = strings.Count(dir, "/") + 1
	}
	for _, part := range strings.Split(text, "/") {
		switch part {
		case "", ".":
		case "..":
			if level--; level < 0 || named {
				return true
			}
		default:
			named = true
		}
	}
	return false
}

// take brings one change back.
func (c *copier) take(change Change) error {
	if change.Kind == "D" {
		return c.remove(change.Path)
	}
	if err := c.parents(path.Dir(change.Path)); err != nil {
		return err
	}
	switch change.Type {
	case "directory":
		return c.directory(change.Path)
	case "symlink":
		text, err := c.upper.Readlink(change.Path)
		if err != nil {
			return err
		}
		if err := c.remove(change.Path); err != nil {
			return err
		}
		return c.workspace.Symlink(text, change.Path)
	}
	return c.file(change.Path)
}

// parents makes the directories above a path that are not there.
func (c *copier) parents(dir string) error {
	if dir == "." {
		return nil
	}
	if err := c.parents(path.Dir(dir)); err != nil {
		return err
	}
	return c.directory(dir)
}

func (c *copier) directory(name string) error {
	info, err := c.workspace.Lstat(name)
	switch {
	case err == nil && info.IsDir():
		return nil
	case err == nil:
		if err := c.remove(name); err != nil {
			return err
		}
	}
	mode := fs.FileMode(0o755)
	if info, err := c.upper.Lstat(name); err == nil {
		mode = info.Mode().Perm() | 0o700
	}
	return c.workspace.Mkdir(name, mode)
}

// file copies a file to one beside its place, and puts that there.
func (c *copier) file(name string) error {
	info, err := c.upper.Lstat(name)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fs.ErrInvalid
	}
	if info.Mode()&0o400 == 0 {
		c.upper.Chmod(name, 0o600) // a step may take the right to read off its own file
	}
	from, err := c.upper.OpenFile(name, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer from.Close()
	if old, err := c.workspace.Lstat(name); err == nil && old.IsDir() {
		if err := c.remove(name); err != nil {
			return err
		}
	}
	temporary := path.Join(path.Dir(name), ".snug-"+token())
	to, err := c.workspace.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	if err == nil {
		err = to.Chmod(info.Mode().Perm()) // without setuid and setgid
	}
	if closed := to.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = c.workspace.Chtimes(temporary, time.Time{}, info.ModTime())
	}
	if err == nil {
		err = c.workspace.Rename(temporary, name)
	}
	if err != nil {
		c.workspace.Remove(temporary)
	}
	return err
}

// remove removes a path of the workspace, with what is below it but for .git.
func (c *copier) remove(name string) error {
	info, err := c.workspace.Lstat(name)
	if os.IsNotExist(err) {
		return nil
	}
	if err == nil && info.IsDir() {
		if _, err := c.workspace.Lstat(path.Join(name, ".git")); err == nil {
			return fmt.Errorf("it holds a repository")
		}
	}
	return c.workspace.RemoveAll(name)
}

// bareError is what an error of the file system says, without the paths.
func bareError(err error) error {
	for {
		inner := unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}

func unwrap(err error) error {
	u, ok := err.(interface{ Unwrap() error })
	if !ok {
		return nil
	}
	return u.Unwrap()
}
