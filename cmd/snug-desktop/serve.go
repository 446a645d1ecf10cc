package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/snug-sandbox/snug/desktop"
	"github.com/snug-sandbox/snug/internal/problem"
)

// serve answers the questions about one run.
func serve(in io.Reader, out *os.File) error {
	// The terminal's keys are for the command. Who started this ends it by its input.
	signal.Ignore(syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTSTP, syscall.SIGHUP, syscall.SIGPIPE)
	from, to := json.NewDecoder(in), json.NewEncoder(out)
	var request desktop.Request
	if err := from.Decode(&request); err != nil {
		return fmt.Errorf("a question that cannot be read: %w", err)
	}
	s := &session{Request: request}
	defer s.close()
	if err := to.Encode(s.begin()); err != nil {
		return err
	}
	for {
		var more desktop.More
		switch err := from.Decode(&more); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if more.PID != 0 {
			s.known(more.PID)
		}
		if more.Files != nil {
			if err := to.Encode(s.hand(more.Files)); err != nil {
				return err
			}
		}
	}
}

// session is what was made for one run.
type session struct {
	desktop.Request
	facts   desktop.Facts
	layout  desktop.Layout
	notes   []string
	closers []func()
}

// onClose has f called at the end, the latest first.
func (s *session) onClose(f func()) { s.closers = append(s.closers, f) }

func (s *session) close() {
	for i := len(s.closers) - 1; i >= 0; i-- {
		s.closers[i]()
	}
	s.closers = nil
}

// begin makes everything that the Config asks for, or nothing.
func (s *session) begin() desktop.Answer {
	s.facts = gather(s.Config, s.Run.Program)
	err := s.make()
	answer := desktop.Answer{Layout: s.layout, Notes: s.notes}
	if err != nil {
		s.close()
		answer.Problems = problems(err)
	}
	return answer
}

func (s *session) make() (err error) {
	if s.Look || s.Join {
		s.Run.ID, s.Run.Dir = "0", filepath.Join(s.facts.RuntimeDir(), "snug-desktop", "RUN")
	} else if err := s.directory(); err != nil {
		return err
	}
	if s.layout, err = s.Config.Layout(s.facts, s.Run); err != nil || s.Look || s.Join {
		return err
	}
	for _, part := range s.layout.Parts {
		if part.Note != "" {
			s.notes = append(s.notes, part.Note)
		}
	}
	for _, step := range []func() error{s.directories, s.lockHome, s.ownPlaces, s.context, s.cookie, s.server, s.pulse, s.identity, s.proxies} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// problems returns an error in the shape that can be sent.
func problems(err error) []*problem.Problem {
	var list problem.List
	var one *problem.Problem
	switch {
	case errors.As(err, &list):
	case errors.As(err, &one):
		list = problem.List{one}
	default:
		list = problem.List{{What: "desktop", Why: err.Error()}}
	}
	sent := make([]*problem.Problem, len(list))
	for i, p := range list {
		why := p.Why
		if why == "" && p.Err != nil {
			why = p.Err.Error()
		}
		sent[i] = &problem.Problem{What: p.What, Why: why, Fix: p.Fix}
	}
	return sent
}
