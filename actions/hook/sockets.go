package hook

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Sockets are files here, and not those of package net: where there is a C
// compiler, that links its programs with libraries, and this program runs inside
// of images that have none.

// socketPair returns two that are connected, whose messages stay apart.
func socketPair() (a, b *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	return os.NewFile(uintptr(fds[0]), "inside"), os.NewFile(uintptr(fds[1]), "outside"), nil
}

// inherited is a socket that came with the start of this process.
func inherited(fd int) *os.File {
	unix.SetNonblock(fd, true)
	unix.CloseOnExec(fd)
	return os.NewFile(uintptr(fd), "inherited")
}

// listen returns a socket that listens at an address.
func listen(family int, at unix.Sockaddr) (*os.File, error) {
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if family == unix.AF_INET {
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	}
	if err = unix.Bind(fd, at); err == nil {
		err = unix.Listen(fd, unix.SOMAXCONN)
	}
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), "listener"), nil
}

// listenLocal listens at a port of the host's loopback, 0 for a free one, which it
// returns.
func listenLocal(port int) (*os.File, int, error) {
	l, err := listen(unix.AF_INET, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}})
	if err != nil {
		return nil, 0, err
	}
	var at unix.Sockaddr
	if bad := control(l, func(fd int) { at, err = unix.Getsockname(fd) }); bad != nil || err != nil {
		l.Close()
		return nil, 0, errors.Join(bad, err)
	}
	return l, at.(*unix.SockaddrInet4).Port, nil
}

// dial connects to one of some addresses, the first that answers.
func dial(addresses ...unix.Sockaddr) (f *os.File, err error) {
	for _, at := range addresses {
		family := unix.AF_UNIX
		switch at.(type) {
		case *unix.SockaddrInet4:
			family = unix.AF_INET
		case *unix.SockaddrInet6:
			family = unix.AF_INET6
		}
		fd, bad := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if bad != nil {
			err = errors.Join(err, bad)
			continue
		}
		if bad := unix.Connect(fd, at); bad != nil {
			unix.Close(fd)
			err = errors.Join(err, bad)
			continue
		}
		unix.SetNonblock(fd, true)
		return os.NewFile(uintptr(fd), "connection"), nil
	}
	return nil, err
}

// localhost are the addresses of a port on both loopbacks.
func localhost(port int) []unix.Sockaddr {
	six := &unix.SockaddrInet6{Port: port}
	six.Addr[15] = 1
	return []unix.Sockaddr{&unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}, six}
}

// tried makes a call on a descriptor that does not block, and reports whether there
// is nothing to wait for. After an interruption there is not: what comes next may be
// there already, and is not told of again (epoll(7), edge-triggered).
func tried(call func() error) bool {
	for {
		switch err := call(); err {
		case unix.EINTR, unix.ECONNABORTED:
		default:
			return err != unix.EAGAIN
		}
	}
}

// accept waits for a connection.
func accept(l *os.File) (c *os.File, err error) {
	raw, err := l.SyscallConn()
	if err != nil {
		return nil, err
	}
	var got int
	waited := raw.Read(func(fd uintptr) bool {
		return tried(func() error {
			got, _, err = unix.Accept4(int(fd), unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
			return err
		})
	})
	if err := errors.Join(waited, err); err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(got), "connection"), nil
}

// send sends a message with descriptors.
func send(to *os.File, text []byte, files ...*os.File) error {
	raw, err := to.SyscallConn()
	if err != nil {
		return err
	}
	var fds []int
	for _, f := range files {
		if bad := control(f, func(fd int) { fds = append(fds, fd) }); bad != nil {
			return bad
		}
	}
	waited := raw.Write(func(fd uintptr) bool {
		return tried(func() error {
			err = unix.Sendmsg(int(fd), text, unix.UnixRights(fds...), nil, unix.MSG_NOSIGNAL)
			return err
		})
	})
	return errors.Join(waited, err)
}

// receive takes a message of at most two bytes with n descriptors; io.EOF when the
// other side is gone.
func receive(from *os.File, n int) (text []byte, files []*os.File, err error) {
	raw, err := from.SyscallConn()
	if err != nil {
		return nil, nil, err
	}
	text, oob := make([]byte, 2), make([]byte, unix.CmsgSpace(4*n))
	var got, rights int
	waited := raw.Read(func(fd uintptr) bool {
		return tried(func() error {
			got, rights, _, _, err = unix.Recvmsg(int(fd), text, oob, unix.MSG_CMSG_CLOEXEC)
			return err
		})
	})
	if err := errors.Join(waited, err); err != nil {
		return nil, nil, err
	}
	if got == 0 {
		return nil, nil, io.EOF
	}
	messages, err := unix.ParseSocketControlMessage(oob[:rights])
	if err != nil || len(messages) != 1 {
		return nil, nil, errors.Join(err, os.ErrInvalid)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	for _, fd := range fds {
		files = append(files, os.NewFile(uintptr(fd), "received"))
	}
	if err == nil && len(files) != n {
		err = os.ErrInvalid
	}
	return text[:got], files, err
}

// control does something with the descriptor of a file.
func control(f *os.File, do func(fd int)) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	return raw.Control(func(fd uintptr) { do(int(fd)) })
}
