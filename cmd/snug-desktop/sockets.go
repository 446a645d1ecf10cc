package main

import (
	"errors"
	"net"
	"os"

	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/internal/pulse"
	"github.com/snug-sandbox/snug/internal/wayland"
	"github.com/snug-sandbox/snug/internal/xauthority"
)

// engine is what compositors call this program.
const engine = "org.snug_sandbox"

// context has the compositor listen for the sandbox. Where it knows security
// contexts and makes none, there is no other way.
func (s *session) context() error {
	w := s.layout.Work.Context
	if w == nil {
		return nil
	}
	c, err := wayland.NewContext(w.Server, w.Path, engine, s.layout.Work.AppID, s.Run.ID)
	if err != nil {
		return &problem.Problem{What: "desktop.wayland", Why: "the compositor makes no security context: " + err.Error(), Err: err,
			Fix: "wayland = \"plain\", if the program may use every extension that the compositor has"}
	}
	s.onClose(c.Close)
	return nil
}

// cookie writes the keys of one display. Without any the server asks for none.
func (s *session) cookie() error {
	w := s.layout.Work.Cookie
	if w == nil {
		return nil
	}
	data, err := os.ReadFile(w.From)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return &problem.Problem{What: "desktop.x11", Why: err.Error(), Err: err}
	}
	all, err := xauthority.Parse(data)
	if err != nil {
		s.notes = append(s.notes, w.From+": "+err.Error())
	}
	host := os.Getenv("XAUTHLOCALHOSTNAME")
	if host == "" {
		host, _ = os.Hostname()
	}
	return os.WriteFile(w.Path, xauthority.Format(xauthority.For(all, host, w.Display)), 0o600)
}

// pulse starts the filter before the sound server.
func (s *session) pulse() error {
	w := s.layout.Work.Pulse
	if w == nil {
		return nil
	}
	l, err := net.Listen("unix", w.Path)
	if err != nil {
		return err
	}
	s.onClose(func() { l.Close() })
	go pulse.Filter{Server: w.Server, Record: w.Record}.Serve(l)
	return nil
}
