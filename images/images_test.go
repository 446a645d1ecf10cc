package images

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestNormal(t *testing.T) {
	const sum = "@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	for in, want := range map[string]string{
		"debian": "debian:latest", "debian:12": "debian:12", "a/b/c:x": "a/b/c:x", "localhost:5000/a": "localhost:5000/a:latest",
		"Host.example:5000/a:B": "Host.example:5000/a:B", "a" + sum: "a" + sum, "a:b" + sum: "a:b" + sum, "[::1]:5000/a": "[::1]:5000/a:latest", "a.b:1": "a.b:1",
	} {
		if got, err := Normal(in); got != want || err != nil {
			t.Errorf("%s: %q %v", in, got, err)
		}
	}
	for _, bad := range []string{"", ":", "a:", "A", "a//b", "/a", "a/", "../a", "a/../b", "a b", "a@b", "a@sha256:12", "-a", "a:-x", "a:" + strings.Repeat("x", 129), strings.Repeat("a", 300), "a\x00b", "a\nb", "a:b:c", "docker://a", "[::1]"} {
		if got, err := Normal(bad); err == nil {
			t.Errorf("%q is taken, as %q", bad, got)
		}
	}
}

func FuzzNormal(f *testing.F) {
	f.Add("localhost:5000/a/b:c@sha256:00")
	f.Fuzz(func(t *testing.T, ref string) {
		name, err := Normal(ref)
		if err != nil {
			return
		}
		if again, err := Normal(name); again != name || err != nil {
			t.Errorf("%q became %q, and that %q, %v", ref, name, again, err)
		}
		if path := (&Store{"/s"}).refPath(name); filepath.Dir(path) != "/s/refs" || filepath.Base(path)[0] == '.' {
			t.Errorf("%q is kept in %s", ref, path)
		}
	})
}

func newStore(t testing.TB) *Store {
	t.Helper()
	s, err := Open(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// addImage adds an image of layers that hold one file each, named by its word.
func addImage(t testing.TB, s *Store, ref string, words ...string) string {
	t.Helper()
	a, err := s.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	var c Config
	for _, word := range words {
		diffID := Digest([]byte(word))
		c.RootFS.DiffIDs = append(c.RootFS.DiffIDs, diffID)
		if there, err := a.Reserve(Single, diffID); err != nil || there {
			continue
		}
		dir, recipe, err := a.Room()
		if err == nil {
			err = errors.Join(os.WriteFile(filepath.Join(dir, word), nil, 0o600), os.WriteFile(recipe, nil, 0o600), a.Add(Single, diffID, dir, recipe, false))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	config, _ := json.Marshal(c)
	manifest, _ := json.Marshal(Manifest{Config: Descriptor{Digest: Digest(config)}})
	if err := a.Commit(ref, manifest, config); err != nil {
		t.Fatal(err)
	}
	return Digest(manifest)
}

func contents(t testing.TB, s *Store) string {
	t.Helper()
	var list []string
	filepath.WalkDir(s.dir, func(name string, d fs.DirEntry, err error) error {
		if rel, _ := filepath.Rel(s.dir, name); err == nil && strings.Count(rel, "/") >= 1 && rel != "layers/single" && rel != "layers/range" {
			list = append(list, rel)
		}
		return err
	})
	return strings.Join(list, " ")
}

func TestUse(t *testing.T) {
	s := newStore(t)
	if _, err := s.Use("a"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of a store that is not there: %v", err)
	}
	digest := addImage(t, s, "a:latest", "one", "two", "one")
	for _, ref := range []string{"a", "a:latest", digest, digest[7:19], "b@" + digest} {
		i, err := s.Use(ref)
		if err != nil {
			t.Errorf("%s: %v", ref, err)
			continue
		}
		layers, err := i.Layers(Single)
		if err != nil || len(layers) != 2 || !i.Has(Single) || i.Has(Range) {
			t.Errorf("%s: %v %v", ref, layers, err)
		}
		if _, err := os.Stat(filepath.Join(layers[0], "one")); err != nil {
			t.Errorf("the topmost comes first: %v", err)
		}
		i.Close()
	}
	for _, ref := range []string{"b", "a:1", "sha256:00", "012345", "../a", "sha256:../a"} {
		if _, err := s.Use(ref); err == nil {
			t.Errorf("%q is there", ref)
		}
	}
	if info, err := os.Stat(s.dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("others may enter the store: %v %v", info.Mode(), err)
	}
}

func TestNamesWithoutTheirRegistry(t *testing.T) {
	s := newStore(t)
	one := addImage(t, s, "one.example/library/debian:12", "one")
	for ref, want := range map[string]string{"debian:12": one, "library/debian:12": one, "debian": "", "two.example/debian:12": "", "n:12": ""} {
		if got, err := s.Find(ref); got != want {
			t.Errorf("%s: %q, %v", ref, got, err)
		}
	}
	addImage(t, s, "two.example:5000/debian:12", "two")
	if got, err := s.Find("debian:12"); err == nil || !strings.Contains(err.Error(), "several registries") {
		t.Errorf("%q, %v", got, err)
	}
	three := addImage(t, s, "debian:12", "three")
	if got, err := s.Find("debian:12"); got != three {
		t.Errorf("%q, %v", got, err)
	}
}

func TestWhatIsUsedStays(t *testing.T) {
	s := newStore(t)
	addImage(t, s, "a:1", "shared", "mine")
	addImage(t, s, "b:1", "shared", "other")
	image, err := s.Use("a:1")
	if err != nil {
		t.Fatal(err)
	}
	kept, err := s.Keep("name", image, Single)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Keep("name", image, Single); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("two sandboxes share an upper directory: %v", err)
	}
	if err := s.RemoveRef("a:1"); err != nil {
		t.Fatal(err)
	}
	if freed, err := s.Collect(); err != nil || freed != (Freed{}) {
		t.Errorf("removed %v, %v", freed, err)
	}
	image.Close()
	if freed, err := s.Collect(); err != nil || freed != (Freed{}) {
		t.Errorf("under a kept snapshot: removed %v, %v", freed, err)
	}
	kept.Close()
	if err := s.Forget("name"); err != nil {
		t.Fatal(err)
	}
	if freed, err := s.Collect(); err != nil || freed != (Freed{Images: 1, Layers: 1}) {
		t.Errorf("removed %v, %v", freed, err)
	}
	if err := s.RemoveRef("b:1"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Collect(); err != nil {
		t.Fatal(err)
	}
	if left := contents(t, s); left != "" {
		t.Errorf("left: %s", left)
	}
}

func TestWhatIsBeingAddedStays(t *testing.T) {
	s := newStore(t)
	addImage(t, s, "a:1", "shared")
	a, err := s.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if there, err := a.Reserve(Single, Digest([]byte("shared"))); !there || err != nil {
		t.Fatal(there, err)
	}
	if err := s.RemoveRef("a:1"); err != nil {
		t.Fatal(err)
	}
	if freed, err := s.Collect(); err != nil || freed.Layers != 0 {
		t.Errorf("removed %v, %v", freed, err)
	}
	// Who was killed has no locks any more.
	a.lock.Close()
	if freed, err := s.Collect(); err != nil || freed.Layers != 1 {
		t.Errorf("removed %v, %v", freed, err)
	}
	if left := contents(t, s); left != "" {
		t.Errorf("left: %s", left)
	}
}

func TestDamagedFilesAreErrors(t *testing.T) {
	s := newStore(t)
	digest := addImage(t, s, "a:1", "x")
	if err := os.WriteFile(s.blobPath(digest), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Use("a:1"); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Error(err)
	}
	if err := os.WriteFile(s.refPath("a:1"), []byte("sha256:../../x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Use("a:1"); err == nil {
		t.Error("a name that leads out of the store is followed")
	}
}

func TestCheckName(t *testing.T) {
	for name, ok := range map[string]bool{"a": true, "a.b-c_1": true, "": false, ".": false, "..": false, "a/b": false, "-a": false, "a b": false, "a\n": false} {
		if err := CheckName(name); (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// A layer that was added before the machine lost power is used again when
// somebody has looked at it.
func TestALayerOfAnotherBoot(t *testing.T) {
	s := newStore(t)
	addImage(t, s, "a:1", "one", "two")
	diffID := Digest([]byte("two"))
	id, _ := layerID(diffID)
	settled := func() error {
		i, err := s.Use("a:1")
		if err != nil {
			t.Fatal(err)
		}
		defer i.Close()
		return i.Settled()
	}
	if err := settled(); err != nil {
		t.Error("in this boot:", err)
	}
	if err := s.Checked(diffID); err != nil {
		t.Error(err)
	}
	if _, fresh := s.freshIn(id); !fresh {
		t.Error("what was read in this boot may not be on the disk yet")
	}
	for _, boot := range []string{"another", ""} {
		if err := os.WriteFile(s.path("fresh", id), []byte(boot), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := settled(); !errors.Is(err, ErrUnchecked) {
			t.Errorf("boot %q: %v", boot, err)
		}
		if err := s.Checked(diffID); err != nil {
			t.Error(err)
		}
		if err := settled(); err != nil {
			t.Errorf("after it was checked: %v", err)
		}
	}
}

func TestLayersSettle(t *testing.T) {
	s := newStore(t)
	addImage(t, s, "a:1", "one", "two")
	id, _ := layerID(Digest([]byte("one")))
	old := time.Now().Add(-2 * settleAfter)
	if err := os.Chtimes(s.path("fresh", id), old, old); err != nil {
		t.Fatal(err)
	}
	s.settle()
	if left, _ := os.ReadDir(s.path("fresh")); len(left) != 1 || left[0].Name() == id {
		t.Error(left)
	}
	if err := s.RemoveRef("a:1"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Collect(); err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(s.path("fresh")); len(left) != 0 {
		t.Error("left when its layer is gone:", left)
	}
}
