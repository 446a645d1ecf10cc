package hook

import (
	"bytes"
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
	"time"

	"github.com/snug-sandbox/snug"
	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/mounts"
)

// Hook is one command of a runner.
type Hook struct {
	Getenv    func(string) string
	In        io.Reader
	Out       *os.File // the log of the job
	Err       *os.File
	Snug      string // path of the program snug
	Self      string // path of this program
	host      host
	state     State
	listeners []*os.File // of the host's loopback
	targets   []string   // and the ports inside that they are for
}

// Run reads a command, does it, and returns the exit code.
func (h *Hook) Run() int {
	r, err := readRequest(h.In)
	if err == nil {
		h.host, err = newHost(h.Getenv)
	}
	if err != nil {
		return h.fail(err)
	}
	h.state, _ = r.state()
	code := 0
	switch r.Command {
	case prepareJob:
		err = h.prepare(r)
	case runScriptStep:
		code, err = h.script(r)
	case runContainerStep:
		code, err = h.container(r)
	case cleanupJob:
		err = h.cleanup()
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

// fail tells what went wrong, as an error of the job.
func (h *Hook) fail(err error) int {
	var text bytes.Buffer
	problem.Print(&text, err)
	h.Err.Write(text.Bytes())
	return snug.CodeFailed
}

// dir is where the job's own files are; nobody else can enter it, and no
// container sees it.
func (h *Hook) dir() string { return filepath.Join(h.base(), h.state.Pod) }

func (h *Hook) base() string { return filepath.Join(h.host.temp, "_snug") }

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
	canceled := h.whenCanceled()
	defer func() {
		if err != nil {
			h.tellLogs()
			h.cleanup()
		}
		canceled()
	}()
	h.state.Pod = runnerPrefix(h.host.name) + newID(6)
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
		p.id = newID(32)
		if err := h.have(p.Image, p.Registry); err != nil {
			return nil, err
		}
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
	h.state.Services = map[string]string{}
	for i := range j {
		p := &j[i]
		b := h.newBox(p.container, p.options, p.id, j.names())
		if p.service {
			h.state.Services[p.ContextName] = p.id
		} else {
			h.state.Container = p.id
			b.Entrypoint, b.Command, b.Agent = []string{insidePause}, []string{"agent"}, h.dir()
			b.Mounts = append(b.Mounts, mounts.Mount{Type: mounts.Bind, Source: h.Self, Target: insidePause})
		}
		if err := h.start(b); err != nil {
			name := p.ContextName
			if name == "" {
				name = "the job's container"
			}
			return &problem.Problem{What: name + " (" + p.Image + ")", Why: err.Error(), Err: err}
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

// answer is what the runner wants to know of a job.
func (j job) answer(h *Hook) response {
	r := response{State: h.state, Context: &context{Services: []made{}}}
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
	go cmd.Wait()
	answer, err := io.ReadAll(read)
	switch {
	case string(answer) == "ok":
		return nil
	case len(answer) > 0:
		return errors.New(string(answer))
	case err == nil:
		err = errors.New("its sandbox ended before its command ran")
	}
	return err
}

// tellLogs shows what the containers of a job that cannot start have written.
func (h *Hook) tellLogs() {
	for name, id := range h.state.Services {
		if text := tail(filepath.Join(h.dir(), id+".log")); text != "" {
			say(h.Out, "what %s wrote:\n%s", name, text)
		}
	}
}

// tail is the end of a log, each line so that it is no command to the runner.
func tail(path string) string {
	text, err := os.ReadFile(path)
	if err != nil || len(text) == 0 {
		return ""
	}
	const most = 8 << 10
	if len(text) > most {
		text = text[len(text)-most:]
	}
	var b strings.Builder
	for _, line := range strings.FieldsFunc(string(text), func(r rune) bool { return r == '\n' || r == '\r' }) {
		b.WriteString("  | " + strings.ReplaceAll(line, "##[", "## [") + "\n")
	}
	return b.String()
}

// whenCanceled has everything that was started end when the job is canceled
// meanwhile. The function that it returns ends that.
func (h *Hook) whenCanceled() (stop func()) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	done := make(chan struct{})
	go func() {
		select {
		case s := <-signals:
			h.cleanup()
			os.Exit(128 + int(s.(syscall.Signal)))
		case <-done:
		}
	}()
	return func() {
		signal.Stop(signals)
		close(done)
	}
}

// cleanup ends a job's sandboxes and removes its files; again, too.
func (h *Hook) cleanup() error {
	if h.state.Pod == "" {
		return h.clear()
	}
	err := endAll(h.state.Pod + "-")
	unpublish(h.publisherFile())
	removeAll(h.dir())
	os.Remove(h.base())
	return err
}

// clear does so with what earlier jobs of this runner left behind.
func (h *Hook) clear() error {
	err := endAll(runnerPrefix(h.host.name))
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

// await waits until a service is ready: its health command succeeds, or, where
// it has none, it runs.
func (h *Hook) await(p *planned) error {
	if !p.service || p.health.command == "" || p.health.none {
		return nil
	}
	began, failures := time.Now(), 0
	for {
		l, err := h.find(p.id)
		if err != nil {
			return &problem.Problem{What: "service " + p.ContextName, Why: "it ended before it was ready"}
		}
		if l.run(p.health.timeout, "/bin/sh", "-c", p.health.command) == nil {
			return nil
		}
		if time.Since(began) > p.health.startPeriod {
			failures++
		}
		if failures >= p.health.retries {
			return &problem.Problem{What: "service " + p.ContextName, Why: fmt.Sprintf("it is not ready: %q failed %d times", p.health.command, failures)}
		}
		// A service that becomes ready sooner is not kept waiting.
		time.Sleep(min(p.health.interval, 100*time.Millisecond<<min(failures, 9)))
	}
}

// run runs a command in a sandbox and forgets what it prints.
func (l live) run(limit time.Duration, name string, args ...string) error {
	cmd := l.instance.Command(name, args...)
	cmd.Spec.Command.Entrypoint = nil
	if err := cmd.Start(); err != nil {
		return err
	}
	timer := time.AfterFunc(limit, func() { cmd.Kill() })
	defer timer.Stop()
	return cmd.Wait()
}
