package main

import (
	"archive/tar"
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/snug-sandbox/snug/internal/kerneltest"
)

// programs is the directory of snug and its helpers.
var programs string

func TestMain(m *testing.M) {
	programs = kerneltest.Programs("SNUG_TEST_PROGRAMS", "../snug", ".", "../snug-image", "../snug-net")
	kerneltest.Main(m)
}

// act runs a workflow of testdata in a repository of its own, with no Docker and
// no network, and returns the log.
func act(t *testing.T, workflow string) string {
	t.Helper()
	kerneltest.Require(t, "userns", "overlay")
	program := os.Getenv("SNUG_TEST_ACT")
	if program == "" {
		t.Skip("needs act: scripts/test builds it and sets SNUG_TEST_ACT")
	}
	dir := t.TempDir()
	repository, home := filepath.Join(dir, "repository"), filepath.Join(dir, "home")
	copyTree(t, "../../actions/run", filepath.Join(repository, "actions/run"))
	copyTree(t, "testdata/workflows/"+workflow+".yml", filepath.Join(repository, ".github/workflows", workflow+".yml"))
	write(t, filepath.Join(repository, "README"), "a repository\n")
	write(t, filepath.Join(home, "event.json"), `{"head_commit":{"message":"x\"; touch $HOME/pwned-message; echo \""}}`)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	env := []string{
		"HOME=" + home, "PATH=" + programs + ":" + os.Getenv("PATH"), "XDG_DATA_HOME=" + home + "/data", "XDG_CACHE_HOME=" + home + "/.cache",
		"GIT_CONFIG_NOSYSTEM=1", "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.org", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.org", "LANG=C.UTF-8",
	}
	for _, line := range [][]string{
		{"git", "init", "-q", "-b", "main"}, {"git", "add", "-A"}, {"git", "commit", "-q", "-m", "one"}, {"git", "remote", "add", "origin", "https://github.com/owner/repository"},
	} {
		execute(t, repository, env, line...)
	}
	if workflow == "inputs" {
		execute(t, repository, env, "snug", "image", "import", "--quiet", "--format", "rootfs", "--tag", "test-image", image(t, dir))
	}
	words := []string{
		program, "push", "-P", "ubuntu-latest=-self-hosted", "--no-cache-server", "-W", ".github/workflows/" + workflow + ".yml", "-e", home + "/event.json",
		"--env", "PORT=" + strconv.Itoa(listener.Addr().(*net.TCPAddr).Port), "--env", "OUTER_PID=" + strconv.Itoa(os.Getpid()),
		"--env", "SNUG=" + filepath.Join(programs, "snug"),
	}
	for _, kv := range env[:4] {
		words = append(words, "--env", kv)
	}
	return execute(t, repository, env, words...)
}

func execute(t *testing.T, dir string, env []string, words ...string) string {
	t.Helper()
	if words[0] == "snug" {
		words[0] = filepath.Join(programs, "snug")
	}
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Dir, cmd.Env, cmd.WaitDelay = dir, env, time.Minute
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", words[0], err, out)
	}
	return string(out)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// copyTree copies a file, or a directory of files.
func copyTree(t *testing.T, from, to string) {
	t.Helper()
	if info, err := os.Stat(from); err == nil && info.IsDir() {
		if err := os.CopyFS(to, os.DirFS(from)); err != nil {
			t.Fatal(err)
		}
		return
	}
	text, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	write(t, to, string(text))
}

// image makes the root file system that a step of inputs.yml runs in.
func image(t *testing.T, dir string) string {
	t.Helper()
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		t.Skip("needs a static busybox for an image")
	}
	program, err := os.ReadFile(busybox)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range []tar.Header{
		{Name: "bin/", Mode: 0o755, Typeflag: tar.TypeDir}, {Name: "etc/", Mode: 0o755, Typeflag: tar.TypeDir}, {Name: "bin/busybox", Mode: 0o755, Size: int64(len(program))},
		{Name: "bin/sh", Typeflag: tar.TypeSymlink, Linkname: "busybox"}, {Name: "bin/cat", Typeflag: tar.TypeSymlink, Linkname: "busybox"},
		{Name: "bin/test", Typeflag: tar.TypeSymlink, Linkname: "busybox"}, {Name: "etc/of-the-image", Mode: 0o644, Size: 6},
	} {
		w.WriteHeader(&h)
		switch h.Size {
		case 0:
		case 6:
			w.Write([]byte("image\n"))
		default:
			w.Write(program)
		}
	}
	w.Close()
	path := filepath.Join(dir, "image.tar")
	write(t, path, b.String())
	return path
}

func TestBenign(t *testing.T) {
	log := act(t, "benign")
	if !strings.Contains(log, "| ::error::only words") {
		t.Errorf("the step's words are not there as they are:\n%s", log)
	}
}

func TestInputs(t *testing.T) { act(t, "inputs") }

// TestEvil holds that no line that a step printed was taken for a command, and
// that nothing it tried worked. What it left behind is tested by the workflow.
func TestEvil(t *testing.T) {
	log := act(t, "evil")
	for line := range strings.Lines(log) {
		switch {
		case strings.Contains(line, "| GOT "), strings.Contains(line, "s3cr3t-") && strings.Contains(line, "   | | "):
			t.Errorf("the step got something: %s", line)
		case strings.Contains(line, "planted") && !strings.Contains(line, "  | | "):
			t.Errorf("a line of the step was a command: %s", line)
		}
	}
	if !strings.Contains(log, "\n````\n<img src=\"https://tracker.example/\">\n```\n![x](https://tracker.example/)\n````\n") {
		t.Error("the step's summary is not fenced")
	}
	for _, want := range []string{"LD_PRELOAD", "BASH_ENV", "post-checkout"} {
		if !strings.Contains(log, want) {
			t.Errorf("the violation %s is not told", want)
		}
	}
	if t.Failed() {
		t.Log(log)
	}
}
