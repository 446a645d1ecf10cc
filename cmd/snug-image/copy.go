package main

import (
	"errors"
	"path/filepath"
	"strings"

	"github.com/snug-sandbox/snug/images"
	"github.com/snug-sandbox/snug/internal/layer"
)

// copyImage copies an image's files for one sandbox: into a directory of the store
// that the caller holds, or to begin what is kept under a name.
func (t *tool) copyImage(args []string) error {
	image, err := t.one(args)
	if err != nil {
		return err
	}
	defer image.Close()
	if keepName != "" {
		return t.store.KeepCopy(keepName, image, t.ids, func(dir string) error { return t.flatten(image, t.ids, dir) })
	}
	if err := t.ours(into); err != nil {
		return err
	}
	return t.flatten(image, t.ids, into)
}

// drop removes what copyImage made.
func (t *tool) drop(args []string) error {
	if len(args) != 1 {
		return errors.New("drop takes one directory")
	}
	if err := t.ours(args[0]); err != nil {
		return err
	}
	return images.RemoveTree(args[0])
}

// ours reports whether a directory is one of those that are made in the store for
// a while.
func (t *tool) ours(dir string) error {
	if rel, err := filepath.Rel(filepath.Join(t.store.Dir(), "tmp"), dir); err != nil || !filepath.IsLocal(rel) || !strings.Contains(rel, "/") {
		return errors.New(dir + " is not a directory in " + t.store.Dir() + "/tmp")
	}
	return nil
}

// flatten puts the files of an image into an empty directory.
func (t *tool) flatten(image *images.Image, ids images.IDs, dir string) error {
	layers, err := image.Layers(ids)
	if err != nil {
		return err
	}
	shared, err := layer.Flatten(layers, dir)
	if err != nil {
		return err
	}
	if shared {
		t.note("the copy shares its blocks with the image")
	}
	return nil
}
