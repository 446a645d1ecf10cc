package hook

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/snug-sandbox/snug/images"
	facts "github.com/snug-sandbox/snug/internal/host"
	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/spec"
	"github.com/snug-sandbox/snug/userns"
)

// have has an image in the store, unpacked for the ids of the job. What somebody
// put there is taken as it is. What a job pulled is asked for again: its name may
// stand for another image by now, and who had no credentials for it has none.
func (h *Hook) have(ref string, r *credentials) error {
	if ref == "" {
		return &problem.Problem{What: "image", Why: "it has no name"}
	}
	store, err := images.Open("")
	if err != nil {
		return err
	}
	image, err := store.Use(ref)
	if err == nil && byDigest(ref, image) {
		image.Close()
		return &problem.Problem{What: "image " + ref, Why: "a job's image is one of a name, which tells who may have it"}
	}
	if errors.Is(err, fs.ErrNotExist) || err == nil && isPulled(store, image) {
		if image != nil {
			image.Close()
		}
		if err := h.pull(ref, r); err != nil {
			return err
		}
		if image, err = store.Use(ref); err == nil {
			err = markPulled(store, image)
		}
	}
	if err != nil {
		return err
	}
	defer image.Close()
	ids := images.Single
	if bestMap() == userns.MapRange {
		ids = images.Range
	}
	if image.Has(ids) {
		return nil
	}
	return h.image(nil, "convert", "--ids", string(ids), ref)
}

// byDigest reports whether an image was found by its digest, and not by a name of
// the same letters.
func byDigest(ref string, i *images.Image) bool {
	digits := ref
	if _, digest, ok := strings.Cut(ref, "sha256:"); ok {
		digits = digest
	}
	return !strings.Contains(ref, "@") && strings.HasPrefix(i.Digest, "sha256:"+digits)
}

// pulledMark is a file that says of an image that a job pulled it.
func pulledMark(s *images.Store, i *images.Image) string {
	return filepath.Join(s.Dir(), "actions", i.Digest)
}

func isPulled(s *images.Store, i *images.Image) bool {
	_, err := os.Stat(pulledMark(s, i))
	return err == nil
}

func markPulled(s *images.Store, i *images.Image) error {
	mark := pulledMark(s, i)
	if err := os.MkdirAll(filepath.Dir(mark), 0o700); err != nil {
		return err
	}
	return os.WriteFile(mark, nil, 0o600)
}

func (h *Hook) pull(ref string, r *credentials) error {
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
func writeCredentials(dir, ref string, r *credentials) error {
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
	cmd := h.command(h.Snug, append([]string{"image"}, words...)...)
	cmd.Env = append(os.Environ(), env...)
	return h.do(cmd, "image "+words[len(words)-1], "snug image "+words[0])
}

// config is what an image says of its command; nothing where it is not there.
func config(ref string) images.Process {
	store, err := images.Open("")
	if err != nil {
		return images.Process{}
	}
	image, err := store.Use(ref)
	if err != nil {
		return images.Process{}
	}
	defer image.Close()
	return image.Config.Config
}

// usualPath is the PATH where an image says nothing.
const usualPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// pathOf is the PATH that an image gives its commands.
func pathOf(ref string) string {
	for _, kv := range config(ref).Env {
		if p, ok := strings.CutPrefix(kv, "PATH="); ok {
			return p
		}
	}
	return usualPath
}

// isAlpine reports whether an image's programs need musl: the runner then brings
// another node.
func isAlpine(ref string) bool {
	if fileOf(ref, "etc/alpine-release") != "" {
		return true
	}
	release := fileOf(ref, "etc/os-release") + fileOf(ref, "usr/lib/os-release")
	return strings.Contains("\n"+release, "\nID=alpine\n") || strings.Contains(release, "ID=\"alpine\"")
}

// fileOf is a small file of an image, from its topmost layer that has it; "" where
// there is none.
func fileOf(ref, name string) string {
	store, err := images.Open("")
	if err != nil {
		return ""
	}
	image, err := store.Use(ref)
	if err != nil {
		return ""
	}
	defer image.Close()
	layers, err := image.Layers(spec.ChooseIDs("", image))
	if err != nil {
		return ""
	}
	text, _ := facts.LayerFile(layers, name)
	return text
}
