package images

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/internal/problem"
)

const (
	shared    = unix.LOCK_SH
	exclusive = unix.LOCK_EX
	tryAlone  = unix.LOCK_EX | unix.LOCK_NB
)

// Manifest is what Snug reads of an image manifest (OCI image specification).
type Manifest struct {
	Config Descriptor   `json:"config"`
	Layers []Descriptor `json:"layers"`
}

// Descriptor is a reference to a blob.
type Descriptor struct {
	MediaType string `json:"mediaType"`
	Digest    string `json:"digest"`
	Size      int64  `json:"size"`
}

// Config is what Snug reads of an image configuration (OCI image
// specification).
type Config struct {
	Created      *time.Time `json:"created,omitempty"`
	Author       string     `json:"author,omitempty"`
	Architecture string     `json:"architecture"`
	OS           string     `json:"os"`
	Variant      string     `json:"variant,omitempty"`
	Config       Process    `json:"config"`
	RootFS       RootFS     `json:"rootfs"`
	History      []History  `json:"history,omitempty"`
}

// RootFS lists the layers by the digests of their uncompressed streams, the
// lowest first.
type RootFS struct {
	Type    string   `json:"type"`
	DiffIDs []string `json:"diff_ids"`
}

// History is a step of an image's making.
type History struct {
	Created    *time.Time `json:"created,omitempty"`
	CreatedBy  string     `json:"created_by,omitempty"`
	Author     string     `json:"author,omitempty"`
	Comment    string     `json:"comment,omitempty"`
	EmptyLayer bool       `json:"empty_layer,omitempty"`
}

// Process is how an image wants to be run.
type Process struct {
	User         string              `json:"User,omitempty"`
	ExposedPorts map[string]struct{} `json:"ExposedPorts,omitempty"`
	Env          []string            `json:"Env,omitempty"`
	Entrypoint   []string            `json:"Entrypoint,omitempty"`
	Cmd          []string            `json:"Cmd,omitempty"`
	Volumes      map[string]struct{} `json:"Volumes,omitempty"`
	WorkingDir   string              `json:"WorkingDir,omitempty"`
	Labels       map[string]string   `json:"Labels,omitempty"`
	StopSignal   string              `json:"StopSignal,omitempty"`
	Healthcheck  *Healthcheck        `json:"Healthcheck,omitempty"`
}

// Healthcheck is how an image's service tells that it is ready, as Docker writes
// it. Times are in nanoseconds; 0 is the default of whoever asks.
type Healthcheck struct {
	Test                           []string // "NONE", "CMD" and words, or "CMD-SHELL" and a line
	Interval, Timeout, StartPeriod time.Duration
	Retries                        int
}

// maxBlob bounds what is read of a manifest or configuration. Registries refuse
// manifests of more than 4 MiB.
const maxBlob = 8 << 20

func (s *Store) blobPath(digest string) string {
	raw, err := digestHex(digest)
	if err != nil {
		raw = "none"
	}
	return s.path("blobs", raw)
}

// Blob returns a manifest or configuration, checked against its digest.
func (s *Store) Blob(digest string) ([]byte, error) {
	f, err := open(s.blobPath(digest), unix.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readBlob(f, digest)
}

func readBlob(f *os.File, digest string) ([]byte, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > maxBlob {
		return nil, damaged(digest)
	}
	text := make([]byte, info.Size())
	if _, err := f.ReadAt(text, 0); err != nil && len(text) > 0 {
		return nil, err
	}
	if Digest(text) != digest {
		return nil, damaged(digest)
	}
	return text, nil
}

func damaged(digest string) error {
	return &problem.Problem{What: "the store of images", Why: "the file of " + digest + " is damaged", Fix: "snug image verify tells what is; get the image again"}
}

// Digest returns the digest of a text.
func Digest(text []byte) string {
	sum := sha256.Sum256(text)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Image is an image of the store, which stays there until it is closed.
type Image struct {
	Ref      string // as it was asked for
	Digest   string // of the manifest
	Manifest Manifest
	Config   Config

	store *Store
	lock  *os.File // shared, on the manifest
}

// Use finds an image and keeps it from being removed, until Close or the end of
// this process.
func (s *Store) Use(ref string) (*Image, error) {
	if _, err := os.Lstat(s.dir); err != nil {
		_, err := s.Find(ref)
		return nil, err
	}
	lock, err := s.lock(shared)
	if err != nil {
		return nil, err
	}
	defer lock.Close()
	digest, err := s.Find(ref)
	if err != nil {
		return nil, err
	}
	return s.use(ref, digest)
}

func (s *Store) use(ref, digest string) (*Image, error) {
	f, err := open(s.blobPath(digest), unix.O_RDONLY)
	if err != nil {
		return nil, err
	}
	i := &Image{Ref: ref, Digest: digest, store: s, lock: f}
	if err := i.read(); err != nil {
		f.Close()
		return nil, err
	}
	now := time.Now()
	os.Chtimes(f.Name(), now, now) // for Used; nothing depends on it
	return i, flock(f, shared)
}

// Used returns when an image was last used, or added.
func (s *Store) Used(digest string) time.Time {
	info, err := os.Stat(s.blobPath(digest))
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

func (i *Image) read() error {
	text, err := readBlob(i.lock, i.Digest)
	if err != nil {
		return err
	}
	if err := i.Manifest.UnmarshalJSON(text); err != nil {
		return fmt.Errorf("the manifest %s: %w", i.Digest, err)
	}
	config, err := i.store.Blob(i.Manifest.Config.Digest)
	if err != nil {
		return err
	}
	if err := i.Config.UnmarshalJSON(config); err != nil {
		return fmt.Errorf("the configuration %s: %w", i.Manifest.Config.Digest, err)
	}
	return nil
}

// Close lets go of the image.
func (i *Image) Close() error { return i.lock.Close() }

// Keys returns the keys of the layers, the lowest first.
func (i *Image) Keys(ids IDs) []string { return i.store.Keys(ids, i.Config.RootFS.DiffIDs) }

// Has reports whether the image's layers are unpacked with these ids.
func (i *Image) Has(ids IDs) bool {
	return !slices.ContainsFunc(i.Keys(ids), func(key string) bool { return !i.store.HasLayer(ids, key) })
}

// Layers returns the directories of the layers, the topmost first, as overlayfs
// takes them. A layer that occurs twice counts where it is topmost: overlayfs
// refuses one directory in two places.
func (i *Image) Layers(ids IDs) ([]string, error) {
	var dirs []string
	for _, key := range slices.Backward(i.Keys(ids)) {
		dir, err := i.store.LayerDir(ids, key)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	return dirs, nil
}

// Look reads an image by its digest, without a mark of use and without keeping
// it from being removed.
func (s *Store) Look(digest string) (*Image, error) {
	f, err := open(s.blobPath(digest), unix.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	i := &Image{Ref: digest, Digest: digest, store: s, lock: f}
	return i, i.read()
}

// UseDigest is Use for an image that may have no name.
func (s *Store) UseDigest(digest string) (*Image, error) {
	lock, err := s.lock(shared)
	if err != nil {
		return nil, err
	}
	defer lock.Close()
	return s.use(digest, digest)
}

// InUse reports whether a sandbox, or another process, uses the image.
func (s *Store) InUse(digest string) bool { return inUse(s.blobPath(digest)) }

// Size is that of the layers as they came.
func (i *Image) Size() (n int64) {
	for _, l := range i.Manifest.Layers {
		n += l.Size
	}
	return n
}
