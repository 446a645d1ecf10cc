package host

import (
	"fmt"
	"io"
	"os"

	"github.com/snug-sandbox/snug/internal/problem"
	"golang.org/x/sys/unix"
)

// smallFile reads a file that the caller named and that what needs: a fifo must
// not hang, and a disk image must not fill the memory.
func smallFile(what, name string) ([]byte, error) {
	const most = 1 << 20
	bad := func(why string, err error) error {
		return &problem.Problem{What: fmt.Sprintf("%s %q", what, name), Why: why, Fix: "give the path of a file that you may read", Err: err}
	}
	f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, bad("", err)
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		return nil, bad("it is not a regular file", err)
	}
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return nil, bad("", err)
	}
	if len(text) > most {
		return nil, bad("it is larger than 1 MiB", nil)
	}
	return text, nil
}
