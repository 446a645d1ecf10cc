package main

import (
	"path/filepath"

	"github.com/snug-sandbox/snug/desktop"
)

// hand has the document portal show files to the program.
func (s *session) hand(files []string) desktop.Handed {
	handed := desktop.Handed{Files: map[string]string{}}
	if s.facts.Documents == "" {
		handed.Why = "there is no document portal (xdg-document-portal, with FUSE)"
		return handed
	}
	bus := dialSession(s.facts)
	if bus == nil {
		handed.Why = "the session bus does not answer"
		return handed
	}
	defer bus.close()
	for _, path := range files {
		id, err := bus.export(path, s.Config.ID(s.Run.Name))
		if err != nil {
			handed.Why = "the document portal does not take " + path + ": " + err.Error()
			continue
		}
		handed.Files[path] = filepath.Join(s.facts.InsideDir(), "doc", id, filepath.Base(path))
	}
	return handed
}
