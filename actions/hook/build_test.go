package hook

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// action writes a container action with a Dockerfile, and returns its path.
func (r *runner) action(name, dockerfile string) string {
	r.Helper()
	dir := r.path("_work/_actions/owner/" + name)
	os.MkdirAll(dir, 0o755)
	busybox, err := os.ReadFile(mustFind(r.T, "busybox"))
	if err != nil {
		r.Fatal(err)
	}
	os.WriteFile(filepath.Join(dir, "busybox"), busybox, 0o755)
	os.WriteFile(filepath.Join(dir, "entrypoint.sh"), []byte("#!/bin/busybox sh\necho Hello \"$1\" from \"$FROM_FILE\"\n"), 0o755)
	path := filepath.Join(dir, "Dockerfile")
	if err := os.WriteFile(path, []byte(dockerfile), 0o644); err != nil {
		r.Fatal(err)
	}
	return path
}

func TestDockerfileWithoutABuilder(t *testing.T) {
	r := newRunner(t)
	path := r.action("plain", "FROM scratch\n")
	r.set("PATH", r.dir)
	a := r.hook("run_container_step", container{Dockerfile: path}, nil)
	if a.code != 125 || !strings.Contains(a.out, path) || !strings.Contains(a.out, "install buildah") {
		t.Errorf("%d: %s", a.code, a.out)
	}
	if a := r.hook("run_container_step", container{Dockerfile: path + "x"}, nil); a.code != 125 || !strings.Contains(a.out, "there is no such file") {
		t.Errorf("%d: %s", a.code, a.out)
	}
	r.nothingLeft("without a builder")
}

func TestDockerfile(t *testing.T) {
	mustFind(t, "buildah")
	r := newRunner(t)
	r.Cleanup(func() { removeAll(r.path("home")) })
	probe := exec.Command("buildah", "unshare", "true")
	probe.Env = r.env
	if out, err := probe.CombinedOutput(); err != nil {
		t.Skipf("buildah cannot work here: %v: %s", err, out)
	}
	path := r.action("built", "FROM scratch\nCOPY busybox /bin/busybox\nCOPY entrypoint.sh /entrypoint.sh\nENV FROM_FILE=\"the ##[error]file\"\nENTRYPOINT [\"/entrypoint.sh\"]\nCMD [\"nobody\"]\n")
	a := r.prepare(r.jobContainer("debian"))
	got := r.hook("run_container_step", container{Dockerfile: path, EntryPointArgs: []string{"you"}}, a.state)
	if out, ok := strings.CutSuffix(got.out, "Hello you from the ##[error]file\n"); !ok || got.code != 0 || strings.Contains(out, "##[") {
		t.Errorf("%d: %s", got.code, got.out)
	}
	// As the runner's tests have it: from the workspace, with an image named, too.
	r.write("_work/repo/repo/Dockerfile", "FROM nothing/like/it\n")
	if got := r.hook("run_container_step", container{Image: "debian", Dockerfile: "Dockerfile", EntryPoint: "echo", EntryPointArgs: []string{"the image"}}, a.state); !strings.HasSuffix(got.out, "the image\n") {
		t.Errorf("%d: %s", got.code, got.out)
	}
	r.write("_work/repo/repo/Dockerfile", "FROM scratch\nCOPY nothing-like-it /\n")
	if got := r.hook("run_container_step", container{Dockerfile: "Dockerfile"}, a.state); got.code != 125 || !strings.Contains(got.out, "buildah build failed") || !strings.Contains(got.out, "nothing-like-it") {
		t.Errorf("%d: %s", got.code, got.out)
	}
	// A directory that is a link by now leads nowhere.
	os.Symlink(r.path("_work/_actions/owner/built"), r.path("_work/repo/repo/linked"))
	if got := r.hook("run_container_step", container{Dockerfile: r.path("_work/repo/repo/linked/Dockerfile")}, a.state); got.code != 125 || strings.Contains(got.out, "Hello") {
		t.Errorf("%d: %s", got.code, got.out)
	}
	r.hook("cleanup_job", nil, a.state)
	if out := r.list(); strings.Contains(out, "snug-action") {
		t.Errorf("what was built for a step is kept: %s", out)
	}
}
