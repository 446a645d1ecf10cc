package hook

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// example is a request with every field that the runner's own examples have,
// for the directories of this runner.
func (r *runner) example(text string) (args any) {
	r.Helper()
	volumes, err := json.Marshal(r.systemVolumes())
	if err != nil {
		r.Fatal(err)
	}
	if err := json.Unmarshal([]byte(strings.ReplaceAll(text, `"SYSTEM"`, string(volumes))), &args); err != nil {
		r.Fatal(err)
	}
	return args
}

const examplePrepare = `{
	"container": {
		"image": "node:14.16", "dockerfile": null, "entryPoint": null, "entryPointArgs": null, "workingDirectory": "/__w/repo/repo", "createOptions": "--cpus 1",
		"environmentVariables": {"NODE_ENV": "development", "HOME": "/github/home", "EMPTY": "", "ODD": "a b=\"c\" $d\nnext"},
		"userMountVolumes": [{"sourceVolumePath": "my_docker_volume", "targetVolumePath": "/volume_mount", "readOnly": false}],
		"systemMountVolumes": "SYSTEM",
		"registry": {"username": "foo", "password": "bar", "serverUrl": "https://index.docker.io/v1"},
		"portMappings": ["80:8080"]
	},
	"services": [
		{
			"contextName": "redis", "image": "redis", "createOptions": "--cpus 1", "entrypoint": null, "entryPointArgs": [], "environmentVariables": {},
			"userMountVolumes": [{"sourceVolumePath": "/var/run/docker.sock", "targetVolumePath": "/var/run/docker.sock", "readOnly": false}],
			"portMappings": ["8080:80", "8088:8080"], "registry": {"username": "foo", "password": "bar", "serverUrl": "https://index.docker.io/v1"}
		},
		{"contextName": "other", "image": "redis", "entryPoint": "sleep", "entryPointArgs": ["1000"], "createOptions": null, "environmentVariables": null, "userMountVolumes": null, "portMappings": null, "registry": null}
	]
}`

const exampleScript = `{
	"entryPoint": "sh", "entryPointArgs": ["-c", "echo hello world"], "environmentVariables": {"NODE_ENV": "development"},
	"prependPath": ["/foo/bar", "bar/foo"], "workingDirectory": "/__w/repo/repo"
}`

const exampleContainer = `{
	"image": "node:14.16", "dockerfile": null, "entryPoint": "sh", "entryPointArgs": ["-c", "echo hello world2; echo $PATH; pwd"], "workingDirectory": "/__w/repo/repo",
	"createOptions": "--cpus 1", "environmentVariables": {"NODE_ENV": "development"}, "prependPath": ["/foo/bar", "bar/foo"],
	"userMountVolumes": [{"sourceVolumePath": "my_docker_volume", "targetVolumePath": "/volume_mount", "readOnly": true}],
	"systemMountVolumes": "SYSTEM", "registry": null, "portMappings": ["8080:8080"]
}`

// exampleImages are those that the examples name.
func (r *runner) exampleImages() {
	r.Helper()
	busybox, _ := os.ReadFile(mustFind(r.T, "busybox"))
	r.image("node:14.16", busybox, nil, `"Env":["PATH=/bin"],"Cmd":["nothing-to-run"]`)
	r.image("redis", busybox, nil, `"Env":["PATH=/bin"],"Entrypoint":["sleep"],"Cmd":["1000"]`)
}

// keys are those of an object, by their paths, but for the state's.
func keys(v any, at string) (list []string) {
	object, ok := v.(map[string]any)
	if !ok || at == "state." || strings.HasSuffix(at, "ports.") {
		return nil
	}
	for _, k := range slices.Sorted(maps.Keys(object)) {
		list = append(append(list, at+k), keys(object[k], at+k+".")...)
	}
	return list
}

func TestTheRunnersOwnExamples(t *testing.T) {
	r := newRunner(t)
	r.exampleImages()
	a := r.hook("prepare_job", r.example(examplePrepare), json.RawMessage("{}"))
	if a.code != 0 || strings.Count(a.raw, "\n") != 1 {
		t.Fatalf("%d: %q\n%s", a.code, a.raw, a.out)
	}
	var answered map[string]any
	json.Unmarshal([]byte(a.raw), &answered)
	if got, want := keys(answered, ""), []string{"context", "context.container", "context.container.id", "context.container.network", "context.container.ports", "context.services", "isAlpine", "state"}; !slices.Equal(got, want) {
		t.Errorf("the response holds %q", got)
	}
	c := a.parsed.Context
	if c == nil || c.Container == nil || len(c.Services) != 2 || a.parsed.IsAlpine == nil || *a.parsed.IsAlpine {
		t.Fatal(a.raw)
	}
	for i, want := range []map[string]string{{"8080": "80"}, {"80": "8080", "8080": "8088"}, {}} {
		m := append([]made{*c.Container}, c.Services...)[i]
		if len(m.ID) != 64 || strings.Trim(m.ID, "0123456789abcdef") != "" || m.Network != c.Container.Network || m.Network == "" || m.Ports == nil || !maps.Equal(m.Ports, want) {
			t.Errorf("%d: %+v", i, m)
		}
	}
	if a.state == nil || !strings.Contains(a.out, "/var/run/docker.sock") {
		t.Errorf("nothing is said of the socket: %s", a.out)
	}

	step := r.hook("run_script_step", r.example(exampleScript), a.state)
	if step.code != 0 || step.out != "hello world\n" {
		t.Errorf("%d: %s", step.code, step.out)
	}
	for line, want := range map[string]string{
		`printf "%s|" "$NODE_ENV" "$HOME" "$EMPTY" "$ODD"`: "development|/github/home||a b=\"c\" $d\nnext|",
		`echo "$PATH"; pwd`: "/foo/bar:bar/foo:/bin\n/__w/repo/repo\n",
		`[ -e /var/run/docker.sock ] || echo none; grep -c other /etc/hosts`: "none\n1\n",
	} {
		args := r.example(exampleScript).(map[string]any)
		args["entryPointArgs"] = []string{"-c", line}
		if got := r.hook("run_script_step", args, a.state); got.code != 0 || got.out != want {
			t.Errorf("%s: %d, %q, want %q", line, got.code, got.out, want)
		}
	}
	// Older runners wrote one text.
	args := r.example(exampleScript).(map[string]any)
	args["prependPath"], args["entryPointArgs"] = "/some/path", []string{"-c", "echo $PATH"}
	if got := r.hook("run_script_step", args, a.state); got.out != "/some/path:/bin\n" {
		t.Errorf("%d: %s", got.code, got.out)
	}

	step = r.hook("run_container_step", r.example(exampleContainer), a.state)
	if step.code != 0 || !strings.HasSuffix(step.out, "hello world2\n/foo/bar:bar/foo:/bin\n/__w/repo/repo\n") {
		t.Errorf("%d: %s", step.code, step.out)
	}
	args = r.example(exampleContainer).(map[string]any)
	args["entryPointArgs"] = []string{"-c", "echo x >/volume_mount/x"}
	if got := r.hook("run_container_step", args, a.state); got.code == 0 {
		t.Error("a volume that is for reading can be written to")
	}
	for range 2 {
		if got := r.hook("cleanup_job", map[string]any{}, a.state); got.code != 0 || got.out != "" {
			t.Errorf("cleanup_job: %d, %s", got.code, got.out)
		}
	}
	if left, err := os.ReadDir(r.path("_work/_temp/_snug")); err == nil {
		t.Errorf("left behind: %v", left)
	}
}

// A directory of the host as the working directory, a script that may be run by
// its path, a path in a line, a container of its own: the runner's tests have
// them.
func TestWhatTheRunnersTestsAsk(t *testing.T) {
	r := newRunner(t)
	r.exampleImages()
	workspace := r.path("_work/repo/repo")
	args := r.example(examplePrepare).(map[string]any)
	args["container"].(map[string]any)["workingDirectory"] = workspace
	delete(args["container"].(map[string]any), "userMountVolumes")
	delete(args, "services")
	a := r.hook("prepare_job", args, json.RawMessage("{}"))
	if a.code != 0 {
		t.Fatal(a.out)
	}
	r.write("_work/_temp/example.sh", "#!/bin/sh\necho from the script\n")
	os.Chmod(r.path("_work/_temp/example.sh"), 0o755)
	for _, words := range [][]string{{"-e", "/__w/_temp/example.sh"}, {"-c", "/__w/_temp/example.sh"}} {
		for _, command := range []string{"run_script_step", "run_container_step"} {
			step := r.example(exampleContainer).(map[string]any)
			step["entryPointArgs"], step["workingDirectory"] = words, workspace
			if got := r.hook(command, step, a.state); got.code != 0 || !strings.HasSuffix(got.out, "from the script\n") {
				t.Errorf("%s %q: %d, %s", command, words, got.code, got.out)
			}
		}
	}
	// The state of somebody else's hook is none.
	foreign := json.RawMessage(`{"network":"github_network_53269bd575974817b43f4733536b200c","container":"82e8","services":{"redis":"6097"}}`)
	if got := r.hook("run_container_step", r.example(exampleContainer), foreign); got.code != 0 || !strings.Contains(got.out, "hello world2\n") {
		t.Errorf("%d: %s", got.code, got.out)
	}
	if got := r.hook("run_script_step", r.example(exampleScript), foreign); got.code != 125 || !strings.Contains(got.out, "has no container") {
		t.Errorf("%d: %s", got.code, got.out)
	}
}

// TestCleanupOfAnything holds that a job is cleaned up whatever became of its
// state, as it is after a job that was killed.
func TestCleanupOfAnything(t *testing.T) {
	r := newRunner(t)
	for _, state := range []string{`null`, `"text"`, `{"pod":5}`, `{"pod":"../../etc"}`, `{"pod":"gha-00000000-000000000000"}`} {
		r.prepare(r.jobContainer("debian"))
		for range 2 {
			if got := r.hook("cleanup_job", nil, json.RawMessage(state)); got.code != 0 || got.out != "" {
				t.Errorf("%s: %d, %s", state, got.code, got.out)
			}
		}
		if left := r.left(); len(left) > 0 {
			t.Errorf("%s: these run on: %q", state, left)
		}
		if left, err := os.ReadDir(r.path("_work/_temp/_snug")); err == nil {
			t.Errorf("%s: left behind: %v", state, left)
		}
	}
}

// Two runners of one name, each with a directory of its own, leave each other be.
func TestRunnersOfOneName(t *testing.T) {
	one, two := newRunner(t), newRunner(t)
	two.env = slices.Clone(one.env)
	for i, kv := range two.env {
		name, value, _ := strings.Cut(kv, "=")
		if name == "RUNNER_TEMP" || name == "RUNNER_WORKSPACE" || name == "GITHUB_WORKSPACE" {
			rel, _ := filepath.Rel(one.dir, value)
			two.env[i] = name + "=" + two.path(rel)
		}
	}
	a := one.prepare(one.jobContainer("debian"))
	b := two.prepare(two.jobContainer("debian"))
	if got := one.step(a, "echo still"); got.out != "still\n" {
		t.Errorf("%d: %s", got.code, got.out)
	}
	two.hook("cleanup_job", nil, b.state)
	if got := one.step(a, "echo still"); got.out != "still\n" {
		t.Errorf("%d: %s", got.code, got.out)
	}
	one.hook("cleanup_job", nil, a.state)
}
