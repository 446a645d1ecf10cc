package snug

import (
	"errors"
	"io"
	"os"
	"slices"
	"sort"
	"syscall"
)

// openStreams sets c.files: what the command has as descriptors 0, 1, 2 and
// more, in the order of the plan's targets. The sandbox's own terminal takes
// the place of those in replaced, and does their copying.
func (c *Cmd) openStreams(targets, replaced []int) error {
	if c.Spec.Inherit != nil {
		return nil // they are where they were
	}
	in, out, errs := c.Stdin, c.Stdout, c.Stderr
	for _, fd := range replaced {
		switch fd {
		case 0:
			in = onlyFile(in)
		case 1:
			out = onlyFile(out)
		case 2:
			errs = onlyFile(errs)
		}
	}
	stdin, err := c.reader(in)
	if err != nil {
		return err
	}
	stdout, err := c.writer(out)
	if err != nil {
		return err
	}
	stderr := stdout
	if errs == nil || !same(errs, out) {
		if stderr, err = c.writer(errs); err != nil {
			return err
		}
	}
	byTarget := map[int]*os.File{0: stdin, 1: stdout, 2: stderr}
	for i, f := range c.ExtraFiles {
		byTarget[3+i] = f
	}
	for fd, f := range c.Files {
		byTarget[fd] = f
	}
	if c.enter != nil {
		for i, f := range append(c.enter.namespaces, c.enter.exe) {
			byTarget[-1-i] = f
		}
	}
	for _, t := range targets {
		c.files = append(c.files, byTarget[t])
	}
	return nil
}

// onlyFile is stream if it is a file, which needs no copying, and nil otherwise.
func onlyFile[T any](stream T) (none T) {
	if _, ok := any(stream).(*os.File); ok {
		return stream
	}
	return none
}

// keepOpen takes over the closing of a stream that is the end of a pipe of ours.
func (c *Cmd) keepOpen(stream any) io.Closer {
	for i, f := range c.closers {
		if any(f) == stream {
			c.closers = slices.Delete(c.closers, i, i+1)
			return f
		}
	}
	return io.NopCloser(nil)
}

// extra lists the descriptors inside beside 0, 1 and 2.
func (c *Cmd) extra() []int {
	var fds []int
	for i, f := range c.ExtraFiles {
		if f != nil {
			fds = append(fds, 3+i)
		}
	}
	for fd := range c.Files {
		fds = append(fds, fd)
	}
	sort.Ints(fds)
	return fds
}

func (c *Cmd) null(flag int) (*os.File, error) {
	f, err := os.OpenFile(os.DevNull, flag, 0)
	if err == nil {
		c.closers = append(c.closers, f)
	}
	return f, err
}

func (c *Cmd) reader(from io.Reader) (*os.File, error) {
	switch in := from.(type) {
	case nil:
		return c.null(os.O_RDONLY)
	case *os.File:
		return in, nil
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	c.closers, c.parents = append(c.closers, r), append(c.parents, w)
	c.copies = append(c.copies, func() error {
		_, err := io.Copy(w, from)
		if errors.Is(err, syscall.EPIPE) {
			err = nil // the command does not read all of it
		}
		return errors.Join(err, w.Close())
	})
	return r, nil
}

func (c *Cmd) writer(to io.Writer) (*os.File, error) {
	switch out := to.(type) {
	case nil:
		return c.null(os.O_WRONLY)
	case *os.File:
		return out, nil
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	c.closers, c.parents = append(c.closers, w), append(c.parents, r)
	c.copies = append(c.copies, func() error {
		_, err := io.Copy(to, r)
		return errors.Join(err, r.Close())
	})
	return w, nil
}

// same reports whether two writers are one; comparing some types panics.
func same(a, b io.Writer) (equal bool) {
	defer func() {
		if recover() != nil {
			equal = false
		}
	}()
	return a == b
}

// StdinPipe returns a pipe to the command's standard input. Wait closes it.
func (c *Cmd) StdinPipe() (io.WriteCloser, error) {
	if c.Stdin != nil || c.process != nil {
		return nil, errors.New("snug: StdinPipe: Stdin already set, or already started")
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	c.Stdin = r
	c.closers, c.parents = append(c.closers, r), append(c.parents, w)
	return w, nil
}

// StdoutPipe returns a pipe from the command's standard output. Wait closes it,
// so all of it should be read before.
func (c *Cmd) StdoutPipe() (io.ReadCloser, error) { return c.outputPipe(&c.Stdout) }

// StderrPipe is StdoutPipe for standard error.
func (c *Cmd) StderrPipe() (io.ReadCloser, error) { return c.outputPipe(&c.Stderr) }

func (c *Cmd) outputPipe(field *io.Writer) (io.ReadCloser, error) {
	if *field != nil || c.process != nil {
		return nil, errors.New("snug: output already set, or already started")
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	*field = w
	c.closers, c.parents = append(c.closers, w), append(c.parents, r)
	return r, nil
}

func closeAll(list []io.Closer) {
	for _, c := range list {
		c.Close()
	}
}
