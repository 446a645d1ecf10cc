package hook

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/snug-sandbox/snug"
	"github.com/snug-sandbox/snug/internal/kerneltest"
)

var programs string // the directory of snug and its helpers

func TestMain(m *testing.M) {
	if slices.Contains([]string{"hold", "publish", "pause", "forward"}, os.Args[len(os.Args)-1]) {
		os.Exit(2) // this is no helper
	}
	programs = kerneltest.Programs("SNUG_TEST_PROGRAMS", "../../cmd/snug", "../../cmd/snug-actions", "../../cmd/snug-image", "../../cmd/snug-net")
	kerneltest.Main(m)
}

// runner is a runner's directory with a fresh home, and what it would do.
type runner struct {
	*testing.T
	dir  string
	name string
	env  []string
}

func newRunner(t *testing.T) *runner {
	t.Helper()
	kerneltest.Require(t, "userns", "overlay")
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		t.Skip("needs a static busybox for its images")
	}
	r := &runner{T: t, dir: t.TempDir(), name: "runner-" + newID(4)}
	for _, d := range []string{"home", "_work/_temp/_runner_hook_responses", "_work/_temp/_runner_file_commands", "_work/_actions", "_work/_tool", "_work/repo/repo", "_work/other/other", "externals/node24/bin"} {
		os.MkdirAll(filepath.Join(r.dir, d), 0o755)
	}
	r.write("_work/_temp/secret", "of the runner")
	r.write("_work/other/other/secret", "of another repository")
	r.env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + r.path("home"), "XDG_DATA_HOME=" + r.path("home/data"), "XDG_RUNTIME_DIR=" + r.path("home/run"),
		"RUNNER_NAME=" + r.name, "RUNNER_TEMP=" + r.path("_work/_temp"), "RUNNER_WORKSPACE=" + r.path("_work/repo"),
		"GITHUB_WORKSPACE=" + r.path("_work/repo/repo"), "SNUG_ACTIONS_NETWORK=none",
	}
	os.MkdirAll(r.path("home/run"), 0o700)
	program, err := os.ReadFile(busybox)
	if err != nil {
		t.Fatal(err)
	}
	r.image("debian", program, map[string]string{"etc/os-release": "ID=debian\n"}, `"Env":["PATH=/bin","FROM_IMAGE=yes"]`)
	r.Cleanup(func() {
		r.hook("cleanup_job", map[string]any{}, nil)
		if left := r.left(); len(left) > 0 {
			t.Errorf("these run on: %q", left)
		}
	})
	return r
}

func (r *runner) path(name string) string { return filepath.Join(r.dir, name) }

func (r *runner) write(name, text string) {
	r.Helper()
	if err := os.WriteFile(r.path(name), []byte(text), 0o644); err != nil {
		r.Fatal(err)
	}
}

// image imports an image.
func (r *runner) image(name string, busybox []byte, files map[string]string, config string) {
	r.Helper()
	cmd := exec.Command(filepath.Join(programs, "snug"), "image", "import", "--quiet", "--format", "docker", "--tag", name, "-")
	cmd.Stdin, cmd.Env = archive(name, busybox, files, config), r.env
	if out, err := cmd.CombinedOutput(); err != nil {
		r.Fatalf("import %s: %v\n%s", name, err, out)
	}
}

// archive is an image as "docker save" writes it.
func archive(name string, busybox []byte, files map[string]string, config string) *bytes.Buffer {
	var layer bytes.Buffer
	w := tar.NewWriter(&layer)
	add := func(h tar.Header, text []byte) {
		h.Size = int64(len(text))
		w.WriteHeader(&h)
		w.Write(text)
	}
	for _, dir := range []string{"bin/", "etc/", "tmp/", "usr/", "usr/bin/", "lib/", "lib64/", "var/"} {
		add(tar.Header{Name: dir, Mode: 0o755, Typeflag: tar.TypeDir}, nil)
	}
	add(tar.Header{Name: "bin/busybox", Mode: 0o755}, busybox)
	for _, applet := range strings.Fields("sh cat echo env ls id sleep test nc hostname ps mkdir rm touch kill wc tail stat pwd grep true false httpd trap seq ip") {
		add(tar.Header{Name: "bin/" + applet, Typeflag: tar.TypeSymlink, Linkname: "busybox"}, nil)
	}
	add(tar.Header{Name: "etc/passwd", Mode: 0o644}, []byte("root:x:0:0:root:/root:/bin/sh\n"))
	for _, name := range slices.Sorted(maps.Keys(files)) {
		add(tar.Header{Name: name, Mode: 0o755}, []byte(files[name]))
	}
	w.Close()
	settings := fmt.Sprintf(`{"architecture":"amd64","os":"linux","config":{%s},"rootfs":{"type":"layers","diff_ids":["sha256:%x"]}}`, config, sha256.Sum256(layer.Bytes()))
	archive := new(bytes.Buffer)
	w = tar.NewWriter(archive)
	add(tar.Header{Name: "layer.tar", Mode: 0o644}, layer.Bytes())
	add(tar.Header{Name: "config.json", Mode: 0o644}, []byte(settings))
	add(tar.Header{Name: "manifest.json", Mode: 0o644}, fmt.Appendf(nil, `[{"Config":"config.json","RepoTags":["%s:latest"],"Layers":["layer.tar"]}]`, name))
	w.Close()
	return archive
}

// answer is what the program did.
type answer struct {
	code   int
	out    string
	raw    string
	state  json.RawMessage
	parsed struct {
		State   json.RawMessage
		Context *struct {
			Container *made
			Services  []made
		}
		IsAlpine *bool
	}
}

func (r *runner) command(name string, args any, state json.RawMessage) (*exec.Cmd, string, *bytes.Buffer) {
	r.Helper()
	response := r.path("_work/_temp/_runner_hook_responses/" + newID(8) + ".json")
	os.WriteFile(response, nil, 0o644)
	text, err := json.Marshal(map[string]any{"command": name, "responseFile": response, "args": args, "state": state})
	if err != nil {
		r.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(programs, "snug"), "actions", "hook")
	out := new(bytes.Buffer)
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.Env, cmd.Dir = bytes.NewReader(append(text, '\n')), out, out, r.env, r.dir
	cmd.WaitDelay = time.Minute
	return cmd, response, out
}

// hook runs one command as a runner does.
func (r *runner) hook(name string, args any, state json.RawMessage) (a answer) {
	r.Helper()
	cmd, response, out := r.command(name, args, state)
	err := cmd.Run()
	a.code, a.out = cmd.ProcessState.ExitCode(), out.String()
	if err != nil && a.code <= 0 {
		r.Fatalf("%s: %v\n%s", name, err, a.out)
	}
	text, _ := os.ReadFile(response)
	a.raw = string(text)
	if len(text) > 0 {
		if err := json.Unmarshal(text, &a.parsed); err != nil {
			r.Fatalf("%s answered %q: %v", name, text, err)
		}
	}
	if a.state = state; len(a.parsed.State) > 0 {
		a.state = a.parsed.State
	}
	return a
}

// systemVolumes are those of the protocol's example.
func (r *runner) systemVolumes() []volume {
	return []volume{
		{"/var/run/docker.sock", "/var/run/docker.sock", false}, {r.path("_work"), "/__w", false}, {r.path("externals"), "/__e", true},
		{r.path("_work/_temp"), "/__w/_temp", false}, {r.path("_work/_actions"), "/__w/_actions", false}, {r.path("_work/_tool"), "/__w/_tool", false},
		{r.path("_work/_temp/_github_home"), "/github/home", false}, {r.path("_work/_temp/_github_workflow"), "/github/workflow", false},
	}
}

// jobContainer is the job's container of the protocol's example.
func (r *runner) jobContainer(image string) *container {
	return &container{
		Image: image, WorkingDirectory: "/__w/repo/repo", CreateOptions: "--cpus 1",
		EnvironmentVariables: map[string]string{"NODE_ENV": "development", "HOME": "/github/home"},
		UserMountVolumes:     []volume{{"my_docker_volume", "/volume_mount", false}}, SystemMountVolumes: r.systemVolumes(), PortMappings: []string{"80:8080"},
	}
}

// prepare starts a job, which has to work.
func (r *runner) prepare(c *container, services ...container) answer {
	r.Helper()
	a := r.hook("prepare_job", prepareArgs{c, services}, json.RawMessage("{}"))
	if a.code != 0 {
		r.Fatalf("prepare_job exits with %d\n%s", a.code, a.out)
	}
	return a
}

func shellStep(line string) script {
	return script{EntryPoint: "sh", EntryPointArgs: []string{"-c", line}, WorkingDirectory: "/__w/repo/repo", EnvironmentVariables: map[string]string{"STEP": "one"}}
}

// step runs a line in the job's container.
func (r *runner) step(a answer, line string) answer {
	r.Helper()
	return r.hook("run_script_step", shellStep(line), a.state)
}

// left are the processes of this runner's sandboxes.
func (r *runner) left() (list []string) {
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		list = nil
		dirs, _ := filepath.Glob("/proc/[0-9]*/environ")
		for _, d := range dirs {
			if text, err := os.ReadFile(d); err == nil && bytes.Contains(text, []byte("XDG_DATA_HOME="+r.path("home/data"))) {
				line, _ := os.ReadFile(filepath.Join(filepath.Dir(d), "cmdline"))
				list = append(list, strings.ReplaceAll(string(line), "\x00", " "))
			}
		}
		if len(list) == 0 || time.Now().After(end) {
			return list
		}
	}
}

func TestJobContainer(t *testing.T) {
	r := newRunner(t)
	job := r.jobContainer("debian")
	job.CreateOptions += ` --tmpfs /fast:size=1m,mode=1777 --hostname db --add-host other:192.0.2.7 -e "FROM_OPTIONS=a b"`
	a := r.prepare(job)
	c := a.parsed.Context.Container
	if c == nil || !regexp.MustCompile("^[0-9a-f]+$").MatchString(c.ID) || c.Network == "" || !maps.Equal(c.Ports, map[string]string{"8080": "80"}) {
		t.Errorf("the container is %+v", c)
	}
	if a.parsed.IsAlpine == nil || *a.parsed.IsAlpine {
		t.Errorf("isAlpine is not false: %s", a.raw)
	}
	if a.parsed.Context.Services == nil || len(a.parsed.Context.Services) != 0 {
		t.Errorf("services: %s", a.raw)
	}

	for _, c := range []struct{ line, want string }{
		{"pwd; id -u; echo $NODE_ENV $STEP $FROM_IMAGE $HOME; cat /etc/os-release", "/__w/repo/repo\n0\ndevelopment one yes /github/home\nID=debian\n"},
		{"stat -c %a /fast; hostname; grep -c -e 'other$' -e 'db$' /etc/hosts; echo $FROM_OPTIONS", "1777\ndb\n2\na b\n"},
		{"echo kept >/tmp/kept; echo file >made; echo v >/volume_mount/v; touch /github/home/h", ""},
		{"(until [ -e /tmp/seen ]; do sleep 0.05; done; echo more; echo wrote >/tmp/wrote; sleep 1000) & echo $! >/tmp/pid; echo out; echo err >&2", "out\nerr\n"},
		{"touch /tmp/seen; i=0; until [ -e /tmp/wrote ] || [ $((i+=1)) -gt 1200 ]; do sleep 0.05; done; kill -0 $(cat /tmp/pid) && echo runs on", "runs on\n"},
		{"cat /tmp/kept made /volume_mount/v; ls /github/home", "kept\nfile\nv\nh\n"},
	} {
		if got := r.step(a, c.line); got.out != c.want || got.code != 0 {
			t.Errorf("%s: %q with %d, want %q", c.line, got.out, got.code, c.want)
		}
	}
	if text, _ := os.ReadFile(r.path("_work/repo/repo/made")); string(text) != "file\n" {
		t.Error("what a step writes to the workspace is not there")
	}
	if got := r.step(a, "exit 7"); got.code != 7 {
		t.Errorf("exit 7 became %d", got.code)
	}
	if got := r.hook("run_script_step", script{EntryPoint: "nothing-like-it", WorkingDirectory: "/"}, a.state); got.code != 127 {
		t.Errorf("a command that is not there: %d, %s", got.code, got.out)
	}
	if got := r.hook("run_script_step", script{EntryPoint: "true", WorkingDirectory: "/nowhere"}, a.state); got.code != 127 || !strings.Contains(got.out, "no directory /nowhere") {
		t.Errorf("a directory that is not there: %d, %s", got.code, got.out)
	}
	for range 2 {
		if got := r.hook("cleanup_job", map[string]any{}, a.state); got.code != 0 {
			t.Errorf("cleanup_job: %d, %s", got.code, got.out)
		}
	}
	if got := r.step(a, "true"); got.code == 0 {
		t.Error("a step after the end of its job ran")
	}
}

func TestScriptsAndFileCommands(t *testing.T) {
	r := newRunner(t)
	a := r.prepare(r.jobContainer("debian"))
	r.write("_work/_temp/step.sh", "echo in the script; echo result=42 >>$GITHUB_OUTPUT; cat /__w/_temp/secret || echo hidden; mytool\n")
	r.write("_work/_temp/_runner_file_commands/set_output_1", "")
	os.MkdirAll(r.path("_work/repo/repo/tools"), 0o755)
	r.write("_work/repo/repo/tools/mytool", "#!/bin/sh\necho tool\n")
	os.Chmod(r.path("_work/repo/repo/tools/mytool"), 0o755)
	got := r.hook("run_script_step", script{
		EntryPoint: "sh", EntryPointArgs: []string{"-e", "/__w/_temp/step.sh"}, WorkingDirectory: "/__w/repo/repo", PrependPath: []string{"/__w/repo/repo/tools", "bar/foo"},
		EnvironmentVariables: map[string]string{"GITHUB_OUTPUT": "/__w/_temp/_runner_file_commands/set_output_1"},
	}, a.state)
	if got.code != 0 || !strings.HasPrefix(got.out, "in the script\n") || !strings.Contains(got.out, "hidden\ntool\n") {
		t.Errorf("%d: %s", got.code, got.out)
	}
	if text, _ := os.ReadFile(r.path("_work/_temp/_runner_file_commands/set_output_1")); string(text) != "result=42\n" {
		t.Errorf("GITHUB_OUTPUT holds %q", text)
	}
	// A link in place of the file brings nothing of the host.
	r.write("_work/_temp/_runner_file_commands/set_output_2", "")
	r.hook("run_script_step", script{
		EntryPoint: "sh", EntryPointArgs: []string{"-c", "rm $GITHUB_OUTPUT; ln -s " + r.path("_work/_temp/secret") + " $GITHUB_OUTPUT || busybox ln -s " + r.path("_work/_temp/secret") + " $GITHUB_OUTPUT"}, WorkingDirectory: "/",
		EnvironmentVariables: map[string]string{"GITHUB_OUTPUT": "/__w/_temp/_runner_file_commands/set_output_2"},
	}, a.state)
	if text, _ := os.ReadFile(r.path("_work/_temp/_runner_file_commands/set_output_2")); len(text) != 0 {
		t.Errorf("a link brought %q", text)
	}
}

func TestWhatAContainerDoesNotGet(t *testing.T) {
	r := newRunner(t)
	l, err := net.Listen("unix", r.path("some.socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := r.jobContainer("debian")
	c.UserMountVolumes = []volume{{"/", "/host", false}, {"/var/run/docker.sock", "/docker.sock", false}, {r.path("some.socket"), "/s", false}, {r.path("home"), "/h", false},
		{r.path("_work/other"), "/other", false}, {r.path("_work/repo/../other"), "/other2", false}, {r.path("_work/repo/repo"), "/again", false}}
	a := r.prepare(c)
	got := r.step(a, "for f in /host/etc /docker.sock /var/run/docker.sock /s /h/data /other/other /other2/other /__w/other /__w/_temp/secret /__w/_temp/_snug; do [ ! -e $f ] || echo has $f; done; [ -d /again ] && echo again")
	if got.out != "again\n" {
		t.Errorf("%s", got.out)
	}
	for _, line := range []string{"echo x >/__w/_actions/x", "echo x >/__e/x", "echo x >/github/workflow/x"} {
		if got := r.step(a, line); got.code == 0 {
			t.Errorf("%s works", line)
		}
	}
	if got := r.step(a, "echo x >/__w/_tool/x && cat /__w/_tool/x"); got.out != "x\n" {
		t.Errorf("_tool: %s", got.out)
	}
	if _, err := os.Stat(r.path("_work/_tool/x")); err == nil {
		t.Error("what a job writes to _tool poisons the next one")
	}
}

// TestLinksInPlaceOfTheRepository has a job put symbolic links where the runner's
// own mounts, and those of later jobs, come from.
func TestLinksInPlaceOfTheRepository(t *testing.T) {
	r := newRunner(t)
	os.Mkdir(r.path("home/private"), 0o755)
	r.write("home/private/secret", "of the runner")
	a := r.prepare(r.jobContainer("debian"))
	if got := r.step(a, "cd /__w/repo && mv repo away && ln -s "+r.path("home/private")+" repo || busybox ln -s "+r.path("home/private")+" repo"); got.code != 0 {
		t.Fatal(got.out)
	}
	volumes := append(r.systemVolumes(), volume{r.path("_work/repo/repo"), "/github/workspace", false})
	step := container{Image: "debian", EntryPoint: "sh", EntryPointArgs: []string{"-c", "ls -a /github/workspace /__w/repo/repo/; cat /github/workspace/secret; touch /github/workspace/planted"}, SystemMountVolumes: volumes}
	got := r.hook("run_container_step", step, a.state)
	if strings.Contains(got.out, "of the runner") || !strings.Contains(got.out, "left out") {
		t.Errorf("%d: %s", got.code, got.out)
	}
	next := r.jobContainer("debian")
	next.UserMountVolumes = []volume{{r.path("home/private"), "/stolen", false}, {r.path("_work/repo/repo"), "/again", false}, {r.path("_work/repo/repo/secret"), "/file", false}}
	if b := r.hook("prepare_job", prepareArgs{Container: next}, nil); b.code == 0 {
		if got := r.step(b, "cat /stolen/secret /again/secret /file; touch /stolen/planted /again/planted; true"); strings.Contains(got.out, "of the runner") {
			t.Errorf("the next job has it: %s", got.out)
		}
	}
	if entries, _ := os.ReadDir(r.path("home/private")); len(entries) != 1 {
		t.Errorf("a job wrote there: %v", entries)
	}
}

// TestASourceThatIsSwapped has a directory become a link after it was looked at.
func TestASourceThatIsSwapped(t *testing.T) {
	r := newRunner(t)
	h := host{work: r.path("_work"), temp: r.path("_work/_temp"), workspace: r.path("_work/repo/repo")}
	p := place{host: h, dir: r.dir, warn: t.Errorf}
	list := p.show(r.path("_work/repo/repo"), "/x", true)
	os.Remove(r.path("_work/repo/repo"))
	if err := os.Symlink(r.path("home"), r.path("_work/repo/repo")); err != nil {
		t.Fatal(err)
	}
	cmd := snug.Command(snug.Spec{Mounts: list}, "true")
	if err := cmd.Run(); err == nil || !strings.Contains(err.Error(), "another file") {
		t.Errorf("%v", err)
	}
}

func TestUsersOfAContainer(t *testing.T) {
	r := newRunner(t)
	busybox, _ := os.ReadFile(mustFind(t, "busybox"))
	r.image("users", busybox, map[string]string{"etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnode:x:1000:1001::/home/node:/bin/sh\n", "etc/group": "root:x:0:\nstaff:x:50:node\n"}, `"User":"node","Env":["PATH=/bin"]`)
	all := kerneltest.Probe("subid") == nil
	for options, want := range map[string]string{"": "1000 1001", "--user root": "0 0", "-u 0:0": "0 0", "--user node": "1000 1001", "--user 1000:staff": "1000 50", "--user 7": "7 0", "--user :staff": "0 50"} {
		if !all && want != "0 0" {
			continue
		}
		got := r.hook("run_container_step", container{Image: "users", EntryPoint: "sh", EntryPointArgs: []string{"-c", "echo $(id -u) $(id -g)"}, CreateOptions: options}, nil)
		if got.code != 0 || !strings.HasSuffix(got.out, want+"\n") {
			t.Errorf("%q: %d, %s, want %s", options, got.code, got.out, want)
		}
	}
	if got := r.hook("run_container_step", container{Image: "users", EntryPoint: "id", CreateOptions: "--user 2000000000:2000000000"}, nil); got.code != 125 || !strings.Contains(got.out, "has no such user or group id") {
		t.Errorf("%d, %s", got.code, got.out)
	}
	for _, options := range []string{"--user nobody-like-it", "--user 1:nothing-like-it"} {
		if got := r.hook("run_container_step", container{Image: "users", CreateOptions: options}, nil); got.code != 125 || !strings.Contains(got.out, "the image has no ") {
			t.Errorf("%q: %d, %s", options, got.code, got.out)
		}
	}
}

// TestPlainEnvironment has no variables that say nothing, which a shell would take for
// settings, and a container may start in its root.
func TestPlainEnvironment(t *testing.T) {
	r := newRunner(t)
	a := r.prepare(r.jobContainer("debian"))
	if got := r.step(a, "echo ${USER+set} ${LOGNAME+set} ${SHELL+set} ${HOME+set}"); got.code != 0 || got.out != "set\n" {
		t.Errorf("%d: %q", got.code, got.out)
	}
	if got := r.hook("run_container_step", container{Image: "debian", EntryPoint: "pwd", WorkingDirectory: "/"}, a.state); got.code != 0 || got.out != "/\n" {
		t.Errorf("%d: %q", got.code, got.out)
	}
}

func TestOptionsThatAreRefused(t *testing.T) {
	r := newRunner(t)
	for _, options := range []string{"--privileged", "-v /:/host", "--cap-add=ALL", "--network host", "--pid=host", "--device /dev/kvm", "--security-opt seccomp=unconfined", "--mount type=bind,src=/,dst=/h", "--userns=host"} {
		c := r.jobContainer("debian")
		c.CreateOptions = options
		a := r.hook("prepare_job", prepareArgs{Container: c}, nil)
		if a.code != 125 || !strings.Contains(a.out, "options: -") {
			t.Errorf("%s: %d, %s", options, a.code, a.out)
		}
	}
}

func TestServicesByName(t *testing.T) {
	r := newRunner(t)
	busybox, _ := os.ReadFile(mustFind(t, "busybox"))
	r.image("web", busybox, map[string]string{"srv/index.html": "from the service\n", "bin/serve": "#!/bin/sh\nsleep 0.3; exec httpd -f -p 8080 -h /srv\n"}, `"Entrypoint":["/bin/serve"],"Env":["PATH=/bin"]`)
	a := r.prepare(r.jobContainer("debian"), container{ContextName: "web", Image: "web", PortMappings: []string{"8080:80", "8088:8080"},
		CreateOptions: `--health-cmd "nc web 8080 </dev/null" --health-interval 100ms --health-retries 600`})
	s := a.parsed.Context.Services
	if len(s) != 1 || !maps.Equal(s[0].Ports, map[string]string{"80": "8080", "8080": "8088"}) || s[0].ID == "" || s[0].Network != a.parsed.Context.Container.Network {
		t.Errorf("%s", a.raw)
	}
	const get = "printf 'GET /index.html HTTP/1.0\\r\\n\\r\\n' | nc web 8080 | tail -n 1"
	if got := r.step(a, strings.Replace(get, "printf", "busybox printf", 1)); got.out != "from the service\n" {
		t.Errorf("%q", got.out)
	}
	if got := r.step(a, "ps | grep -c '[h]ttpd' || true"); got.out != "0\n" {
		t.Errorf("a service's processes are seen: %s", got.out)
	}
	// A container action is in the same network, and gone when it ends.
	got := r.hook("run_container_step", container{Image: "debian", EntryPoint: "sh", EntryPointArgs: []string{"-c", strings.Replace(get, "printf", "busybox printf", 1) + "; echo $A; exit 3"},
		EnvironmentVariables: map[string]string{"A": "b"}, SystemMountVolumes: r.systemVolumes(), WorkingDirectory: "/__w/repo/repo", PortMappings: []string{"8080:8080"}}, a.state)
	if got.code != 3 || got.out != "from the service\nb\n" {
		t.Errorf("%d: %s", got.code, got.out)
	}
}

func mustFind(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skip("needs " + name)
	}
	return path
}

func TestPortsOnTheHost(t *testing.T) {
	r := newRunner(t)
	busybox, _ := os.ReadFile(mustFind(t, "busybox"))
	r.image("echo", busybox, map[string]string{"bin/serve": "#!/bin/sh\nexec nc -ll -p 7 -e cat\n"}, `"Entrypoint":["/bin/serve"],"Env":["PATH=/bin"]`)
	a := r.prepare(nil, container{ContextName: "echo", Image: "echo", PortMappings: []string{"7"}, CreateOptions: `--health-cmd "nc localhost 7 </dev/null" --health-interval 100ms --health-retries 600`})
	port := a.parsed.Context.Services[0].Ports["7"]
	if a.parsed.Context.Container != nil || port == "" || port == "7" {
		t.Fatalf("%s", a.raw)
	}
	conn, err := net.Dial("tcp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Minute))
	fmt.Fprint(conn, "through")
	got := make([]byte, 7)
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != "through" {
		t.Errorf("%q, %v", got, err)
	}
	if got := r.hook("cleanup_job", nil, a.state); got.code != 0 {
		t.Errorf("%s", got.out)
	}
	if _, err := net.DialTimeout("tcp", "127.0.0.1:"+port, time.Second); err == nil {
		t.Error("the port is open after the job")
	}
}

func TestServiceThatIsNeverReady(t *testing.T) {
	r := newRunner(t)
	a := r.hook("prepare_job", prepareArgs{r.jobContainer("debian"), []container{{ContextName: "bad", Image: "debian", EntryPoint: "sh", EntryPointArgs: []string{"-c", "echo '::error::planted'; sleep 60"},
		CreateOptions: "--health-cmd false --health-interval 10ms --health-retries 2"}}}, nil)
	if a.code != 125 || !strings.Contains(a.out, "service bad: it is not ready") || !strings.Contains(a.out, "\n| ::error::planted") {
		t.Errorf("%d: %s", a.code, a.out)
	}
	if left := r.left(); len(left) > 0 {
		t.Errorf("these run on: %q", left)
	}
}

// TestServiceThatTakesItsTime is asked several times before its first interval is
// over, with fewer retries than that.
func TestServiceThatTakesItsTime(t *testing.T) {
	r := newRunner(t)
	r.prepare(nil, container{ContextName: "db", Image: "debian", EntryPoint: "sh", EntryPointArgs: []string{"-c", "sleep 0.7; touch /tmp/ready; sleep 1000"},
		CreateOptions: "--health-cmd 'test -e /tmp/ready' --health-interval 1m --health-retries 2"})
}

// list is what "snug image list" prints.
func (r *runner) list() string {
	r.Helper()
	cmd := exec.Command(filepath.Join(programs, "snug"), "image", "list")
	cmd.Env = r.env
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.Fatalf("%v: %s", err, out)
	}
	return string(out)
}

// TestHealthOfTheImage has images say themselves how to ask whether they are
// ready.
func TestHealthOfTheImage(t *testing.T) {
	r := newRunner(t)
	busybox, _ := os.ReadFile(mustFind(t, "busybox"))
	r.image("well", busybox, nil, `"Cmd":["sh","-c","sleep 0.2; touch /tmp/well; sleep 1000"],"Env":["PATH=/bin"],"Healthcheck":{"Test":["CMD-SHELL","test -e /tmp/well"],"Interval":20000000,"Retries":3000}`)
	r.image("ill", busybox, nil, `"Cmd":["sleep","1000"],"Env":["PATH=/bin"],"Healthcheck":{"Test":["CMD","false"],"Interval":1000000,"Retries":2}`)
	r.prepare(nil, container{ContextName: "well", Image: "well"})
	for options, want := range map[string]int{"": 125, "--no-healthcheck": 0, "--health-cmd true": 0} {
		a := r.hook("prepare_job", prepareArgs{Services: []container{{ContextName: "ill", Image: "ill", CreateOptions: options}}}, nil)
		if a.code != want || want != 0 && !strings.Contains(a.out, "service ill: it is not ready") {
			t.Errorf("%q: %d, %s", options, a.code, a.out)
		}
	}
}

func TestJobWithoutContainers(t *testing.T) {
	r := newRunner(t)
	if a := r.hook("prepare_job", map[string]any{"container": nil, "services": []any{}}, nil); a.code != 0 || strings.TrimSpace(a.raw) != `{"state":{}}` {
		t.Errorf("%d: %s%s", a.code, a.raw, a.out)
	}
	// A container action alone has a network of its own.
	if got := r.hook("run_container_step", container{Image: "debian", EntryPoint: "echo", EntryPointArgs: []string{"alone"}}, nil); got.code != 0 || !strings.HasSuffix(got.out, "alone\n") {
		t.Errorf("%d: %s", got.code, got.out)
	}
}

func TestAlpine(t *testing.T) {
	r := newRunner(t)
	busybox, _ := os.ReadFile(mustFind(t, "busybox"))
	r.image("alpine", busybox, map[string]string{"etc/alpine-release": "3.8\n"}, `"Env":["PATH=/bin"]`)
	if a := r.prepare(r.jobContainer("alpine")); a.parsed.IsAlpine == nil || !*a.parsed.IsAlpine {
		t.Errorf("%s", a.raw)
	}
}

func TestRequestsThatAreWrong(t *testing.T) {
	r := newRunner(t)
	for _, c := range []struct{ name, says string }{{"dance", `the command "dance"`}, {"run_script_step", "has no container"}} {
		if a := r.hook(c.name, map[string]any{}, nil); a.code != 125 || !strings.Contains(a.out, c.says) {
			t.Errorf("%s: %d, %s", c.name, a.code, a.out)
		}
	}
	c := r.jobContainer("debian")
	c.Image = "localhost:1/no/such:image"
	if a := r.hook("prepare_job", prepareArgs{Container: c}, nil); a.code != 125 || !strings.Contains(a.out, "no/such:image") {
		t.Errorf("%d: %s", a.code, a.out)
	}
	if a := r.hook("run_container_step", container{Dockerfile: r.path("Dockerfile")}, nil); a.code != 125 || !strings.Contains(a.out, "Dockerfile") {
		t.Errorf("%d: %s", a.code, a.out)
	}
}

// TestRedis runs Debian's redis as a service, from an image made of it, and
// reaches it by its name from a step and from a container action.
func TestRedis(t *testing.T) {
	server := mustFind(t, "redis-server")
	r := newRunner(t)
	files := map[string]string{}
	for _, name := range append(libraries(t, server), server) {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		files[strings.TrimPrefix(name, "/")] = string(text)
	}
	busybox, _ := os.ReadFile(mustFind(t, "busybox"))
	r.image("redis", busybox, files, `"Entrypoint":["`+server+`"],"Cmd":["--save",""],"Env":["PATH=/bin"],"ExposedPorts":{"6379/tcp":{}}`)
	const say = "busybox printf 'PING\\r\\nSET a from-a-step\\r\\nGET a\\r\\nQUIT\\r\\n' | nc redis 6379"
	a := r.prepare(r.jobContainer("debian"), container{ContextName: "redis", Image: "redis", CreateOptions: `--cpus 1 --health-cmd "echo PING | nc localhost 6379 | grep PONG" --health-interval 100ms --health-retries 600`})
	if got := r.step(a, say); !strings.Contains(got.out, "+PONG") || !strings.Contains(got.out, "from-a-step") {
		t.Errorf("%d: %q", got.code, got.out)
	}
	got := r.hook("run_container_step", container{Image: "debian", EntryPoint: "sh", EntryPointArgs: []string{"-c", "busybox printf 'GET a\\r\\nQUIT\\r\\n' | nc redis 6379"}}, a.state)
	if !strings.Contains(got.out, "from-a-step") {
		t.Errorf("%d: %q", got.code, got.out)
	}
}

// libraries are the files that a program is linked with.
func libraries(t *testing.T, program string) (list []string) {
	t.Helper()
	out, err := exec.Command("ldd", program).Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range strings.Fields(string(out)) {
		if strings.HasPrefix(word, "/") {
			list = append(list, word)
		}
	}
	return list
}
