package layer

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// at is the time that entries of these tests have.
var at = time.Unix(1700000000, 0)

// stream makes a tar stream of headers; the content of a file is its Linkname.
func stream(t testing.TB, headers ...*tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		h := *h
		content := ""
		if h.Typeflag == tar.TypeReg {
			content, h.Linkname = h.Linkname, ""
			h.Size = int64(len(content))
		}
		if h.ModTime.IsZero() {
			h.ModTime = at
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func file(name, content string) *tar.Header {
	return &tar.Header{Typeflag: tar.TypeReg, Name: name, Linkname: content, Mode: 0o644}
}

func dir(name string) *tar.Header {
	return &tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: 0o755}
}

func symlink(name, to string) *tar.Header {
	return &tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: to, Mode: 0o777}
}

func link(name, to string) *tar.Header {
	return &tar.Header{Typeflag: tar.TypeLink, Name: name, Linkname: to, Mode: 0o644}
}

// room is a directory to unpack into, inside of one where nothing may change.
func room(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "layer")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// unpackAll unpacks and returns what is there: a line for each file.
func unpackAll(t testing.TB, data []byte, o Options) (lines []string, dir string, recipe []byte, err error) {
	t.Helper()
	dir = room(t)
	t.Cleanup(func() { // who is not root cannot remove what is in a closed directory
		filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				return os.Chmod(name, 0o700)
			}
			return nil
		})
	})
	var b bytes.Buffer
	_, err = Unpack(bytes.NewReader(data), dir, &b, o)
	return tree(t, dir), dir, b.Bytes(), err
}

// tree lists a directory: "type mode name content".
func tree(t testing.TB, dir string) (lines []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		if err != nil || name == dir {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, name)
		line := info.Mode().String() + " " + rel
		switch {
		case info.Mode()&os.ModeSymlink != 0:
			to, _ := os.Readlink(name)
			line += " -> " + to
		case info.Mode().IsRegular():
			text, _ := os.ReadFile(name)
			line += " " + string(text)
		case info.IsDir():
			if _, err := unix.Getxattr(name, opaqueAttr, nil); err == nil {
				line += " opaque"
			}
		}
		lines = append(lines, line)
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	return lines
}

func TestUnpack(t *testing.T) {
	long := strings.Repeat("d/", 140) + strings.Repeat("n", 200)
	for _, c := range []struct {
		name    string
		headers []*tar.Header
		want    []string
	}{
		{"plain", []*tar.Header{dir("a"), file("a/b", "text"), symlink("l", "/etc/passwd")}, []string{"drwxr-xr-x a", "-rw-r--r-- a/b text", "Lrwxrwxrwx l -> /etc/passwd"}},
		{"dots", []*tar.Header{dir("./."), file("./a//./b", "x")}, []string{"drwxr-xr-x a", "-rw-r--r-- a/b x"}},
		{"missing parents", []*tar.Header{file("a/b/c", "x")}, []string{"drwxr-xr-x a", "drwxr-xr-x a/b", "-rw-r--r-- a/b/c x"}},
		{"modes", []*tar.Header{
			{Typeflag: tar.TypeReg, Name: "su", Mode: 0o4755}, {Typeflag: tar.TypeDir, Name: "t", Mode: 0o1777},
			{Typeflag: tar.TypeDir, Name: "closed", Mode: 0o500}, file("closed/x", "in"), {Typeflag: tar.TypeReg, Name: "none", Mode: 0},
		}, []string{"dr-x------ closed", "-rw-r--r-- closed/x in", "---------- none ", "urwxr-xr-x su ", "dtrwxrwxrwx t"}},
		{"hard link", []*tar.Header{file("a", "x"), link("d/b", "./a")}, []string{"-rw-r--r-- a x", "drwxr-xr-x d", "-rw-r--r-- d/b x"}},
		{"hard link to itself", []*tar.Header{file("a", "x"), link("a", "a")}, []string{"-rw-r--r-- a x"}},
		{"hard link to a symbolic link", []*tar.Header{symlink("a", "/etc/shadow"), link("b", "a")}, []string{"Lrwxrwxrwx a -> /etc/shadow", "Lrwxrwxrwx b -> /etc/shadow"}},
		{"the last of several counts", []*tar.Header{file("a", "1"), file("a", "2"), dir("d"), file("d/x", "x"), file("d", "now a file"), file("f", "x"), dir("f"), symlink("s", "x"), dir("s")},
			[]string{"-rw-r--r-- a 2", "-rw-r--r-- d now a file", "drwxr-xr-x f", "drwxr-xr-x s"}},
		{"whiteouts", []*tar.Header{file(".wh.gone", ""), file("d/.wh.x", ""), dir("o"), file("o/.wh..wh..opq", ""), file(".wh..wh.plnk", "")},
			[]string{"drwxr-xr-x d", "Dcrw-rw---- d/x", "Dcrw-rw---- gone", "drwxr-xr-x o opaque"}},
		{"removed and made again", []*tar.Header{file(".wh.d", ""), dir("d"), file(".wh.f", ""), file("f", "new"), file(".wh.i", ""), file("i/j", ""), dir("k"), file(".wh.k", ""), file("g", "stays"), file(".wh.g", "")},
			[]string{"drwxr-xr-x d opaque", "-rw-r--r-- f new", "-rw-r--r-- g stays", "drwxr-xr-x i opaque", "-rw-r--r-- i/j ", "drwxr-xr-x k opaque"}},
		{"through a link that stays inside", []*tar.Header{dir("usr/bin"), symlink("bin", "usr/bin"), file("bin/sh", "x")}, []string{"Lrwxrwxrwx bin -> usr/bin", "drwxr-xr-x usr", "drwxr-xr-x usr/bin", "-rw-r--r-- usr/bin/sh x"}},
		{"names of any bytes", []*tar.Header{file("a\nb", "x"), file("\xff\xfe", "y"), file("-rf *", "z")}, []string{"-rw-r--r-- -rf * z", "-rw-r--r-- a\nb x", "-rw-r--r-- \xff\xfe y"}},
		{"a fifo; no devices", []*tar.Header{{Typeflag: tar.TypeFifo, Name: "p", Mode: 0o640}, {Typeflag: tar.TypeChar, Name: "null", Devmajor: 1, Devminor: 3}, {Typeflag: tar.TypeChar, Name: "forged"}},
			[]string{"prw-r----- p"}},
		{"a long path", []*tar.Header{file(long, "x")}, nil},
	} {
		got, dir, recipe, err := unpackAll(t, stream(t, c.headers...), Options{})
		for i, line := range got {
			got[i] = strings.Replace(line, "Dcrw-------", "Dcrw-rw----", 1) // as the umask is
			got[i] = strings.Replace(got[i], "Dc---------", "Dcrw-rw----", 1)
		}
		if err != nil || c.want != nil && !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, got\n%q, want\n%q", c.name, err, got, c.want)
		}
		if c.want == nil {
			if text, err := os.ReadFile(filepath.Join(dir, long)); string(text) != "x" {
				t.Errorf("%s: %v", c.name, err)
			}
		}
		var again bytes.Buffer
		if err := Assemble(bytes.NewReader(recipe), dir, &again); err != nil && !errors.Is(err, ErrLossy) && !strings.Contains(err.Error(), "permission denied") {
			t.Errorf("%s: assembled: %v", c.name, err)
		} else if err == nil && !bytes.Equal(again.Bytes(), stream(t, c.headers...)) {
			t.Errorf("%s: the stream that was assembled differs", c.name)
		}
	}
}

func TestUnpackRefuses(t *testing.T) {
	outside := t.TempDir()
	good := stream(t, file("a", strings.Repeat("x", 5000)))
	huge := stream(t, file("a", ""))
	copy(huge[124:136], "77777777777\x00")
	sum := func(b []byte) {
		copy(b[148:156], "        ")
		n := 0
		for _, c := range b[:512] {
			n += int(c)
		}
		copy(b[148:156], []byte{byte('0' + n>>15&7), byte('0' + n>>12&7), byte('0' + n>>9&7), byte('0' + n>>6&7), byte('0' + n>>3&7), byte('0' + n&7), 0, ' '})
	}
	sum(huge)
	for _, c := range []struct {
		name, want string
		data       []byte
		o          Options
	}{
		{"up", "leads out of the image with", stream(t, file("../evil", "x")), Options{}},
		{"up in the middle", "leads out of the image with", stream(t, file("a/../../evil", "x")), Options{}},
		{"absolute", "its name is absolute", stream(t, file("/evil", "x")), Options{}},
		{"absolute, through a link", "its name is absolute", stream(t, file(outside+"/evil", "x")), Options{}},
		{"through an absolute link", "leads out of the image", stream(t, symlink("l", outside), file("l/evil", "x")), Options{}},
		{"through a link upwards", "leads out of the image", stream(t, symlink("l", ".."), file("l/evil", "x")), Options{}},
		{"through two links", "leads out of the image", stream(t, dir("d"), symlink("d/l", "../.."), symlink("m", "d/l"), file("m/evil", "x")), Options{}},
		{"through a loop", "leads out of the image", stream(t, symlink("l", "l"), file("l/evil", "x")), Options{}},
		{"a hard link upwards", "leads out of the image with", stream(t, link("h", "../evil")), Options{}},
		{"an absolute hard link", "its name is absolute", stream(t, link("h", "/etc/passwd")), Options{}},
		{"a hard link through a link", "leads out of the image", stream(t, symlink("l", "/etc"), link("h", "l/passwd")), Options{}},
		{"a hard link to nothing", "is not a file of the image", stream(t, link("h", "nothing")), Options{}},
		{"a hard link to a directory", "is not a file of the image", stream(t, dir("d"), link("h", "d")), Options{}},
		{"a file as a directory", "is not a directory", stream(t, file("f", ""), file("f/x", "")), Options{}},
		{"a root that is a file", "the root can only be a directory", stream(t, symlink("./", "/etc")), Options{}},
		{"a whiteout of nothing", "removes nothing that has a name", stream(t, file(".wh.", "")), Options{}},
		{"a whiteout of what is above", "removes nothing that has a name", stream(t, file("d/.wh...", "")), Options{}},
		{"a component too long", "longer than this file system takes", stream(t, file(strings.Repeat("n", 300), "")), Options{}},
		{"cut off in a file", "ends", good[:1024], Options{}},
		{"cut off between entries", "the stream ends too early", good[:512+5120], Options{Trailer: true}},
		{"nothing", "the stream is empty", nil, Options{Trailer: true}},
		{"no tar", "cannot be read", bytes.Repeat([]byte("x"), 2000), Options{}},
		{"a size that is a lie", "all files together may have 100000", huge, Options{Limits: Limits{Bytes: 100000}}},
		{"too much", "it unpacks to more than 3000 bytes", good, Options{Limits: Limits{Bytes: 3000}}},
		{"too many", "more than 2 entries", stream(t, file("a", ""), file("b", ""), file("c", "")), Options{Limits: Limits{Files: 2}}},
	} {
		_, dir, _, err := unpackAll(t, c.data, c.o)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
		if around, _ := os.ReadDir(filepath.Dir(dir)); len(around) != 1 {
			t.Errorf("%s: something was made outside: %v", c.name, around)
		}
	}
	if left, _ := os.ReadDir(outside); len(left) > 0 {
		t.Errorf("made outside: %v", left)
	}
}

func TestUnpackTakesAbsoluteNamesWhenAsked(t *testing.T) {
	got, _, _, err := unpackAll(t, stream(t, file("/etc/x", "x"), link("/y", "/etc/x")), Options{Absolute: true})
	if err != nil || len(got) != 3 {
		t.Errorf("%v %q", err, got)
	}
}

// What steers overlayfs comes from whiteouts alone: "redirect" would show any
// directory of the lower layers, "metacopy" the data of any file.
func TestAttributesThatSteerOverlayfsAreNotTaken(t *testing.T) {
	h := dir("d")
	h.PAXRecords = map[string]string{}
	for _, name := range []string{"user.overlay.redirect", "user.overlay.opaque", "trusted.overlay.opaque", "user.overlay.metacopy", ownerAttr} {
		h.PAXRecords[paxXattr+name] = "/etc"
	}
	h.PAXRecords[paxXattr+"user.mine"] = "value"
	_, dir, _, err := unpackAll(t, stream(t, h), Options{})
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Open(filepath.Join(dir, "d"), unix.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	attrs, err := getAttrs(fd)
	if err == nil && len(attrs) == 0 {
		t.Skip("needs a file system with user attributes for ", dir)
	}
	if len(attrs) != 1 || attrs["user.mine"] != "value" {
		t.Errorf("%v %v", attrs, err)
	}
}

func TestOwnersAreKeptInAnAttribute(t *testing.T) {
	h := file("f", "x")
	h.Uid, h.Gid, h.Mode = 1234567, 12, 0o400
	_, dir, _, err := unpackAll(t, stream(t, h), Options{})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := Pack(dir, &b, false); err != nil {
		t.Fatal(err)
	}
	tr := tar.NewReader(&b)
	tr.Next()
	got, err := tr.Next()
	if err != nil || got.Uid != 1234567 || got.Gid != 12 || got.Mode != 0o400 || got.ModTime.Unix() != at.Unix() {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestOwnerEncoding(t *testing.T) {
	for _, ids := range [][2]int{{0, 0}, {1, 0}, {0, 300}, {4294967294, 65534}} {
		uid, gid := decodeOwner(encodeOwner(ids[0], ids[1]))
		if uid != ids[0] || gid != ids[1] {
			t.Errorf("%v became %d %d", ids, uid, gid)
		}
	}
	decodeOwner([]byte{0xff, 0xff, 0xff})
}

func TestSparseFiles(t *testing.T) {
	content := strings.Repeat("\x00", 1<<20) + "end"
	_, dir, recipe, err := unpackAll(t, stream(t, file("s", content), file("z", content[:1<<20]), file("e", "")), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for name, size := range map[string]int64{"s": 1<<20 + 3, "z": 1 << 20, "e": 0} {
		var st unix.Stat_t
		if err := unix.Stat(filepath.Join(dir, name), &st); err != nil || st.Size != size || st.Blocks > 16 {
			t.Errorf("%s: %v, %d bytes in %d blocks", name, err, st.Size, st.Blocks)
		}
	}
	var again bytes.Buffer
	if err := Assemble(bytes.NewReader(recipe), dir, &again); err != nil || !bytes.Contains(again.Bytes(), []byte("end")) {
		t.Error(err)
	}
}

func TestPackRoundTrip(t *testing.T) {
	headers := []*tar.Header{dir("."), file(".wh.gone", ""), dir("a"), file("a/.wh..wh..opq", ""), file("a/f", "text"), link("a/g", "a/f"), symlink("l", "a"), file("\xff", "x")}
	lines, dir, _, err := unpackAll(t, stream(t, headers...), Options{})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := Pack(dir, &b, true); err != nil {
		t.Fatal(err)
	}
	again, _, _, err := unpackAll(t, b.Bytes(), Options{Trailer: true})
	if err != nil || !slices.Equal(lines, again) {
		t.Errorf("%v\n%q became\n%q", err, lines, again)
	}
}

func TestPackRefusesNamesThatMeanRemoval(t *testing.T) {
	dir := room(t)
	if err := os.WriteFile(filepath.Join(dir, ".wh.x"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Pack(dir, io.Discard, false); err == nil || !strings.Contains(err.Error(), ".wh.x") {
		t.Error(err)
	}
}

func FuzzUnpack(f *testing.F) {
	f.Add(stream(f, dir("a"), file("a/b", "x"), link("c", "a/b"), symlink("d", "../.."), file("d/e", "x")))
	f.Add(stream(f, file(".wh.a", ""), file("a/b", "x"), file("a/.wh..wh..opq", ""), file("a", "y")))
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := room(t)
		var recipe, again bytes.Buffer
		_, err := Unpack(bytes.NewReader(data), dir, &recipe, Options{Limits: Limits{Bytes: 1 << 20, Files: 100}})
		if around, _ := os.ReadDir(filepath.Dir(dir)); len(around) != 1 {
			t.Fatalf("something was made outside: %v", around)
		}
		if err != nil {
			return
		}
		err = Assemble(bytes.NewReader(recipe.Bytes()), dir, &again)
		if err == nil && !bytes.Equal(again.Bytes(), data) {
			t.Fatal("the stream that was assembled differs")
		}
		if err != nil && !errors.Is(err, ErrLossy) && !errors.Is(err, os.ErrPermission) {
			t.Fatal(err)
		}
	})
}
