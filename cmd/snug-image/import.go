package main

import (
	"archive/tar"
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"

	"github.com/snug-sandbox/snug/images"
	"github.com/snug-sandbox/snug/internal/layer"
	"github.com/snug-sandbox/snug/internal/problem"
)

// importImage adds an image from a file, a directory or standard input.
func (t *tool) importImage(args []string) error {
	if len(args) != 1 {
		return errors.New("import takes one file or directory, or - for standard input")
	}
	a, err := t.store.Begin()
	if err != nil {
		return err
	}
	defer a.Close()
	if args[0] == "-" {
		return t.importStream(a, t.in, "")
	}
	info, err := os.Stat(args[0])
	if err != nil {
		return &problem.Problem{What: args[0], Why: "cannot be read", Err: err, Fix: "the path of a tar file, an OCI layout or a directory, or - for standard input"}
	}
	if info.IsDir() {
		return t.importDir(a, args[0])
	}
	f, err := os.Open(args[0])
	if err != nil {
		return err
	}
	defer f.Close()
	return t.importStream(a, f, args[0])
}

// Values of --format.
const (
	formatRootfs = "rootfs"
	formatDocker = "docker"
	formatOCI    = "oci"
)

// importDir takes a directory: an OCI layout, or a root file system.
func (t *tool) importDir(a *images.Adding, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	archive := dirFiles{root}
	if t.format == formatRootfs || t.format == "" && !isArchive(archive) {
		r, w := io.Pipe()
		var skipped layer.Skipped
		go func() {
			var err error
			skipped, err = layer.Pack(dir, w, false)
			w.CloseWithError(err)
		}()
		defer r.Close()
		if err := t.importRootfs(a, r, dir, "the directory "+filepath.Base(dir)); err != nil {
			return err
		}
		for _, text := range skipped.Notes() {
			t.note(text)
		}
		return nil
	}
	return t.importArchive(a, archive, dir)
}

// importStream takes a tar stream, compressed or not: what is in it tells what
// it is. An archive is read in another order than it has, so a stream that is not
// a plain file is written to one first.
func (t *tool) importStream(a *images.Adding, in io.Reader, name string) error {
	plain, compression, err := decompress(in)
	if err != nil {
		return err
	}
	defer plain.Close()
	head := bufio.NewReaderSize(plain, 64<<10)
	comment := "imported"
	if name != "" {
		comment += " from " + filepath.Base(name)
	}
	if t.format == formatRootfs || t.format == "" && !beginsArchive(head) {
		return t.importRootfs(a, head, name, comment)
	}
	f, plainFile := in.(*os.File)
	if info, err := os.Stat(name); !plainFile || compression != "" || err != nil || !info.Mode().IsRegular() {
		if f, err = t.spool(a, head); err != nil {
			return err
		}
		defer f.Close()
	}
	files, err := indexTar(f)
	switch {
	case t.format == "" && (errors.Is(err, errManyFiles) || err == nil && !isArchive(files)):
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return err
		}
		return t.importRootfs(a, f, name, comment)
	case err != nil:
		return err
	}
	return t.importArchive(a, files, name)
}

// archiveName is how the entries of most archives of images are called.
var archiveName = regexp.MustCompile(`^(\./)?(manifest\.json|repositories|oci-layout|index\.json|blobs/.*|(sha256:)?[0-9a-f]{64}(\.json|\.tar|\.tar\.gz|/.*)?)$`)

// beginsArchive guesses by the first entry that has a name whether a stream is an
// archive of images. What it is shows when all of it was read; a wrong guess
// costs time alone.
func beginsArchive(r *bufio.Reader) bool {
	head, _ := r.Peek(64 << 10)
	tr := tar.NewReader(bytes.NewReader(head))
	for {
		h, err := tr.Next()
		if err != nil {
			return false
		}
		if h.Name != "./" && h.Name != "." && h.Typeflag != tar.TypeXGlobalHeader {
			return archiveName.MatchString(h.Name)
		}
	}
}

// spool writes a stream to a file that has no name.
func (t *tool) spool(a *images.Adding, r io.Reader) (*os.File, error) {
	f, err := os.CreateTemp(a.Dir(), "archive-")
	if err != nil {
		return nil, err
	}
	os.Remove(f.Name())
	limit := t.unpack.Limits.Bytes
	if limit <= 0 {
		limit = layer.DefaultBytes
	}
	n, err := io.Copy(f, io.LimitReader(r, limit+1))
	if err == nil && n > limit {
		err = &problem.Problem{What: "the archive", Why: fmt.Sprintf("it unpacks to more than %d bytes", limit), Fix: "if that is right, allow more with --max-size"}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// importRootfs makes an image of one layer of a stream. If what it unpacked is an
// archive of images after all, and nobody said otherwise, those are imported.
func (t *tool) importRootfs(a *images.Adding, r io.Reader, name, comment string) error {
	ref, unnamed := t.refFor(name)
	if unnamed != nil && t.format != "" {
		return unnamed
	}
	l, err := t.unpackLayer(a, source{}, r)
	if err != nil {
		return err
	}
	if t.format == "" {
		root, err := os.OpenRoot(l.dir)
		if err != nil {
			return err
		}
		defer root.Close()
		if archive := (dirFiles{root}); isArchive(archive) {
			return t.importArchive(a, archive, name)
		}
	}
	if unnamed != nil {
		return unnamed
	}
	if err := t.addUnpacked(a, l); err != nil {
		return err
	}
	report := l.report
	for _, text := range report.Skipped.Notes() {
		t.note(text)
	}
	now := time.Now().UTC()
	config, err := json.Marshal(images.Config{
		Created: &now, Architecture: runtime.GOARCH, OS: "linux",
		RootFS:  images.RootFS{Type: "layers", DiffIDs: []string{report.DiffID}},
		History: []images.History{{Created: &now, CreatedBy: "snug image import", Comment: comment}},
	})
	if err != nil {
		return err
	}
	manifest, err := manifestFor(config, []images.Descriptor{{MediaType: typeLayer, Digest: report.DiffID, Size: report.Size}})
	if err != nil {
		return err
	}
	return t.commitRef(a, ref, manifest, config)
}

func (t *tool) commitRef(a *images.Adding, ref string, manifest, config []byte) error {
	if err := a.Commit(ref, manifest, config); err != nil {
		return err
	}
	_, err := fmt.Fprintf(t.out, "%s %s\n", ref, images.Digest(manifest))
	return err
}

var notInNames = regexp.MustCompile(`[^a-z0-9._-]+`)

// refFor is the name of an image: that of --tag, else one made of the file's.
func (t *tool) refFor(path string) (string, error) {
	if t.tag != "" {
		return images.Normal(t.tag)
	}
	base := strings.ToLower(filepath.Base(path))
	for _, end := range []string{".gz", ".zst", ".xz", ".bz2", ".tgz", ".txz", ".tar"} {
		base = strings.TrimSuffix(base, end)
	}
	base = strings.Trim(notInNames.ReplaceAllString(base, "-"), ".-_")
	if path == "" || base == "" {
		return "", &problem.Problem{What: "the image", Why: "nothing says how it is called", Fix: "--tag NAME"}
	}
	return images.Normal(base)
}
