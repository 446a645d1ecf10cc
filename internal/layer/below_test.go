package layer

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Layers that name what is in those below: as hard links, and as directories that
// they have no entry of.
func TestUnpackOnLayersBelow(t *testing.T) {
	closed := dir("closed")
	closed.Mode = 0o700
	_, lower, _, err := unpackAll(t, stream(t, dir("d"), file("d/old", "lower"), file("d/same", "lower"), closed, file("closed/f", "x"), dir("o"), file("o/f", "hidden"), symlink("d/s", "old")), Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, upper, _, err := unpackAll(t, stream(t, file("d/same", "upper"), file("d/.wh.gone", ""), dir("o"), file("o/.wh..wh..opq", "")), Options{})
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Below: func() ([]string, error) { return []string{upper, lower}, nil }}
	for _, c := range []struct {
		name    string
		headers []*tar.Header
		want    []string // nil: it is refused
	}{
		{"a link to the lowest", []*tar.Header{link("n", "d/old")}, []string{"drwxr-xr-x d", "-rw-r--r-- d/old lower", "-rw-r--r-- n lower"}},
		{"a link to the upper of two", []*tar.Header{link("n", "./d/same")}, []string{"drwxr-xr-x d", "-rw-r--r-- d/same upper", "-rw-r--r-- n upper"}},
		{"a link to a link", []*tar.Header{link("n", "d/s")}, []string{"drwxr-xr-x d", "Lrwxrwxrwx d/s -> old", "Lrwxrwxrwx n -> old"}},
		{"a directory without an entry", []*tar.Header{file("closed/new", "y")}, []string{"drwx------ closed", "-rw-r--r-- closed/new y"}},
		{"a link to what is hidden", []*tar.Header{link("n", "o/f")}, nil},
		{"a link to what is removed", []*tar.Header{link("n", "d/gone")}, nil},
		{"a link to what the layer removes", []*tar.Header{file("d/.wh.old", ""), link("n", "d/old")}, nil},
		{"a link to a directory", []*tar.Header{link("n", "d")}, nil},
		{"a link up", []*tar.Header{link("n", "../d/old")}, nil},
	} {
		got, dir, recipe, err := unpackAll(t, stream(t, c.headers...), o)
		if c.want == nil {
			if err == nil {
				t.Errorf("%s: %q", c.name, got)
			}
			continue
		}
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, got\n%q, want\n%q", c.name, err, got, c.want)
		}
		var again bytes.Buffer
		if err := Assemble(bytes.NewReader(recipe), dir, &again); err != nil || !bytes.Equal(again.Bytes(), stream(t, c.headers...)) {
			t.Errorf("%s: assembled: %v", c.name, err)
		}
		if strings.HasPrefix(c.name, "a link") {
			one, two := info(t, dir, "n"), info(t, dir, c.headers[0].Linkname)
			if one.Ino != two.Ino {
				t.Errorf("%s: two files", c.name)
			}
		}
	}
	if text, _ := os.ReadFile(filepath.Join(lower, "d/old")); string(text) != "lower" {
		t.Error("a layer below was changed")
	}
}

func info(t *testing.T, dir, name string) (st unix.Stat_t) {
	t.Helper()
	if err := unix.Lstat(filepath.Join(dir, name), &st); err != nil {
		t.Fatal(err)
	}
	return st
}

// What was changed in a copy is what an overlay would have.
func TestDifference(t *testing.T) {
	_, first, _, err := unpackAll(t, stream(t, dir("a"), file("a/stays", "x"), file("a/gone", "x"), dir("b"), file("b/f", "x"), symlink("l", "a"), file("t", "x")), Options{})
	if err != nil {
		t.Fatal(err)
	}
	tree, base := room(t), room(t)
	for _, dir := range []string{tree, base} {
		if _, err := Flatten([]string{first}, dir); err != nil {
			t.Fatal(err)
		}
	}
	upper := filepath.Join(filepath.Dir(tree), "upper")
	for _, err := range []error{
		os.Mkdir(upper, 0o755), os.Remove(filepath.Join(tree, "a/gone")), os.WriteFile(filepath.Join(tree, "b/f"), []byte("new"), 0o644),
		os.Remove(filepath.Join(tree, "l")), os.Symlink("b", filepath.Join(tree, "l")), os.Remove(filepath.Join(tree, "t")), os.Mkdir(filepath.Join(tree, "t"), 0o700),
		os.WriteFile(filepath.Join(tree, "t/in"), []byte("in"), 0o600), os.Chmod(filepath.Join(tree, "a/stays"), 0o600),
		Difference(tree, base, upper),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	if err := Changes(upper, base, func(kind byte, name string) error {
		got = append(got, string(kind)+" "+name)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if want := []string{"C /a", "D /a/gone", "C /a/stays", "C /b", "C /b/f", "C /l", "C /t", "A /t/in"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if st := info(t, upper, "a"); st.Mode&0o7777 != 0o755 {
		t.Errorf("a directory that was not changed has the mode %o", st.Mode)
	}
}

// Where a sandbox only made places to mount on, nothing was changed.
func TestPlacesToMountOnAreNoChange(t *testing.T) {
	for _, c := range []struct {
		change string // one more, in /etc
		want   []string
	}{
		{"", nil}, {"new", []string{"C /etc", "A /etc/new"}}, {"mode", []string{"C /etc"}},
	} {
		lower, upper := room(t), filepath.Join(room(t), "upper")
		for _, dir := range []string{lower, upper} {
			if err := os.MkdirAll(filepath.Join(dir, "etc"), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range []string{"hosts", "resolv.conf", c.change} {
			if name == "mode" {
				os.Chmod(filepath.Join(upper, "etc"), 0o700)
			} else if name != "" {
				os.WriteFile(filepath.Join(upper, "etc", name), nil, 0o644)
			}
		}
		var got []string
		if err := Changes(upper, lower, func(kind byte, name string) error {
			got = append(got, string(kind)+" "+name)
			return nil
		}); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%q: got %q, %v, want %q", c.change, got, err, c.want)
		}
	}
}
