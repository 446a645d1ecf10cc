package main

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/internal/problem"
)

// directory makes the run's own directory. Those of runs that crashed are
// removed: nobody holds their lock.
func (s *session) directory() error {
	base := filepath.Join(s.facts.RuntimeDir(), "snug-desktop")
	if s.facts.RuntimeDir() == "" {
		base = filepath.Join(os.TempDir(), "snug-desktop-"+strconv.Itoa(os.Getuid()))
	}
	if err := private(base); err != nil {
		return err
	}
	// What another run has made and not locked yet looks like what a crash left.
	one, err := os.Open(base)
	if err != nil {
		return err
	}
	defer one.Close()
	if err := unix.Flock(int(one.Fd()), unix.LOCK_EX); err != nil {
		return err
	}
	s.sweep(base)
	var number [4]byte
	rand.Read(number[:])
	s.Run.ID = strconv.FormatUint(uint64(binary.NativeEndian.Uint32(number[:])), 10)
	s.Run.Dir = filepath.Join(base, s.Run.ID)
	if err := os.Mkdir(s.Run.Dir, 0o700); err != nil {
		return err
	}
	lock, err := held(s.Run.Dir)
	if err != nil {
		return err
	}
	dir := s.Run.Dir
	s.onClose(func() {
		os.RemoveAll(dir)
		lock.Close()
	})
	return nil
}

// private makes a directory for the caller alone, or checks that it is one.
func private(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return &problem.Problem{What: "desktop", Why: err.Error(), Fix: "export XDG_RUNTIME_DIR=/run/user/$(id -u), if that is there", Err: err}
	}
	var st unix.Stat_t
	if err := unix.Lstat(dir, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR || st.Uid != uint32(os.Geteuid()) || st.Mode&0o077 != 0 {
		return &problem.Problem{What: dir, Why: "it is not a directory of the caller's alone", Fix: "remove it"}
	}
	return nil
}

// held locks a file or directory as long as the process lives.
func held(path string) (*os.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// sweep removes what runs that crashed left.
func (s *session) sweep(base string) {
	entries, _ := os.ReadDir(base)
	for _, e := range entries {
		dir := filepath.Join(base, e.Name())
		lock, err := held(dir)
		if err != nil {
			continue
		}
		os.RemoveAll(dir)
		if _, err := strconv.ParseUint(e.Name(), 10, 32); err == nil {
			os.RemoveAll(s.infoDir(e.Name()))
		}
		lock.Close()
	}
}

// directories makes those that the sandbox shows.
func (s *session) directories() error {
	for _, dir := range s.layout.Work.Make {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	return nil
}

// lockHome keeps a private home for one run at a time. Whatever locks of the
// program's own are in it were left by a crash, and would keep it from starting.
func (s *session) lockHome() error {
	home := s.layout.Work.Home
	if home == "" {
		return nil
	}
	lock, err := held(home)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return &problem.Problem{What: "desktop.home = \"private\"", Why: home + " is in use by a sandbox that runs", Err: err,
			Fix: "end that one (snug ps, snug kill), or choose home = \"ephemeral\""}
	}
	if err != nil {
		return err
	}
	s.onClose(func() { lock.Close() })
	for _, pattern := range []string{".config/*/Singleton*", ".config/*/*/Singleton*", ".mozilla/firefox/*/lock", ".mozilla/firefox/*/.parentlock", ".cache/mozilla/firefox/*/lock"} {
		stale, _ := filepath.Glob(filepath.Join(home, pattern))
		for _, name := range stale {
			if info, err := os.Lstat(name); err == nil && info.Mode()&os.ModeSymlink != 0 && os.Remove(name) == nil {
				s.notes = append(s.notes, "a lock that a crash left was removed: "+name)
			}
		}
	}
	return nil
}

// infoDir is where portals look for who is in a sandbox.
func (s *session) infoDir(id string) string {
	return filepath.Join(s.facts.RuntimeDir(), ".flatpak", id)
}

// identity writes what portals read of the instance.
func (s *session) identity() error {
	if s.layout.Work.Info == "" {
		return nil
	}
	dir := s.infoDir(s.Run.ID)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	s.onClose(func() { os.RemoveAll(dir) })
	return os.WriteFile(filepath.Join(dir, "info"), []byte(s.layout.Work.Info), 0o600)
}

// known notes the process that the command is, for portals (xdg-desktop-portal
// 1.20 and newer ask for it).
func (s *session) known(pid int) error {
	if s.layout.Work.Info == "" {
		return nil
	}
	text, err := json.Marshal(map[string]int{"child-pid": pid})
	if err != nil {
		return err
	}
	name := filepath.Join(s.infoDir(s.Run.ID), "bwrapinfo.json")
	if err := os.WriteFile(name+".new", text, 0o600); err != nil {
		return fmt.Errorf("tell the portals of the process: %w", err)
	}
	return os.Rename(name+".new", name)
}
