package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
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
	var out io.Writer = os.Stderr
	if s.Log != "" {
		log, err := os.OpenFile(s.Log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		if err != nil {
			return err
		}
		s.onClose(func() { log.Close() })
		out = log
	}
	if _, err := s.start(sandbox, out, s.facts.Programs["xdg-dbus-proxy"], args...); err != nil {
		return &problem.Problem{What: "desktop.dbus", Why: "xdg-dbus-proxy does not start: " + err.Error(), Err: err}
	}
	return nil
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
// ready, and ends with the session. It returns what it told.
func (s *session) start(sandbox snug.Spec, out io.Writer, program string, args ...string) (string, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return "", err
	}
	cmd := snug.Command(sandbox, program, args...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.ExtraFiles = []*os.File{write}
	err = cmd.Start()
	write.Close() // else a helper that fails would never be known to
	if err != nil {
		read.Close()
		return "", err
	}
	s.onClose(func() {
		read.Close()
		cmd.Kill()
		cmd.Wait()
	})
	read.SetReadDeadline(time.Now().Add(ready))
	var buffer [64]byte
	n, err := read.Read(buffer[:])
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "", errors.New("it does not get ready")
	case n == 0:
		return "", fmt.Errorf("%s ended at once", filepath.Base(program))
	}
	return strings.TrimSpace(string(buffer[:n])), nil
}
