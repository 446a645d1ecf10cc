package main

import (
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/godbus/dbus/v5"
	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/desktop"
	"github.com/snug-sandbox/snug/internal/problem"
)

const (
	portalName  = "org.freedesktop.portal.Desktop"
	portalPath  = dbus.ObjectPath("/org/freedesktop/portal/desktop")
	openURI     = "org.freedesktop.portal.OpenURI"
	noArguments = "usage: xdg-open LINK|FILE"
)

// openLink has a link or a file opened outside.
func openLink(args []string) error {
	if len(args) != 1 || strings.HasPrefix(args[0], "-") {
		return errors.New(noArguments)
	}
	bus := dialSession(desktop.Facts{Env: map[string]string{"DBUS_SESSION_BUS_ADDRESS": os.Getenv("DBUS_SESSION_BUS_ADDRESS")}})
	if bus == nil {
		return &problem.Problem{What: "xdg-open", Why: "the sandbox reaches no session bus", Fix: "[desktop] open_links = true"}
	}
	defer bus.close()
	options := map[string]dbus.Variant{}
	path := localFile(args[0])
	if path == "" {
		return bus.call(portalName, portalPath, openURI+".OpenURI", "", args[0], options).Err
	}
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return &problem.Problem{What: path, Err: err}
	}
	defer unix.Close(fd)
	return bus.call(portalName, portalPath, openURI+".OpenFile", "", dbus.UnixFD(fd), options).Err
}

// localFile is the file that a word names, "" when it is a link elsewhere.
func localFile(word string) string {
	if u, err := url.Parse(word); err == nil && u.Scheme != "" {
		if u.Scheme == "file" {
			return u.Path
		}
		return ""
	}
	path, _ := filepath.Abs(word)
	return path
}
