package images

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
)

// sweep removes what processes that are gone left unfinished. Where somebody
// works in the store it is left for later.
func (s *Store) sweep() {
	lock, err := s.lock(tryAlone)
	if err != nil {
		return
	}
	defer lock.Close()
	s.abandoned(func(name string) { RemoveTree(name) }, nil)
}

// abandoned calls gone for everything in tmp that no process holds, and used for
// the rest.
func (s *Store) abandoned(gone, used func(name string)) {
	entries, _ := os.ReadDir(s.path("tmp"))
	for _, e := range entries {
		name := s.path("tmp", e.Name())
		if e.IsDir() && inUse(name) {
			if used != nil {
				used(name)
			}
			continue
		}
		gone(name)
	}
}

// inUse reports whether some process holds a lock on the file.
func inUse(name string) bool {
	f, err := os.Open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	return flock(f, tryAlone) != nil
}

// Freed says what Collect removed.
type Freed struct {
	Images, Layers int
}

// Collect removes every image that has no name, is not in use by a sandbox and
// is under no kept snapshot, and every layer that no image is left of.
func (s *Store) Collect() (Freed, error) {
	if err := s.Create(); err != nil {
		return Freed{}, err
	}
	lock, err := s.lock(exclusive)
	if err != nil {
		return Freed{}, err
	}
	defer lock.Close()
	live, err := s.live()
	if err != nil {
		return Freed{}, err
	}
	return s.discard(live)
}

// live is the set of file names, in blobs, layers and recipes, that are needed.
func (s *Store) live() (map[string]bool, error) {
	live := map[string]bool{}
	refs, err := s.Refs()
	if err != nil {
		return nil, err
	}
	for _, r := range refs {
		s.keep(live, r.Digest)
	}
	kept, err := s.Kept()
	if err != nil {
		return nil, err
	}
	for _, k := range kept {
		s.keep(live, k.Base)
	}
	blobs, err := os.ReadDir(s.path("blobs"))
	if err != nil {
		return nil, err
	}
	for _, b := range blobs {
		if inUse(s.path("blobs", b.Name())) {
			s.keep(live, "sha256:"+b.Name())
		}
	}
	s.abandoned(func(name string) { RemoveTree(name) }, func(name string) {
		list, _ := os.ReadFile(filepath.Join(name, needs))
		for diffID := range strings.Lines(string(list)) {
			if id, err := layerID(strings.TrimSpace(diffID)); err == nil {
				live[id] = true
			}
		}
	})
	return live, nil
}

// keep adds an image to what is live. One that cannot be read keeps itself only.
func (s *Store) keep(live map[string]bool, digest string) {
	live[strings.TrimPrefix(digest, "sha256:")] = true
	text, err := s.Blob(digest)
	var m Manifest
	if err != nil || json.Unmarshal(text, &m) != nil {
		return
	}
	live[strings.TrimPrefix(m.Config.Digest, "sha256:")] = true
	text, err = s.Blob(m.Config.Digest)
	var c Config
	if err != nil || json.Unmarshal(text, &c) != nil {
		return
	}
	for n, diffID := range c.RootFS.DiffIDs {
		for _, key := range []string{diffID, ChainID(c.RootFS.DiffIDs[:n+1])} {
			if id, err := layerID(key); err == nil {
				live[id] = true
			}
		}
	}
}

// discard removes what is not live. A layer's directory is first moved away, so
// that it is never seen with a part of its files.
func (s *Store) discard(live map[string]bool) (freed Freed, err error) {
	for _, kind := range []string{"blobs", "layers/single", "layers/range", "recipes", "fresh"} {
		entries, readErr := os.ReadDir(s.path(kind))
		err = errors.Join(err, readErr)
		for _, e := range entries {
			if live[e.Name()] {
				continue
			}
			trash := s.path("tmp", "trash-"+filepath.Base(kind)+"-"+e.Name())
			if renameErr := os.Rename(s.path(kind, e.Name()), trash); renameErr != nil {
				err = errors.Join(err, renameErr)
				continue
			}
			freed.count(kind, trash)
			err = errors.Join(err, RemoveTree(trash))
		}
	}
	return freed, err
}

func (f *Freed) count(kind, trash string) {
	switch kind {
	case "blobs":
		var m Manifest
		if text, err := os.ReadFile(trash); err == nil && json.Unmarshal(text, &m) == nil && m.Config.Digest != "" {
			f.Images++
		}
	case "layers/single", "layers/range":
		f.Layers++
	}
}

// Unnamed lists the images that Collect removes: those that have no name, are not
// in use and are under no kept snapshot.
func (s *Store) Unnamed() ([]string, error) {
	if err := s.Create(); err != nil {
		return nil, err
	}
	lock, err := s.lock(exclusive)
	if err != nil {
		return nil, err
	}
	defer lock.Close()
	live, err := s.live()
	if err != nil {
		return nil, err
	}
	blobs, err := os.ReadDir(s.path("blobs"))
	var list []string
	for _, b := range blobs {
		digest := "sha256:" + b.Name()
		if i, err := s.Look(digest); !live[b.Name()] && err == nil && i.Manifest.Config.Digest != "" {
			list = append(list, digest)
		}
	}
	return list, err
}
