// Package images is the store of images: unpacked layers, which all images and
// sandboxes share, and the names that lead to them. It is what a start from an
// image needs, and no more: unpacking and registries are elsewhere.
//
// A store is a directory, by default $XDG_DATA_HOME/snug:
//
//	refs/NAME          the digest of the manifest that a name stands for
//	blobs/HEX          manifests and configurations, as the OCI image
//	                   specification has them, under their SHA-256
//	layers/IDS/ID      a layer as a directory that overlayfs takes (userxattr)
//	recipes/ID         how to put the layer's tar stream together again
//	fresh/ID           a layer that may not be on the disk yet: the boot it is of
//	tmp/NAME           what is being added, locked by who adds it
//	kept/NAME          what a sandbox wrote, under the name that it was given
//	mnt                an empty directory to mount an image on, in a sandbox
//	lock               shared: reads names; exclusive: removes things
//
// All but tmp and kept is written somewhere else and renamed into place, so
// that nothing is ever seen half done, and locks are those of flock(2), which
// end with their process.
package images

import (
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/internal/problem"
)

// IDs is how the files of an unpacked layer are owned.
type IDs string

// The kinds of IDs. A layer can be there in both.
const (
	Single IDs = "single" // all are the caller's; the true owner is in an attribute
	Range  IDs = "range"  // as in the image, by the caller's subordinate ids
)

// Store is a store of images.
type Store struct{ dir string }

// Open returns the store in dir, or the caller's own when dir is empty. It
// need not exist yet.
func Open(dir string) (*Store, error) {
	if dir == "" {
		data := os.Getenv("XDG_DATA_HOME")
		if !filepath.IsAbs(data) { // to be ignored then, says the XDG base directory specification
			home, err := os.UserHomeDir()
			if err != nil {
				return nil, &problem.Problem{What: "the store of images", Why: "neither XDG_DATA_HOME nor HOME says where it is", Fix: "set HOME", Err: err}
			}
			data = filepath.Join(home, ".local", "share")
		}
		dir = filepath.Join(data, "snug")
	}
	dir, err := filepath.Abs(dir)
	return &Store{dir}, err
}

// Dir returns the store's directory.
func (s *Store) Dir() string { return s.dir }

func (s *Store) path(parts ...string) string {
	return filepath.Join(append([]string{s.dir}, parts...)...)
}

// Create makes the store's directories. Nobody else may enter them: an image's
// setuid files would be the caller's own.
func (s *Store) Create() error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	if err := s.private(); err != nil {
		return err
	}
	for _, name := range []string{"refs", "blobs", "layers/single", "layers/range", "recipes", "fresh", "tmp", "kept", "mnt"} {
		if err := os.MkdirAll(s.path(name), 0o700); err != nil {
			return err
		}
	}
	return nil
}

// private closes a directory that an umask or somebody left open.
func (s *Store) private() error {
	info, err := os.Stat(s.dir)
	if err != nil || info.Mode().Perm() == 0o700 {
		return err
	}
	return os.Chmod(s.dir, 0o700)
}

// lock takes the store's lock. Shared, nothing is removed meanwhile; exclusive,
// nothing is added.
func (s *Store) lock(how int) (*os.File, error) {
	f, err := open(s.path("lock"), unix.O_RDWR|unix.O_CREAT)
	if err != nil {
		return nil, err
	}
	if err := flock(f, how); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func flock(f *os.File, how int) error {
	for {
		if err := unix.Flock(int(f.Fd()), how); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// layerID is the name of a layer's directory: 128 bits of its digest. A
// hundred of them have to fit into a page (mount(2)).
func layerID(diffID string) (string, error) {
	raw, err := digestHex(diffID)
	if err != nil {
		return "", err
	}
	sum, err := hex.DecodeString(raw)
	if err != nil {
		return "", err
	}
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:16])), nil
}

// digestHex checks a digest, which becomes a file's name, and returns its number.
func digestHex(digest string) (string, error) {
	raw, ok := strings.CutPrefix(digest, "sha256:")
	if !ok || len(raw) != 64 || strings.Trim(raw, "0123456789abcdef") != "" {
		return "", fmt.Errorf("%q is not a SHA-256 digest", digest)
	}
	return raw, nil
}

// A layer is known by its key, which is a digest: that of its stream, its diff ID,
// and all images share it. What took something over from the layers below when it
// was unpacked is for the images alone that have the same ones below: its key is
// the digest of the whole stack, the chain ID (OCI image specification). Else an
// image could give a file of its own to others.

// ChainID returns the digest of a stack of layers, the lowest first.
func ChainID(diffIDs []string) string {
	chain := ""
	for i, diffID := range diffIDs {
		if i == 0 {
			chain = diffID
			continue
		}
		chain = Digest([]byte(chain + " " + diffID))
	}
	return chain
}

// Keys returns the keys of a stack of layers, the lowest first.
func (s *Store) Keys(ids IDs, diffIDs []string) []string {
	keys := slices.Clone(diffIDs)
	chain := ""
	for i, diffID := range diffIDs {
		if chain = ChainID([]string{chain, diffID}); i == 0 {
			chain = diffID
		}
		if i > 0 && s.HasLayer(ids, chain) {
			keys[i] = chain
		}
	}
	return keys
}

// LayerDir returns where the layer's files are, or would be.
func (s *Store) LayerDir(ids IDs, key string) (string, error) {
	id, err := layerID(key)
	return s.path("layers", string(ids), id), err
}

// RecipePath returns where the layer's recipe is, or would be.
func (s *Store) RecipePath(key string) (string, error) {
	id, err := layerID(key)
	return s.path("recipes", id), err
}

// HasLayer reports whether the layer is there, complete.
func (s *Store) HasLayer(ids IDs, key string) bool {
	dir, err := s.LayerDir(ids, key)
	if err != nil {
		return false
	}
	_, err = os.Lstat(dir)
	return err == nil
}
