package bwrap

import (
	"errors"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/snug-sandbox/snug/mounts"
)

// sources finds out ahead what the sources of binds are, as bubblewrap does: what
// is known needs no preparation for every case. A source of a "-try" that is
// missing may come yet, from an operation that writes into the host's directories.
type sources struct {
	around   Surroundings
	writable []string // directories of the host that operations so far show writable
	unsure   bool     // or what they show could not be looked at
	real     map[string]string
}

// leaveOut notes what the source of an operation is, which is list. It reports
// whether there is nothing to be bound, and will be nothing.
func (s *sources) leaveOut(op Operation, list []mounts.Mount) bool {
	m := &list[0]
	switch op.Kind {
	case Bind, ROBind, DevBind, BindFD, ROBindFD:
		return s.lookAt(m, op.Try)
	case Overlay:
		s.unsure = true // what is written goes to a directory of the host's
	}
	return false
}

func (s *sources) lookAt(m *mounts.Mount, try bool) (none bool) {
	source := absolute(m.Source, s.around.Workdir)
	if s.around.Stat == nil || m.Same != nil || !filepath.IsAbs(source) {
		s.unsure = s.unsure || m.Writable
		return false
	}
	kind, err := s.around.Stat(source)
	switch {
	case err == nil:
		m.Kind, m.Optional = kind, false
	case try && errors.Is(err, syscall.ENOENT) && !s.mayCome(source):
		return true
	}
	if m.Writable && kind == mounts.Directory {
		s.writable = append(s.writable, source)
	}
	s.unsure = s.unsure || m.Writable && kind == mounts.Unseen
	return false
}

// mayCome reports whether a file that is missing may be made by an operation so
// far: where it would be is in one of the writable directories.
func (s *sources) mayCome(missing string) bool {
	if s.unsure || len(s.writable) == 0 {
		return s.unsure
	}
	for child := missing; child != "/"; child = filepath.Dir(child) {
		if _, err := s.around.Readlink(child); err == nil {
			return true // a link to what is missing: that may be anywhere
		}
		dir, err := s.follow(filepath.Dir(child))
		if errors.Is(err, syscall.ENOENT) {
			continue
		}
		if err != nil {
			return true
		}
		for _, w := range s.writable {
			to, err := s.follow(w)
			if err != nil || dir == to || to == "/" || strings.HasPrefix(dir, to+"/") {
				return true
			}
		}
		return false
	}
	return true
}

// follow is where a path leads to.
func (s *sources) follow(path string) (string, error) {
	if to, ok := s.real[path]; ok {
		return to, nil
	}
	to, err := s.around.Follow(path)
	if err == nil {
		if s.real == nil {
			s.real = make(map[string]string)
		}
		s.real[path] = to
	}
	return to, err
}
