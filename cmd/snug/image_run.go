package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/alecthomas/kong"

	"github.com/snug-sandbox/snug/images"
	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/mounts"
	"github.com/snug-sandbox/snug/spec"
)

const pullWords = "missing|always|never"

func (v *runVerb) pullOption() *kong.Flag {
	if !v.occurs("pull") {
		return nil
	}
	return option("pull", pullWords, "Get --image from its registry when it is not in the store (default), anew each time, or not at all.", func(value string) error {
		v.pull = value
		return wordOf(value, choices(pullWords)...)
	})
}

// provide has the image of a sandbox in the store, unpacked for its ids.
func (v *runVerb) provide(s *sandbox, std streams) error {
	ref := s.Spec.Rootfs.Image
	if ref == "" {
		return nil
	}
	if err := s.Spec.Validate(); err != nil {
		return s.blame(err)
	}
	store, err := images.Open("")
	if err != nil {
		return err
	}
	std.in, std.out = nil, std.err // the command's own are not touched
	quiet := imageVerb{args: []string{ref}, quiet: v.quiet}
	image, err := store.Use(ref)
	if v.pull == "always" || errors.Is(err, fs.ErrNotExist) && v.pull != "never" {
		pull := quiet
		pull.word = "pull"
		if err := failed(pull.fill(std), "image "+ref, "could not be pulled"); err != nil {
			return err
		}
		image, err = store.Use(ref)
	}
	if err != nil {
		return err
	}
	v.image = image
	ids := spec.ChooseIDs(s.Spec.Identity.Map, image)
	fits := image.Has(ids) || s.Spec.Identity.Map == "" && (image.Has(images.Range) || image.Has(images.Single))
	if fits && s.Spec.Rootfs.Name == "" {
		return nil // to be settled, it has time until the sandbox is built
	}
	if err := v.settled(std); err != nil || fits {
		return err
	}
	convert := quiet
	convert.word = "convert"
	return failed(convert.inSandbox(std, ids, nil), "image "+ref, "could not be unpacked for other ids")
}

// settled has an image checked whose layers may not be complete.
func (v *runVerb) settled(std streams) error {
	if v.image == nil || v.image.Settled() == nil {
		return nil
	}
	std.in, std.out = nil, std.err
	check := imageVerb{word: "verify", args: []string{v.image.Ref}, quiet: true}
	return failed(check.work(std), "image "+v.image.Ref, "is damaged")
}

// failed is the error of a helper that has told what happened itself.
func failed(err error, what, why string) error {
	var ended *endedError
	if errors.As(err, &ended) {
		if ended.code > 128 {
			why = "a signal came before it was there"
		}
		return &problem.Problem{What: what, Why: why, Err: err}
	}
	return err
}

// useImage looks up the image of a sandbox that is explained.
func (s *sandbox) useImage() (*spec.Image, error) {
	if s.Spec.Rootfs.Image == "" {
		return nil, nil
	}
	store, err := images.Open("")
	if err != nil {
		return nil, err
	}
	if r := &s.Spec.Rootfs; r.Driver == mounts.DriverCopy {
		r.Copy = filepath.Join(store.Dir(), "tmp", "COPY") // run makes it
		if _, err := store.Keep(r.Name, nil, ""); r.Name != "" && errors.Is(err, fs.ErrNotExist) {
			r.Copy, r.Name = filepath.Join(store.Dir(), "kept", r.Name, "tree"), ""
		}
	}
	var image *spec.Image
	s.Spec, image, err = s.Spec.UseImage(store, os.Environ())
	return image, err
}
