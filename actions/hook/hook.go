package hook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/snug-sandbox/snug"
	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/internal/workflow"
	"github.com/snug-sandbox/snug/mounts"
)

// Hook is one command of a runner.
type Hook struct {
	Getenv    func(string) string
	In        io.Reader
	Out       *os.File // the log of the job
	Err       *os.File
	Snug      string          // path of the program snug
	Self      string          // path of this program
	ctx       context.Context // is done when the job is canceled
	host      host
	state     State
	listeners []*os.File // of the host's loopback
	targets   []string   // and the ports inside that they are for
}

// Run reads a command, does it, and returns the exit code.
func (h *Hook) Run() int {
	r, err := readRequest(h.In)
	if err == nil {
		h.host, err = newHost(h.Getenv, r.ResponseFile)
	}
	if err != nil {
		return h.fail(err)
	}
	h.state, _ = r.state()
	h.ctx = context.Background()
	code := 0
	switch r.Command {
	case prepareJob:
		defer h.untilCanceled()()
		err = h.prepare(r)
	case runScriptStep:
		code, err = h.script(r)
	case runContainerStep:
		defer h.untilCanceled()()
		code, err = h.container(r)
	case cleanupJob:
		// A runner has one job at a time: all there is is this one's.
		err = errors.Join(h.cleanup(), h.clear())
		if err == nil {
			err = respond(r.ResponseFile, struct{}{})
		}
	default:
		err = &problem.Problem{What: fmt.Sprintf("the command %q", r.Command), Why: "it is none of the runner's that this version knows"}
	}
	if err != nil {
		return h.fail(err)
	}
	return code
}

// fail tells what went wrong, as an error of the job, and returns the exit code.
func (h *Hook) fail(err error) int {
	var text bytes.Buffer
	problem.Print(&text, err)
	io.WriteString(h.Err, workflow.Text(text.String()))
	var c canceled
	if errors.As(err, &c) {
		return 128 + int(c.signal)
	}
	return snug.CodeFailed
}

// dir is where the job's own files are; nobody else can enter it, and no
// container sees it.
func (h *Hook) dir() string { return filepath.Join(h.base(), h.state.Pod) }

func (h *Hook) base() string { return filepath.Join(h.host.temp, ownFiles) }

// ownFiles is the directory of the hook's files below $RUNNER_TEMP.
const ownFiles = "_snug"

// makeDir makes it.
func (h *Hook) makeDir() error {
	if err := os.MkdirAll(h.dir(), 0o700); err != nil {
		return &problem.Problem{What: h.dir(), Why: bare(err), Err: err}
	}
	return nil
}

// prepare starts a job's services and container.
func (h *Hook) prepare(r request) (err error) {
	a, err := args[prepareArgs](r)
	if err != nil {
		return err
	}
	if err := h.clear(); err != nil {
		return err
	}
	h.state = State{}
	if a.Container == nil && len(a.Services) == 0 {
		return respond(r.ResponseFile, response{})
	}
	defer func() {
		if err != nil {
			h.tellLogs()
			h.cleanup()
		}
	}()
	h.state.Pod = h.host.prefix() + newID(6)
	if err := h.makeDir(); err != nil {
		return err
	}
	j, err := h.judge(a)
	if err != nil {
		return err
	}
	if err := h.startPod(); err != nil {
		return err
	}
	if err := h.startAll(j); err != nil {
		return err
	}
	if err := h.canceled(); err != nil {
		return err
	}
	return respond(r.ResponseFile, j.answer(h))
}

// planned is a container of a job before it is started.
type planned struct {
	*container
	options
	id      string
	service bool
	made
}

// job is all of them, the job's own container last.
type job []planned

// tellLeft says which options of a container nothing comes of.
func (h *Hook) tellLeft(o options, name string) {
	if len(o.left) > 0 {
		say(h.Out, "%s: these options are left out: %s", name, strings.Join(o.left, ", "))
	}
}

// tellUnheld says what of a container's limits is not held.
func (h *Hook) tellUnheld(b box, name string) {
	for _, note := range b.unheld() {
		say(h.Out, "%s: %s", name, note)
	}
}

// judge looks at everything that can be wrong before anything is started, and
// has the images there.
func (h *Hook) judge(a prepareArgs) (j job, err error) {
	for i := range a.Services {
		j = append(j, planned{container: &a.Services[i], service: true})
	}
	if a.Container != nil {
		j = append(j, planned{container: a.Container})
	}
	for i := range j {
		p := &j[i]
		if p.options, err = parseOptions(p.CreateOptions); err != nil {
			return nil, err
		}
		if p.made.Ports, err = h.ports(p.PortMappings, a.Container == nil); err != nil {
			return nil, err
		}
		h.tellLeft(p.options, p.Image)
		p.id = newID(32)
		if err := h.have(p.Image, p.Registry); err != nil {
			return nil, err
		}
		p.health = p.health.or(config(p.Image).Healthcheck)
	}
	return j, nil
}

// names are those that the containers know each other by.
func (j job) names() (list []string) {
	for _, p := range j {
		if p.ContextName != "" {
			list = append(list, p.ContextName)
		}
		list = append(list, p.options.names...)
	}
	return list
}

// startAll starts the services, the job's container, and waits for the services'
// health.
func (h *Hook) startAll(j job) error {
	h.state.Services, h.state.Names = map[string]string{}, j.names()
	for i := range j {
		p := &j[i]
		if err := h.canceled(); err != nil {
			return err
		}
		b := h.newBox(p.container, p.options, p.id)
		h.tellUnheld(b, p.Image)
		if p.service {
			h.state.Services[p.ContextName] = p.id
		} else {
			h.state.Container = p.id
			b.Entrypoint, b.Command, b.Agent = []string{insidePause}, []string{"agent"}, h.dir()
			b.Mounts = append(b.Mounts, mounts.Mount{Type: mounts.Bind, Source: h.Self, Target: insidePause})
		}
		if err := h.start(b); err != nil {
			return h.notStarted(p, err)
		}
		p.made.ID, p.made.Network = p.id, h.state.Network
	}
	for i := range j {
		if err := h.await(&j[i]); err != nil {
			return err
		}
	}
	return nil
}

// notStarted is the error of a container that did not start.
func (h *Hook) notStarted(p *planned, err error) error {
	if h.canceled() != nil {
		return err
	}
	wrong := &problem.Problem{What: "service " + p.ContextName + " (" + p.Image + ")", Why: err.Error(), Err: err}
	if !p.service {
		wrong.What = "the job's container (" + p.Image + ")"
	}
	return wrong
}

// answer is what the runner wants to know of a job.
func (j job) answer(h *Hook) response {
	r := response{State: h.state, Context: &jobContext{Services: []made{}}}
	for _, p := range j {
		if p.service {
			r.Context.Services = append(r.Context.Services, p.made)
			continue
		}
		alpine := isAlpine(p.Image)
		r.Context.Container, r.IsAlpine = &p.made, &alpine
	}
	return r
}

// start starts a process that runs a container, and waits until that runs.
func (h *Hook) start(b box) error {
	text, err := json.Marshal(b)
	if err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(h.dir(), b.ID+".log"))
	if err != nil {
		return err
	}
	defer log.Close()
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	defer read.Close()
	in, err := inMemory(string(text))
	if err != nil {
		return err
	}
	defer in.Close()
	if _, err := in.Seek(0, io.SeekStart); err != nil {
		return err
	}
	cmd := exec.Command(h.Self, "hold")
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.Env, cmd.Dir, cmd.SysProcAttr = in, log, log, h.daemonEnv(), "/", detached
	cmd.ExtraFiles = []*os.File{write}
	err = cmd.Start()
	write.Close()
	if err != nil {
		return err
	}
	defer context.AfterFunc(h.ctx, func() { cmd.Process.Kill() })()
	go cmd.Wait()
	answer, err := io.ReadAll(read)
	switch {
	case h.canceled() != nil:
		return h.canceled()
	case string(answer) == "ok":
		return nil
	case len(answer) > 0:
		return errors.New(string(answer))
	case err == nil:
		err = errors.New("its sandbox ended before its command ran")
	}
	return err
}

// cleanup ends a job's sandboxes and removes its files; again, too.
func (h *Hook) cleanup() error {
	if h.state.Pod == "" {
		return nil
	}
	err := endAll(h.state.Pod + "-")
	unpublish(h.publisherFile())
	removeAll(h.dir())
	os.Remove(h.base())
	return err
}

// clear does so with what earlier jobs of this runner left behind.
func (h *Hook) clear() error {
	err := endAll(h.host.prefix())
	files, _ := filepath.Glob(filepath.Join(h.base(), "*", "publisher"))
	unpublish(files...)
	removeAll(h.base())
	return err
}

// removeAll removes a tree in which directories may have lost their rights.
func removeAll(dir string) {
	if os.RemoveAll(dir) == nil {
		return
	}
	filepath.WalkDir(dir, func(path string, e os.DirEntry, _ error) error {
		if e != nil && e.IsDir() {
			os.Chmod(path, 0o700)
		}
		return nil
	})
	os.RemoveAll(dir)
}

// Pause does nothing until it is ended.
func Pause() int {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	<-signals
	return 0
}
