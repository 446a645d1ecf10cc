package main

import (
	"errors"
	"fmt"

	"github.com/snug-sandbox/snug/images"
	"github.com/snug-sandbox/snug/internal/layer"
	"github.com/snug-sandbox/snug/internal/problem"
)

// verify puts every layer's stream together again and compares its digest, and
// those of manifests and configurations.
func (t *tool) verify(args []string) error {
	refs, err := t.store.Refs()
	if err != nil {
		return err
	}
	for _, name := range args {
		if _, err := t.store.Find(name); err != nil {
			return err
		}
	}
	done := map[string]error{}
	bad := 0
	for _, r := range refs {
		if len(args) > 0 && !t.among(args, r) {
			continue
		}
		if err := t.verifyImage(r.Digest, done); err != nil {
			bad++
			fmt.Fprintf(t.out, "%s: %s\n", problem.Printable(r.Name), problem.Printable(err.Error()))
			continue
		}
		if !t.quiet {
			fmt.Fprintf(t.out, "%s: well\n", problem.Printable(r.Name))
		}
	}
	if bad > 0 {
		return errFound
	}
	return nil
}

func (t *tool) among(args []string, r images.Ref) bool {
	for _, name := range args {
		if digest, err := t.store.Find(name); err == nil && digest == r.Digest {
			return true
		}
	}
	return false
}

func (t *tool) verifyImage(digest string, done map[string]error) error {
	image, err := t.store.Use(digest)
	if err != nil {
		return err
	}
	defer image.Close()
	found := false
	for _, ids := range []images.IDs{images.Single, images.Range} {
		if !image.Has(ids) {
			continue
		}
		found = true
		for i, key := range image.Keys(ids) {
			of := string(ids) + key
			if _, known := done[of]; !known {
				done[of] = t.verifyLayer(ids, key, image.Config.RootFS.DiffIDs[i])
			}
			if done[of] != nil {
				return done[of]
			}
		}
	}
	if !found {
		return errors.New("layers are missing: get the image again")
	}
	return nil
}

func (t *tool) verifyLayer(ids images.IDs, key, diffID string) error {
	f, dir, err := t.openRecipe(ids, key)
	if err != nil {
		return err
	}
	defer f.Close()
	err = layer.Verify(f, dir, diffID, ids == images.Range)
	if errors.Is(err, layer.ErrLossy) {
		t.note("layer " + short(diffID) + " cannot be checked: " + err.Error())
		return nil
	}
	if err != nil {
		return fmt.Errorf("layer %s is damaged, get the image again: %w", short(diffID), errors.Join(err, t.store.Damaged(key)))
	}
	return t.store.Checked(key)
}
