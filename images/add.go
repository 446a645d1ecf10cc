package images

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/internal/problem"
)

// Adding is an image on its way into the store. It cannot be seen before Commit.
// Several layers may be added at once.
type Adding struct {
	store  *Store
	dir    string
	lock   *os.File   // exclusive, on dir: it is in use
	mu     sync.Mutex // guards the rest
	count  int
	layers []layer
}

type layer struct {
	ids IDs
	key string
}

// needs is the file of an Adding that names the layers it found in the store.
const needs = "needs"

// Begin starts to add an image.
func (s *Store) Begin() (*Adding, error) {
	if err := s.Create(); err != nil {
		return nil, err
	}
	s.sweep()
	s.settle()
	lock, err := s.lock(shared)
	if err != nil {
		return nil, err
	}
	defer lock.Close()
	dir, err := os.MkdirTemp(s.path("tmp"), "add-")
	if err != nil {
		return nil, err
	}
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	return &Adding{store: s, dir: dir, lock: f}, flock(f, exclusive)
}

// Dir returns a directory for what is needed until Close.
func (a *Adding) Dir() string { return a.dir }

// Room returns the path of a new, empty directory for a layer, and one for its
// recipe.
func (a *Adding) Room() (dir, recipe string, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.count++
	dir = filepath.Join(a.dir, strconv.Itoa(a.count))
	return dir, dir + ".recipe", os.Mkdir(dir, 0o755)
}

// Reserve reports whether the store has the layer, which then stays.
func (a *Adding) Reserve(ids IDs, key string) (bool, error) {
	lock, err := a.store.lock(shared)
	if err != nil {
		return false, err
	}
	defer lock.Close()
	if id, err := layerID(key); err != nil || a.store.suspect(id) || !a.store.HasLayer(ids, key) {
		return false, err
	}
	return true, a.note(ids, key)
}

// note has the layer stay as long as a is open.
func (a *Adding) note(ids IDs, key string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	f, err := os.OpenFile(filepath.Join(a.dir, needs), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(key + "\n")
	a.layers = append(a.layers, layer{ids, key})
	return errors.Join(err, f.Close())
}

// Add puts a layer that is complete, in the room that it was given, to where
// layers are. It is not a part of an image yet, and who has to begin again finds
// it there. If somebody else was quicker, theirs is as good.
// A layer that nothing can be compared with later, as its recipe is lossy, is
// forced to the disk.
func (a *Adding) Add(ids IDs, key, dir, recipe string, lossy bool) error {
	place, err := a.store.LayerDir(ids, key)
	if err == nil && lossy {
		err = syncFilesystem(a.lock)
	}
	if err != nil {
		return err
	}
	lock, err := a.store.lock(shared)
	if err != nil {
		return err
	}
	defer lock.Close()
	id := filepath.Base(place)
	bad := a.store.suspect(id)
	if err := a.store.markFresh(id, bootID()); err != nil {
		return err
	}
	if err := a.note(ids, key); err != nil {
		return err
	}
	recipePlace, _ := a.store.RecipePath(key)
	if err := os.Rename(recipe, recipePlace); err != nil {
		return err
	}
	if bad {
		os.Rename(place, filepath.Join(a.dir, "bad-"+string(ids))) // goes with a
	}
	err = os.Rename(dir, place)
	if errors.Is(err, fs.ErrExist) || errors.Is(err, unix.ENOTEMPTY) {
		return nil
	}
	return err
}

// Commit makes ref stand for the image whose layers were added or reserved.
func (a *Adding) Commit(ref string, manifest, config []byte) error {
	lock, err := a.store.lock(shared)
	if err != nil {
		return err
	}
	defer lock.Close()
	for _, l := range a.layers {
		if !a.store.HasLayer(l.ids, l.key) {
			return &problem.Problem{What: "layer " + l.key, Why: "was removed while the image was added", Fix: "try again"}
		}
	}
	for _, text := range [][]byte{config, manifest} {
		if err := writeFile(a.dir, a.store.blobPath(Digest(text)), text); err != nil {
			return err
		}
	}
	return writeFile(a.dir, a.store.refPath(ref), []byte(Digest(manifest)+"\n"))
}

// Close removes what was not committed.
func (a *Adding) Close() error {
	return errors.Join(RemoveTree(a.dir), a.lock.Close())
}

// syncFilesystem has everything written so far survive a loss of power
// (syncfs(2)).
func syncFilesystem(f *os.File) error {
	return unix.Syncfs(int(f.Fd()))
}

// RemoveTree removes a tree whose directories may forbid it.
func RemoveTree(dir string) error {
	err := os.RemoveAll(dir)
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if d != nil && d.IsDir() && err == nil {
			if info, err := d.Info(); err == nil && info.Mode().Perm()&0o700 != 0o700 {
				return os.Chmod(name, 0o700)
			}
		}
		return nil
	})
	return os.RemoveAll(dir)
}
