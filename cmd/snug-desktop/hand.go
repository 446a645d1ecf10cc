package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/desktop"
	"github.com/snug-sandbox/snug/mounts"
)

// hand has the document portal show files to the program. What it does not take
// the caller may show itself, which needs a place in a private home.
func (s *session) hand(files []desktop.Path) desktop.Handed {
	handed := desktop.Handed{Files: make([]desktop.Path, len(files)), Why: "there is no document portal (xdg-document-portal, with FUSE)"}
	if s.facts.Documents != "" {
		if bus := dialSession(s.facts); bus != nil {
			s.export(bus, files, &handed)
			bus.close()
		} else {
			handed.Why = "the session bus does not answer"
		}
	}
	for i, file := range files {
		if handed.Files[i] == nil && !s.Join {
			s.places([]mounts.Mount{{Source: string(file), Target: string(file)}}) // what is amiss the engine tells
		}
	}
	return handed
}

// document is a file that is to be handed over.
type document struct {
	at   int    // in the question
	path string // without links: the portal shows what one leads to, by the name that it has there
}

// batch is how many files are handed over at once: a bus lets a message carry no
// more (max_message_unix_fds of dbus-daemon(1)). The portal writes all that it
// knows to the disk each time.
const batch = 16

// export hands over what can be, those that are of one kind together.
func (s *session) export(bus *bus, files []desktop.Path, handed *desktop.Handed) {
	waiting := map[kind][]document{}
	for i, file := range files {
		path, err := filepath.EvalSymlinks(string(file))
		if err != nil {
			handed.Why = err.Error()
			continue
		}
		info, err := os.Stat(path)
		k := kind{err == nil && info.IsDir(), unix.Access(path, unix.W_OK) == nil}
		if waiting[k] = append(waiting[k], document{i, path}); len(waiting[k]) == batch {
			s.exportAll(bus, k, waiting[k], handed)
			waiting[k] = nil
		}
	}
	for k, documents := range waiting {
		s.exportAll(bus, k, documents, handed)
	}
}

// exportAll hands over files of one kind; one by one, where they are not taken
// together.
func (s *session) exportAll(bus *bus, k kind, documents []document, handed *desktop.Handed) {
	if len(documents) == 0 {
		return
	}
	paths := make([]string, len(documents))
	for i, d := range documents {
		paths[i] = d.path
	}
	ids, err := bus.export(paths, k, s.Config.ID(s.Run.Name))
	switch {
	case err == nil:
		for i, d := range documents {
			handed.Files[d.at] = desktop.Path(filepath.Join(s.facts.InsideDir(), "doc", ids[i], filepath.Base(d.path)))
		}
	case len(documents) == 1 || errors.Is(err, context.DeadlineExceeded):
		handed.Why = "the document portal does not take it: " + err.Error()
	default:
		for i := range documents {
			s.exportAll(bus, k, documents[i:i+1], handed)
		}
	}
}
