package profiles

import (
	"io/fs"
	"syscall"
)

// maxSize is more than any profile needs, and little enough that a wrong file
// (a disk image, /dev/zero) is refused at once.
const maxSize = 1 << 20

// file is one profile as it was read.
type file struct {
	name  string // as messages show it
	path  string // absolute; tells files apart
	dir   string // ${profile_dir}, absolute; empty for a built-in
	text  string
	tree  map[string]any
	stem  string // the name by which it was found, empty when it was a path
	place int    // index of the place where it was found

	broken    bool      // what is no TOML was taken out of text
	positions positions // filled when a message needs it
}

// label is the prefix of a built-in profile's file name.
const label = "built-in:"

// read returns the text of a file and the id of its owner. What was found
// rather than named has to be a regular file: a pipe that somebody left there
// would be waited for. Package os would
// register the descriptor with the poller first, which costs every start three
// system calls more.
func read(name string, found bool) (text string, owner int, err error) {
	flags := syscall.O_RDONLY | syscall.O_CLOEXEC | syscall.O_NOCTTY
	if found {
		flags |= syscall.O_NONBLOCK
	}
	fd, err := retry(func() (int, error) { return syscall.Open(name, flags, 0) })
	if err != nil {
		return "", 0, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	defer syscall.Close(fd)
	var st syscall.Stat_t
	if err := syscall.Fstat(fd, &st); err != nil {
		return "", 0, &fs.PathError{Op: "stat", Path: name, Err: err}
	}
	if kind := st.Mode & syscall.S_IFMT; found && kind != syscall.S_IFREG && kind != syscall.S_IFDIR {
		return "", 0, &fs.PathError{Op: "read", Path: name, Err: errNoFile}
	}
	buf := make([]byte, 0, min(max(st.Size, 4096), maxSize)+1)
	for {
		n, err := retry(func() (int, error) { return syscall.Read(fd, buf[len(buf):cap(buf)]) })
		if err != nil {
			return "", 0, &fs.PathError{Op: "read", Path: name, Err: err}
		}
		buf = buf[:len(buf)+n]
		switch {
		case n == 0:
			return string(buf), int(st.Uid), nil
		case len(buf) > maxSize:
			return "", 0, &fs.PathError{Op: "read", Path: name, Err: errTooBig}
		case len(buf) == cap(buf):
			buf = append(make([]byte, 0, 4*cap(buf)), buf...)
		}
	}
}

// retry repeats a call that a signal interrupted.
func retry(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if err != syscall.EINTR {
			return n, err
		}
	}
}

type constError string

func (e constError) Error() string { return string(e) }

const (
	errTooBig = constError("larger than 1 MiB, which is no profile")
	errNoFile = constError("not a regular file")
)
