package main

import (
	"archive/tar"
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/snug-sandbox/snug/images"
)

// serve starts a registry behind a handler and returns its name.
func serve(t testing.TB, wrap func(http.Handler) http.Handler) string {
	t.Helper()
	h := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	if wrap != nil {
		h = wrap(h)
	}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

func layerOf(t testing.TB, names ...string) v1.Layer {
	t.Helper()
	data := rootfs(t, names...)
	l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil })
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func imageOf(t testing.TB, arch string, layers ...v1.Layer) v1.Image {
	t.Helper()
	i, err := mutate.AppendLayers(empty.Image, layers...)
	if err != nil {
		t.Fatal(err)
	}
	c, _ := i.ConfigFile()
	c = c.DeepCopy()
	c.OS, c.Architecture, c.Config.Cmd = "linux", arch, []string{"hello", arch}
	if i, err = mutate.ConfigFile(i, c); err != nil {
		t.Fatal(err)
	}
	return i
}

func push(t testing.TB, ref string, i v1.Image) {
	t.Helper()
	r, err := name.ParseReference(ref)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(r, i); err != nil {
		t.Fatal(err)
	}
}

func cmdOf(t testing.TB, store, ref string) string {
	t.Helper()
	s, _ := images.Open(store)
	i, err := s.Use(ref)
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close()
	return strings.Join(i.Config.Config.Cmd, " ")
}

func TestPull(t *testing.T) {
	host := serve(t, nil)
	store := filepath.Join(t.TempDir(), "store")
	ref := host + "/some/tool:1"
	shared := layerOf(t, "shared")
	push(t, ref, imageOf(t, "amd64", shared, layerOf(t, "one"), layerOf(t, "two")))
	push(t, host+"/other", imageOf(t, "amd64", shared))
	out := must(t, store, "pull", "--platform=linux/amd64", ref)
	if strings.Count(out, "snug: layer ") != 3 || !strings.Contains(out, ref+" sha256:") {
		t.Error(out)
	}
	if out := must(t, store, "pull", "--platform=linux/amd64", host+"/other"); strings.Contains(out, "snug: layer ") {
		t.Errorf("a layer that is there was got again: %s", out)
	}
	digest := strings.Fields(out[strings.LastIndex(out, "sha256:"):])[0]
	must(t, store, "pull", "--platform=linux/amd64", host+"/some/tool@"+digest)
	for _, bad := range []string{host + "/nothing", host + "/some/tool:2", host + "/some/tool@sha256:" + strings.Repeat("0", 64)} {
		if out, err := program(t, store, "pull", bad); err == nil || !strings.Contains(out, "look at the spelling") {
			t.Errorf("%s: %v %s", bad, err, out)
		}
	}
	if out := must(t, store, "verify"); strings.Count(out, "well") != 3 {
		t.Error(out)
	}
}

// tarLayer is a layer of one entry.
func tarLayer(t testing.TB, h *tar.Header, content string) v1.Layer {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	h.Size = int64(len(content))
	if err := w.WriteHeader(h); err != nil {
		t.Fatal(err)
	}
	io.WriteString(w, content)
	w.Close()
	l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil })
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// A layer that takes something over from those below is for its own stack: else
// whoever makes an image could give a file of his to somebody else's.
func TestALayerWithALinkIsForItsStackAlone(t *testing.T) {
	host, store := serve(t, nil), filepath.Join(t.TempDir(), "store")
	links := tarLayer(t, &tar.Header{Typeflag: tar.TypeLink, Name: "opt/other", Linkname: "opt/sh", Mode: 0o755}, "")
	for _, name := range []string{"evil", "good"} {
		base := tarLayer(t, &tar.Header{Typeflag: tar.TypeReg, Name: "opt/sh", Mode: 0o755}, name)
		push(t, host+"/"+name, imageOf(t, "amd64", base, layerOf(t, "between"), links))
		must(t, store, "pull", "--platform=linux/amd64", host+"/"+name)
	}
	s, _ := images.Open(store)
	for _, name := range []string{"evil", "good"} {
		i, err := s.Use(host + "/" + name)
		if err != nil {
			t.Fatal(err)
		}
		layers, err := i.Layers(images.Single)
		i.Close()
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range []string{"opt/other", "opt/sh"} {
			if text, err := os.ReadFile(filepath.Join(layers[0], file)); string(text) != name {
				t.Errorf("%s of %s: %q %v", file, name, text, err)
			}
		}
	}
	if out := must(t, store, "verify"); strings.Count(out, ": well") != 2 {
		t.Error(out)
	}
	must(t, store, "remove", host+"/evil")
	if out := must(t, store, "verify"); strings.Count(out, ": well") != 1 {
		t.Error(out)
	}
	must(t, store, "remove", host+"/good")
	if left, _ := os.ReadDir(filepath.Join(store, "layers/single")); len(left) != 0 {
		t.Error(left)
	}
}

func TestPullOfAnIndex(t *testing.T) {
	host := serve(t, nil)
	store := filepath.Join(t.TempDir(), "store")
	index := v1.ImageIndex(empty.Index)
	for _, arch := range []string{"s390x", "amd64", "arm64"} {
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: imageOf(t, arch, layerOf(t, arch)), Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: arch}}})
	}
	r, _ := name.ParseReference(host + "/multi")
	if err := remote.WriteIndex(r, index); err != nil {
		t.Fatal(err)
	}
	must(t, store, "pull", host+"/multi")
	if got := cmdOf(t, store, host+"/multi"); got != "hello amd64" && got != "hello arm64" {
		t.Error(got)
	}
	must(t, store, "pull", "--platform=linux/s390x", "--tag=big", host+"/multi")
	if got := cmdOf(t, store, "big"); got != "hello s390x" {
		t.Error(got)
	}
	if out, err := program(t, store, "pull", "--platform=linux/vax", host+"/multi"); err == nil {
		t.Error(out)
	}
}

// breaking cuts every answer with a blob off after some bytes.
type breaking struct {
	http.Handler
	after  int
	ranges bool // whether parts are given
	cuts   atomic.Int64
}

func (b *breaking) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet || !strings.Contains(r.URL.Path, "/blobs/") {
		b.Handler.ServeHTTP(w, r)
		return
	}
	whole := httptest.NewRecorder()
	asked := r.Header.Get("Range")
	r.Header.Del("Range")
	b.Handler.ServeHTTP(whole, r)
	text, from := whole.Body.Bytes(), 0
	for key, values := range whole.Header() {
		w.Header()[key] = values
	}
	if asked != "" && b.ranges {
		fmt.Sscanf(asked, "bytes=%d-", &from)
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(text)-1, len(text)))
		w.Header().Set("Content-Length", fmt.Sprint(len(text)-from))
		w.WriteHeader(http.StatusPartialContent)
	} else {
		w.WriteHeader(whole.Code)
	}
	text = text[from:]
	if len(text) <= b.after {
		w.Write(text)
		return
	}
	w.Write(text[:b.after])
	w.(http.Flusher).Flush()
	b.cuts.Add(1)
	conn, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		conn.Close()
	}
}

func TestPullGoesOnAfterABrokenConnection(t *testing.T) {
	noise := make([]byte, 300<<10)
	rand.Read(noise)
	for _, ranges := range []bool{true, false} {
		b := &breaking{after: 100 << 10, ranges: ranges}
		host := serve(t, func(h http.Handler) http.Handler { b.Handler = h; return b })
		data := rootfs(t, "x")
		data = append(data[:len(data)-1024], rootfsOf(t, "noise", noise)...)
		l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil })
		if err != nil {
			t.Fatal(err)
		}
		push(t, host+"/tool", imageOf(t, "amd64", l))
		store := filepath.Join(t.TempDir(), "store")
		out, err := program(t, store, "pull", "--platform=linux/amd64", host+"/tool")
		if b.cuts.Load() == 0 {
			t.Fatal("nothing was cut off")
		}
		if ranges != (err == nil) {
			t.Errorf("parts given: %v; %v\n%s", ranges, err, out)
		}
		if !ranges && must(t, store, "list", "--json") != "[]\n" {
			t.Error("half an image is in the store")
		}
	}
}

func TestASignalDuringPull(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT} {
		asked := make(chan bool, 10)
		host := serve(t, func(h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method != http.MethodGet || !strings.Contains(r.URL.Path, "/blobs/") {
					h.ServeHTTP(w, r)
					return
				}
				asked <- true
				<-r.Context().Done()
			})
		})
		push(t, host+"/tool", imageOf(t, "amd64", layerOf(t, "x")))
		store := filepath.Join(t.TempDir(), "store")
		cmd := programCmd(t, store, "pull", "--platform=linux/amd64", host+"/tool")
		var said strings.Builder
		cmd.Stderr = &said
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		<-asked
		cmd.Process.Signal(s)
		cmd.Wait()
		if code := cmd.ProcessState.ExitCode(); code != 128+int(s) || !strings.Contains(said.String(), "nothing of it was kept") {
			t.Errorf("%v: exit code %d, %s", s, code, said.String())
		}
		if left, _ := filepath.Glob(store + "/tmp/*"); len(left) > 0 || must(t, store, "list", "--json") != "[]\n" {
			t.Errorf("%v: left: %v", s, left)
		}
	}
}

func TestPullOfWrongContent(t *testing.T) {
	var evil atomic.Bool
	host := serve(t, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !evil.Load() || !strings.Contains(r.URL.Path, "/blobs/") || r.Method != http.MethodGet {
				h.ServeHTTP(w, r)
				return
			}
			whole := httptest.NewRecorder()
			h.ServeHTTP(whole, r)
			text := whole.Body.Bytes()
			text[len(text)/2] ^= 1
			w.Write(text)
		})
	})
	push(t, host+"/tool", imageOf(t, "amd64", layerOf(t, "x")))
	evil.Store(true)
	store := filepath.Join(t.TempDir(), "store")
	if out, err := program(t, store, "pull", "--platform=linux/amd64", host+"/tool"); err == nil {
		t.Error(out)
	}
	if must(t, store, "list", "--json") != "[]\n" {
		t.Error("it is in the store")
	}
}

func TestPullWithCredentials(t *testing.T) {
	host := serve(t, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if user, password, _ := r.BasicAuth(); user != "ann" || password != "secret" {
				w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
				http.Error(w, `{"errors":[{"code":"UNAUTHORIZED"}]}`, http.StatusUnauthorized)
				return
			}
			h.ServeHTTP(w, r)
		})
	})
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("DOCKER_CONFIG", home)
	store := filepath.Join(home, "store")
	out, err := program(t, store, "pull", host+"/tool")
	if err == nil || !strings.Contains(out, "log in") {
		t.Errorf("%v %s", err, out)
	}
	write(t, home+"/config.json", []byte(`{"auths":{"`+host+`":{"auth":"`+base64.StdEncoding.EncodeToString([]byte("ann:secret"))+`"}}}`))
	r, _ := name.ParseReference(host + "/tool")
	if err := remote.Write(r, imageOf(t, "amd64", layerOf(t, "x")), remote.WithTransport(withUser{})); err != nil {
		t.Fatal(err)
	}
	must(t, store, "pull", "--platform=linux/amd64", host+"/tool")

	// The same from a helper program.
	write(t, home+"/bin/docker-credential-test", []byte("#!/bin/sh\necho '{\"Username\":\"ann\",\"Secret\":\"secret\"}'\n"))
	os.Chmod(home+"/bin/docker-credential-test", 0o755)
	write(t, home+"/config.json", []byte(`{"credHelpers":{"`+host+`":"test"}}`))
	t.Setenv("PATH", home+"/bin:"+os.Getenv("PATH"))
	must(t, store, "pull", "--platform=linux/amd64", "--tag=again", host+"/tool")
}

type withUser struct{}

func (withUser) RoundTrip(r *http.Request) (*http.Response, error) {
	r.SetBasicAuth("ann", "secret")
	return http.DefaultTransport.RoundTrip(r)
}

func TestPullFromAMirror(t *testing.T) {
	mirror := serve(t, nil)
	push(t, mirror+"/tool:1", imageOf(t, "amd64", layerOf(t, "x")))
	store := filepath.Join(t.TempDir(), "store")
	t.Setenv("SNUG_MIRRORS", "elsewhere.invalid=127.0.0.1:1, registry.invalid:5000="+mirror)
	must(t, store, "pull", "--platform=linux/amd64", "registry.invalid:5000/tool:1")
	if got := cmdOf(t, store, "registry.invalid:5000/tool:1"); got != "hello amd64" {
		t.Error(got)
	}
	push(t, mirror+"/library/tool:1", imageOf(t, "amd64", layerOf(t, "x")))
	t.Setenv("SNUG_MIRRORS", "docker.io="+mirror)
	must(t, store, "pull", "--platform=linux/amd64", "tool:1")
}
