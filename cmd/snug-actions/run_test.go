package main

import (
	"bufio"
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/snug-sandbox/snug/internal/kerneltest"
)

// job is a job's directories, and its environment with more variables.
func job(t *testing.T, more ...string) (dir string, env []string) {
	t.Helper()
	kerneltest.Require(t, "userns", "overlay")
	dir = t.TempDir()
	for _, d := range []string{"home", "temp", "workspace"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir + "/home", "GITHUB_WORKSPACE=" + dir + "/workspace", "RUNNER_TEMP=" + dir + "/temp",
		"GITHUB_OUTPUT=" + dir + "/output", "GITHUB_STEP_SUMMARY=" + dir + "/summary", "XDG_RUNTIME_DIR=" + dir + "/home",
	}
	return dir, append(env, more...)
}

// left is what a run leaves in $RUNNER_TEMP, but for its report.
func left(t *testing.T, dir string) (list []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(dir, "temp"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), "snug-report-") {
			list = append(list, e.Name())
		}
	}
	return list
}

func TestInterruptReachesTheStep(t *testing.T) {
	dir, env := job(t, "INPUT_RUN=trap 'echo caught; exit 9' INT\necho ready\nwhile true; do sleep 0.05; done")
	cmd := exec.Command(filepath.Join(programs, "snug"), "actions", "run")
	cmd.Env = env
	read, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	caught := false
	for out := bufio.NewScanner(read); out.Scan(); {
		switch out.Text() {
		case "| ready":
			cmd.Process.Signal(os.Interrupt)
		case "| caught":
			caught = true
		}
	}
	cmd.Wait()
	if cmd.ProcessState.ExitCode() != 9 || !caught {
		t.Errorf("%v: %v", cmd.ProcessState, caught)
	}
	if list := left(t, dir); len(list) > 0 {
		t.Errorf("left behind: %q", list)
	}
}

// TestNothingRunsWithoutASandbox has the set-up fail, and holds that the script
// did not run and that the reason is told.
func TestNothingRunsWithoutASandbox(t *testing.T) {
	dir, env := job(t, "INPUT_RUN=touch ran", "INPUT_WORKSPACE=rw", "INPUT_HOST_SETUP=none")
	limited := exec.Command("sh", "-c", `exec unshare -U sh -c 'exec "$0" actions run' "$0"`, filepath.Join(programs, "snug"))
	out := new(bytes.Buffer)
	limited.Env, limited.Stdout, limited.Stderr = env, out, out
	limited.Run() // without a map of ids no further namespace gets one
	if limited.ProcessState.ExitCode() != 125 || !strings.Contains(out.String(), "::error title=Snug::") {
		t.Errorf("%v: %s", limited.ProcessState, out)
	}
	if _, err := os.Stat(filepath.Join(dir, "workspace/ran")); err == nil {
		t.Error("the step ran")
	}
	if list := left(t, dir); len(list) > 0 {
		t.Errorf("left behind: %q", list)
	}
}

// TestHostSetup has sudo be a script that writes down what it was asked for, on
// a machine that seems to restrict user namespaces.
func TestHostSetup(t *testing.T) {
	_, env := job(t, "INPUT_RUN=true")
	fake := t.TempDir()
	write(t, fake+"/sudo", "#!/bin/sh\necho \"$@\" >>"+fake+"/log\n")
	os.Chmod(fake+"/sudo", 0o755)
	env[0] = "PATH=" + fake + ":" + os.Getenv("PATH")
	cmd := exec.Command("sh", "-c", `exec unshare -U sh -c 'exec "$0" actions run' "$0"`, filepath.Join(programs, "snug"))
	cmd.Env = env
	out, _ := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != 125 {
		t.Errorf("%v: %s", cmd.ProcessState, out)
	}
	// AppArmor forbids nothing here, so that there is nothing to ask sudo for.
	if text, err := os.ReadFile(fake + "/log"); err == nil {
		t.Errorf("sudo was asked for %s", text)
	}
}

// bareJob is a job on a machine that makes no namespaces, with a checkout whose
// credentials are in it.
func bareJob(t *testing.T, more ...string) (dir string, do func() (out string, code int)) {
	t.Helper()
	kerneltest.Require(t, "landlock")
	dir, env := job(t, more...)
	header := "[http \"https://github.com/\"]\n\textraheader = AUTHORIZATION: basic s3cr3t\n"
	write(t, dir+"/workspace/.git/config", "[core]\n\tbare = false\n"+header)
	write(t, dir+"/workspace/old", "as it was\n")
	write(t, dir+"/workspace/gone", "soon\n")
	write(t, dir+"/home/.netrc", "s3cr3t")
	write(t, dir+"/home/git-credentials-1.config", header)
	return dir, func() (string, int) {
		cmd := exec.Command("unshare", "-U", filepath.Join(programs, "snug"), "actions", "run") // without a map of ids no further namespace gets one
		cmd.Env = append(env, "INPUT_HOST_SETUP=none", "OUTER="+dir)
		out, _ := cmd.CombinedOutput()
		return string(out), cmd.ProcessState.ExitCode()
	}
}

// TestWithoutNamespaces holds that a step which asks for it runs with Landlock
// and the filter alone, and gets no more of the job's trust than with all.
func TestWithoutNamespaces(t *testing.T) {
	dir, do := bareJob(t, "INPUT_WITHOUT_NAMESPACES=landlock", "INPUT_PERSIST=kept/**\nold", "INPUT_OUTPUTS=answer", "INPUT_SECRETS=TOKEN=of the step", "INPUT_ENV=OUTER", "TOPSECRET=s3cr3t", `INPUT_RUN=
set -e
cat old; rm gone
test "$(cat "$TOKEN_FILE")" = "of the step"
mkdir kept; echo new >kept/file; echo changed >old; echo rubbish >rubbish
echo answer=42 >>"$GITHUB_OUTPUT"; echo LD_PRELOAD=x >>"$GITHUB_ENV"
! grep -rs s3cr3t . "$HOME" /proc/self/environ
for f in workspace/old workspace/.git/config home/.netrc home/git-credentials-1.config; do ! cat "$OUTER/$f" 2>/dev/null; done
! touch "$OUTER/workspace/planted" "$OUTER/home/planted" 2>/dev/null
! sh -c 'exec 3<>/dev/tcp/127.0.0.1/22' 2>/dev/null
echo "::error::planted"
sleep 4244 &
`)
	out, code := do()
	if code != 1 || !strings.Contains(out, "| as it was\n") || !strings.Contains(out, "| ::error::planted\n") || strings.Contains(out, "s3cr3t") {
		t.Errorf("%d: %s", code, out)
	}
	if !strings.Contains(out, "::notice title=Snug::this machine makes no namespaces") {
		t.Errorf("that there is no more is not told: %s", out)
	}
	for name, want := range map[string]string{"old": "changed\n", "kept/file": "new\n", "gone": "soon\n", "rubbish": "", "planted": ""} {
		if text, _ := os.ReadFile(filepath.Join(dir, "workspace", name)); string(text) != want {
			t.Errorf("%s holds %q, want %q", name, text, want)
		}
	}
	if text, _ := os.ReadFile(dir + "/workspace/.git/config"); !strings.Contains(string(text), "s3cr3t") {
		t.Errorf("the checkout's own configuration was changed: %s", text)
	}
	if text, _ := os.ReadFile(dir + "/output"); !strings.Contains(string(text), "answer<<") || !strings.Contains(string(text), `["gone","kept","kept/file","old","rubbish"]`) {
		t.Errorf("%s", text)
	}
	if text, _ := os.ReadFile(dir + "/summary"); !strings.Contains(string(text), "Without namespaces") {
		t.Errorf("%s", text)
	}
	if list := left(t, dir); len(list) > 0 {
		t.Errorf("left behind: %q", list)
	}
}

// What cannot be held then is refused, and so is everything where nobody asked.
func TestWhatNeedsNamespaces(t *testing.T) {
	for _, c := range []struct{ input, says string }{
		{"INPUT_NETWORK=allowlist", "input network: allowlist needs namespaces"},
		{"INPUT_ROOTFS=some-image", "input rootfs: an image needs namespaces"},
		{"INPUT_WORKSPACE=ro", "input workspace: ro leaves the credentials"},
		{"INPUT_WORKSPACE=rw", "input workspace: rw leaves .git open"},
		{"INPUT_WITHOUT_NAMESPACES=fail", "::error title=Snug::"},
	} {
		dir, do := bareJob(t, "INPUT_WITHOUT_NAMESPACES=landlock", "INPUT_RUN=touch ran", "INPUT_PROFILE=ci-node", c.input)
		if out, code := do(); code != 125 || !strings.Contains(out, c.says) {
			t.Errorf("%s: %d: %s", c.input, code, out)
		}
		if _, err := os.Stat(dir + "/workspace/ran"); err == nil {
			t.Errorf("%s: the step ran", c.input)
		}
	}
}

// TestTheMarksHoldEverything takes the output of a step apart as a runner does:
// between the marks that stop and resume commands there is nothing but lines of
// the step, each of them harmless, and the second mark is a line of its own.
func TestTheMarksHoldEverything(t *testing.T) {
	_, env := job(t, "INPUT_FAIL_ON=never", "INPUT_RUN="+`
cat /proc/1/cmdline /proc/self/environ | grep -ao 'snug-[0-9a-f]*' | sed 's/.*/::&::/' || true
echo "::stop-commands::mine"; echo "::mine::"; echo "::snug-00000000000000000000000000000000::" >&2
for i in 1 2 3; do printf '::error'; printf '::planted\n::warn' >&2; printf '::x\n'; printf 'ing::planted\n' >&2; done
head -c 70000 /dev/zero | tr '\0' ' '; echo "::error::planted"
echo LD_PRELOAD=x >>"$GITHUB_ENV"
printf '##[error]planted without an end ::'
`)
	cmd := exec.Command(filepath.Join(programs, "snug"), "actions", "run")
	var out, other bytes.Buffer
	cmd.Env, cmd.Stdout, cmd.Stderr = env, &out, &other
	if err := cmd.Run(); err != nil || other.Len() > 0 {
		t.Fatalf("%v: %s%s", err, out.String(), other.String())
	}
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	token, ok := strings.CutPrefix(lines[0], "::stop-commands::")
	end := slices.Index(lines, "::"+token+"::")
	if !ok || len(token) < 32 || end < 10 {
		t.Fatalf("the marks are not there: %s", out.String())
	}
	for _, line := range lines[1:end] {
		if !strings.HasPrefix(line, "| ") || strings.Contains(line, "##[") || strings.Contains(line, token) || strings.ContainsAny(line, "\r") {
			t.Errorf("between the marks: %q", line)
		}
	}
	for _, line := range lines[end+1:] {
		if !strings.HasPrefix(line, "::warning title=Snug") {
			t.Errorf("after the marks: %q", line)
		}
	}
}

// TestOddNames has directories and files of a job whose names mean something to
// profiles, shells and lists.
func TestOddNames(t *testing.T) {
	dir, env := job(t, "INPUT_PERSIST=*\n[[]d]/**", "INPUT_FAIL_ON=never", `INPUT_RUN=set -e
pwd; touch "new
line" -- -dash 'st*r' 'a b ' "$(printf 'bad\377name')"
mkdir '[d]'; echo deep >'[d]/${HOME}'; ln -s nowhere dangling; mkfifo fifo; mkdir .GIT; touch .GIT/config`)
	workspace, temp := dir+"/work space ${HOME} 'q\" ü", dir+"/temp ${x}"
	for _, d := range []string{workspace, temp} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(filepath.Join(programs, "snug"), "actions", "run")
	cmd.Env = append(env, "GITHUB_WORKSPACE="+workspace, "RUNNER_TEMP="+temp)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "| "+workspace+"\n") {
		t.Fatalf("%v: %s", err, out)
	}
	var names []string
	entries, _ := os.ReadDir(workspace)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if want := []string{"-dash", "[d]", "a b ", "bad\xffname", "dangling", "new\nline", "st*r"}; !slices.Equal(names, want) {
		t.Errorf("kept %q, want %q", names, want)
	}
	if text, _ := os.ReadFile(workspace + "/[d]/${HOME}"); string(text) != "deep\n" {
		t.Errorf("%q", text)
	}
}

// TestALogThatIsFull has the runner's log take nothing: the step ends, and nothing
// waits for it to be read.
func TestALogThatIsFull(t *testing.T) {
	dir, env := job(t, "INPUT_RUN=yes | head -c 3000000\nsleep 600", "INPUT_TIMEOUT=10m")
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	patience, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(patience, filepath.Join(programs, "snug"), "actions", "run")
	cmd.Env, cmd.Stdout = env, full
	cmd.Run()
	if cmd.ProcessState.ExitCode() != 125 {
		t.Error(cmd.ProcessState)
	}
	if list := left(t, dir); len(list) > 0 {
		t.Errorf("left behind: %q", list)
	}
}

// TestLinkedWorkspace has the runner name the workspace by way of a symbolic link:
// what a workflow says of github.workspace is there inside.
func TestLinkedWorkspace(t *testing.T) {
	dir, env := job(t, "INPUT_PERSIST=x")
	link := dir + "/link"
	if err := os.Symlink(".", link); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir+"/workspace/sub", 0o755); err != nil {
		t.Fatal(err)
	}
	named := link + "/workspace"
	out, code := do(append(env, "GITHUB_WORKSPACE="+named, "INPUT_WORKING_DIRECTORY="+named+"/sub", "INPUT_RUN=test $PWD = $GITHUB_WORKSPACE/sub; cd "+named+"; touch x"))
	if _, err := os.Stat(dir + "/workspace/x"); err != nil || code != 0 {
		t.Errorf("%v, %d: %s", err, code, out)
	}
}

// TestToolsInACacheDirectory has a directory of PATH be below the home, as those of
// cargo are.
func TestToolsInACacheDirectory(t *testing.T) {
	dir, env := job(t, "INPUT_CACHE_DIRS=~/.cargo", "INPUT_RUN=tool")
	write(t, dir+"/home/.cargo/bin/tool", "#!/bin/sh\necho of the cache\n")
	os.Chmod(dir+"/home/.cargo/bin/tool", 0o755)
	if out, code := do(append(env, "PATH="+dir+"/home/.cargo/bin:"+os.Getenv("PATH"))); code != 0 || !strings.Contains(out, "| of the cache\n") {
		t.Errorf("%d: %s", code, out)
	}
}

// TestCachesThatHoldMore asks for directories with what a step is not shown in them.
func TestCachesThatHoldMore(t *testing.T) {
	dir, env := job(t, "INPUT_RUN=true")
	for _, cache := range []string{"~", "/", ".", "..", dir, dir + "/temp"} {
		if out, code := do(append(env, "INPUT_CACHE_DIRS="+cache)); code != 125 || !strings.Contains(out, "input cache-dirs: "+cache+" holds "+dir) {
			t.Errorf("%s: %d: %s", cache, code, out)
		}
	}
}

// TestPatternsOfNothing are told.
func TestPatternsOfNothing(t *testing.T) {
	_, env := job(t, "INPUT_RUN=mkdir d; touch d/x", "INPUT_PERSIST=d/**\ndist/**")
	if out, code := do(env); code != 0 || !strings.Contains(out, "\n::notice title=Snug::persist: dist/**: the step changed nothing") || strings.Contains(out, "persist: d/**") {
		t.Errorf("%d: %s", code, out)
	}
}

// do runs a step, and returns the log and the exit code.
func do(env []string) (string, int) {
	cmd := exec.Command(filepath.Join(programs, "snug"), "actions", "run")
	cmd.Env = env
	out, _ := cmd.CombinedOutput()
	return string(out), cmd.ProcessState.ExitCode()
}

func TestAnnotationsPointAtLines(t *testing.T) {
	dir, env := job(t, "INPUT_RUN=echo LD_PRELOAD=x >>\"$GITHUB_ENV\"\nln -s / out", "INPUT_PERSIST=out", "GITHUB_WORKFLOW_REF=o/r/.github/workflows/w.yml@refs/heads/main")
	write(t, dir+"/workspace/.github/workflows/w.yml", `jobs:
  a:
    steps:
      - uses: o/snug/actions/run@v1
        with:
          persist: out
          run: |
            echo LD_PRELOAD=x >>"$GITHUB_ENV"
`)
	out, code := do(env)
	for _, want := range []string{"::error file=.github/workflows/w.yml,line=4,title=Snug%3A environment::LD_PRELOAD", "::error file=.github/workflows/w.yml,line=6,title=Snug%3A workspace::out: "} {
		if !strings.Contains(out, "\n"+want) || code != 1 {
			t.Errorf("%d: %s\nlacks %s", code, out, want)
		}
	}
	if out, code := do(append(env, "INPUT_ANNOTATIONS=false", "INPUT_SUMMARY=false", "GITHUB_STEP_SUMMARY="+dir+"/none")); strings.Contains(out, "title=Snug") || code != 1 || !strings.Contains(out, "snug: failed for 2 violations") {
		t.Errorf("%d: %s", code, out)
	}
	if _, err := os.Stat(dir + "/none"); err == nil {
		t.Error("a summary was written that nobody asked for")
	}
	write(t, dir+"/workspace/ci/mine.toml", "version = 1\n[env]\nkeeep = [\"A\"]\n")
	if out, code := do(append(env, "INPUT_PROFILE=ci/mine.toml")); code != 125 || !strings.Contains(out, "::error file=ci/mine.toml,line=3,title=Snug::") {
		t.Errorf("%d: %s", code, out)
	}
}
