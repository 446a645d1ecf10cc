package bwrap

import (
	"bytes"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/userns"
)

// maxArgs is the most arguments, those from --args among them.
const maxArgs = 9000

// Caller is what the meaning of a command line depends on.
type Caller struct {
	UID     int  // of the calling process
	SELinux bool // the kernel has SELinux, and it is enabled

	// Open opens a descriptor of the caller for --args; nil: os.NewFile.
	Open func(fd int) io.ReadCloser
}

// UsageError is a command line without a command.
type UsageError struct{}

// Error says what is missing; bubblewrap prints its usage instead.
func (*UsageError) Error() string { return "there is no command" }

// Parse takes a command line apart; args does not hold the program's own name.
// Descriptors that hold data are not read, but for --args. An error is a message
// in bubblewrap's words; the request is not nil then: LevelPrefix is valid.
func Parse(args, environ []string, c Caller) (*Request, error) {
	p := &parser{caller: c, request: &Request{Environ: slices.Clone(environ)}}
	if c.Open == nil {
		p.caller.Open = func(fd int) io.ReadCloser { return os.NewFile(uintptr(fd), "args") }
	}
	rest, err := p.parse(args, false)
	if err != nil || p.request.Help || p.request.Version {
		return p.request, err
	}
	p.request.Args = rest
	return p.request, p.finish()
}

// parser is the state between two options.
type parser struct {
	caller  Caller
	request *Request
	count   int             // arguments so far, of --args
	seen    map[string]bool // options that shall be given once

	perms    *int  // of the next operation
	size     int64 // the same
	layers   []string
	shareNet bool
}

// parse reads options up to the command, and returns that.
func (p *parser) parse(args []string, inside bool) (rest []string, err error) {
	if p.count += len(args); p.count > maxArgs {
		return nil, messagef("Exceeded maximum number of arguments %d", maxArgs)
	}
	for len(args) > 0 {
		name := args[0]
		if name == "--" {
			return args[1:], nil
		}
		if !strings.HasPrefix(name, "-") {
			return args, nil
		}
		o, known := find(name)
		if !known || inside && name == "--args" {
			if known {
				return nil, message("--args not supported in arguments file")
			}
			return nil, message("Unknown option " + name)
		}
		if len(args) <= o.values {
			return nil, o.missing()
		}
		if err := p.option(o, args[1:1+o.values]); err != nil {
			return nil, err
		}
		if p.request.Help || p.request.Version {
			return nil, nil
		}
		args = args[1+o.values:]
	}
	return nil, nil
}

// arguments reads the options of --args.
func (p *parser) arguments(value string) error {
	fd, err := descriptor(value)
	if err != nil {
		return err
	}
	file := p.caller.Open(fd)
	data, err := io.ReadAll(file)
	file.Close()
	if err != nil {
		return Failed("Can't read --args data", errnoOf(err))
	}
	var args []string
	for len(data) > 0 {
		arg, after, _ := bytes.Cut(data, []byte{0})
		args, data = append(args, string(arg)), after
	}
	_, err = p.parse(args, true)
	return err
}

// finish checks what options mean together, and fills in what follows from them.
func (p *parser) finish() error {
	r := p.request
	switch {
	case p.perms != nil:
		return message("--perms must be followed by an option that creates a file")
	case p.size != 0:
		return message("--size must be followed by --tmpfs")
	case len(p.layers) > 0:
		return message("--overlay-src must be followed by another --overlay-src or one of --overlay, --tmp-overlay, or --ro-overlay")
	case r.UserFD != nil && (r.User || r.UserTry):
		return message("--userns not compatible --unshare-user")
	case r.UserFD != nil && r.UserTry:
		return message("--userns not compatible --unshare-user-try")
	case r.DisableUserns && !r.User:
		return message("--disable-userns requires --unshare-user")
	case r.DisableUserns && r.UsernsBlockFD != nil:
		return message("--disable-userns is not compatible with  --userns-block-fd")
	case r.UsernsBlockFD != nil && !r.User:
		return message("--userns-block-fd requires --unshare-user")
	case r.UsernsBlockFD != nil && r.InfoFD == nil:
		return message("--userns-block-fd requires --info-fd")
	case len(r.Args) == 0:
		return &UsageError{}
	}
	user := r.User || r.UserTry || r.UserFD != nil || p.caller.UID != 0
	switch {
	case !user && r.UID != nil && *r.UID != p.caller.UID:
		return message("Specifying --uid requires --unshare-user or --userns")
	case !user && r.GID != nil && *r.GID != unix.Getgid():
		return message("Specifying --gid requires --unshare-user or --userns")
	case !r.UTS && r.Hostname != nil:
		return message("Specifying --hostname requires --unshare-uts")
	case r.AsPID1 && !r.PID:
		return message("Specifying --as-pid-1 requires --unshare-pid")
	case r.AsPID1 && len(r.LockFiles) > 0:
		return message("Specifying --as-pid-1 and --lock-file is not permitted")
	}
	return nil
}

// descriptor reads the number of a descriptor.
func descriptor(value string) (int, error) {
	n, err := strconv.ParseInt(trim(value), 10, 32)
	if err != nil || n < 0 {
		return 0, message("Invalid fd: " + value)
	}
	return int(n), nil
}

// trim takes away what strtol(3) skips.
func trim(s string) string { return strings.TrimPrefix(strings.TrimLeft(s, " \t\n\v\f\r"), "+") }

// capability reads one as cap_from_name(3) does: a name in any case, or a number.
func capability(add bool, name string) (Capability, error) {
	if strings.EqualFold(name, "ALL") {
		return Capability{Add: add, All: true}, nil
	}
	for nr, known := range userns.Capabilities {
		if strings.EqualFold(known, name) {
			return Capability{Add: add, Nr: nr}, nil
		}
	}
	if nr, err := strconv.Atoi(name); err == nil && nr >= 0 && nr < len(userns.Capabilities) {
		return Capability{Add: add, Nr: nr}, nil
	}
	return Capability{}, message("unknown cap: " + name)
}
