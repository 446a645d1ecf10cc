package bwrap

import (
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// maxArgs is the most arguments, those from --args among them.
const maxArgs = 9000

// Caller is what the meaning of a command line depends on.
type Caller struct {
	UID, GID int  // of the calling process
	SELinux  bool // the kernel has SELinux, and it is enabled

	// Open opens a descriptor for --args, which is closed after; nil: one that
	// this process has inherited.
	Open func(fd int) (io.ReadCloser, error)
}

// UsageError is a command line without a command.
type UsageError struct{}

// Error says what is missing; bubblewrap prints its usage instead.
func (*UsageError) Error() string { return "there is no command" }

// Parse takes a command line apart; args does not hold the program's own name.
// Descriptors that hold data are not read, but for --args. An error is a message
// in bubblewrap's words. The request is never nil: with an error, its
// LevelPrefix and Warnings are what bubblewrap knew by then.
func Parse(args, environ []string, c Caller) (*Request, error) {
	if c.Open == nil {
		c.Open = openInherited
	}
	p := &parser{caller: c, request: &Request{Environ: slices.Clone(environ)}}
	rest, err := p.parse(args, false)
	if err != nil || p.ended() {
		return p.request, err
	}
	p.request.Args = rest
	return p.request, p.check()
}

// parser is the state between two options.
type parser struct {
	caller     Caller
	request    *Request
	count      int // arguments so far, those of --args among them
	argv0Given bool

	// Modifiers of the next operation.
	perms  *int
	size   int64
	layers []string
}

// ended reports whether an option asked for the end of everything.
func (p *parser) ended() bool { return p.request.Help || p.request.Version }

// parse reads options up to the command, and returns that.
func (p *parser) parse(args []string, inside bool) (rest []string, err error) {
	if p.count += len(args); p.count > maxArgs {
		return nil, message("Exceeded maximum number of arguments " + strconv.Itoa(maxArgs))
	}
	for len(args) > 0 && strings.HasPrefix(args[0], "-") {
		name := args[0]
		if name == "--" {
			return args[1:], nil
		}
		n := 1 + arity(name)
		switch {
		case n == 0:
			return nil, message("Unknown option " + name)
		case inside && name == "--args":
			return nil, message("--args not supported in arguments file")
		case len(args) < n:
			return nil, missing(name)
		}
		if err := p.option(name, args[1:n]); err != nil || p.ended() {
			return nil, err
		}
		if err := p.unused(name); err != nil {
			return nil, err
		}
		args = args[n:]
	}
	return args, nil
}

// arguments reads the options of --args. A command among them is ignored.
func (p *parser) arguments(value string) error {
	fd, err := natural(value, "fd")
	if err != nil {
		return err
	}
	data, err := p.read(fd)
	if err != nil {
		return Failed("Can't read --args data", err)
	}
	_, err = p.parse(split(string(data)), true)
	return err
}

func (p *parser) read(fd int) ([]byte, error) {
	file, err := p.caller.Open(fd)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(file)
}

// openInherited knows a descriptor of the caller by this: it has no mark to be
// closed on execve(2). Go's runtime has files open, and all of them have.
func openInherited(fd int) (io.ReadCloser, error) {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	switch {
	case err != nil:
		return nil, err
	case flags&unix.FD_CLOEXEC != 0:
		return nil, unix.EBADF
	}
	keep(fd)
	return os.NewFile(uintptr(fd), "args"), nil
}

// split cuts at the NUL bytes. There may be one at the end.
func split(data string) []string {
	if data == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(data, "\x00"), "\x00")
}
