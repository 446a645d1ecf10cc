package snug

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/snug-sandbox/snug/internal/plan"
	"github.com/snug-sandbox/snug/internal/problem"
)

// server is a program that serves a file system of the sandbox, from outside.
type server struct {
	label string
	ended chan struct{}
	said  bytes.Buffer // to be read when it has ended
}

// serve starts a server. It is in a session of its own: what a terminal sends to
// the command is not for it, and it has to be the last one to end.
func (c *Cmd) serve(a plan.Action, args []string, files []*os.File) error {
	if i := slices.IndexFunc(args, func(word string) bool { return strings.Contains(word, plan.Scratch) }); i >= 0 {
		dir, err := os.MkdirTemp("", "snug-")
		if err != nil {
			return &problem.Problem{What: a.Label, Why: "no directory can be made for what is written: " + err.Error(), Err: err}
		}
		for i := range args {
			args[i] = strings.ReplaceAll(args[i], plan.Scratch, dir)
		}
	}
	s := &server{label: a.Label, ended: make(chan struct{})}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.ExtraFiles, cmd.Dir, cmd.SysProcAttr = files, "/", &syscall.SysProcAttr{Setsid: true}
	cmd.Stderr = &s.said
	if err := cmd.Start(); err != nil {
		return &problem.Problem{What: a.Label, Why: err.Error(), Err: err}
	}
	c.server = s
	go func() {
		cmd.Wait()
		close(s.ended)
	}()
	return nil
}

// serverGrace is how long a server may take to notice that its mount is gone, and
// to remove what was written.
const serverGrace = 10 * time.Second

// wait waits for the end of a server whose sandbox has ended. It may be nil.
func (s *server) wait() {
	if s == nil {
		return
	}
	select {
	case <-s.ended:
	case <-time.After(serverGrace):
	}
}

// blame makes the server's words the reason of a step that failed as it did not
// answer.
func (s *server) blame(errno syscall.Errno, p *problem.Problem) {
	if s == nil || errno != syscall.ENOTCONN && errno != syscall.ECONNABORTED && errno != syscall.EIO {
		return
	}
	s.wait()
	p.What, p.Why = s.label, "it ended: "+strings.TrimSpace(s.said.String())
	p.Err = errors.Join(p.Err, errno)
}
