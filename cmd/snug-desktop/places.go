package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/mounts"
)

// ownPlaces makes those of the profile and of the desktop.
func (s *session) ownPlaces() error {
	all := s.Mounts
	for _, part := range s.layout.Parts {
		all = append(all, part.Mounts...)
	}
	return s.places(all)
}

// places makes in a private home what other mounts lie on: the engine makes
// nothing in a directory that is shown, and this one is ours. The program writes
// to it, so no link in it is followed.
func (s *session) places(all []mounts.Mount) error {
	if s.layout.Work.Home == "" {
		return nil
	}
	home, err := os.OpenRoot(s.layout.Work.Home)
	if err != nil {
		return err
	}
	defer home.Close()
	for _, m := range all {
		rel, ok := strings.CutPrefix(filepath.Clean(m.Target), s.facts.Home+"/")
		if !ok || m.Target == "" {
			continue
		}
		if err := place(home, rel, m); err != nil {
			return &problem.Problem{What: m.Target, Why: "its place in the private home cannot be made: " + err.Error(), Err: err, Fix: "look at " + filepath.Join(s.layout.Work.Home, rel)}
		}
	}
	return nil
}

// place makes one mount point, of the kind that is mounted.
func place(home *os.Root, rel string, m mounts.Mount) error {
	dir := true
	switch m.Type {
	case mounts.Bind, mounts.DevBind, "":
		info, err := os.Stat(m.Source)
		if err != nil {
			return nil // it is left out, or told by the engine
		}
		dir = info.IsDir()
	case mounts.File:
		dir = false
	case mounts.Symlink, mounts.Mask, mounts.Remount:
		return nil
	}
	if dir {
		return home.MkdirAll(rel, 0o700)
	}
	if err := home.MkdirAll(filepath.Dir(rel), 0o700); err != nil {
		return err
	}
	f, err := home.OpenFile(rel, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return f.Close()
}
