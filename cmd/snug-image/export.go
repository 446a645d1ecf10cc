package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/snug-sandbox/snug/images"
	"github.com/snug-sandbox/snug/internal/layer"
)

// work is an image of the store, and a place there to work on it.
type work struct {
	image *images.Image
	a     *images.Adding
}

// on begins to work on an image that was looked up.
func (t *tool) on(image *images.Image, err error) (work, error) {
	if err != nil {
		return work{}, err
	}
	a, err := t.store.Begin()
	if err != nil {
		image.Close()
	}
	return work{image, a}, err
}

func (w work) close() {
	w.a.Close()
	w.image.Close()
}

// best are the ids that say most about an image's owners.
func best(image *images.Image) images.IDs {
	if image.Has(images.Range) {
		return images.Range
	}
	return images.Single
}

// openRecipe returns a layer's recipe and its directory.
func (t *tool) openRecipe(ids images.IDs, key string) (*os.File, string, error) {
	path, err := t.store.RecipePath(key)
	if err != nil {
		return nil, "", err
	}
	dir, err := t.store.LayerDir(ids, key)
	if err != nil {
		return nil, "", err
	}
	f, err := os.Open(path)
	return f, dir, err
}

// export writes an image: to standard output as a tar of an OCI layout, to a
// directory as a layout, or as one tar of its root file system, which is
// mounted then.
func (t *tool) export(args []string) error {
	if len(args) != 2 {
		return errors.New("export takes an image and where it goes")
	}
	if t.format == formatRootfs && args[1] == "-" {
		return t.exportCopy(args[0])
	}
	if t.format == formatRootfs {
		skipped, err := layer.Pack(args[1], t.out, false)
		for _, text := range skipped.Notes() {
			t.note(text)
		}
		return err
	}
	w, err := t.on(t.store.Use(args[0]))
	if err != nil {
		return err
	}
	defer w.close()
	var to layout
	if args[1] == "-" {
		to, err = newTarLayout(t.out)
	} else {
		to, err = newDirLayout(args[1])
	}
	if err != nil {
		return err
	}
	if err := t.writeLayout(w, args[0], to); err != nil {
		return err
	}
	return to.close()
}

// exportCopy writes the files of an image that cannot be mounted.
func (t *tool) exportCopy(ref string) error {
	w, err := t.on(t.store.Use(ref))
	if err != nil {
		return err
	}
	defer w.close()
	dir := filepath.Join(w.a.Dir(), "tree")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	if err := t.flatten(w.image, best(w.image), dir); err != nil {
		return err
	}
	return t.export([]string{ref, dir})
}

// layout is an OCI layout that is written.
type layout interface {
	put(name string, f io.Reader, size int64) error
	close() error
}

type tarLayout struct{ w *tar.Writer }

// newTarLayout begins with the directories: what a tar has no entry of, some tools
// want to give to root, which an ordinary user cannot.
func newTarLayout(w io.Writer) (layout, error) {
	l := &tarLayout{w: tar.NewWriter(w)}
	for _, dir := range []string{"blobs/", "blobs/sha256/"} {
		if err := l.w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir, Mode: 0o755}); err != nil {
			return nil, err
		}
	}
	return l, nil
}

func (l *tarLayout) put(name string, r io.Reader, size int64) error {
	if err := l.w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: size}); err != nil {
		return err
	}
	_, err := io.Copy(l.w, r)
	return err
}

func (l *tarLayout) close() error { return l.w.Close() }

type dirLayout struct{ root *os.Root }

func newDirLayout(dir string) (layout, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	if len(entries) > 0 {
		return nil, fmt.Errorf("%s is not empty", dir)
	}
	if err := os.MkdirAll(filepath.Join(dir, "blobs", "sha256"), 0o755); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	return dirLayout{root}, err
}

func (l dirLayout) put(name string, r io.Reader, size int64) error {
	f, err := l.root.Create(name)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Close())
}

func (l dirLayout) close() error { return l.root.Close() }

func putText(to layout, name string, text []byte) error {
	return to.put(name, bytes.NewReader(text), int64(len(text)))
}

func putBlob(to layout, text []byte) error {
	return putText(to, "blobs/sha256/"+strings.TrimPrefix(images.Digest(text), "sha256:"), text)
}

func (t *tool) writeLayout(w work, name string, to layout) error {
	image := w.image
	if err := putText(to, "oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`)); err != nil {
		return err
	}
	ids := best(image)
	var layers []images.Descriptor
	diffIDs := make([]string, len(image.Config.RootFS.DiffIDs))
	put := map[string]bool{}
	for i, key := range image.Keys(ids) {
		d, err := t.writeLayer(w.a, ids, key, &diffIDs[i], to, put)
		if err != nil {
			return fmt.Errorf("layer %s: %w", short(image.Config.RootFS.DiffIDs[i]), err)
		}
		layers = append(layers, d)
	}
	config, err := t.store.Blob(image.Manifest.Config.Digest)
	if err != nil {
		return err
	}
	if config, err = withDiffIDs(config, diffIDs); err != nil {
		return err
	}
	manifest, err := manifestFor(config, layers)
	if err != nil {
		return err
	}
	for _, text := range [][]byte{config, manifest} {
		if err := putBlob(to, text); err != nil {
			return err
		}
	}
	return putText(to, "index.json", indexFor(manifest, name))
}

// indexFor is the index.json of a layout. By the annotation tools find the
// image in it: the tag alone, as all of them write it.
func indexFor(manifest []byte, name string) []byte {
	full, err := images.Normal(name)
	tag := full[strings.LastIndexByte(full, ':')+1:]
	if err != nil || strings.Contains(name, "@") {
		tag = "latest"
	}
	text, _ := json.Marshal(map[string]any{
		"schemaVersion": 2,
		"mediaType":     typeIndex,
		"manifests": []any{map[string]any{
			"mediaType": typeManifest, "digest": images.Digest(manifest), "size": len(manifest),
			"annotations": map[string]string{"org.opencontainers.image.ref.name": tag},
		}},
	})
	return text
}

// withDiffIDs puts other layers into a configuration, and leaves what it holds
// beside that.
func withDiffIDs(config []byte, diffIDs []string) ([]byte, error) {
	c, err := readConfig(config)
	if err != nil || equal(c.RootFS.DiffIDs, diffIDs) {
		return config, err
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(config, &all); err != nil {
		return nil, err
	}
	all["rootfs"], err = json.Marshal(images.RootFS{Type: "layers", DiffIDs: diffIDs})
	if err != nil {
		return nil, err
	}
	return json.Marshal(all)
}

func equal(a, b []string) bool { return strings.Join(a, " ") == strings.Join(b, " ") }

// writeLayer writes a layer's blob. Its stream is the one that it came with; if
// that cannot be made again, one of the files as they are.
func (t *tool) writeLayer(a *images.Adding, ids images.IDs, key string, written *string, to layout, put map[string]bool) (images.Descriptor, error) {
	f, err := os.CreateTemp(a.Dir(), "blob-")
	if err != nil {
		return images.Descriptor{}, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	blob, plain := sha256.New(), sha256.New()
	z, kind, err := compressor(io.MultiWriter(f, blob), t.compress)
	if err != nil {
		return images.Descriptor{}, err
	}
	if err := t.stream(ids, key, io.MultiWriter(z, plain)); err != nil {
		return images.Descriptor{}, err
	}
	if err := z.Close(); err != nil {
		return images.Descriptor{}, err
	}
	*written = "sha256:" + hex.EncodeToString(plain.Sum(nil))
	size, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return images.Descriptor{}, err
	}
	sum := hex.EncodeToString(blob.Sum(nil))
	d := images.Descriptor{MediaType: kind, Digest: "sha256:" + sum, Size: size}
	if put[sum] {
		return d, nil
	}
	put[sum] = true
	_, err = f.Seek(0, io.SeekStart)
	return d, errors.Join(err, to.put("blobs/sha256/"+sum, f, size))
}

// stream writes a layer's tar stream.
func (t *tool) stream(ids images.IDs, key string, w io.Writer) error {
	recipe, dir, err := t.openRecipe(ids, key)
	if err != nil {
		return err
	}
	defer recipe.Close()
	err = layer.Assemble(recipe, dir, w)
	if errors.Is(err, layer.ErrLossy) {
		_, err = layer.Pack(dir, w, true)
	}
	return err
}

// convert unpacks an image of the store for the other kind of ids.
func (t *tool) convert(args []string) error {
	w, err := t.on(t.one(args))
	if err != nil {
		return err
	}
	defer w.close()
	image := w.image
	from := images.Single
	if t.ids == images.Single {
		from = images.Range
	}
	var layers []source
	keys := image.Keys(from)
	for i, diffID := range image.Config.RootFS.DiffIDs {
		layers = append(layers, source{name: "layer " + short(diffID), diffID: diffID, open: func() (io.ReadCloser, error) {
			r, to := io.Pipe()
			go func() { to.CloseWithError(t.stream(from, keys[i], to)) }()
			return r, nil
		}})
	}
	return t.addLayers(w.a, layers, nil)
}
