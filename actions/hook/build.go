package hook

import (
	"os"
	"os/exec"
	"path/filepath"

	"github.com/snug-sandbox/snug/internal/problem"
)

// builders can make an image of a Dockerfile with no root.
var builders = []string{"buildah", "podman"}

// build makes an image of a container action's Dockerfile, and returns its name.
func (h *Hook) build(dockerfile string) (ref string, err error) {
	if !filepath.IsAbs(dockerfile) {
		dockerfile = filepath.Join(h.host.workspace, dockerfile)
	}
	what := "Dockerfile " + dockerfile
	if info, err := os.Stat(dockerfile); err != nil || !info.Mode().IsRegular() {
		return "", &problem.Problem{What: what, Why: "there is no such file"}
	}
	tool := ""
	for _, name := range builders {
		if _, err := exec.LookPath(name); err == nil && tool == "" {
			tool = name
		}
	}
	if tool == "" {
		return "", &problem.Problem{What: what, Why: "Snug runs images and builds none, and no rootless builder is installed", Fix: "install buildah, or have the action use an image: image: docker://…"}
	}
	ref = "snug-action-" + newID(8) + ":latest"
	archive := filepath.Join(h.dir(), "built.tar")
	defer os.Remove(archive)
	defer exec.Command(tool, "rmi", ref).Run() // Snug's store has it, or nobody
	for _, words := range [][]string{
		{tool, "build", "-t", ref, "-f", dockerfile, filepath.Dir(dockerfile)},
		{tool, "push", "--quiet", ref, "oci-archive:" + archive},
		{h.Snug, "image", "import", "--quiet", "--tag", ref, archive},
	} {
		if err := h.do(h.command(words[0], words[1:]...), what, filepath.Base(words[0])+" "+words[1]); err != nil {
			return "", err
		}
	}
	return ref, nil
}

// forget removes an image that was built for one step.
func (h *Hook) forget(ref string) {
	exec.Command(h.Snug, "image", "remove", ref).Run()
}
