package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/snug-sandbox/snug/images"
	"github.com/snug-sandbox/snug/internal/layer"
)

// diff lists what a kept snapshot changed of its image, which is mounted at the
// second argument, if there is one: A added, C changed, D deleted.
func (t *tool) diff(args []string) error {
	if len(args) < 1 || len(args) > 2 {
		return errors.New("diff takes the name of a kept snapshot")
	}
	kept, err := t.store.Keep(args[0], nil, "")
	if err != nil {
		return err
	}
	defer kept.Close()
	upper, lower := kept.Upper(), ""
	if len(args) == 2 {
		lower = args[1]
	} else {
		w, err := t.on(t.store.UseDigest(kept.Base))
		if err != nil {
			return err
		}
		defer w.close()
		if upper, lower, err = t.flattened(w, kept); err != nil {
			return err
		}
	}
	w := bufio.NewWriter(t.out)
	if err := layer.Changes(upper, lower, func(kind byte, name string) error {
		_, err := fmt.Fprintf(w, "%c %s\n", kind, lineSafe(name))
		return err
	}); err != nil {
		return err
	}
	return w.Flush()
}

// flattened returns what was written, as overlayfs has it, and a copy of the image
// below it.
func (t *tool) flattened(w work, kept *images.Kept) (upper, lower string, err error) {
	lower = filepath.Join(w.a.Dir(), "lower")
	if err := os.Mkdir(lower, 0o755); err != nil {
		return "", "", err
	}
	if err := t.flatten(w.image, kept.IDs, lower); err != nil || kept.Tree() == "" {
		return kept.Upper(), lower, err
	}
	upper = filepath.Join(w.a.Dir(), "upper")
	if err := os.Mkdir(upper, 0o755); err != nil {
		return "", "", err
	}
	return upper, lower, layer.Difference(kept.Tree(), lower, upper)
}

// lineSafe is a name on one line: in quotes, as Go has them, if any of its bytes
// would not be read as it is.
func lineSafe(name string) string {
	if quoted := strconv.Quote(name); quoted != `"`+name+`"` {
		return quoted
	}
	return name
}

// commit makes what a kept snapshot wrote a layer of a new image.
func (t *tool) commit(args []string) error {
	if len(args) != 2 {
		return errors.New("commit takes the name of a kept snapshot and that of the new image")
	}
	ref, err := images.Normal(args[1])
	if err != nil {
		return err
	}
	kept, err := t.store.Keep(args[0], nil, "")
	if err != nil {
		return err
	}
	defer kept.Close()
	t.ids = kept.IDs
	t.unpack.Chown = t.ids == images.Range
	w, err := t.on(t.store.UseDigest(kept.Base))
	if err != nil {
		return err
	}
	defer w.close()
	image, a := w.image, w.a
	for _, key := range image.Keys(kept.IDs) {
		if _, err := a.Reserve(kept.IDs, key); err != nil {
			return err
		}
	}
	upper := kept.Upper()
	if kept.Tree() != "" {
		if upper, _, err = t.flattened(w, kept); err != nil {
			return err
		}
	}
	r, to := io.Pipe()
	defer r.Close()
	go func() {
		_, err := layer.Pack(upper, to, true)
		to.CloseWithError(err)
	}()
	l, err := t.unpackLayer(a, source{}, r)
	if err != nil {
		return err
	}
	if err := t.addUnpacked(a, l); err != nil {
		return err
	}
	config, err := t.committed(image, l.report)
	if err != nil {
		return err
	}
	manifest, err := manifestFor(config, append(image.Manifest.Layers[:len(image.Manifest.Layers):len(image.Manifest.Layers)],
		images.Descriptor{MediaType: typeLayer, Digest: l.report.DiffID, Size: l.report.Size}))
	if err != nil {
		return err
	}
	return t.commitRef(a, ref, manifest, config)
}

// committed is the configuration of the image with one layer more.
func (t *tool) committed(image *images.Image, report layer.Report) ([]byte, error) {
	text, err := t.store.Blob(image.Manifest.Config.Digest)
	if err != nil {
		return nil, err
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, err
	}
	now := time.Now().UTC()
	c := image.Config
	c.RootFS.DiffIDs = append(c.RootFS.DiffIDs[:len(c.RootFS.DiffIDs):len(c.RootFS.DiffIDs)], report.DiffID)
	c.History = append(c.History[:len(c.History):len(c.History)], images.History{Created: &now, CreatedBy: "snug image commit", Comment: message})
	for key, value := range map[string]any{"rootfs": c.RootFS, "history": c.History, "created": now} {
		if all[key], err = json.Marshal(value); err != nil {
			return nil, err
		}
	}
	return json.Marshal(all)
}
