package hook

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/snug-sandbox/snug/images"
	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/spec"
)

// have has an image in the store, unpacked for the ids of the job. A registry's
// credentials are for this pull alone.
func (h *Hook) have(ref string, r *registry) error {
	if ref == "" {
		return &problem.Problem{What: "image", Why: "it has no name"}
	}
	store, err := images.Open("")
	if err != nil {
		return err
	}
	ids := images.Single
	if bestMap() == "range" {
		ids = images.Range
	}
	image, err := store.Use(ref)
	if errors.Is(err, fs.ErrNotExist) {
		if err := h.pull(ref, r); err != nil {
			return err
		}
		image, err = store.Use(ref)
	}
	if err != nil {
		return err
	}
	defer image.Close()
	if image.Has(ids) {
		return nil
	}
	return h.image(nil, "convert", "--ids", string(ids), ref)
}

func (h *Hook) pull(ref string, r *registry) error {
	var env []string
	if r != nil && r.Username != "" {
		dir, err := os.MkdirTemp(h.dir(), "credentials-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		if err := writeCredentials(dir, ref, r); err != nil {
			return err
		}
		env = append(env, "DOCKER_CONFIG="+dir)
	}
	return h.image(env, "pull", "--quiet", ref)
}

// writeCredentials writes a config.json as Docker has it.
func writeCredentials(dir, ref string, r *registry) error {
	auth := map[string]string{"auth": base64.StdEncoding.EncodeToString([]byte(r.Username + ":" + r.Password))}
	servers := map[string]any{}
	for _, name := range []string{r.ServerURL, strings.TrimPrefix(strings.TrimPrefix(r.ServerURL, "https://"), "http://")} {
		if name != "" {
			servers[name] = auth
		}
	}
	if len(servers) == 0 || strings.Contains(r.ServerURL, "docker.io") {
		servers["https://index.docker.io/v1/"] = auth
	}
	if host, _, ok := strings.Cut(ref, "/"); ok && r.ServerURL == "" && strings.ContainsAny(host, ".:") {
		servers = map[string]any{host: auth}
	}
	text, err := json.Marshal(map[string]any{"auths": servers})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "config.json"), text, 0o600)
}

// image calls "snug image".
func (h *Hook) image(env []string, words ...string) error {
	cmd := exec.Command(h.Snug, append([]string{"image"}, words...)...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = h.Out, h.Out
	if err := cmd.Run(); err != nil {
		return &problem.Problem{What: "image " + words[len(words)-1], Why: "snug image " + words[0] + " failed", Err: err}
	}
	return nil
}

// pathOf is the PATH that an image gives its commands.
func pathOf(ref string) string {
	const usual = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	store, err := images.Open("")
	if err != nil {
		return usual
	}
	image, err := store.Use(ref)
	if err != nil {
		return usual
	}
	defer image.Close()
	for _, kv := range image.Config.Config.Env {
		if p, ok := strings.CutPrefix(kv, "PATH="); ok {
			return p
		}
	}
	return usual
}

// isAlpine reports whether an image's programs need musl: the runner then brings
// another node.
func isAlpine(ref string) bool {
	store, err := images.Open("")
	if err != nil {
		return false
	}
	image, err := store.Use(ref)
	if err != nil {
		return false
	}
	defer image.Close()
	layers, err := image.Layers(spec.ChooseIDs("", image))
	if err != nil {
		return false
	}
	for _, name := range []string{"etc/alpine-release", "etc/os-release", "usr/lib/os-release"} {
		for _, layer := range layers {
			text, found := readIn(layer, name)
			if found && (strings.HasSuffix(name, "alpine-release") || strings.Contains("\n"+text, "\nID=alpine\n") || strings.Contains(text, "ID=\"alpine\"")) {
				return true
			}
		}
	}
	return false
}

// readIn reads a small file below a directory that anybody may have filled.
func readIn(dir, name string) (string, bool) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", false
	}
	defer root.Close()
	info, err := root.Stat(name)
	if err != nil || !info.Mode().IsRegular() || info.Size() > 64<<10 {
		return "", false
	}
	text, err := root.ReadFile(name)
	return string(text), err == nil
}

// builders can make an image of a Dockerfile with no root.
var builders = []string{"buildah", "podman"}

// build makes an image of a container action's Dockerfile, and returns its name.
func (h *Hook) build(dockerfile string) (ref string, err error) {
	tool := ""
	for _, name := range builders {
		if _, err := exec.LookPath(name); err == nil && tool == "" {
			tool = name
		}
	}
	if tool == "" {
		return "", &problem.Problem{What: "Dockerfile " + dockerfile, Why: "Snug runs images and builds none, and no rootless builder is installed", Fix: "install buildah, or have the action use an image: image: docker://…"}
	}
	ref = "snug-action-" + newID(8) + ":latest"
	archive := filepath.Join(h.dir(), "built.tar")
	defer os.Remove(archive)
	steps := [][]string{
		{tool, "build", "-t", ref, "-f", dockerfile, filepath.Dir(dockerfile)},
		{tool, "push", "--quiet", ref, "oci-archive:" + archive},
		{h.Snug, "image", "import", "--quiet", "--tag", ref, archive},
	}
	for _, words := range steps {
		cmd := exec.Command(words[0], words[1:]...)
		cmd.Stdout, cmd.Stderr = h.Out, h.Out
		if err := cmd.Run(); err != nil {
			return "", &problem.Problem{What: "Dockerfile " + dockerfile, Why: strings.Join(words[:2], " ") + " failed", Err: err}
		}
	}
	return ref, nil
}
