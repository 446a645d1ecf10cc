package main

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/desktop"
	"github.com/snug-sandbox/snug/internal/host"
	"github.com/snug-sandbox/snug/internal/wayland"
)

// gather looks at the caller's session, as far as c asks, for the program.
func gather(c desktop.Config, program string) desktop.Facts {
	caller, _ := host.Gather(host.Want{})
	f := desktop.Facts{UID: caller.UID, Home: caller.Home, Env: map[string]string{}, Programs: map[string]string{}}
	for _, kv := range os.Environ() {
		name, value, _ := strings.Cut(kv, "=")
		f.Env[name] = value
	}
	for _, name := range []string{"xdg-dbus-proxy", "Xwayland", "Xephyr"} {
		if path, err := exec.LookPath(name); err == nil {
			f.Programs[name] = path
		}
	}
	if self, err := os.Executable(); err == nil {
		f.Programs[desktop.Helper] = self
	}
	if socket := f.WaylandSocket(); socket != "" && (c.Wayland != "" || c.X11 != "") {
		var err error
		f.Context, err = wayland.Has(socket)
		if f.Dead = errors.Is(err, unix.ECONNREFUSED); err != nil && !f.Dead {
			f.Silent = err.Error()
		}
	}
	if d, ok := desktop.ParseDisplay(f.Env["DISPLAY"]); ok && c.X11 != "" {
		conn, err := net.Dial("unix", d.Socket())
		if f.DeadX = errors.Is(err, unix.ECONNREFUSED); err == nil {
			conn.Close()
		}
	}
	if bus := dialSession(f); bus != nil {
		defer bus.close()
		if c.UsesPortals() {
			f.Documents = bus.documents()
		}
		if c.A11y {
			f.A11y = bus.a11y()
		}
	}
	if c.UsesSession() {
		f.Own, f.Installed = dataPlaces().names(program), installed(executable(program))
	}
	return f
}
