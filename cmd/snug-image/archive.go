package main

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"runtime"
	"strings"

	"github.com/snug-sandbox/snug/images"
	"github.com/snug-sandbox/snug/internal/problem"
)

// files are the files of an archive of images.
type files interface {
	open(name string) (io.ReadCloser, error)
}

// dirFiles are those of a directory. Links do not lead out of it.
type dirFiles struct{ root *os.Root }

func (d dirFiles) open(name string) (io.ReadCloser, error) {
	f, err := d.root.Open(name)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		f.Close()
		return nil, fmt.Errorf("%s is not a file", name)
	}
	return f, nil
}

// tarFiles are those of a tar file: where each begins.
type tarFiles struct {
	f     *os.File
	index map[string]part
}

type part struct{ at, size int64 }

// indexTar finds the files of an archive. Docker's archives have links from
// one layer to another.
func indexTar(f *os.File) (tarFiles, error) {
	list := tarFiles{f, map[string]part{}}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return list, err
	}
	links := map[string]string{}
	tr := tar.NewReader(f)
	for {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return list, &problem.Problem{What: "the archive", Why: "it cannot be read: " + err.Error(), Fix: "get it again", Err: err}
		}
		at, err := f.Seek(0, io.SeekCurrent)
		if err != nil {
			return list, err
		}
		name := path.Clean(h.Name)
		switch h.Typeflag {
		case tar.TypeReg:
			list.index[name] = part{at, h.Size}
		case tar.TypeSymlink:
			links[name] = path.Join(path.Dir(name), h.Linkname)
		case tar.TypeLink:
			links[name] = path.Clean(h.Linkname)
		}
		if len(list.index) > 100000 {
			return list, errManyFiles
		}
	}
	for name, to := range links {
		if p, ok := list.index[to]; ok {
			list.index[name] = p
		}
	}
	return list, nil
}

// errManyFiles says that the index would become too large; no archive of images
// comes near.
var errManyFiles = errors.New("the archive has more than 100000 files")

func (t tarFiles) open(name string) (io.ReadCloser, error) {
	p, ok := t.index[path.Clean(name)]
	if !ok {
		return nil, fmt.Errorf("%s is not in the archive: %w", name, fs.ErrNotExist)
	}
	return io.NopCloser(io.NewSectionReader(t.f, p.at, p.size)), nil
}

// maxJSON bounds manifests, indexes and configurations.
const maxJSON = 8 << 20

func readAll(fs files, name string) ([]byte, error) {
	r, err := fs.open(name)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	text, err := io.ReadAll(io.LimitReader(r, maxJSON+1))
	if err == nil && len(text) > maxJSON {
		err = fmt.Errorf("%s has more than %d bytes", name, maxJSON)
	}
	return text, err
}

// saved is an entry of the manifest.json of docker save.
type saved struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// isArchive tells an archive of images from a root file system: by what its
// files say, wherever they are in it.
func isArchive(fs files) bool {
	var layout struct {
		ImageLayoutVersion string `json:"imageLayoutVersion"`
	}
	var list index
	var entries []saved
	return readJSON(fs, "oci-layout", &layout) == nil && layout.ImageLayoutVersion != "" ||
		readJSON(fs, "index.json", &list) == nil && len(list.Manifests) > 0 && list.Manifests[0].Digest != "" ||
		readJSON(fs, "manifest.json", &entries) == nil && len(entries) > 0 && entries[0].Config != ""
}

func readJSON(fs files, name string, v any) error {
	text, err := readAll(fs, name)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, v); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// importArchive adds all images of an archive.
func (t *tool) importArchive(a *images.Adding, archive files, name string) error {
	var list index
	err := readJSON(archive, "index.json", &list)
	if t.format != formatDocker && !errors.Is(err, fs.ErrNotExist) {
		if err != nil {
			return err
		}
		return t.importLayout(a, archive, list, name)
	}
	var entries []saved
	err = readJSON(archive, "manifest.json", &entries)
	if errors.Is(err, fs.ErrNotExist) {
		return &problem.Problem{What: "the archive", Why: "has neither an index.json (an OCI layout) nor a manifest.json (of docker save)",
			Fix: "for a root file system: --format rootfs", Err: err}
	}
	if err != nil {
		return err
	}
	return t.importDocker(a, archive, entries, name)
}

// importDocker adds the images of an archive of docker save.
func (t *tool) importDocker(a *images.Adding, fs files, entries []saved, name string) error {
	if len(entries) == 0 || len(entries) > 1 && t.tag != "" {
		return &problem.Problem{What: "the archive", Why: fmt.Sprintf("has %d images", len(entries)), Fix: "leave out --tag: they have names"}
	}
	for _, e := range entries {
		if err := t.importSaved(a, fs, e, name); err != nil {
			return err
		}
	}
	return nil
}

func (t *tool) importSaved(a *images.Adding, fs files, e saved, name string) error {
	config, err := readAll(fs, e.Config)
	if err != nil {
		return err
	}
	c, err := readConfig(config)
	if err != nil {
		return err
	}
	if len(c.RootFS.DiffIDs) != len(e.Layers) {
		return fmt.Errorf("%s has %d layers, and manifest.json has %d", e.Config, len(c.RootFS.DiffIDs), len(e.Layers))
	}
	var layers []source
	var descriptors []images.Descriptor
	for i, file := range e.Layers {
		diffID := c.RootFS.DiffIDs[i]
		layers = append(layers, source{name: "layer " + short(diffID), diffID: diffID, open: func() (io.ReadCloser, error) { return fs.open(file) }})
		descriptors = append(descriptors, images.Descriptor{MediaType: typeLayer, Digest: diffID, Size: sizeOf(fs, file)})
	}
	if err := t.addLayers(a, layers, nil); err != nil {
		return err
	}
	manifest, err := manifestFor(config, descriptors)
	if err != nil {
		return err
	}
	return t.commitAs(a, e.RepoTags, name, manifest, config)
}

func sizeOf(fs files, name string) int64 {
	if t, ok := fs.(tarFiles); ok {
		return t.index[path.Clean(name)].size
	}
	if d, ok := fs.(dirFiles); ok {
		if info, err := d.root.Stat(name); err == nil {
			return info.Size()
		}
	}
	return 0
}

func short(digest string) string {
	return strings.TrimPrefix(digest, "sha256:")[:min(12, len(strings.TrimPrefix(digest, "sha256:")))]
}

// commitAs gives the image the names that it has in the archive, or that of --tag.
func (t *tool) commitAs(a *images.Adding, names []string, file string, manifest, config []byte) error {
	if t.tag != "" || len(names) == 0 {
		ref, err := t.refFor(file)
		if err != nil {
			return err
		}
		names = []string{ref}
	}
	for _, name := range names {
		ref, err := images.Normal(name)
		if err != nil {
			return err
		}
		if err := t.commitRef(a, ref, manifest, config); err != nil {
			return err
		}
	}
	return nil
}

// index is an image index, or the list of an OCI layout.
type index struct {
	Manifests []struct {
		images.Descriptor
		Platform *struct {
			Architecture string `json:"architecture"`
			OS           string `json:"os"`
			Variant      string `json:"variant"`
		} `json:"platform"`
		Annotations map[string]string `json:"annotations"`
	} `json:"manifests"`
}

// importLayout adds the images of an OCI layout.
func (t *tool) importLayout(a *images.Adding, fs files, list index, name string) error {
	if len(list.Manifests) == 0 {
		return &problem.Problem{What: "the OCI layout", Why: "has no image"}
	}
	if len(list.Manifests) > 1 && t.tag != "" {
		return &problem.Problem{What: "the OCI layout", Why: fmt.Sprintf("has %d images", len(list.Manifests)), Fix: "leave out --tag: they have names"}
	}
	for _, m := range list.Manifests {
		manifest, err := t.manifestOf(fs, m.Descriptor, 0)
		if err != nil {
			return err
		}
		var names []string
		if tag := m.Annotations["org.opencontainers.image.ref.name"]; tag != "" {
			names = []string{tag}
			if _, err := images.Normal(tag); err != nil || !strings.ContainsAny(tag, ":/") {
				// umoci(1) and skopeo(1) write the tag alone.
				ref, err := (&tool{}).refFor(name)
				if err != nil && t.tag == "" {
					return err
				}
				repository, _, _ := strings.Cut(ref, ":")
				names = []string{repository + ":" + tag}
			}
		}
		if full := m.Annotations["io.containerd.image.name"]; full != "" {
			names = []string{full}
		}
		if err := t.importManifest(a, fs, manifest, names, name); err != nil {
			return err
		}
	}
	return nil
}

// blobName is where an OCI layout has a blob.
func blobName(digest string) (string, error) {
	algorithm, sum, _ := strings.Cut(digest, ":")
	if algorithm != "sha256" || len(sum) != 64 || strings.Trim(sum, "0123456789abcdef") != "" {
		return "", fmt.Errorf("%q is not a SHA-256 digest", digest)
	}
	return "blobs/sha256/" + sum, nil
}

func readBlob(fs files, digest string) ([]byte, error) {
	name, err := blobName(digest)
	if err != nil {
		return nil, err
	}
	text, err := readAll(fs, name)
	if err != nil {
		return nil, err
	}
	if got := images.Digest(text); got != digest {
		return nil, wrongDigest(got, digest)
	}
	return text, nil
}

// manifestOf returns an image's manifest; of an index, that for the platform.
func (t *tool) manifestOf(fs files, d images.Descriptor, depth int) ([]byte, error) {
	text, err := readBlob(fs, d.Digest)
	if err != nil {
		return nil, err
	}
	var list index
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, err
	}
	if len(list.Manifests) == 0 {
		return text, nil
	}
	if depth > 3 {
		return nil, errors.New("image indexes are nested too deeply")
	}
	var platforms []string
	for _, m := range list.Manifests {
		if m.Platform == nil {
			return t.manifestOf(fs, m.Descriptor, depth+1)
		}
		platform := m.Platform.OS + "/" + m.Platform.Architecture
		if m.Platform.Variant != "" {
			platform += "/" + m.Platform.Variant
		}
		if t.wants(platform) {
			return t.manifestOf(fs, m.Descriptor, depth+1)
		}
		platforms = append(platforms, platform)
	}
	return nil, &problem.Problem{What: "the image", Why: "is not for " + t.wanted() + ", but for " + strings.Join(platforms, ", "), Fix: "--platform " + platforms[0]}
}

func (t *tool) wanted() string {
	if t.platform != "" {
		return t.platform
	}
	return "linux/" + runtime.GOARCH
}

func (t *tool) wants(platform string) bool {
	want := t.wanted()
	return platform == want || strings.HasPrefix(platform, want+"/")
}

func (t *tool) importManifest(a *images.Adding, fs files, manifest []byte, names []string, file string) error {
	var m images.Manifest
	if err := json.Unmarshal(manifest, &m); err != nil {
		return fmt.Errorf("the manifest: %w", err)
	}
	config, err := readBlob(fs, m.Config.Digest)
	if err != nil {
		return err
	}
	c, err := readConfig(config)
	if err != nil {
		return err
	}
	if len(c.RootFS.DiffIDs) != len(m.Layers) {
		return fmt.Errorf("the configuration has %d layers, and the manifest has %d", len(c.RootFS.DiffIDs), len(m.Layers))
	}
	var layers []source
	for i, d := range m.Layers {
		blob, err := blobName(d.Digest)
		if err != nil {
			return err
		}
		layers = append(layers, source{name: "layer " + short(d.Digest), diffID: c.RootFS.DiffIDs[i], digest: d.Digest,
			open: func() (io.ReadCloser, error) { return fs.open(blob) }})
	}
	if err := t.addLayers(a, layers, nil); err != nil {
		return err
	}
	return t.commitAs(a, names, file, manifest, config)
}
