package main

import (
	"archive/tar"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/snug-sandbox/snug/images"
)

// file is an entry of an archive.
type file struct {
	name    string
	content []byte
}

func tarOf(t testing.TB, list ...file) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range list {
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: f.name, Mode: 0o644, Size: int64(len(f.content))}); err != nil {
			t.Fatal(err)
		}
		w.Write(f.content)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// dockerArchive are the files of an archive of docker save, called as some tools do.
func dockerArchive(t testing.TB, layerName string) []file {
	layer := rootfs(t, "a")
	config := []byte(`{"os":"linux","rootfs":{"type":"layers","diff_ids":["` + images.Digest(layer) + `"]}}`)
	manifest := fmt.Sprintf(`[{"Config":"config.json","RepoTags":["saved:1"],"Layers":[%q]}]`, layerName)
	return []file{{layerName, layer}, {"config.json", config}, {"manifest.json", []byte(manifest)}}
}

func layoutArchive(t testing.TB) []file {
	layer := rootfs(t, "a")
	config := []byte(`{"os":"linux","rootfs":{"type":"layers","diff_ids":["` + images.Digest(layer) + `"]}}`)
	manifest := []byte(`{"config":{"digest":"` + images.Digest(config) + `"},"layers":[{"digest":"` + images.Digest(layer) + `"}]}`)
	list := []file{
		{"notes.txt", []byte("not part of a layout")},
		{"index.json", []byte(`{"manifests":[{"digest":"` + images.Digest(manifest) + `","annotations":{"org.opencontainers.image.ref.name":"saved:1"}}]}`)},
		{"oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`)},
	}
	for _, text := range [][]byte{layer, config, manifest} {
		list = append(list, file{"blobs/sha256/" + images.Digest(text)[7:], text})
	}
	return list
}

// What an archive is does not depend on the order of its entries, nor on how it
// comes.
func TestArchivesInAnyOrder(t *testing.T) {
	dir := t.TempDir()
	for name, files := range map[string][]file{
		"docker": dockerArchive(t, "layer.tar"), "docker, in a folder": dockerArchive(t, "layers/one.tar"), "layout": layoutArchive(t),
	} {
		for turn := range files {
			data := tarOf(t, append(append([]file(nil), files[turn:]...), files[:turn]...)...)
			how := []string{"", ".gz", ".zst", ".xz"}[turn%4]
			path := write(t, filepath.Join(dir, "archive.tar"+how), compressed(t, data, how))
			for i, from := range []string{path, "-"} {
				store := filepath.Join(dir, fmt.Sprint("store", turn, i, name))
				cmd := programCmd(t, store, "import", from)
				cmd.Stdin, _ = os.Open(path)
				if out, err := cmd.CombinedOutput(); err != nil || !strings.HasPrefix(string(out), "saved:1 sha256:") {
					t.Errorf("%s from %q, first %s: %v %s", name, from, files[turn].name, err, out)
				}
				if out := must(t, store, "list", "--quiet"); out != "saved:1\n" {
					t.Errorf("%s from %q, first %s: the store has %s", name, from, files[turn].name, out)
				}
				if left, _ := os.ReadDir(filepath.Join(store, "layers/single")); len(left) != 1 {
					t.Errorf("%s: layers %v", name, left)
				}
			}
		}
		unpacked := filepath.Join(dir, name)
		for _, f := range files {
			write(t, filepath.Join(unpacked, f.name), f.content)
		}
		if out := must(t, filepath.Join(dir, "store of "+name), "import", unpacked); !strings.HasPrefix(out, "saved:1 sha256:") {
			t.Errorf("the directory of %s: %s", name, out)
		}
	}
}

// A root file system may have files that are called as those of archives.
func TestRootfsThatLooksLikeAnArchive(t *testing.T) {
	dir := t.TempDir()
	for i, files := range [][]file{
		{{"manifest.json", []byte(`{"name":"an app for the web"}`)}, {"bin/sh", []byte("x")}},
		{{"blobs/x", []byte("x")}, {"bin/sh", []byte("x")}},
		{{"index.json", []byte(`not JSON`)}, {"bin/sh", []byte("x")}},
		{{strings.Repeat("a", 64), []byte("x")}, {"bin/sh", []byte("x")}},
		{{"bin/sh", []byte("x")}, {"manifest.json", []byte(`[1]`)}},
	} {
		path := write(t, filepath.Join(dir, "tree.tar"), tarOf(t, files...))
		for _, from := range []string{path, "-"} {
			cmd := programCmd(t, filepath.Join(dir, fmt.Sprint("store", i)), "import", "--tag=tree", from)
			cmd.Stdin, _ = os.Open(path)
			if out, err := cmd.CombinedOutput(); err != nil || !strings.HasPrefix(string(out), "tree:latest sha256:") {
				t.Errorf("%v: %v %s", files, err, out)
			}
		}
	}
	// Said otherwise, an archive is a root file system.
	path := write(t, filepath.Join(dir, "saved.tar"), tarOf(t, dockerArchive(t, "layer.tar")...))
	if out := must(t, filepath.Join(dir, "store"), "import", "--format=rootfs", path); !strings.HasPrefix(out, "saved:latest ") {
		t.Error(out)
	}
	// What is wrong with an archive is said of it.
	broken := write(t, filepath.Join(dir, "broken.tar"), tarOf(t, dockerArchive(t, "layer.tar")[1:]...))
	if out, err := program(t, filepath.Join(dir, "store"), "import", broken); err == nil || !strings.Contains(out, "layer.tar is not") && !strings.Contains(out, "layer.tar: no such file") {
		t.Errorf("%v %s", err, out)
	}
	// Nothing says the name of a root file system on standard input.
	cmd := programCmd(t, filepath.Join(dir, "store"), "import", "-")
	cmd.Stdin = bytes.NewReader(rootfs(t))
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "--tag NAME") {
		t.Errorf("%v %s", err, out)
	}
}
