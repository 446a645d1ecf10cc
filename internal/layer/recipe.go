package layer

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"
)

// A recipe is a sequence of frames, compressed: "R", a length, that many bytes of
// the stream; "F", a length and the name of a file, and how much of the stream
// is its content; and at the end "E", with a byte that is 1 when a file was
// replaced by a later entry and the stream cannot be made again.
const (
	frameRaw  = 'R'
	frameFile = 'F'
	frameEnd  = 'E'
)

type recipe struct {
	z     *zstd.Encoder
	lossy bool
	raw   []byte
	err   error
}

func newRecipe(w io.Writer) (*recipe, error) {
	z, err := zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(256<<10))
	return &recipe{z: z}, err
}

func (r *recipe) bytes(p []byte) {
	r.raw = append(r.raw, p...)
	if len(r.raw) >= 64<<10 {
		r.flush()
	}
}

func (r *recipe) flush() {
	if len(r.raw) > 0 {
		r.frame(frameRaw, r.raw, nil)
		r.raw = r.raw[:0]
	}
}

func (r *recipe) file(name string, size int64) {
	r.flush()
	r.frame(frameFile, []byte(name), binary.AppendUvarint(nil, uint64(size)))
}

func (r *recipe) frame(kind byte, p, more []byte) {
	head := binary.AppendUvarint([]byte{kind}, uint64(len(p)))
	for _, part := range [][]byte{head, p, more} {
		if _, err := r.z.Write(part); err != nil && r.err == nil {
			r.err = err
		}
	}
}

func (r *recipe) close() error {
	r.flush()
	last := byte(0)
	if r.lossy {
		last = 1
	}
	_, err := r.z.Write([]byte{frameEnd, last})
	return errors.Join(r.err, err, r.z.Close())
}

// block is the unit of a tar stream. Less than one is read of what fills up the
// last block of a file.
const block = 512

// tape passes a stream on and has the recipe keep all of it but the content of
// files.
type tape struct {
	r       *ahead
	recipe  *recipe
	offset  int64
	content int64 // bytes that are still content
	taken   int64 // bytes that take gave out, and Read has to account for
	ended   bool  // the last block was zeros
}

// file says that the next bytes are the content of a file.
func (t *tape) file(name string, size int64) {
	t.recipe.file(name, size)
	t.content = size
}

// take returns a part of the current file's content, at most limit bytes, which
// nobody has to copy. Read goes over it later, without a look.
func (t *tape) take(limit int64) ([]byte, error) {
	p, err := t.r.next(min(limit, t.content))
	n := int64(len(p))
	t.offset += n
	t.content -= n
	t.taken += n
	t.ended = false
	return p, err
}

func (t *tape) Read(p []byte) (int, error) {
	if t.taken > 0 {
		n := min(int64(len(p)), t.taken)
		t.taken -= n
		return int(n), nil
	}
	if t.content > 0 && int64(len(p)) > t.content {
		p = p[:t.content]
	}
	n, err := t.r.Read(p)
	t.offset += int64(n)
	if t.content > 0 {
		t.content -= int64(n)
		t.ended = false
		return n, err
	}
	if n > 0 {
		t.recipe.bytes(p[:n])
		t.ended = n >= block && allZero(p[:n])
	}
	return n, err
}

func allZero(p []byte) bool {
	for _, b := range p {
		if b != 0 {
			return false
		}
	}
	return true
}

// ErrLossy says that a stream cannot be made again to the byte.
var ErrLossy = errors.New("the layer has several entries of one name")

// Assemble writes the stream that a recipe and its directory come from.
func Assemble(r io.ReadSeeker, dir string, w io.Writer) error {
	root, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	defer unix.Close(root)
	// First without the files: only its end says whether it can be done.
	if err := play(r, func(string, int64) error { return nil }, io.Discard); err != nil {
		return err
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return play(r, func(name string, size int64) error { return copyFile(root, name, size, w) }, w)
}

// play goes through the frames of a recipe.
func play(r io.Reader, file func(name string, size int64) error, w io.Writer) error {
	z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(64<<20))
	if err != nil {
		return err
	}
	defer z.Close()
	in := bufio.NewReader(z)
	for {
		kind, err := in.ReadByte()
		if err != nil {
			return fmt.Errorf("the recipe is damaged: %w", cutOff(err))
		}
		if kind == frameEnd {
			last, err := in.ReadByte()
			if err == nil && last != 0 {
				err = ErrLossy
			}
			return err
		}
		if err := frame(kind, in, file, w); err != nil {
			return err
		}
	}
}

func frame(kind byte, in *bufio.Reader, file func(string, int64) error, w io.Writer) error {
	n, err := binary.ReadUvarint(in)
	if err != nil || kind != frameRaw && kind != frameFile || n > 1<<20 {
		return fmt.Errorf("the recipe is damaged: %v", err)
	}
	if kind == frameRaw {
		_, err := io.CopyN(w, in, int64(n))
		return err
	}
	name := make([]byte, n)
	if _, err := io.ReadFull(in, name); err != nil {
		return err
	}
	size, err := binary.ReadUvarint(in)
	if err != nil {
		return err
	}
	return file(string(name), int64(size))
}

func copyFile(root int, name string, size int64, w io.Writer) error {
	f, err := openFile(root, name)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	defer f.Close()
	if _, err := io.CopyN(w, f, size); err != nil {
		return fmt.Errorf("%s: %w", name, cutOff(err))
	}
	return nil
}
