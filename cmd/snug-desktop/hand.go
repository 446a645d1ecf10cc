package main

import (
	"path/filepath"

	"github.com/snug-sandbox/snug/desktop"
	"github.com/snug-sandbox/snug/mounts"
)

// hand has the document portal show files to the program. What it does not take
// the caller may show itself, which needs a place in a private home.
func (s *session) hand(files []desktop.Path) desktop.Handed {
	handed := desktop.Handed{Files: make([]desktop.Path, len(files))}
	var bus *bus
	switch {
	case s.facts.Documents == "":
		handed.Why = "there is no document portal (xdg-document-portal, with FUSE)"
	default:
		if bus = dialSession(s.facts); bus == nil {
			handed.Why = "the session bus does not answer"
			break
		}
		defer bus.close()
	}
	for i, file := range files {
		if bus != nil {
			inside, err := s.export(bus, string(file))
			if err == nil {
				handed.Files[i] = desktop.Path(inside)
				continue
			}
			handed.Why = "the document portal does not take " + string(file) + ": " + err.Error()
		}
		if !s.Join {
			s.places([]mounts.Mount{{Source: string(file), Target: string(file)}}) // what is amiss the engine tells
		}
	}
	return handed
}

// export hands over one file, and returns where it is inside: the portal shows
// what a link leads to, by the name that it has there.
func (s *session) export(bus *bus, file string) (string, error) {
	file, err := filepath.EvalSymlinks(file)
	if err != nil {
		return "", err
	}
	id, err := bus.export(file, s.Config.ID(s.Run.Name))
	return filepath.Join(s.facts.InsideDir(), "doc", id, filepath.Base(file)), err
}
