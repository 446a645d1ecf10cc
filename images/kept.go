package images

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/internal/problem"
)

// Kept is what a sandbox wrote on top of an image, under a name.
type Kept struct {
	Name string `json:"name"`
	Base string `json:"base"` // the image's digest
	Ref  string `json:"ref"`  // its name at the beginning
	IDs  IDs    `json:"ids"`  // how the files are owned

	dir  string
	lock *os.File // exclusive, on dir: overlayfs wants a directory for itself
}

// Tree returns the directory that holds all files, the image's too, where they
// were copied; else it is empty.
func (k *Kept) Tree() string {
	dir := filepath.Join(k.dir, "tree")
	if _, err := os.Lstat(dir); err != nil {
		return ""
	}
	return dir
}

// Fuse reports whether fuse-overlayfs wrote to the upper directory, whose marks
// overlayfs does not know.
func (k *Kept) Fuse() bool {
	_, err := os.Lstat(filepath.Join(k.dir, "fuse"))
	return err == nil
}

// SetFuse has Fuse report true from now on.
func (k *Kept) SetFuse() error {
	return os.WriteFile(filepath.Join(k.dir, "fuse"), nil, 0o600)
}

// Upper returns the directory that holds what was written.
func (k *Kept) Upper() string { return filepath.Join(k.dir, "upper") }

// Work returns overlayfs's work directory.
func (k *Kept) Work() string { return filepath.Join(k.dir, "work") }

// Close lets another sandbox use it.
func (k *Kept) Close() error { return k.lock.Close() }

// CheckName reports whether a name can be that of a kept snapshot.
func CheckName(name string) error {
	if name == "" || len(name) > 128 || !all(name, tagByte) || strings.ContainsRune(".-", rune(name[0])) {
		return &problem.Problem{What: fmt.Sprintf("name %q", name), Why: "cannot be the name of a snapshot", Fix: "letters, digits, dots, dashes and underscores"}
	}
	return nil
}

// Keep returns what is kept under a name, for this process alone, and begins it
// on the image i where there is none. With i nil there has to be one.
func (s *Store) Keep(name string, i *Image, ids IDs) (*Kept, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	k, err := s.open(name)
	if errors.Is(err, fs.ErrNotExist) && i != nil {
		if err := s.begin(name, i, ids, makeUpper); err != nil {
			return nil, err
		}
		k, err = s.open(name)
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = &problem.Problem{What: "snapshot " + name, Why: "there is none of this name", Fix: "snug image list --kept shows them", Err: err}
	}
	return k, err
}

func (s *Store) open(name string) (*Kept, error) {
	dir, err := os.Open(s.path("kept", name))
	if err != nil {
		return nil, err
	}
	if flock(dir, tryAlone) != nil {
		dir.Close()
		return nil, &problem.Problem{What: "snapshot " + name, Why: "is in use by another sandbox", Fix: "wait for its end, or choose another name", Err: unix.EBUSY}
	}
	k, err := s.readKept(name)
	if err != nil {
		dir.Close()
		return nil, err
	}
	k.lock = dir
	return k, nil
}

func (s *Store) readKept(name string) (*Kept, error) {
	dir := s.path("kept", name)
	text, err := os.ReadFile(filepath.Join(dir, "base"))
	if err != nil {
		return nil, err
	}
	words := strings.Fields(string(text))
	if len(words) != 3 {
		return nil, fmt.Errorf("%s/base is damaged", dir)
	}
	return &Kept{Name: name, Base: words[0], IDs: IDs(words[1]), Ref: words[2], dir: dir}, nil
}

// KeepCopy begins what is kept under a name with a copy of the image, which fill
// makes in an empty directory. What is there of the name already stays.
func (s *Store) KeepCopy(name string, i *Image, ids IDs, fill func(dir string) error) error {
	if err := CheckName(name); err != nil {
		return err
	}
	if keep, err := s.emptyUpper(name); keep || err != nil {
		return err
	}
	return s.begin(name, i, ids, func(dir string) error {
		tree := filepath.Join(dir, "tree")
		return errors.Join(os.Mkdir(tree, 0o755), fill(tree))
	})
}

// emptyUpper removes what is kept under a name when it is an upper directory that
// nothing was written to. It reports whether something stays.
func (s *Store) emptyUpper(name string) (stays bool, err error) {
	k, err := s.open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer k.Close()
	if names, err := os.ReadDir(k.Upper()); k.Tree() != "" || err != nil || len(names) > 0 {
		return true, nil
	}
	return false, RemoveTree(k.dir)
}

// makeUpper makes what an overlay writes to.
func makeUpper(dir string) error {
	return errors.Join(os.Mkdir(filepath.Join(dir, "upper"), 0o755), os.Mkdir(filepath.Join(dir, "work"), 0o755))
}

// begin makes the directories of a name, all at once.
func (s *Store) begin(name string, i *Image, ids IDs, fill func(dir string) error) error {
	a, err := s.Begin()
	if err != nil {
		return err
	}
	defer a.Close()
	tmp := filepath.Join(a.Dir(), "keep")
	if err := os.Mkdir(tmp, 0o700); err != nil {
		return err
	}
	text := strings.Join([]string{i.Digest, string(ids), i.Ref}, " ") + "\n"
	err = os.WriteFile(filepath.Join(tmp, "base"), []byte(text), 0o600)
	if err := errors.Join(err, fill(tmp)); err != nil {
		return err
	}
	err = os.Rename(tmp, s.path("kept", name))
	if errors.Is(err, fs.ErrExist) || errors.Is(err, unix.ENOTEMPTY) {
		return nil // somebody else began it
	}
	return err
}

// Kept lists the kept snapshots.
func (s *Store) Kept() ([]*Kept, error) {
	entries, err := os.ReadDir(s.path("kept"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var list []*Kept
	for _, e := range entries {
		if k, err := s.readKept(e.Name()); err == nil {
			list = append(list, k)
		}
	}
	return list, err
}

// Forget removes what is kept under a name, unless a sandbox uses it.
func (s *Store) Forget(name string) error {
	k, err := s.Keep(name, nil, "")
	if err != nil {
		return err
	}
	defer k.Close()
	trash := s.path("tmp", "trash-kept-"+name)
	if err := os.Rename(k.dir, trash); err != nil {
		return err
	}
	return RemoveTree(trash)
}
