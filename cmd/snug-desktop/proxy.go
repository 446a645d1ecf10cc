package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/snug-sandbox/snug"
	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/landlock"
	"github.com/snug-sandbox/snug/mounts"
	"github.com/snug-sandbox/snug/namespaces"
)

// ready is how long a helper of others may take to start.
const ready = 20 * time.Second

// proxies starts one xdg-dbus-proxy for all buses, in a sandbox of its own. Its
// root has /.flatpak-info: portals take who calls for the program that it is
// written for, by the root of the process that is connected to the bus.
func (s *session) proxies() error {
	list := s.layout.Work.Proxies
	if len(list) == 0 {
		return nil
	}
	sandbox := s.helperSpec("xdg-dbus-proxy")
	args := []string{"--fd=3"}
	for _, p := range list {
		args = append(args, p.Address, p.Path, "--filter")
		if s.Log != "" && p.Bus == "session" {
			args = append(args, "--log")
		}
		args = append(args, p.Rules...)
		sandbox.Mounts = append(sandbox.Mounts, addressMounts(p.Address)...)
		if strings.Contains(p.Address, "unix:abstract=") {
			sandbox.Namespaces.Net = namespaces.Share
			sandbox.Security.Landlock = landlock.No
		}
	}
	if s.layout.Work.Info != "" {
		sandbox.Mounts = append(sandbox.Mounts, mounts.Mount{Type: mounts.File, Target: "/.flatpak-info", Content: s.layout.Work.Info})
	}
	var out io.Writer
	if s.Log != "" {
		log, err := os.OpenFile(s.Log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		if err != nil {
			return err
		}
		s.onClose(func() { log.Close() })
		out = log
	}
	pid, err := s.start(sandbox, out, s.facts.Programs["xdg-dbus-proxy"], args...)
	if err != nil {
		return &problem.Problem{What: "desktop.dbus", Why: "xdg-dbus-proxy does not start: " + err.Error(), Err: err}
	}
	return s.known(pid) // until there is the program's own
}

// helperSpec is the sandbox of a helper: it writes to the run's directory only.
func (s *session) helperSpec(name string) snug.Spec {
	sandbox := snug.Spec{Name: name}
	sandbox.Mounts = []mounts.Mount{
		{Type: mounts.Proc, Target: "/proc", Fallback: mounts.FallbackBind},
		{Type: mounts.Bind, Source: s.Run.Dir, Target: s.Run.Dir, Writable: true},
	}
	sandbox.Command.Workdir = "/"
	return sandbox
}

// addressMounts shows the sockets of a bus address (D-Bus specification, "Server
// Addresses").
func addressMounts(address string) (list []mounts.Mount) {
	for _, one := range strings.Split(address, ";") {
		kind, pairs, _ := strings.Cut(one, ":")
		for _, pair := range strings.Split(pairs, ",") {
			if path, ok := strings.CutPrefix(pair, "path="); ok && kind == "unix" {
				path = unescape(path)
				list = append(list, mounts.Mount{Type: mounts.Bind, Source: path, Target: path})
			}
		}
	}
	return list
}

// unescape undoes %xx.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		var c byte
		if s[i] == '%' && i+2 < len(s) {
			if _, err := fmt.Sscanf(s[i+1:i+3], "%02x", &c); err == nil {
				b.WriteByte(c)
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// start runs a helper of others, which tells on its descriptor 3 that it is
// ready, and ends with the session. What it says meanwhile is told where it does
// not get ready; with out it is written there. The process is the one that stays
// in its sandbox.
func (s *session) start(sandbox snug.Spec, out io.Writer, program string, args ...string) (pid int, err error) {
	read, write, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	said := &lastWords{}
	if out == nil {
		out = said
	}
	cmd := snug.Command(sandbox, program, args...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.ExtraFiles = []*os.File{write}
	err = cmd.Start()
	write.Close() // else a helper that fails would never be known to
	if err != nil {
		read.Close()
		return 0, err
	}
	s.onClose(func() {
		read.Close()
		cmd.Kill()
		cmd.Wait()
	})
	read.SetReadDeadline(time.Now().Add(ready))
	n, err := read.Read(make([]byte, 64))
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return 0, errors.New("it does not get ready" + said.String())
	case n == 0:
		return 0, errors.New("it ended at once" + said.String())
	}
	return cmd.PID(), nil
}

// lastWords keeps the end of what is written to it.
type lastWords struct {
	mu   sync.Mutex
	text []byte
}

// Write implements io.Writer.
func (w *lastWords) Write(p []byte) (int, error) {
	const most = 1000
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text = append(w.text, p...)
	w.text = w.text[max(0, len(w.text)-most):]
	return len(p), nil
}

// String is what was written, as the end of a sentence.
func (w *lastWords) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	text := strings.TrimSpace(string(w.text))
	if text == "" {
		return ""
	}
	return ": " + text
}
