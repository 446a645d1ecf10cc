// Package hook answers a self-hosted runner's container hooks: jobs' containers,
// services and container actions run in sandboxes, with no Docker and no root.
//
// The runner starts one process for each command, writes a line of JSON to it
// and reads another from a file (actions/runner, ContainerHookManager.cs; the
// repository actions/runner-container-hooks has an example of each command):
//
//	prepare_job         images, a network, the services, the job's container
//	run_script_step     a command in the job's container
//	run_container_step  a container of its own, for a container action
//	cleanup_job         ends all of it; may be repeated
//
// All sandboxes of a job are in one user and one network namespace, which a
// process that does nothing holds: services are reached by their names, on the
// ports that they listen on. Each has mounts, processes and a control group of
// its own.
//
// # Limits
//
// Two services of one job cannot listen on the same port.
package hook

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/internal/workflow"
)

// Commands.
const (
	prepareJob       = "prepare_job"
	runScriptStep    = "run_script_step"
	runContainerStep = "run_container_step"
	cleanupJob       = "cleanup_job"
)

// request is what the runner writes. Keys that this does not know are the
// business of later runners.
type request struct {
	Command      string          `json:"command"`
	ResponseFile string          `json:"responseFile"`
	State        json.RawMessage `json:"state"`
	Args         json.RawMessage `json:"args"`
}

// container is a container as the runner asks for it.
type container struct {
	ContextName          string            `json:"contextName"` // of a service
	Image                string            `json:"image"`
	Dockerfile           string            `json:"dockerfile"`
	EntryPoint           string            `json:"entryPoint"`
	EntryPointArgs       []string          `json:"entryPointArgs"`
	WorkingDirectory     string            `json:"workingDirectory"`
	CreateOptions        string            `json:"createOptions"`
	EnvironmentVariables map[string]string `json:"environmentVariables"`
	UserMountVolumes     []volume          `json:"userMountVolumes"`
	SystemMountVolumes   []volume          `json:"systemMountVolumes"`
	Registry             *credentials      `json:"registry"`
	PortMappings         []string          `json:"portMappings"`
	PrependPath          words             `json:"prependPath"`
}

// words are several, or one alone in place of a list.
type words []string

// UnmarshalJSON reads it.
func (w *words) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) == nil {
		if *w = nil; one != "" {
			*w = words{one}
		}
		return nil
	}
	return json.Unmarshal(text, (*[]string)(w))
}

type volume struct {
	Source   string `json:"sourceVolumePath"`
	Target   string `json:"targetVolumePath"`
	ReadOnly bool   `json:"readOnly"`
}

type credentials struct {
	Username  string `json:"username"`
	Password  string `json:"password"`
	ServerURL string `json:"serverUrl"`
}

type prepareArgs struct {
	Container *container  `json:"container"`
	Services  []container `json:"services"`
}

// script is the step of run_script_step.
type script struct {
	EntryPoint           string            `json:"entryPoint"`
	EntryPointArgs       []string          `json:"entryPointArgs"`
	EnvironmentVariables map[string]string `json:"environmentVariables"`
	PrependPath          words             `json:"prependPath"`
	WorkingDirectory     string            `json:"workingDirectory"`
}

// State is what the runner keeps of a job for its later commands.
type State struct {
	Pod       string            `json:"pod,omitempty"`       // the job's sandboxes, by the beginning of their names
	Network   string            `json:"network,omitempty"`   // as job.container.network has it
	Container string            `json:"container,omitempty"` // id of the job's container
	Services  map[string]string `json:"services,omitempty"`  // ids of the services
	Names     []string          `json:"names,omitempty"`     // that the containers know each other by
	Map       string            `json:"map,omitempty"`       // of ids, that all of them share
	Shared    bool              `json:"shared,omitempty"`    // they are in the host's network
}

// response is what the runner reads. Its context is left out where there is
// neither a container nor a service.
type response struct {
	State    State       `json:"state"`
	Context  *jobContext `json:"context,omitempty"`
	IsAlpine *bool       `json:"isAlpine,omitempty"`
}

type jobContext struct {
	Container *made  `json:"container,omitempty"`
	Services  []made `json:"services"`
}

// made is a container as a workflow sees it. The ports are those of the
// container, with the host's: an object even where there are none.
type made struct {
	ID      string            `json:"id"`
	Network string            `json:"network"`
	Ports   map[string]string `json:"ports"`
}

// maxRequest bounds what is read of a request.
const maxRequest = 16 << 20

func readRequest(in io.Reader) (r request, err error) {
	d := json.NewDecoder(io.LimitReader(in, maxRequest))
	if err := d.Decode(&r); err != nil {
		return r, &problem.Problem{What: "snug actions hook", Why: "what the runner wrote is not a line of JSON: " + err.Error(), Fix: "this is for a runner to call: snug actions install-hook DIR"}
	}
	return r, nil
}

// args decodes the arguments of a command; none are the zero value.
func args[T any](r request) (v T, err error) {
	if len(r.Args) == 0 || string(r.Args) == "null" {
		return v, nil
	}
	if err = json.Unmarshal(r.Args, &v); err != nil {
		err = &problem.Problem{What: r.Command, Why: "its arguments are not what the protocol says: " + err.Error(), Err: err}
	}
	return v, err
}

var podName = regexp.MustCompile(`^gha-[0-9a-f]{8}-[0-9a-f]{12}$`)

// state decodes what an earlier command left with the runner; ok is false when
// that is nothing of this program's.
func (r request) state() (s State, ok bool) {
	if len(r.State) == 0 || json.Unmarshal(r.State, &s) != nil || !podName.MatchString(s.Pod) {
		return State{}, false
	}
	return s, true
}

// respond writes the response. The runner made the file, empty, and removes it.
func respond(path string, answer any) error {
	if path == "" {
		return nil
	}
	text, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err == nil {
		_, err = f.Write(append(text, '\n'))
		if closed := f.Close(); err == nil {
			err = closed
		}
	}
	if err != nil {
		return &problem.Problem{What: "the response file " + path, Why: bare(err), Err: err}
	}
	return nil
}

// bare is an error of the file system without the path.
func bare(err error) string {
	if p, ok := err.(*os.PathError); ok {
		return p.Err.Error()
	}
	return err.Error()
}

// host is what the environment says of the runner.
type host struct {
	name      string // RUNNER_NAME
	temp      string // RUNNER_TEMP, _work/_temp
	work      string // _work
	workspace string // GITHUB_WORKSPACE, _work/REPOSITORY/REPOSITORY
}

// newHost reads it. A runner that does not say where its files are has its
// responses among them.
func newHost(get func(string) string, responseFile string) (host, error) {
	h := host{name: get("RUNNER_NAME"), temp: get("RUNNER_TEMP"), workspace: get("GITHUB_WORKSPACE")}
	if dir := filepath.Dir(responseFile); h.temp == "" && filepath.Base(dir) == "_runner_hook_responses" {
		h.temp = filepath.Dir(dir)
	}
	if h.temp == "" {
		return h, &problem.Problem{What: "RUNNER_TEMP", Why: "the runner did not say where its files are", Fix: "this is for a runner to call: snug actions install-hook DIR"}
	}
	h.temp = real(h.temp)
	h.work = filepath.Dir(h.temp)
	if h.workspace != "" {
		h.workspace = h.resolve(h.workspace)
	}
	return h, nil
}

// resolve is a path without symbolic links down to the runner's _work. What is
// below it jobs write to: links there are theirs, and followed nowhere.
func (h host) resolve(path string) string {
	is, rest := "/", strings.Split(strings.TrimPrefix(filepath.Clean(path), "/"), "/")
	for i, name := range rest {
		if is = real(filepath.Join(is, name)); is == h.work {
			return filepath.Join(append([]string{is}, rest[i+1:]...)...)
		}
	}
	return is
}

// open opens a file or directory below _work, by no symbolic link.
func (h host) open(path string) (*os.File, error) {
	rel, err := filepath.Rel(h.work, path)
	if err != nil {
		return nil, err
	}
	work, err := os.Open(h.work)
	if err != nil {
		return nil, err
	}
	defer work.Close()
	fd, err := unix.Openat2(int(work.Fd()), rel, &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS})
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

// real is a path without symbolic links, as far as it is there.
func real(path string) string {
	path = filepath.Clean(path)
	if resolved, err := filepath.EvalSymlinks(path); err == nil {
		return resolved
	}
	if dir := filepath.Dir(path); dir != path {
		return filepath.Join(real(dir), filepath.Base(path))
	}
	return path
}

// say writes a line for the log of the job, which the runner takes for no command.
func say(out io.Writer, format string, args ...any) {
	io.WriteString(out, workflow.Text(fmt.Sprintf("snug: %s\n", problem.Printable(fmt.Sprintf(format, args...)))))
}
