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
	dockerfile = h.host.resolve(dockerfile)
	what := "Dockerfile " + dockerfile
	if info, err := os.Lstat(dockerfile); err != nil || !info.Mode().IsRegular() {
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
	directory, err := h.context(what, filepath.Dir(dockerfile))
	if err != nil {
		return "", err
	}
	defer removeAll(directory)
	ref = "snug-action-" + newID(8) + ":latest"
	archive := filepath.Join(h.dir(), "built.tar")
	defer os.Remove(archive)
	defer exec.Command(tool, "rmi", ref).Run() // Snug's store has it, or nobody
	for _, words := range [][]string{
		{tool, "build", "-t", ref, "-f", filepath.Join(directory, filepath.Base(dockerfile)), directory},
		{tool, "push", "--quiet", ref, "oci-archive:" + archive},
		{h.Snug, "image", "import", "--quiet", "--tag", ref, archive},
	} {
		if err := h.do(h.command(words[0], words[1:]...), what, filepath.Base(words[0])+" "+words[1]); err != nil {
			return "", err
		}
	}
	return ref, nil
}

// context copies a directory that an image is built of: what a job puts there
// meanwhile, links among it, is not what was looked at.
func (h *Hook) context(what, dir string) (copied string, err error) {
	open := h.host.open
	if !within(dir, h.host.work) {
		open = os.Open
	}
	f, err := open(dir)
	if err != nil {
		return "", &problem.Problem{What: what, Why: "its directory cannot be opened without following a symbolic link: " + bare(err), Err: err}
	}
	defer f.Close()
	if copied, err = os.MkdirTemp(h.dir(), "build-"); err != nil {
		return "", err
	}
	cmd := h.command("cp", "-a", "--", "/proc/self/fd/3/.", copied)
	cmd.ExtraFiles = []*os.File{f}
	if err = h.do(cmd, what, "copying its directory"); err != nil {
		removeAll(copied)
	}
	return copied, err
}

// forget removes an image that was built for one step.
func (h *Hook) forget(ref string) {
	exec.Command(h.Snug, "image", "remove", ref).Run()
}
