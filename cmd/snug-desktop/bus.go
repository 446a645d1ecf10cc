package main

import (
	"context"
	"os"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"
	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/desktop"
)

// patience is how long a service of the session may take, the time of its start
// included.
const patience = 8 * time.Second

const (
	documentsName = "org.freedesktop.portal.Documents"
	documentsPath = dbus.ObjectPath("/org/freedesktop/portal/documents")
)

// bus is a connection to the caller's session bus.
type bus struct {
	*dbus.Conn
	ctx    context.Context
	cancel context.CancelFunc
}

// dialSession is nil when there is no bus that answers.
func dialSession(f desktop.Facts) *bus {
	address := f.SessionAddress()
	if address == "" {
		return nil
	}
	ctx, cancel := context.WithCancel(context.Background())
	late := time.AfterFunc(patience, cancel)
	conn, err := dbus.Connect(address, dbus.WithContext(ctx))
	if !late.Stop() || err != nil {
		cancel()
		return nil
	}
	return &bus{conn, ctx, cancel}
}

func (b *bus) close() {
	b.Close()
	b.cancel()
}

func (b *bus) call(name string, path dbus.ObjectPath, method string, args ...any) *dbus.Call {
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	return b.Object(name, path).CallWithContext(ctx, method, 0, args...)
}

// documents is where the document portal shows its files, "" without one.
func (b *bus) documents() string {
	var dir []byte
	if b.call(documentsName, documentsPath, documentsName+".GetMountPoint").Store(&dir) != nil {
		return ""
	}
	path := strings.TrimRight(string(dir), "\x00")
	if _, err := os.Stat(path + "/by-app"); err != nil {
		return ""
	}
	return path
}

// a11y is the address of the accessibility bus, "" without one.
func (b *bus) a11y() string {
	if address := os.Getenv("AT_SPI_BUS_ADDRESS"); address != "" {
		return address
	}
	var address string
	b.call("org.a11y.Bus", "/org/a11y/bus", "org.a11y.Bus.GetAddress").Store(&address)
	return address
}

// Flags of AddFull (org.freedesktop.portal.Documents).
const (
	reuseExisting   = 1
	exportDirectory = 8
)

// kind is what the portal is told of all files of a message.
type kind struct{ dir, write bool }

// export hands files over to an application, and returns their names below the
// document portal's directory.
func (b *bus) export(paths []string, k kind, app string) (ids []string, err error) {
	var fds []dbus.UnixFD
	defer func() {
		for _, fd := range fds {
			unix.Close(int(fd))
		}
	}()
	for _, path := range paths {
		fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			return nil, err
		}
		fds = append(fds, dbus.UnixFD(fd))
	}
	flags, permissions := uint32(reuseExisting), []string{"read", "grant-permissions"}
	if k.dir {
		flags |= exportDirectory
	}
	if k.write {
		permissions = append(permissions, "write")
	}
	var extra map[string]dbus.Variant
	call := b.call(documentsName, documentsPath, documentsName+".AddFull", fds, flags, app, permissions)
	if err := call.Store(&ids, &extra); err != nil {
		return nil, err
	}
	if len(ids) != len(paths) {
		return nil, unix.EPROTO
	}
	return ids, nil
}
