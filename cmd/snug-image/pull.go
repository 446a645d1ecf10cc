package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/snug-sandbox/snug/images"
	"github.com/snug-sandbox/snug/internal/problem"
)

// pull adds an image of a registry.
func (t *tool) pull(args []string) error {
	if len(args) != 1 {
		return errors.New("pull takes the name of one image")
	}
	ref, err := images.Normal(args[0])
	if err != nil {
		return err
	}
	if t.tag != "" {
		if ref, err = images.Normal(t.tag); err != nil {
			return err
		}
	}
	return untilSignal(func(ctx context.Context) error {
		image, err := t.find(ctx, args[0])
		if err != nil {
			return err
		}
		return t.add(ref, image)
	})
}

// interrupted says that a signal ended the work.
type interrupted struct{ signal syscall.Signal }

func (e *interrupted) Error() string { return e.signal.String() + ": nothing of it was kept" }

// untilSignal does what a signal stops, and has it clean up before that is told.
func untilSignal(do func(context.Context) error) error {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	signal.Stop(quit)
	defer signal.Stop(signals)
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	go func() {
		select {
		case s := <-signals:
			cancel(&interrupted{s.(syscall.Signal)})
		case <-ctx.Done():
		}
	}()
	err := do(ctx)
	var by *interrupted
	if err != nil && errors.As(context.Cause(ctx), &by) {
		return by
	}
	return err
}

// find asks the mirrors in turn, then the registry itself.
func (t *tool) find(ctx context.Context, text string) (v1.Image, error) {
	want, err := name.ParseReference(text)
	if err != nil {
		return nil, &problem.Problem{What: "image " + text, Why: err.Error(), Err: err}
	}
	var failed error
	for _, place := range append(mirrors(want.Context().RegistryStr()), want.Context().RegistryStr()) {
		image, err := t.ask(ctx, text, want, place)
		if err == nil {
			return image, nil
		}
		failed = errors.Join(failed, pullProblem(text, place, err))
	}
	return nil, failed
}

// mirrors are the registries of $SNUG_MIRRORS, "REGISTRY=MIRROR[,...]", that
// stand for one; those without a registry stand for all.
func mirrors(registry string) (list []string) {
	for _, entry := range strings.Split(os.Getenv("SNUG_MIRRORS"), ",") {
		of, mirror, ok := strings.Cut(strings.TrimSpace(entry), "=")
		if of == "docker.io" {
			of = name.DefaultRegistry // what the name means
		}
		switch {
		case !ok && of != "":
			list = append(list, of)
		case ok && of == registry && mirror != "":
			list = append(list, mirror)
		}
	}
	return list
}

func (t *tool) ask(ctx context.Context, text string, want name.Reference, place string) (v1.Image, error) {
	var options []name.Option
	if isLoopback(place) {
		options = append(options, name.Insecure)
	}
	repository, err := name.NewRepository(place+"/"+want.Context().RepositoryStr(), options...)
	if err != nil {
		return nil, err
	}
	var ref name.Reference = repository.Tag(want.Identifier())
	if strings.Contains(text, "@") {
		ref = repository.Digest(want.Identifier())
	}
	platform := v1.Platform{OS: "linux", Architecture: runtime.GOARCH}
	if t.platform != "" {
		p, err := v1.ParsePlatform(t.platform)
		if err != nil {
			return nil, err
		}
		platform = *p
	}
	return remote.Image(ref, remote.WithContext(ctx), remote.WithPlatform(platform),
		remote.WithAuthFromKeychain(authn.DefaultKeychain), remote.WithTransport(transport(place)),
		remote.WithUserAgent("snug"))
}

// isLoopback reports whether a registry is on this machine, where plain HTTP
// will do.
func isLoopback(registry string) bool {
	host, _, err := net.SplitHostPort(registry)
	if err != nil {
		host = registry
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func pullProblem(text, place string, err error) error {
	p := &problem.Problem{What: "pull " + text + " from " + place, Why: err.Error(), Err: err}
	var refused interface{ Temporary() bool }
	switch {
	case strings.Contains(p.Why, "x509: certificate signed by unknown authority"):
		p.Fix = "put the authority's certificate into ~/.config/containers/certs.d/" + place + "/ca.crt, or name its file in SSL_CERT_FILE"
	case strings.Contains(p.Why, "UNAUTHORIZED"), strings.Contains(p.Why, "401"):
		p.Fix = "log in: docker login " + place + ", or write ~/.docker/config.json yourself"
	case strings.Contains(p.Why, "NOT_FOUND"), strings.Contains(p.Why, "MANIFEST_UNKNOWN"), strings.Contains(p.Why, "NAME_UNKNOWN"):
		p.Fix = "look at the spelling of the name and the tag"
	case errors.As(err, &refused):
		p.Fix = "look at the network, and try again"
	}
	return p
}

// add unpacks the layers that are not there.
func (t *tool) add(ref string, image v1.Image) error {
	manifest, err := image.RawManifest()
	if err != nil {
		return err
	}
	config, err := image.RawConfigFile()
	if err != nil {
		return err
	}
	c, err := readConfig(config)
	if err != nil {
		return err
	}
	layers, err := image.Layers()
	if err != nil {
		return err
	}
	if len(layers) != len(c.RootFS.DiffIDs) {
		return &problem.Problem{What: "image " + ref, Why: "its manifest and its configuration have different numbers of layers"}
	}
	var m images.Manifest
	if err := json.Unmarshal(manifest, &m); err != nil {
		return err
	}
	a, err := t.store.Begin()
	if err != nil {
		return err
	}
	defer a.Close()
	bars := newProgress(t.err, t.quiet)
	var list []source
	for i, l := range layers {
		digest, size := m.Layers[i].Digest, m.Layers[i].Size
		list = append(list, source{name: "layer " + short(digest), diffID: c.RootFS.DiffIDs[i], digest: digest, open: func() (io.ReadCloser, error) {
			r, err := l.Compressed()
			if err != nil {
				return nil, err
			}
			return bars.reader(short(digest), size, r), nil
		}})
	}
	if err := t.addLayers(a, list, bars.wait); err != nil {
		return err
	}
	return t.commitRef(a, ref, manifest, config)
}

// resuming is a transport that goes on where a broken connection left off: the
// rest of a body is asked for with a range request (RFC 9110, section 14).
type resuming struct{ base http.RoundTripper }

// attempts is how often in a row a body may break without any progress.
const attempts = 5

func (t *resuming) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := t.base.RoundTrip(request)
	if err != nil || request.Method != http.MethodGet || response.StatusCode != http.StatusOK || response.ContentLength <= 0 {
		return response, err
	}
	response.Body = &body{t: t, request: request, now: response.Body, total: response.ContentLength}
	return response, nil
}

// body is one that is taken up again.
type body struct {
	t         *resuming
	request   *http.Request
	now       io.ReadCloser
	at, total int64
	failures  int
}

func (b *body) Read(p []byte) (int, error) {
	for {
		n, err := b.now.Read(p)
		b.at += int64(n)
		if n > 0 {
			b.failures = 0
		}
		if err == nil || b.at >= b.total || b.request.Context().Err() != nil {
			return n, err
		}
		if n > 0 {
			return n, nil // what came counts; the next call finds the end again
		}
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if b.failures++; b.failures > attempts || b.again() != nil {
			return 0, err
		}
	}
}

func (b *body) Close() error { return b.now.Close() }
