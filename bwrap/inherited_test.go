package bwrap

import (
	"os"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// --args reads a descriptor that the caller handed over, and closes it.
func TestInheritedArguments(t *testing.T) {
	fd := handedOver(t, "--dir\x00/x")
	r, err := Parse([]string{"--args", strconv.Itoa(fd), "true"}, nil, Caller{UID: 1000})
	if err != nil || len(r.Operations) != 1 {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != unix.EBADF {
		t.Error("the descriptor is open still:", err)
	}
}

// Files of this process, such as those of Go's runtime, are none of the caller's.
func TestOwnFilesAreNotInherited(t *testing.T) {
	fd := handedOver(t, "--dir\x00/x")
	unix.CloseOnExec(fd)
	defer unix.Close(fd)
	_, err := Parse([]string{"--args", strconv.Itoa(fd), "true"}, nil, Caller{UID: 1000})
	if err == nil || err.Error() != "Can't read --args data: Bad file descriptor" {
		t.Error(err)
	}
}

// handedOver is a descriptor as execve(2) leaves it.
func handedOver(t *testing.T, content string) int {
	t.Helper()
	path := t.TempDir() + "/args"
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Open(path, unix.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return fd
}
