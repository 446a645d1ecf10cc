// Package layer turns the tar stream of an image's layer into a directory that
// overlayfs takes as a lower one, and back.
//
// A layer comes from anywhere. Its names are looked up by the kernel below the
// directory's descriptor and never leave it (openat2(2), RESOLVE_BENEATH), and
// limits hold what its headers may claim. Files that it removes from the layers
// below are shown as overlayfs has them: a character device 0:0, and the
// attribute user.overlay.opaque on a directory that hides what is below it.
//
// While it is unpacked a recipe is written: everything of the stream but the
// content of files. Directory and recipe give the same stream again, to the
// byte, so that its digest tells whether the files are still what they were.
package layer

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/internal/problem"
)

// Options say how a layer is unpacked.
type Options struct {
	// Chown gives files their owners; the caller needs CAP_CHOWN over all of
	// them. Else they are the caller's, and the true owner is written to the
	// attribute user.rootlesscontainers where it is not root.
	Chown bool

	// Absolute takes names that begin with a slash, which tar(1) writes with -P
	// only, as names below the root.
	Absolute bool

	// Trailer asks for the blocks of zeros that end a tar stream: without a
	// digest nothing else tells that the stream was cut off.
	Trailer bool

	// Below returns the directories of the layers below, the topmost first, which
	// hard links may lead into. It is called when it is needed, and may wait. Nil:
	// there are none.
	Below func() ([]string, error)

	Limits Limits
}

// Limits are what a layer may come to. Zero is the default.
type Limits struct {
	Bytes int64 // of the stream, and of all files as they claim to be; default 64 GiB
	Files int64 // entries; default 4 million
}

// Values of Limits that are zero.
const (
	DefaultBytes = 64 << 30
	DefaultFiles = 4 << 20
)

func (l Limits) filled() Limits {
	if l.Bytes <= 0 {
		l.Bytes = DefaultBytes
	}
	if l.Files <= 0 {
		l.Files = DefaultFiles
	}
	return l
}

// Report says what was unpacked.
type Report struct {
	DiffID  string // digest of the stream
	Size    int64  // of the stream
	Files   int64  // entries
	Skipped Skipped
	// Dependent says that the directory holds what is of the layers below: it is
	// for a stack with these alone.
	Dependent bool
	Lossy     bool // several entries had one name: the stream cannot be made again
}

// Skipped counts what a layer has and its directory has not.
type Skipped struct {
	Devices    int64 // device nodes, which only root can make
	Attributes int64 // extended attributes that only root can set
}

// Notes says what was left out, one sentence each.
func (s Skipped) Notes() []string {
	var list []string
	if s.Devices > 0 {
		list = append(list, fmt.Sprintf("%d device nodes were left out: only root can make them", s.Devices))
	}
	if s.Attributes > 0 {
		list = append(list, fmt.Sprintf("%d extended attributes were left out: only root can set them", s.Attributes))
	}
	return list
}

// unpacker is the state of one Unpack.
type unpacker struct {
	Options
	root   int // descriptor of the directory
	tape   *tape
	report Report
	claims int64              // bytes that files claim so far
	dirs   map[string]dirMeta // by their names; "": the root

	skipped atomic.Int64 // Skipped.Attributes

	lastDir string // what sameParent keeps open
	lastFD  int    // -1: nothing
	stale   bool   // something was removed since

	under *below // what is open of Below

	later *later
	buf   []byte
}

// dirMeta is what a directory gets once nothing more goes into it.
type dirMeta struct {
	mode uint32
	when unix.Timespec
}

// Unpack unpacks the stream r into the empty directory dir and writes its
// recipe. An error leaves dir as it then was.
func Unpack(r io.Reader, dir string, recipe io.Writer, o Options) (Report, error) {
	o.Limits = o.Limits.filled()
	root, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return Report{}, &os.PathError{Op: "open", Path: dir, Err: err}
	}
	defer unix.Close(root)
	w, err := newRecipe(recipe)
	if err != nil {
		return Report{}, err
	}
	source := readAhead(r, o.Limits.Bytes)
	defer source.stop()
	u := &unpacker{Options: o, root: root, tape: &tape{r: source, recipe: w}, buf: make([]byte, 128<<10), lastFD: -1, dirs: map[string]dirMeta{}}
	u.later = newLater(u.fill)
	defer u.later.stop()
	defer u.forget()
	defer func() {
		if u.under != nil {
			u.under.close()
		}
	}()
	if err := u.run(); err != nil {
		return u.report, err
	}
	u.report.Skipped.Attributes = u.skipped.Load()
	if u.report.DiffID, u.report.Size, err = source.finish(); err != nil {
		return u.report, err
	}
	u.report.Lossy = w.lossy
	return u.report, w.close()
}

func (u *unpacker) run() error {
	tr := tar.NewReader(u.tape)
	for {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return u.broken(err)
		}
		u.report.Files++
		if u.report.Files > u.Limits.Files {
			return overLimit(fmt.Sprintf("it has more than %d entries", u.Limits.Files), "--max-files")
		}
		if err := u.later.failed(); err != nil {
			return err
		}
		if err := u.entry(h, tr); err != nil {
			return entryProblem(h.Name, err)
		}
	}
	if err := u.rest(); err != nil {
		return u.broken(err)
	}
	if err := u.later.wait(); err != nil {
		return err
	}
	return u.finishDirs()
}

// rest reads what follows the last entry: it belongs to the digest.
func (u *unpacker) rest() error {
	n, err := io.CopyBuffer(io.Discard, u.tape, u.buf)
	if err != nil {
		return err
	}
	switch {
	case u.report.Files == 0 && u.tape.offset == 0:
		return errors.New("the stream is empty")
	case u.Trailer && !u.tape.ended && n == 0:
		return io.ErrUnexpectedEOF
	}
	return nil
}

func (u *unpacker) broken(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return &problem.Problem{What: "the layer", Why: fmt.Sprintf("the stream ends too early, after %d bytes", u.tape.offset), Fix: "get it again", Err: err}
	}
	var p *problem.Problem
	if errors.As(err, &p) {
		return err
	}
	return &problem.Problem{What: "the layer", Why: fmt.Sprintf("it cannot be read after %d bytes: %v", u.tape.offset, err), Err: err}
}

func overLimit(why, option string) error {
	return &problem.Problem{What: "the layer", Why: why, Fix: "if that is right, allow more with " + option, Err: errLimit}
}

// errLimit is the cause of errors about Limits.
var errLimit = errors.New("a limit was exceeded")

func entryProblem(name string, err error) error {
	var p *problem.Problem
	if errors.As(err, &p) {
		return err
	}
	return &problem.Problem{What: "the layer's entry " + problem.Printable(name), Why: reason(err), Err: err}
}

// reason is an error in the words of a layer.
func reason(err error) string {
	switch {
	case errors.Is(err, unix.EXDEV), errors.Is(err, unix.ELOOP):
		return "a symbolic link on its way leads out of the image"
	case errors.Is(err, unix.ENOTDIR):
		return "something on its way is not a directory"
	case errors.Is(err, unix.ENAMETOOLONG):
		return "the name is longer than this file system takes"
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return "no space is left for it"
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "the stream ends within it"
	}
	return err.Error()
}
