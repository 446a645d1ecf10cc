package bwrap

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug"
	"github.com/snug-sandbox/snug/internal/nofile"
	"github.com/snug-sandbox/snug/internal/problem"
)

// codeFailed is bubblewrap's exit code for everything that goes wrong before the
// command runs.
const codeFailed = 1

// Main is the program bwrap: it runs a command line, without the program's own
// name, and returns the exit code.
func Main(args []string) int {
	if nofile.TooFew() {
		return die(false, "Too few open files are allowed")
	}
	request, err := Parse(args, os.Environ(), Caller{UID: os.Getuid(), GID: os.Getgid(), SELinux: SELinux()})
	for _, w := range request.Warnings {
		fmt.Fprintln(os.Stderr, w)
	}
	if err != nil {
		var usage *UsageError
		if errors.As(err, &usage) {
			fmt.Fprint(os.Stderr, Usage(os.Args[0]))
			return codeFailed
		}
		return die(request.LevelPrefix, err.Error())
	}
	switch {
	case request.Help:
		fmt.Fprint(os.Stdout, Usage(os.Args[0]))
		return 0
	case request.Version:
		fmt.Fprintln(os.Stdout, "bubblewrap "+Version)
		return 0
	}
	return run{request, Look()}.do()
}

func die(prefix bool, text string) int {
	fmt.Fprintln(os.Stderr, Format(Fatal, prefix, text))
	return codeFailed
}

// run is one run of bubblewrap's command line.
type run struct {
	request *Request
	around  Surroundings
}

func (b run) do() int {
	r := b.request
	if r.DieWithParent && !dieWithParent() {
		return codeFailed
	}
	s, err := r.Spec(b.around)
	if err == nil && r.Args[0] == "" {
		err = Failed("execvp ", syscall.ENOENT) // no Spec has a command without a name
	}
	if err != nil {
		return die(r.LevelPrefix, err.Error())
	}
	for _, fd := range r.SyncFDs {
		keep(fd)
	}
	for _, fd := range []*int{r.UserFD, r.User2FD, r.PIDFD, r.BlockFD, r.UsernsBlockFD, r.InfoFD, r.StatusFD} {
		if fd != nil {
			keep(*fd)
		}
	}
	cmd := &snug.Cmd{Spec: s}
	if r.InfoFD != nil || r.StatusFD != nil {
		cmd.Created = b.tell
	}
	result, err := snug.Main(cmd)
	if err != nil {
		return die(r.LevelPrefix, b.message(result, err))
	}
	code := result.Code()
	if r.StatusFD != nil {
		write(*r.StatusFD, ExitStatus(code))
	}
	return code
}

// dieWithParent has the kernel kill this process with the one that called it.
// It reports whether that one still lives.
func dieWithParent() bool {
	parent := unix.Getppid()
	err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0)
	return err == nil && unix.Getppid() == parent
}

// tell writes what --info-fd and --json-status-fd want to know, before anything
// happens in the sandbox.
func (b run) tell(pid int) error {
	var list []Namespace
	for _, name := range b.request.Namespaces(b.around) {
		if name == "pid" && b.request.AsPID1 && b.request.UsernsBlockFD != nil {
			continue // it is made when the ids are mapped
		}
		var stat unix.Stat_t
		if err := unix.Stat("/proc/"+strconv.Itoa(pid)+"/ns/"+name, &stat); err != nil {
			continue
		}
		list = append(list, Namespace{Name: name, ID: stat.Ino})
	}
	if fd := b.request.StatusFD; fd != nil {
		if err := write(*fd, Status(pid, list)); err != nil {
			return Failed("Write to json_status_fd", err)
		}
	}
	if fd := b.request.InfoFD; fd != nil {
		if err := write(*fd, Info(pid, list)); err != nil {
			return Failed("Write to info_fd", err)
		}
		unix.Close(*fd)
	}
	return nil
}

func write(fd int, text string) error {
	for len(text) > 0 {
		n, err := unix.Write(fd, []byte(text))
		if err != nil && err != unix.EINTR {
			return err
		}
		text = text[max(n, 0):]
	}
	return nil
}

// message says in bubblewrap's words why the command did not run.
func (b run) message(result *snug.Result, err error) string {
	if result != nil && result.Failure != nil {
		f := result.Failure
		return b.request.Message(Step{Label: f.Label, From: f.From, Call: f.Call, Errno: f.Errno, Detail: f.Detail})
	}
	var errno syscall.Errno
	var p *problem.Problem
	if errors.As(err, &errno) && errors.As(err, &p) {
		if strings.HasPrefix(p.What, "clone ") {
			return CloneMessage(errno)
		}
		from, _, _ := strings.Cut(p.What, " ")
		if text, ok := b.request.Refusal(from, errno); ok {
			return text
		}
	}
	return err.Error()
}
