package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// sandboxedStep compares a step of GitHub Actions that does nothing with the same
// script without a sandbox, as a runner starts both.
func (b *bench) sandboxedStep() error {
	workspace := filepath.Join(b.dir, "workspace")
	script := filepath.Join(b.dir, "step.sh")
	if err := errors.Join(os.MkdirAll(filepath.Join(workspace, ".git"), 0o755), os.WriteFile(script, []byte("true\n"), 0o755)); err != nil {
		return err
	}
	step := func(*os.File, string) process {
		cmd := exec.Command("bash", "-e", "-c", `exec "$0" actions run`, filepath.Join(b.dir, "snug"))
		cmd.Env = append(os.Environ(), "INPUT_RUN=true", "GITHUB_WORKSPACE="+workspace, "RUNNER_TEMP="+b.dir,
			"GITHUB_OUTPUT="+b.dir+"/output", "GITHUB_STEP_SUMMARY="+b.dir+"/summary")
		return cmd
	}
	plain := func(*os.File, string) process {
		return exec.Command("bash", "--noprofile", "--norc", "-e", "-o", "pipefail", script)
	}
	ours, theirs, err := alternate(b.runs, step, plain, "")
	if err != nil {
		return err
	}
	m, n := median(ours), median(theirs)
	b.add(target{what: "sandboxed step, ms over a plain one", snug: ms(m), bwrap: ms(n), value: float64(m-n) / float64(time.Millisecond), limit: 50})
	fmt.Printf("sandboxed step against a plain one: %d pairs, least %s and %s, median %s and %s\n", len(ours), ms(slices.Min(ours)), ms(slices.Min(theirs)), ms(m), ms(n))
	return nil
}

// containerStep compares a script step in a job's container, through the hook,
// with podman exec in a container of the same files.
func (b *bench) containerStep() error {
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		return fmt.Errorf("%w: install the package busybox-static", err)
	}
	tree := filepath.Join(b.dir, "container")
	text, err := os.ReadFile(busybox)
	if err != nil {
		return err
	}
	for _, d := range []string{"bin", "proc", "dev", "sys", "tmp", "etc", "run"} {
		os.MkdirAll(filepath.Join(tree, d), 0o755)
	}
	if err := os.WriteFile(filepath.Join(tree, "bin/busybox"), text, 0o755); err != nil {
		return err
	}
	for _, applet := range []string{"sh", "true", "sleep"} {
		os.Symlink("busybox", filepath.Join(tree, "bin", applet))
	}
	h, err := b.prepareJob(tree)
	if err != nil {
		return err
	}
	defer h.call("cleanup_job", nil).Run()
	podman, end, err := podmanContainer(tree)
	if err != nil {
		return err
	}
	defer end()
	step := func(*os.File, string) process {
		return h.call("run_script_step", map[string]any{"entryPoint": "/bin/sh", "entryPointArgs": []string{"-c", "true"}, "workingDirectory": "/"})
	}
	ours, theirs, err := alternate(min(b.runs, 30), step, podman, "")
	if err != nil {
		return err
	}
	b.addTimes("container job's step against podman exec", ours, theirs, 1)
	return nil
}

// hooked is a job that the hook was asked to prepare.
type hooked struct {
	b     *bench
	state json.RawMessage
}

func (h *hooked) call(command string, args any) *exec.Cmd {
	text, _ := json.Marshal(map[string]any{"command": command, "responseFile": filepath.Join(h.b.dir, "response.json"), "args": args, "state": h.state})
	cmd := exec.Command(filepath.Join(h.b.dir, "snug"), "actions", "hook")
	cmd.Stdin, cmd.Stderr = strings.NewReader(string(text)), os.Stderr
	cmd.Env = append(os.Environ(), "RUNNER_NAME=bench", "RUNNER_TEMP="+filepath.Join(h.b.dir, "_temp"), "SNUG_ACTIONS_NETWORK=none", "XDG_DATA_HOME="+filepath.Join(h.b.dir, "data"))
	return cmd
}

func (b *bench) prepareJob(tree string) (*hooked, error) {
	h := &hooked{b: b}
	os.MkdirAll(filepath.Join(b.dir, "_temp"), 0o755)
	add := exec.Command(filepath.Join(b.dir, "snug"), "image", "import", "--quiet", "--tag", "bench-job", tree)
	add.Env = h.call("", nil).Env
	if out, err := add.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	if err := h.call("prepare_job", map[string]any{"container": map[string]any{"image": "bench-job"}}).Run(); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(b.dir, "response.json"))
	var answer struct{ State json.RawMessage }
	if err == nil {
		err = json.Unmarshal(text, &answer)
	}
	h.state = answer.State
	return h, err
}

// podmanContainer starts a container that waits, with no network.
func podmanContainer(tree string) (contender, func(), error) {
	podman, err := exec.LookPath("podman")
	if err != nil {
		return nil, nil, fmt.Errorf("%w: install the packages podman and runc", err)
	}
	// crun refuses hosts with both versions of control groups.
	options := []string{"--runtime", "runc", "--cgroup-manager", "cgroupfs"}
	out, err := exec.Command(podman, append(options, "run", "-d", "--network", "none", "--rootfs", tree, "/bin/sleep", "3600")...).Output()
	if err != nil {
		return nil, nil, fmt.Errorf("podman run: %w", err)
	}
	id := strings.TrimSpace(string(out))
	end := func() { exec.Command(podman, append(options, "rm", "-f", "-t", "0", id)...).Run() }
	return func(*os.File, string) process {
		return exec.Command(podman, append(options, "exec", id, "/bin/sh", "-c", "true")...)
	}, end, nil
}
