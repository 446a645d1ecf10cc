package main

import (
	"archive/tar"
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"github.com/snug-sandbox/snug/images"
	"github.com/snug-sandbox/snug/internal/kerneltest"
)

// asProgram has the test binary be the program itself.
const asProgram = "SNUG_IMAGE_TEST_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		os.Exit(0)
	}
	kerneltest.Main(m)
}

// program runs the verb as the program does, and returns what it wrote.
func program(t testing.TB, store string, args ...string) (string, error) {
	t.Helper()
	cmd := programCmd(t, store, args...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func programCmd(t testing.TB, store string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, append([]string{args[0], "--store=" + store}, args[1:]...)...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	return cmd
}

func must(t testing.TB, store string, args ...string) string {
	t.Helper()
	out, err := program(t, store, args...)
	if err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
	return out
}

// rootfs makes a tar of a few files.
func rootfs(t testing.TB, more ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	add := func(h *tar.Header, content string) {
		h.Size, h.ModTime = int64(len(content)), time.Unix(1700000000, 0)
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, content)
	}
	add(&tar.Header{Typeflag: tar.TypeDir, Name: "./", Mode: 0o755}, "")
	add(&tar.Header{Typeflag: tar.TypeDir, Name: "etc/", Mode: 0o755}, "")
	add(&tar.Header{Typeflag: tar.TypeReg, Name: "etc/passwd", Mode: 0o644, Uid: 7}, "root:x:0:0::/root:/bin/sh\n")
	add(&tar.Header{Typeflag: tar.TypeSymlink, Name: "bin", Linkname: "usr/bin", Mode: 0o777}, "")
	for _, name := range more {
		add(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o600}, strings.Repeat(name, 100))
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// rootfsOf makes a tar of one file.
func rootfsOf(t testing.TB, name string, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o600, Size: int64(len(content))}); err != nil {
		t.Fatal(err)
	}
	w.Write(content)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func write(t testing.TB, name string, text []byte) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, text, 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

func compressed(t testing.TB, data []byte, how string) []byte {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser = nopCloser{&b}
	var err error
	switch how {
	case ".gz":
		w = gzip.NewWriter(&b)
	case ".zst":
		w, err = zstd.NewWriter(&b)
	case ".xz":
		w, err = xz.NewWriter(&b)
	}
	if err != nil {
		t.Fatal(err)
	}
	w.Write(data)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestImportRootfs(t *testing.T) {
	dir := t.TempDir()
	store := filepath.Join(dir, "store")
	data := rootfs(t, "a", "b")
	for _, how := range []string{"", ".gz", ".zst", ".xz"} {
		name := write(t, filepath.Join(dir, "Some File.tar"+how), compressed(t, data, how))
		if out := must(t, store, "import", name); !strings.HasPrefix(out, "some-file:latest sha256:") {
			t.Errorf("%q: %s", how, out)
		}
		cmd := programCmd(t, store, "import", "--tag=stdin", "-")
		cmd.Stdin, _ = os.Open(name)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%q: %v %s", how, err, out)
		}
	}
	s, _ := images.Open(store)
	i, err := s.Use("stdin")
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close()
	layers, _ := i.Layers(images.Single)
	if text, err := os.ReadFile(filepath.Join(layers[0], "etc/passwd")); err != nil || !strings.HasPrefix(string(text), "root:") {
		t.Errorf("%q %v", text, err)
	}
	if out := must(t, store, "verify"); out != "some-file:latest: well\nstdin:latest: well\n" {
		t.Error(out)
	}
}

func TestImportRefuses(t *testing.T) {
	dir := t.TempDir()
	data := rootfs(t, strings.Repeat("n", 50))
	bomb := compressed(t, make([]byte, 50<<20), ".gz")
	for name, c := range map[string]struct {
		data []byte
		args []string
		want string
	}{
		"nothing":            {nil, nil, "the stream is empty"},
		"text":               {[]byte(strings.Repeat("text\n", 500)), nil, "cannot be read"},
		"cut off":            {data[:len(data)-1024], nil, "ends too early"},
		"cut off compressed": {compressed(t, data, ".gz")[:200], nil, "end"},
		"a bad name":         {data, []string{"--tag=A B"}, "cannot be a part of a name"},
		"no name":            {data, []string{"--tag="}, "cannot be a part of a name"},
		"a bomb":             {bomb, []string{"--max-size=1000000"}, "more than 1000000 bytes"},
		"too many":           {data, []string{"--max-files=2"}, "more than 2 entries"},
		"no archive":         {data, []string{"--format=oci"}, "has neither an index.json"},
	} {
		store := filepath.Join(dir, "store-"+strings.ReplaceAll(name, " ", "-"))
		file := write(t, filepath.Join(dir, "f.tar"), c.data)
		out, err := program(t, store, append(append([]string{"import"}, c.args...), file)...)
		if c.want != "" && (err == nil || !strings.Contains(out, c.want)) {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
		if c.want != "" && must(t, store, "list", "--json") != "[]\n" {
			t.Errorf("%s: something is in the store", name)
		}
		if left, _ := os.ReadDir(filepath.Join(store, "tmp")); len(left) > 0 {
			t.Errorf("%s: left behind: %v", name, left)
		}
	}
}

// A process that is killed at any moment leaves no image that is not whole, and
// nothing that the next one cannot cope with.
// The quit key ends it without a trace of Go's.
func TestQuit(t *testing.T) {
	store := filepath.Join(t.TempDir(), "store")
	cmd := programCmd(t, store, "import", "--tag=x", "-")
	var said strings.Builder
	cmd.Stderr = &said
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for left := []string(nil); left == nil; left, _ = filepath.Glob(store + "/tmp/*") {
		if _, err := in.Write(make([]byte, 1)); err != nil {
			t.Fatal(err, said.String())
		}
	}
	cmd.Process.Signal(syscall.SIGQUIT)
	cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 128+int(syscall.SIGQUIT) || said.Len() > 0 {
		t.Errorf("exit code %d, %s", code, said.String())
	}
}

func TestKilledAtRandomPoints(t *testing.T) {
	var names []string
	for i := range 150 {
		names = append(names, fmt.Sprintf("d%d/file%d", i%7, i))
	}
	for verb, c := range map[string]struct {
		times   int
		prepare func(t *testing.T, dir, store string) []string
	}{
		"import": {200, func(t *testing.T, dir, store string) []string {
			return []string{"import", "--tag=whole", write(t, dir+"/f.tar", rootfs(t, names...))}
		}},
		"pull": {100, func(t *testing.T, dir, store string) []string {
			host := serve(t, nil)
			push(t, host+"/tool", imageOf(t, "amd64", layerOf(t, names[:50]...), layerOf(t, names[50:100]...), layerOf(t, names[100:]...)))
			return []string{"pull", "--platform=linux/amd64", "--tag=whole", host + "/tool"}
		}},
		"commit": {40, func(t *testing.T, dir, store string) []string {
			must(t, store, "import", "--tag=base", write(t, dir+"/f.tar", rootfs(t, "a")))
			must(t, store, "copy", "--keep=box", "base")
			for _, name := range names {
				write(t, filepath.Join(store, "kept/box/tree", name), []byte(name))
			}
			return []string{"commit", "box", "whole"}
		}},
	} {
		t.Run(verb, func(t *testing.T) {
			dir := t.TempDir()
			store := filepath.Join(dir, "store")
			killAtRandom(t, store, c.times, c.prepare(t, dir, store))
		})
	}
}

// killAtRandom kills what adds the image whole.
func killAtRandom(t *testing.T, store string, times int, args []string) {
	begun := time.Now()
	must(t, store, args...)
	whole := time.Since(begun)
	complete := 0
	if testing.Short() {
		times /= 10
	}
	s, _ := images.Open(store)
	check := &tool{store: s, out: os.Stderr, err: os.Stderr, quiet: true}
	present := func() bool { _, err := s.Find("whole:latest"); return err == nil }
	for i := range times {
		if present() && s.RemoveRef("whole:latest") != nil {
			t.Fatal("its name cannot be removed")
		}
		if i%2 == 0 { // else layers may be there, without a name
			if _, err := s.Collect(); err != nil {
				t.Fatal(err)
			}
		}
		cmd := programCmd(t, store, args...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(time.Duration(rand.Int64N(int64(whole))), func() { cmd.Process.Kill() })
		cmd.Wait()
		timer.Stop()
		if present() {
			complete++
		}
		if err := check.verify(nil); err != nil {
			t.Fatalf("after %d kills: %v", i+1, err)
		}
	}
	must(t, store, args...)
	must(t, store, "verify")
	t.Logf("%d of %d were quicker than the kill", complete, times)
	refs, _ := s.Refs()
	for _, r := range refs {
		must(t, store, "remove", r.Name)
	}
	if kept, _ := s.Kept(); len(kept) > 0 {
		must(t, store, "remove", "--kept", kept[0].Name)
	}
	for _, kind := range []string{"tmp", "blobs", "layers/single", "recipes", "refs", "fresh"} {
		if left, _ := os.ReadDir(filepath.Join(store, kind)); len(left) > 0 {
			t.Errorf("left in %s: %v", kind, left)
		}
	}
}

func TestManyAtOnce(t *testing.T) {
	dir := t.TempDir()
	store := filepath.Join(dir, "store")
	file := write(t, filepath.Join(dir, "f.tar"), rootfs(t, "a", "b", "c"))
	var running []*exec.Cmd
	for i := range 12 {
		cmd := programCmd(t, store, "import", fmt.Sprintf("--tag=i%d", i), file)
		if i%4 == 3 {
			cmd = programCmd(t, store, "prune")
		}
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		running = append(running, cmd)
	}
	for _, cmd := range running {
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v: %v", cmd.Args[1:], err)
		}
	}
	if out := must(t, store, "verify"); strings.Count(out, ": well\n") != 9 {
		t.Error(out)
	}
}

func TestVerifyFindsDamage(t *testing.T) {
	for name, damage := range map[string]func(layer string) error{
		"content": func(l string) error {
			return os.WriteFile(l+"/etc/passwd", []byte("root:x:0:0::/root:/bin/xx\n"), 0o644)
		},
		"mode":         func(l string) error { return os.Chmod(l+"/a", 0o777) },
		"link":         func(l string) error { return errors.Join(os.Remove(l+"/bin"), os.Symlink("/tmp", l+"/bin")) },
		"missing":      func(l string) error { return os.Remove(l + "/a") },
		"another type": func(l string) error { return errors.Join(os.Remove(l+"/a"), os.Mkdir(l+"/a", 0o700)) },
	} {
		dir := t.TempDir()
		store := filepath.Join(dir, "store")
		must(t, store, "import", "--tag=x", write(t, filepath.Join(dir, "f.tar"), rootfs(t, "a")))
		s, _ := images.Open(store)
		i, err := s.Use("x")
		if err != nil {
			t.Fatal(err)
		}
		layers, _ := i.Layers(images.Single)
		if err := damage(layers[0]); err != nil {
			t.Fatal(err)
		}
		i.Close()
		out, err := program(t, store, "verify")
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(out, "is damaged") {
			t.Errorf("%s: %v %s", name, err, out)
		}
		// It is not used, and mended by what has it.
		if out, err := program(t, store, "verify"); err == nil {
			t.Errorf("%s: %s", name, out)
		}
		must(t, store, "import", "--tag=x", dir+"/f.tar")
		if out, err := program(t, store, "verify"); err != nil {
			t.Errorf("%s: not mended: %s", name, out)
		}
	}
}

// Export and import again give the same layers and settings.
func TestExportRoundTrip(t *testing.T) {
	dir := t.TempDir()
	one, two := filepath.Join(dir, "one"), filepath.Join(dir, "two")
	must(t, one, "import", "--tag=x:1", write(t, filepath.Join(dir, "f.tar"), rootfs(t, "a", "b")))
	for _, how := range []string{"none", "gzip", "zstd"} {
		layout := filepath.Join(dir, "layout-"+how)
		os.Mkdir(layout, 0o755)
		must(t, one, "export", "--compress="+how, "x:1", layout)
		must(t, two, "import", "--tag="+how, layout)
		cmd := programCmd(t, one, "export", "--compress="+how, "x:1", "-")
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		must(t, two, "import", "--tag=tar-"+how, write(t, filepath.Join(dir, "x.tar"), out))
		var a, b struct{ Config images.Config }
		for store, to := range map[string]any{one: &a, two: &b} {
			ref := "x:1"
			if store == two {
				ref = "tar-" + how
			}
			if err := json.Unmarshal([]byte(must(t, store, "inspect", ref)), to); err != nil {
				t.Fatal(err)
			}
		}
		if fmt.Sprint(a) == fmt.Sprint(b) || a.Config.RootFS.DiffIDs[0] == b.Config.RootFS.DiffIDs[0] {
			continue
		}
		t.Errorf("%s: %+v became %+v", how, a, b)
	}
	if out := must(t, two, "verify"); strings.Count(out, "well") != 6 {
		t.Error(out)
	}
	for _, tool := range [][]string{
		{"skopeo", "inspect", "oci-archive:" + dir + "/x.tar"},
		{"skopeo", "copy", "oci:" + dir + "/layout-gzip:1", "docker-archive:" + dir + "/d.tar:name:1"},
		{"umoci", "unpack", "--rootless", "--image", dir + "/layout-gzip:1", dir + "/bundle"},
	} {
		if _, err := exec.LookPath(tool[0]); err != nil {
			t.Logf("%s is not installed", tool[0])
			continue
		}
		if out, err := exec.Command(tool[0], tool[1:]...).CombinedOutput(); err != nil {
			t.Errorf("%v: %v\n%s", tool, err, out)
		}
	}
	if _, err := os.Stat(dir + "/d.tar"); err == nil {
		if out := must(t, two, "import", dir+"/d.tar"); !strings.Contains(out, "name:1 sha256:") {
			t.Error(out)
		}
	}
}

func TestHostileArchives(t *testing.T) {
	dir := t.TempDir()
	layout := filepath.Join(dir, "layout")
	write(t, layout+"/oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`))
	write(t, dir+"/outside", []byte("{}"))
	manifest := func(config string, layers ...string) []byte {
		type d struct {
			Digest string `json:"digest"`
		}
		m := struct {
			Config d   `json:"config"`
			Layers []d `json:"layers"`
		}{Config: d{config}}
		for _, l := range layers {
			m.Layers = append(m.Layers, d{l})
		}
		text, _ := json.Marshal(m)
		return text
	}
	blob := func(text []byte) string {
		write(t, layout+"/blobs/sha256/"+images.Digest(text)[7:], text)
		return images.Digest(text)
	}
	layer := rootfs(t, "a")
	good := blob(layer)
	config := blob([]byte(`{"os":"linux","rootfs":{"type":"layers","diff_ids":["` + good + `"]}}`))
	wrongDiff := blob([]byte(`{"os":"linux","rootfs":{"type":"layers","diff_ids":["` + images.Digest([]byte("x")) + `"]}}`))
	badDiff := blob([]byte(`{"os":"linux","rootfs":{"type":"layers","diff_ids":["sha256:../../x"]}}`))
	windows := blob([]byte(`{"os":"windows","rootfs":{"type":"layers","diff_ids":["` + good + `"]}}`))
	packed := blob(compressed(t, layer, ".xz"))
	other := rootfs(t, "b")
	claimed := images.Digest([]byte("something else"))
	write(t, layout+"/blobs/sha256/"+claimed[7:], other)
	for name, c := range map[string]struct {
		manifest []byte
		want     string
	}{
		"a layer of another digest":         {manifest(config, claimed), "wrong digest"},
		"a layer that is compressed oddly":  {manifest(config, packed), "gzip or zstd, not by xz"},
		"a stream of another digest":        {manifest(wrongDiff, good), "wrong digest"},
		"a digest that is a path":           {manifest("sha256:../../../outside", good), "is not a SHA-256 digest"},
		"a layer's digest that is a path":   {manifest(config, "sha256:../../../outside"), "is not a SHA-256 digest"},
		"a diff id that is a path":          {manifest(badDiff, good), "is not a SHA-256 digest"},
		"another number of layers":          {manifest(config, good, good), "layers"},
		"an image for another system":       {manifest(windows, good), "windows"},
		"a configuration that is not there": {manifest(images.Digest(nil), good), "no such file"},
	} {
		digest := blob(c.manifest)
		write(t, layout+"/index.json", []byte(`{"manifests":[{"digest":"`+digest+`"}]}`))
		store := filepath.Join(dir, "store")
		out, err := program(t, store, "import", layout)
		if err == nil || !strings.Contains(out, c.want) {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
		if must(t, store, "list", "--json") != "[]\n" {
			t.Errorf("%s: something is in the store", name)
		}
	}
	write(t, layout+"/index.json", []byte(`{"manifests":[{"digest":"`+blob(manifest(config, good))+`"}]}`))
	must(t, filepath.Join(dir, "store"), "import", layout)
}

// The memory of an import does not grow with the number of entries. That of
// 200,000 files is measured by bench; here most are of the root, which takes no
// time.
func TestManyEntriesTakeLittleMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("it is about memory, which the race detector, for one, takes itself")
	}
	const entries, limit = 200000, 48 << 10 // kilobytes
	cmd := programCmd(t, filepath.Join(t.TempDir(), "store"), "import", "--tag=many", "-")
	r, w := io.Pipe()
	var said bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = r, &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	used := 0
	go func() {
		out := bufio.NewWriter(w)
		tw := tar.NewWriter(out)
		for i := range entries {
			h := &tar.Header{Typeflag: tar.TypeDir, Name: "./", Mode: 0o755}
			if i%1000 == 1 {
				h.Typeflag, h.Name = tar.TypeReg, fmt.Sprintf("file%d", i)
			}
			tw.WriteHeader(h)
		}
		err := errors.Join(tw.Close(), out.Flush())
		used = peak(cmd.Process.Pid)
		w.CloseWithError(err)
	}()
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v %s", err, &said)
	}
	if used == 0 || used > limit {
		t.Errorf("it took %d kB", used)
	} else {
		t.Logf("it took %d kB", used)
	}
}

// peak is the most memory that a process has had, in kilobytes. Its rusage would
// count what this process had when it started the other one.
func peak(pid int) (kilobytes int) {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if _, after, ok := strings.Cut(string(text), "VmHWM:"); ok {
		fmt.Sscan(after, &kilobytes)
	}
	return kilobytes
}
