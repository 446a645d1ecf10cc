package hook

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug"
	"github.com/snug-sandbox/snug/internal/problem"
)

// The command of a job's container is an agent that starts the job's steps: what
// a step leaves running is there for the next one, as runners have it
// everywhere. It has no more rights than they. The hook reaches it by a socket
// outside of the container, whose connections the process that holds the
// container hands in: nothing inside can take a step in the agent's place.

// order is a step for the agent; a later one is a signal for it.
type order struct {
	Args   []string       `json:"args,omitempty"`
	Env    []string       `json:"env,omitempty"`
	Dir    string         `json:"dir,omitempty"`
	Signal syscall.Signal `json:"signal,omitempty"`
}

// report is how a step ended.
type report struct {
	Code  int    `json:"code"`
	Error string `json:"error,omitempty"`
}

const agentSocket = "job.sock"

// at gives a short path of a file in a directory: a socket's may have 107 bytes.
func at(dir, name string) (path string, closer *os.File, err error) {
	f, err := os.Open(dir)
	if err != nil {
		return "", nil, err
	}
	return fmt.Sprintf("/proc/self/fd/%d/%s", f.Fd(), name), f, nil
}

// serve hands connections on the socket of a job to its agent.
func serve(dir string, agent *os.File) error {
	path, f, err := at(dir, agentSocket)
	if err != nil {
		return err
	}
	defer f.Close()
	l, err := listen(unix.AF_UNIX, &unix.SockaddrUnix{Name: path})
	if err != nil {
		return err
	}
	go func() {
		for {
			c, err := accept(l)
			if err != nil {
				return
			}
			send(agent, []byte{0}, c)
			c.Close()
		}
	}()
	return nil
}

// Agent starts what comes by the connections that come on descriptor 3.
func Agent() int {
	from := inherited(3)
	for {
		_, files, err := receive(from, 1)
		if err != nil {
			return 0 // who holds the container has ended
		}
		go step(files[0])
	}
}

// step runs one step to its end.
func step(c *os.File) {
	defer c.Close()
	_, files, err := receive(c, 3)
	defer func() {
		for _, f := range files {
			f.Close()
		}
	}()
	in := json.NewDecoder(c)
	var o order
	if err != nil || in.Decode(&o) != nil || len(o.Args) == 0 {
		return
	}
	answer := run(o, files, in)
	json.NewEncoder(c).Encode(answer)
}

func run(o order, files []*os.File, in *json.Decoder) report {
	if info, err := os.Stat(o.Dir); o.Dir != "" && (err != nil || !info.IsDir()) {
		return report{snug.CodeNotFound, "run " + o.Args[0] + ": there is no directory " + o.Dir + " inside the container to start in"}
	}
	path, err := look(o)
	if err != nil {
		return report{snug.CodeNotFound, err.Error()}
	}
	inside, pumps, err := through(files[1:])
	if err != nil {
		return report{snug.CodeFailed, err.Error()}
	}
	p, err := os.StartProcess(path, o.Args, &os.ProcAttr{Dir: o.Dir, Env: o.Env, Files: append(files[:1:1], inside...), Sys: &syscall.SysProcAttr{Setpgid: true}})
	for _, f := range inside {
		f.Close()
	}
	switch {
	case errors.Is(err, os.ErrNotExist):
		return report{snug.CodeNotFound, "run " + o.Args[0] + ": " + err.Error()}
	case err != nil:
		return report{snug.CodeRefused, "run " + o.Args[0] + ": " + err.Error()}
	}
	var ended atomic.Bool
	go attend(p.Pid, in, &ended)
	state, err := p.Wait()
	ended.Store(true)
	for _, p := range pumps {
		p.finish()
	}
	if err != nil {
		return report{snug.CodeFailed, err.Error()}
	}
	if status := state.Sys().(syscall.WaitStatus); status.Signaled() {
		return report{Code: 128 + int(status.Signal())}
	}
	return report{Code: state.ExitCode()}
}

// pump copies what a step prints, until the step has ended; what it left running
// may print on, to nobody, and neither keeps the runner waiting nor is ended by a
// closed pipe.
type pump struct {
	from, to *os.File
	idle     chan struct{}
}

// through gives pipes in place of files, and what copies them. Two descriptors of
// one file get one pipe, so that the order stays.
func through(files []*os.File) (inside []*os.File, pumps []*pump, err error) {
	for i, to := range files {
		if i > 0 && same(files[i-1], to) {
			inside = append(inside, inside[i-1])
			continue
		}
		read, write, err := os.Pipe()
		if err != nil {
			return nil, nil, err
		}
		p := &pump{read, to, make(chan struct{})}
		go p.run()
		inside, pumps = append(inside, write), append(pumps, p)
	}
	return inside, pumps, nil
}

func same(a, b *os.File) bool {
	one, err := a.Stat()
	if err != nil {
		return false
	}
	other, err := b.Stat()
	return err == nil && os.SameFile(one, other)
}

func (p *pump) run() {
	defer p.from.Close()
	_, err := io.Copy(p.to, p.from)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		p.from.SetReadDeadline(time.Time{})
		io.CopyN(p.to, p.from, waiting(p.from))
	}
	close(p.idle)
	for err != nil { // finish sets its deadline even where nobody reads any more
		p.from.SetReadDeadline(time.Time{})
		if _, err = io.Copy(io.Discard, p.from); !errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
	}
}

// finish waits until all that the step wrote is copied.
func (p *pump) finish() {
	p.from.SetReadDeadline(time.Unix(1, 0))
	<-p.idle
}

// waiting is how many bytes are in a pipe.
func waiting(f *os.File) int64 {
	n, err := unix.IoctlGetInt(int(f.Fd()), unix.TIOCINQ)
	if err != nil {
		return 0
	}
	return int64(n)
}

// attend sends a step the signals that come for it, and ends it with what it
// started when the hook is gone: its job was canceled.
func attend(pid int, in *json.Decoder, ended *atomic.Bool) {
	for {
		var o order
		err := in.Decode(&o)
		switch {
		case ended.Load():
			return
		case err != nil:
			unix.Kill(-pid, unix.SIGKILL)
			return
		case o.Signal != 0:
			unix.Kill(-pid, o.Signal)
		}
	}
}

// look finds a program in the PATH of the step.
func look(o order) (string, error) {
	name := o.Args[0]
	if strings.Contains(name, "/") {
		if !filepath.IsAbs(name) {
			name = filepath.Join(o.Dir, name)
		}
		return name, nil
	}
	for _, kv := range o.Env {
		dirs, ok := strings.CutPrefix(kv, "PATH=")
		if !ok {
			continue
		}
		for _, dir := range filepath.SplitList(dirs) {
			if !filepath.IsAbs(dir) {
				dir = filepath.Join(o.Dir, dir)
			}
			if path := filepath.Join(dir, name); isProgram(path) {
				return path, nil
			}
		}
	}
	return "", fmt.Errorf("run %s: not found inside the container", name)
}

func isProgram(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && unix.Access(path, unix.X_OK) == nil
}

// order has the agent of the job's container run a step with the streams of the
// hook, and returns its exit code.
func (h *Hook) order(o order) (int, error) {
	broken := func(err error) error {
		return &problem.Problem{What: "the job's container", Why: "its agent does not answer: " + err.Error(), Err: err}
	}
	// From before the step begins: a signal that ended the hook would take the
	// step's chance to catch it.
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	defer signal.Stop(signals)
	path, f, err := at(h.dir(), agentSocket)
	if err != nil {
		return 0, broken(err)
	}
	defer f.Close()
	c, err := dial(&unix.SockaddrUnix{Name: path})
	if err != nil {
		return 0, broken(err)
	}
	defer c.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		return 0, err
	}
	defer null.Close()
	if err := send(c, []byte{0}, null, h.Out, h.Err); err != nil {
		return 0, broken(err)
	}
	out := json.NewEncoder(c)
	if err := out.Encode(o); err != nil {
		return 0, broken(err)
	}
	go func() {
		for s := range signals {
			out.Encode(order{Signal: s.(syscall.Signal)})
		}
	}()
	var r report
	if err := json.NewDecoder(c).Decode(&r); err != nil {
		return 0, broken(err)
	}
	if r.Error != "" {
		fmt.Fprintf(h.Err, "snug: %s\n", problem.Printable(r.Error))
	}
	return r.Code, nil
}
