package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/snug-sandbox/snug/images"
	"github.com/snug-sandbox/snug/internal/layer"
	"github.com/snug-sandbox/snug/internal/problem"
)

// source is a layer that is to be unpacked.
type source struct {
	name   string // for messages
	diffID string // of its uncompressed stream; empty: not known
	digest string // of the stream as it comes; empty: not known
	open   func() (io.ReadCloser, error)
	chain  string                   // of it and the layers below; empty: it is alone
	below  func() ([]string, error) // directories of the layers below, once they are there
}

// atOnce is how many layers are unpacked at a time. Each has some buffers, a
// decompressor's window, and files to write.
const atOnce = 3

// addLayers unpacks what the store has not, several at a time. before is called
// before it tells what was left out; it may be nil.
func (t *tool) addLayers(a *images.Adding, list []source, before func()) error {
	var group errgroup.Group
	group.SetLimit(atOnce)
	var mu sync.Mutex
	var skipped layer.Skipped
	there, diffIDs := t.stack(list)
	for i, s := range list {
		if slices.ContainsFunc(list[:i], func(other source) bool { return other.diffID == s.diffID }) {
			there[i].done("", nil) // one layer may occur several times
			continue
		}
		s.chain = images.ChainID(diffIDs[:i+1])
		s.below = func() ([]string, error) { return t.under(there[:i]) }
		group.Go(func() error {
			report, key, err := t.addLayer(a, s)
			there[i].done(key, err)
			mu.Lock()
			defer mu.Unlock()
			skipped.Devices += report.Skipped.Devices
			skipped.Attributes += report.Skipped.Attributes
			return err
		})
	}
	err := group.Wait()
	if before != nil {
		before()
	}
	for _, text := range skipped.Notes() {
		t.note(text)
	}
	return err
}

// arrival is a layer that others may wait for.
type arrival struct {
	here chan struct{}
	key  string // empty: the same as one below
	err  error
}

func (a *arrival) done(key string, err error) {
	a.key, a.err = key, err
	close(a.here)
}

func (t *tool) stack(list []source) (there []*arrival, diffIDs []string) {
	for _, s := range list {
		there = append(there, &arrival{here: make(chan struct{})})
		diffIDs = append(diffIDs, s.diffID)
	}
	return there, diffIDs
}

// under waits for layers, and returns their directories, the topmost first. The
// lowest one begins first, so that none waits for ever.
func (t *tool) under(list []*arrival) ([]string, error) {
	var dirs []string
	for _, a := range slices.Backward(list) {
		<-a.here
		if a.err != nil {
			return nil, errors.New("a layer below it could not be unpacked")
		}
		if a.key == "" {
			continue
		}
		dir, err := t.store.LayerDir(t.ids, a.key)
		if err != nil {
			return nil, err
		}
		dirs = append(dirs, dir)
	}
	return dirs, nil
}

func (t *tool) addLayer(a *images.Adding, s source) (layer.Report, string, error) {
	for _, key := range []string{s.diffID, s.chain} {
		if there, err := a.Reserve(t.ids, key); there || err != nil {
			return layer.Report{}, key, err
		}
	}
	r, err := s.open()
	if err != nil {
		return layer.Report{}, "", err
	}
	defer r.Close()
	l, err := t.unpackLayer(a, s, r)
	if err == nil {
		err = t.addUnpacked(a, l)
	}
	if err != nil {
		return l.report, "", fmt.Errorf("%s: %w", s.name, err)
	}
	return l.report, l.key(), nil
}

// unpacked is a layer that is complete, in the room that it was given.
type unpacked struct {
	source
	dir, recipe string
	report      layer.Report
}

// key is what the layer is known by in the store.
func (l unpacked) key() string {
	if l.report.Dependent {
		return l.chain
	}
	return l.report.DiffID
}

// addUnpacked puts a layer to where layers are.
func (t *tool) addUnpacked(a *images.Adding, l unpacked) error {
	return a.Add(t.ids, l.key(), l.dir, l.recipe, l.report.Lossy)
}

// unpackLayer unpacks one stream.
func (t *tool) unpackLayer(a *images.Adding, s source, r io.Reader) (unpacked, error) {
	l := unpacked{source: s}
	var err error
	if l.dir, l.recipe, err = a.Room(); err != nil {
		return l, err
	}
	recipe, err := os.Create(l.recipe)
	if err != nil {
		return l, err
	}
	defer recipe.Close()
	sum := &checked{r: r, hash: sha256.New()}
	if s.digest != "" {
		r = sum
	}
	plain, compression, err := decompress(r)
	if err != nil {
		return l, err
	}
	defer plain.Close()
	if s.diffID != "" && compression != "" && compression != "gzip" && compression != "zstd" {
		// The format says how much memory it takes, up to 4 GiB.
		return l, errors.New("a layer of an image is compressed by gzip or zstd, not by " + compression)
	}
	o := t.unpack
	o.Trailer, o.Below = s.diffID == "", s.below
	l.report, err = layer.Unpack(plain, l.dir, recipe, o)
	if err == nil && s.digest != "" {
		err = sum.finish(s.digest)
	}
	if err == nil && s.diffID != "" && l.report.DiffID != s.diffID {
		err = wrongDigest(l.report.DiffID, s.diffID)
	}
	return l, err
}

func wrongDigest(got, want string) error {
	return &problem.Problem{What: "wrong digest", Why: "the content is " + got + ", and " + want + " was asked for", Fix: "get it again, from somewhere else"}
}

// checked computes the digest of what is read through it.
type checked struct {
	r    io.Reader
	hash hash.Hash
}

func (c *checked) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.hash.Write(p[:n])
	return n, err
}

// finish reads what the decompressor left and compares.
func (c *checked) finish(want string) error {
	if _, err := io.Copy(io.Discard, c); err != nil {
		return err
	}
	if got := "sha256:" + hex.EncodeToString(c.hash.Sum(nil)); got != want {
		return wrongDigest(got, want)
	}
	return nil
}

// Media types of the OCI image specification.
const (
	typeManifest = "application/vnd.oci.image.manifest.v1+json"
	typeConfig   = "application/vnd.oci.image.config.v1+json"
	typeIndex    = "application/vnd.oci.image.index.v1+json"
	typeLayer    = "application/vnd.oci.image.layer.v1.tar"
)

// ociManifest is a manifest as Snug writes it.
type ociManifest struct {
	SchemaVersion int                 `json:"schemaVersion"`
	MediaType     string              `json:"mediaType"`
	Config        images.Descriptor   `json:"config"`
	Layers        []images.Descriptor `json:"layers"`
}

// manifestFor makes a manifest of a configuration and the layers' sizes.
func manifestFor(config []byte, layers []images.Descriptor) ([]byte, error) {
	return json.Marshal(ociManifest{2, typeManifest, images.Descriptor{MediaType: typeConfig, Digest: images.Digest(config), Size: int64(len(config))}, layers})
}

// readConfig reads a configuration and checks what Snug depends on.
func readConfig(text []byte) (images.Config, error) {
	var c images.Config
	if err := json.Unmarshal(text, &c); err != nil {
		return c, fmt.Errorf("the image's configuration: %w", err)
	}
	if c.OS != "" && c.OS != "linux" {
		return c, &problem.Problem{What: "the image", Why: "is for " + c.OS + ", not for Linux"}
	}
	if n := len(c.RootFS.DiffIDs); n == 0 || n > maxLayers {
		return c, &problem.Problem{What: "the image", Why: fmt.Sprintf("has %d layers, and an image has 1 to %d", n, maxLayers)}
	}
	for _, diffID := range c.RootFS.DiffIDs {
		if _, err := blobName(diffID); err != nil {
			return c, fmt.Errorf("the image's configuration: a layer: %w", err)
		}
	}
	return c, nil
}

// maxLayers is what overlayfs takes (OVL_MAX_STACK).
const maxLayers = 500
