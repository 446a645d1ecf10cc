package hook

import (
	"bytes"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

var ann = authn.Basic{Username: "ann", Password: "s3cr3t: pass"}

// privateRegistry is a registry on loopback that gives its images to ann alone.
func privateRegistry(t *testing.T) (host string) {
	t.Helper()
	images := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if user, password, ok := q.BasicAuth(); !ok || user != ann.Username || password != ann.Password {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			w.WriteHeader(http.StatusUnauthorized)
			io.WriteString(w, `{"errors":[{"code":"UNAUTHORIZED","message":"##[error]planted\n::error::planted"}]}`)
			return
		}
		images.ServeHTTP(w, q)
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// push puts an image into such a registry, and returns its digest.
func push(t *testing.T, ref, says string) string {
	t.Helper()
	busybox, _ := os.ReadFile(mustFind(t, "busybox"))
	text := archive("x", busybox, map[string]string{"etc/says": says + "\n"}, `"Env":["PATH=/bin"]`).Bytes()
	image, err := tarball.Image(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text)), nil }, nil)
	if err != nil {
		t.Fatal(err)
	}
	to, err := name.ParseReference(ref)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(to, image, remote.WithAuth(&ann)); err != nil {
		t.Fatal(err)
	}
	digest, err := image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return digest.Hex
}

// TestPrivateRegistry holds that credentials are for the job that has them: the
// image that they brought is no other job's.
func TestPrivateRegistry(t *testing.T) {
	r := newRunner(t)
	host := privateRegistry(t)
	ref := host + "/private/app:1"
	digest := push(t, ref, "one")
	prepare := func(image string, c *credentials) answer {
		t.Helper()
		job := r.jobContainer(image)
		if job.Registry = nil; c != nil {
			job.Registry = &credentials{c.Username, c.Password, c.ServerURL}
		}
		return r.hook("prepare_job", prepareArgs{Container: job}, nil)
	}
	right := credentials{ann.Username, ann.Password, "http://" + host}
	for _, server := range []string{"http://" + host + "/v2/", ""} {
		right.ServerURL = server
		a := prepare(ref, &right)
		if a.code != 0 {
			t.Fatalf("%q: %d, %s", server, a.code, a.out)
		}
		if got := r.step(a, "cat /etc/says"); got.out != "one\n" {
			t.Errorf("%d: %s", got.code, got.out)
		}
	}
	wrong := credentials{ann.Username, "guessed", host}
	for _, c := range []struct {
		image string
		with  *credentials
	}{{ref, nil}, {ref, &wrong}, {digest[:12], nil}, {"sha256:" + digest, &credentials{}}} {
		a := prepare(c.image, c.with)
		if a.code == 0 {
			t.Errorf("%s is another job's with %+v", c.image, c.with)
		}
		if strings.Contains(a.out, "##[error]") || strings.Contains(a.out, "\n::") {
			t.Errorf("a registry plants a command: %s", a.out)
		}
	}
	// The name stands for another image by now.
	push(t, ref, "two")
	if got := r.step(prepare(ref, &right), "cat /etc/says"); got.out != "two\n" {
		t.Errorf("%d: %s", got.code, got.out)
	}
	// A container action has credentials of its own.
	step := container{Image: ref, EntryPoint: "cat", EntryPointArgs: []string{"/etc/says"}, Registry: &credentials{right.Username, right.Password, host}}
	if got := r.hook("run_container_step", step, nil); got.code != 0 || !strings.HasSuffix(got.out, "two\n") {
		t.Errorf("%d: %s", got.code, got.out)
	}
	if step.Registry = nil; r.hook("run_container_step", step, nil).code == 0 {
		t.Error("a container action without credentials runs")
	}
	if out, err := exec.Command("grep", "-rl", "-e", ann.Password, "-e", "YW5uOnMzY3IzdDogcGFzcw", r.dir).Output(); err == nil {
		t.Errorf("the password is in %s", out)
	}
}
