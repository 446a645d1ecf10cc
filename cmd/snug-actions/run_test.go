package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
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
	out := new(bytes.Buffer)
	cmd.Env, cmd.Stdout, cmd.Stderr = env, out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(time.Second, func() { cmd.Process.Signal(os.Interrupt) })
	cmd.Wait()
	if cmd.ProcessState.ExitCode() != 9 || !strings.Contains(out.String(), "| caught\n") {
		t.Errorf("%v: %s", cmd.ProcessState, out)
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
