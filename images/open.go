package images

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// open opens a file that is on the way to each start from an image. Package os would
// try to have it watched (epoll(7)), which takes five more calls, and cannot be done
// with a regular file.
func open(name string, flags int) (*os.File, error) {
	for {
		fd, err := unix.Open(name, flags|unix.O_CLOEXEC, 0o600)
		if err == nil {
			return os.NewFile(uintptr(fd), name), nil
		}
		if !errors.Is(err, unix.EINTR) {
			return nil, &os.PathError{Op: "open", Path: name, Err: err}
		}
	}
}

// read returns what a small file holds.
func read(name string) ([]byte, error) {
	f, err := open(name, unix.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}
