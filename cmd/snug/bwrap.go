package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug"
	"github.com/snug-sandbox/snug/bwrap"
	"github.com/snug-sandbox/snug/internal/problem"
)

// codeBwrap is bubblewrap's exit code for everything that goes wrong before the
// command runs.
const codeBwrap = 1

// calledBwrap reports whether this program was called by bubblewrap's name, and
// is to behave like it.
func calledBwrap() bool { return len(os.Args) > 0 && filepath.Base(os.Args[0]) == "bwrap" }

// runBwrap is bubblewrap's command line. It returns the exit code.
func runBwrap(args []string, std streams) int {
	request, err := bwrap.Parse(args, os.Environ(), bwrap.Caller{UID: os.Getuid(), SELinux: bwrap.SELinux()})
	prefix := request != nil && request.LevelPrefix
	if err != nil {
		var usage *bwrap.UsageError
		if errors.As(err, &usage) {
			fmt.Fprint(std.err, bwrap.Usage())
			return codeBwrap
		}
		return dieBwrap(std, prefix, err.Error())
	}
	for _, w := range request.Warnings {
		fmt.Fprintln(std.err, bwrap.Format(bwrap.Warning, prefix, w))
	}
	switch {
	case request.Help:
		fmt.Fprint(std.out, bwrap.Usage())
		return 0
	case request.Version:
		fmt.Fprintln(std.out, "bubblewrap "+bwrap.Version)
		return 0
	}
	run := bwrapRun{request: request, around: bwrap.Look()}
	return run.do(std)
}

func dieBwrap(std streams, prefix bool, text string) int {
	fmt.Fprintln(std.err, bwrap.Format(bwrap.Fatal, prefix, text))
	return codeBwrap
}

// bwrapRun is one run of bubblewrap's command line.
type bwrapRun struct {
	request *bwrap.Request
	around  bwrap.Surroundings
}

func (b bwrapRun) do(std streams) int {
	r := b.request
	die := func(text string) int { return dieBwrap(std, r.LevelPrefix, text) }
	if r.DieWithParent && !dieWithParent() {
		return codeBwrap
	}
	s, err := r.Spec(b.around)
	if err != nil {
		return die(err.Error())
	}
	for _, fd := range []*int{r.UserFD, r.User2FD, r.PIDFD, r.SyncFD, r.BlockFD, r.UsernsBlockFD, r.InfoFD, r.StatusFD} {
		if fd != nil {
			unix.CloseOnExec(*fd) // for us, not for the command
		}
	}
	cmd := &snug.Cmd{Spec: s}
	if r.InfoFD != nil || r.StatusFD != nil {
		cmd.Created = b.tell
	}
	result, err := snug.Main(cmd)
	if err != nil {
		return die(b.message(result, err))
	}
	code := result.Code()
	if r.StatusFD != nil {
		write(*r.StatusFD, bwrap.ExitStatus(code))
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
func (b bwrapRun) tell(pid int) error {
	var list []bwrap.Namespace
	for _, name := range b.request.Namespaces(b.around) {
		var stat unix.Stat_t
		if err := unix.Stat("/proc/"+strconv.Itoa(pid)+"/ns/"+name, &stat); err != nil {
			continue
		}
		list = append(list, bwrap.Namespace{Name: name, ID: stat.Ino})
	}
	if fd := b.request.StatusFD; fd != nil {
		if err := write(*fd, bwrap.Status(pid, list)); err != nil {
			return bwrap.Failed("Write to json_status_fd", err)
		}
	}
	if fd := b.request.InfoFD; fd != nil {
		if err := write(*fd, bwrap.Info(pid, list)); err != nil {
			return bwrap.Failed("Write to info_fd", err)
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
func (b bwrapRun) message(result *snug.Result, err error) string {
	if result != nil && result.Failure != nil {
		f := result.Failure
		return b.request.Message(bwrap.Step{Label: f.Label, From: f.From, Call: f.Call, Errno: f.Errno})
	}
	var errno syscall.Errno
	var p *problem.Problem
	if errors.As(err, &errno) && errors.As(err, &p) && strings.HasPrefix(p.What, "clone ") {
		return bwrap.CloneMessage(errno)
	}
	return err.Error()
}
