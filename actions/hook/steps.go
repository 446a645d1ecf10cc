package hook

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug"
	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/mounts"
	"github.com/snug-sandbox/snug/process"
)

// script runs a step in the job's container, and returns its exit code.
func (h *Hook) script(r request) (int, error) {
	s, err := args[script](r)
	if err != nil {
		return 0, err
	}
	if h.state.Container == "" {
		return 0, &problem.Problem{What: runScriptStep, Why: "this job has no container: prepare_job did not start one"}
	}
	l, err := h.find(h.state.Container)
	if err != nil {
		return 0, err
	}
	f, err := h.handIn(s.EntryPointArgs, s.EnvironmentVariables)
	if err != nil {
		return 0, err
	}
	code, err := h.order(order{
		Args: append([]string{s.EntryPoint}, s.EntryPointArgs...), Dir: s.WorkingDirectory, Env: stepEnv(l.instance.Spec.Env, s),
	})
	if handed := f.handOut(); err == nil {
		err = handed
	}
	if err == nil {
		err = respond(r.ResponseFile, struct{}{})
	}
	return code, err
}

// stepEnv is the environment of a step: that of the container, the step's own
// over it, and what the runner puts in front of PATH.
func stepEnv(e process.Env, s script) []string {
	path := usualPath
	vars := map[string]string{}
	for _, kv := range e.Environ(nil, process.Identity{}, false, s.WorkingDirectory) {
		if name, value, _ := strings.Cut(kv, "="); value != "" { // nobody is known here: no USER and no SHELL
			vars[name] = value
		}
	}
	for k, v := range e.Set {
		vars[k] = v
	}
	for k, v := range s.EnvironmentVariables {
		vars[k] = v
	}
	if vars["PATH"] != "" {
		path = vars["PATH"]
	}
	vars["PATH"] = prepend(s.PrependPath, path)
	var list []string
	for _, k := range slices.Sorted(maps.Keys(vars)) {
		if k != "" && !strings.ContainsAny(k, "=\x00") {
			list = append(list, k+"="+vars[k])
		}
	}
	return list
}

// run runs a command with the streams of the hook. An interrupt of a canceled
// job reaches it, and so does the request to end that follows.
func (h *Hook) run(cmd *snug.Cmd) (int, error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return 0, err
	}
	defer null.Close()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = null, h.Out, h.Err
	cmd.Spec.Terminal.TTY = process.TTYNo
	result, err := snug.Main(cmd)
	if err != nil {
		problem.Print(h.Err, err)
	}
	if result == nil {
		return snug.CodeFailed, nil
	}
	return result.Code(), nil
}

// container runs a container of its own to its end, and returns its exit code.
func (h *Hook) container(r request) (code int, err error) {
	c, err := args[container](r)
	if err != nil {
		return 0, err
	}
	o, err := parseOptions(c.CreateOptions)
	if err != nil {
		return 0, err
	}
	h.tellLeft(o, c.Image)
	alone := h.state.Pod == "" // a job without containers, but for this one
	if alone {
		h.state.Pod = h.host.prefix() + newID(6)
		defer h.cleanup()
	}
	if err := h.makeDir(); err != nil {
		return 0, err
	}
	if alone {
		if err := h.startPod(); err != nil {
			return 0, err
		}
	}
	forget, err := h.provide(&c)
	if err != nil {
		return 0, err
	}
	defer forget()
	f, err := h.handIn(c.EntryPointArgs, c.EnvironmentVariables)
	if err != nil {
		return 0, err
	}
	b := h.newBox(&c, o, newID(32))
	b.Mounts = append(b.Mounts, f.mounts...)
	h.tellUnheld(b, c.Image)
	code, err = h.runBox(b)
	if handed := f.handOut(); err == nil {
		err = handed
	}
	if err == nil {
		err = respond(r.ResponseFile, struct{}{})
	}
	return code, err
}

// provide has the image of a container there, which is built where there is none
// to be had. The function that it returns forgets one that was.
func (h *Hook) provide(c *container) (forget func(), err error) {
	if c.Image != "" || c.Dockerfile == "" {
		return func() {}, h.have(c.Image, c.Registry)
	}
	c.Image, err = h.build(c.Dockerfile)
	return func() { h.forget(c.Image) }, err
}

// runBox runs a container with the streams of the hook.
func (h *Hook) runBox(b box) (int, error) {
	cmd, n, err := b.cmd()
	if err != nil {
		return 0, err
	}
	defer n.Close()
	lock, err := b.register(cmd, n, func() {
		var c canceled
		if errors.As(h.canceled(), &c) { // the command may not have heard of it
			go cmd.Signal(c.signal)
		}
	})
	if err != nil {
		return 0, err
	}
	defer lock.Release()
	if err := h.canceled(); err != nil {
		return 0, err
	}
	return h.run(cmd)
}

// files are those of _work/_temp that a step gets: its script, and the files
// that it hands its outputs over in. The rest of the directory is the runner's.
type files struct {
	copies []handed
	mounts []mounts.Mount
}

// Where the runner's file commands are, in $RUNNER_TEMP and in a container
// action.
const (
	fileCommands       = "_runner_file_commands"
	insideFileCommands = "/github/file_commands"
)

// maxCommands is the most that such a file may have to come back.
const maxCommands = 8 << 20

// handIn copies what a step names below _work/_temp into the job's own directory:
// its script, a word of the command, and the files of its outputs, which are
// values of its environment.
func (h *Hook) handIn(words []string, env map[string]string) (f files, err error) {
	temp, commands := filepath.Join(h.dir(), "temp"), filepath.Join(h.dir(), "commands")
	for _, name := range scripts(words) {
		if err := f.take(h.host.temp, temp, name); err != nil {
			return f, err
		}
	}
	for _, value := range env {
		if name, ok := strings.CutPrefix(path.Clean(value), insideTemp+"/"+fileCommands+"/"); ok {
			if err := f.take(h.host.temp, temp, path.Join(fileCommands, name)); err != nil {
				return f, err
			}
		}
		if name, ok := strings.CutPrefix(path.Clean(value), insideFileCommands+"/"); ok {
			if err := f.take(filepath.Join(h.host.temp, fileCommands), commands, name); err != nil {
				return f, err
			}
			f.mounts = []mounts.Mount{{Type: mounts.Bind, Source: commands, Target: insideFileCommands, Writable: true}}
		}
	}
	return f, nil
}

// ofTheRunner is how the runner names a script that it writes.
var ofTheRunner = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(\.\w+)?$`)

// scripts are the files of _temp that words name. A workflow has a say in the words
// (shell:): beside a script of the runner's own it gets no other file.
func scripts(words []string) (list []string) {
	for _, w := range words {
		if name, ok := strings.CutPrefix(path.Clean(w), insideTemp+"/"); ok && !strings.Contains(name, "/") {
			list = append(list, name)
		}
	}
	if slices.ContainsFunc(list, ofTheRunner.MatchString) {
		list = slices.DeleteFunc(list, func(name string) bool { return !ofTheRunner.MatchString(name) })
	}
	return list
}

// take copies one file, if it is there. The job may have put links where the
// copy goes: none is followed out of its directory.
func (f *files) take(from, to, name string) error {
	source, err := os.OpenRoot(from)
	if err != nil {
		return nil // there are none
	}
	defer source.Close()
	info, err := source.Lstat(name)
	if err != nil || !info.Mode().IsRegular() {
		return nil
	}
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	target, err := os.OpenRoot(to)
	if err != nil {
		return err
	}
	defer target.Close()
	if err := target.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	target.Remove(name)
	text, err := source.ReadFile(name)
	if err == nil {
		err = target.WriteFile(name, text, info.Mode().Perm()|0o444)
	}
	if err != nil {
		return &problem.Problem{What: "the step's file " + name, Why: bare(err), Err: err}
	}
	if dir := path.Base(path.Dir(name)); dir == fileCommands || strings.HasSuffix(from, fileCommands) {
		f.copies = append(f.copies, handed{from, to, name})
	}
	return nil
}

// handed is a file that a step hands something over in: a name in a directory of
// the runner's, and in one of the job's own.
type handed struct{ runner, job, name string }

// handOut copies back what a step wrote to the files of its outputs. One that cannot
// be copied keeps no other from it.
func (f files) handOut() (first error) {
	for _, c := range f.copies {
		if err := c.back(); err != nil && first == nil {
			first = &problem.Problem{What: "the step's file " + c.name, Why: bare(err), Err: err}
		}
	}
	return first
}

// back copies it, but for what is no file any more: the step may have put a link or
// a pipe there.
func (c handed) back() error {
	job, err := os.OpenRoot(c.job)
	if err != nil {
		return err
	}
	defer job.Close()
	if info, err := job.Lstat(c.name); err != nil || !info.Mode().IsRegular() {
		return nil
	}
	in, err := job.OpenFile(c.name, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil
	}
	if info.Size() > maxCommands {
		return fmt.Errorf("it has %d bytes, and the runner takes no more than %d: hand over what is large as an artifact", info.Size(), maxCommands)
	}
	runner, err := os.OpenRoot(c.runner)
	if err != nil {
		return err
	}
	defer runner.Close()
	out, err := runner.OpenFile(c.name, os.O_WRONLY|os.O_TRUNC|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, io.LimitReader(in, maxCommands))
	if closed := out.Close(); err == nil {
		err = closed
	}
	return err
}
