package main

import (
	"os"
	"path"

	"github.com/snug-sandbox/snug"
	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/internal/xauthority"
	"github.com/snug-sandbox/snug/mounts"
)

const (
	socketsOfX = "/tmp/.X11-unix"
	insideBase = "/run/snug"
)

// server starts an X server of the sandbox's own, in another sandbox: it holds
// the connection to the caller's display, and the program does not.
func (s *session) server() error {
	w := s.layout.Work.Server
	if w == nil {
		return nil
	}
	if err := s.serverFiles(); err != nil {
		return err
	}
	sandbox := s.helperSpec(w.Kind)
	bind := func(m mounts.Mount) { sandbox.Mounts = append(sandbox.Mounts, m) }
	bind(mounts.Mount{Type: mounts.Bind, Source: w.Dir, Target: socketsOfX, Writable: true})
	args := []string{":" + w.Number, "-auth", w.Cookie, "-nolisten", "tcp", "-nolisten", "local", "-noreset", "-displayfd", "3"}
	sandbox.Env.Set = map[string]string{}
	if w.Kind == "Xwayland" {
		bind(mounts.Mount{Type: mounts.Bind, Source: w.Wayland, Target: insideBase + "/wayland-0"})
		sandbox.Env.Set["XDG_RUNTIME_DIR"], sandbox.Env.Set["WAYLAND_DISPLAY"] = insideBase, "wayland-0"
		if !s.gpu(&sandbox) {
			args = append(args, "-shm")
		}
	} else {
		bind(mounts.Mount{Type: mounts.Bind, Source: socketsOfX + "/X" + w.Display, Target: socketsOfX + "/X" + w.Display})
		sandbox.Env.Set["DISPLAY"], sandbox.Env.Set["XAUTHORITY"] = ":"+w.Display, w.Outer
		args = append(args, "-screen", "1280x800", "-resizeable", "-title", s.Run.Name)
	}
	if _, err := s.start(sandbox, nil, w.Program, args...); err != nil {
		return &problem.Problem{What: "desktop.x11", Why: w.Kind + " does not start: " + err.Error(), Err: err}
	}
	return nil
}

// serverFiles makes what the server needs: a directory for its socket, with a
// place for that of the outer one, and its key.
func (s *session) serverFiles() error {
	w := s.layout.Work.Server
	if err := os.Mkdir(w.Dir, 0o700); err != nil {
		return err
	}
	if err := os.Chmod(w.Dir, 0o777|os.ModeSticky); err != nil {
		return err
	}
	if w.Display != "" {
		if err := os.WriteFile(path.Join(w.Dir, "X"+w.Display), nil, 0o600); err != nil {
			return err
		}
	}
	key := xauthority.New(w.Number)
	return os.WriteFile(w.Cookie, xauthority.Format([]xauthority.Entry{key}), 0o600)
}

// gpu hands the devices for rendering to the server, too, and reports whether
// there are any.
func (s *session) gpu(sandbox *snug.Spec) bool {
	if !s.layout.Work.Server.GPU {
		return false
	}
	for _, part := range s.layout.Parts {
		if part.Key == "desktop.gpu" {
			sandbox.Mounts = append(sandbox.Mounts, part.Mounts...)
			return len(part.Mounts) > 0
		}
	}
	return false
}
