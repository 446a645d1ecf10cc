// Package wayland asks a compositor for a security context
// (wp_security_context_v1 of wayland-protocols): a socket of its own for a
// sandbox, whose clients the compositor knows, and offers less. It speaks the
// wire protocol itself, as much of it as that takes.
package wayland

import (
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// ErrNone says that the compositor has no security contexts.
var ErrNone = errors.New("the compositor has no wp_security_context_manager_v1")

// patience is how long a compositor may take to answer.
const patience = 5 * time.Second

const managerName = "wp_security_context_manager_v1"

// Requests by their numbers (wayland.xml, security-context-v1.xml).
const (
	displaySync        = 0
	displayGetRegistry = 1
	registryBind       = 0
	managerDestroy     = 0
	managerListener    = 1
	contextDestroy     = 0
	contextEngine      = 1
	contextAppID       = 2
	contextInstance    = 3
	contextCommit      = 4
)

// Has reports whether the compositor that listens at socket has security
// contexts. An error means that it could not be asked.
func Has(socket string) (bool, error) {
	c, err := dial(socket)
	if err != nil {
		return false, err
	}
	defer c.conn.Close()
	_, err = c.manager()
	if errors.Is(err, ErrNone) {
		return false, nil
	}
	return err == nil, err
}

// Context is a security context.
type Context struct {
	path  string
	alive *os.File // the compositor listens until its other end hangs up
}

// NewContext has the compositor at socket listen at path, where nothing is yet,
// for clients of a sandbox. Whatever fails, no socket is left that would give
// more than a context does.
func NewContext(socket, path, engine, appID, instance string) (*Context, error) {
	c, err := dial(socket)
	if err != nil {
		return nil, err
	}
	defer c.conn.Close()
	manager, err := c.manager()
	if err != nil {
		return nil, err
	}
	listener, err := listen(path)
	if err != nil {
		return nil, fmt.Errorf("listen at %s: %w", path, err)
	}
	defer unix.Close(listener)
	closing, alive, err := os.Pipe()
	if err != nil {
		os.Remove(path)
		return nil, err
	}
	defer closing.Close()
	id := c.newID()
	// Descriptors go beside the bytes (SCM_RIGHTS), and are no arguments in them.
	c.send(manager, managerListener, []int{listener, int(closing.Fd())}, id)
	c.send(id, contextEngine, nil, engine)
	c.send(id, contextAppID, nil, appID)
	c.send(id, contextInstance, nil, instance)
	c.send(id, contextCommit, nil)
	c.send(id, contextDestroy, nil)
	c.send(manager, managerDestroy, nil)
	if err := c.roundTrip(nil); err != nil {
		alive.Close()
		os.Remove(path)
		return nil, err
	}
	return &Context{path, alive}, nil
}

// Close has the compositor stop listening, and removes the socket.
func (c *Context) Close() {
	c.alive.Close()
	os.Remove(c.path)
}

// listen makes a socket that nobody accepts on yet. It is not Go's own listener:
// that would serve it.
func listen(path string) (int, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	if err = unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err == nil {
		err = unix.Listen(fd, 128)
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func dial(socket string) (*connection, error) {
	conn, err := net.DialTimeout("unix", socket, patience)
	if err != nil {
		return nil, err
	}
	conn.SetDeadline(time.Now().Add(patience))
	return &connection{conn: conn.(*net.UnixConn), last: display}, nil
}

// manager binds the global object that makes contexts.
func (c *connection) manager() (uint32, error) {
	registry := c.newID()
	c.send(display, displayGetRegistry, nil, registry)
	var name uint32
	err := c.roundTrip(func(object uint32, opcode uint16, body *reader) {
		if object != registry || opcode != 0 { // wl_registry.global
			return
		}
		number, kind := body.uint(), body.str()
		if kind == managerName {
			name = number
		}
	})
	switch {
	case err != nil:
		return 0, err
	case name == 0:
		return 0, ErrNone
	}
	id := c.newID()
	c.send(registry, registryBind, nil, name, managerName, uint32(1), id)
	return id, nil
}
