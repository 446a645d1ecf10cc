package main

import (
	"archive/tar"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// startImage compares a start from an image with bwrap on the same directory,
// both with a file system over it that takes what is written.
func (b *bench) startImage() error {
	tree := filepath.Join(b.dir, "tree")
	for _, name := range []string{"proc", "dev", "tmp", "etc", "run", "var/tmp"} {
		if err := os.MkdirAll(filepath.Join(tree, name), 0o755); err != nil {
			return err
		}
	}
	if _, err := writeProgram(tree, "quit", quitCode); err != nil {
		return err
	}
	if err := os.Setenv("XDG_DATA_HOME", filepath.Join(b.dir, "data")); err != nil {
		return err
	}
	snug := filepath.Join(b.dir, "snug")
	if out, err := exec.Command(snug, "image", "import", "--ids", "single", "--tag", "bench", tree).CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	onImage := func(stdin *os.File, program string) process {
		return external(stdin, snug, "run", "--image", "bench", "--", program)
	}
	onTree := func(stdin *os.File, program string) process {
		return external(stdin, b.bwrap, "--unshare-all", "--overlay-src", tree, "--tmp-overlay", "/", "--proc", "/proc", "--dev", "/dev", program)
	}
	ours, theirs, err := alternate(b.runs, onImage, onTree, "/quit")
	if err != nil {
		return fmt.Errorf("%w (bubblewrap has overlays since 0.11)", err)
	}
	b.addTimes("start from an image against bwrap", ours, theirs, 0.75)
	return nil
}

// importSize is how large the root file system is that is imported.
const importSize = 300 << 20

// importImage compares the import of a tar file with tar -x of it.
func (b *bench) importImage() error {
	file := filepath.Join(b.dir, "import.tar")
	if err := writeTar(file); err != nil {
		return err
	}
	snug := filepath.Join(b.dir, "snug")
	var ours, theirs []time.Duration
	// Nothing is removed in between: where files were just removed, file systems
	// are slow to make new ones, for whoever comes next.
	for i := range min(b.runs, 3) {
		if err := os.Setenv("XDG_DATA_HOME", filepath.Join(b.dir, fmt.Sprint("data-import", i))); err != nil {
			return err
		}
		imported, err := clocked(snug, "image", "import", "--ids", "single", "--tag", "import", file)
		if err != nil {
			return err
		}
		dir := filepath.Join(b.dir, fmt.Sprint("unpacked", i))
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
		unpacked, err := clocked("tar", "-C", dir, "-xf", file)
		if err != nil {
			return err
		}
		ours, theirs = append(ours, imported), append(theirs, unpacked)
	}
	b.addTimes("import of a tar of 300 MB against tar -x", ours, theirs, 1.2)
	for i := range ours {
		os.RemoveAll(filepath.Join(b.dir, fmt.Sprint("data-import", i)))
		os.RemoveAll(filepath.Join(b.dir, fmt.Sprint("unpacked", i)))
	}
	return os.Remove(file)
}

func clocked(name string, args ...string) (time.Duration, error) {
	before := time.Now()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s: %w: %s", name, err, out)
	}
	return time.Since(before), err
}

// writeTar writes a tar of files as a distribution has them: many small ones,
// some large.
func writeTar(name string) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	w := tar.NewWriter(f)
	noise := make([]byte, 8<<20)
	rand.NewChaCha8([32]byte{}).Read(noise)
	sizes := [...]int{200, 1000, 3000, 8000, 20 << 10, 60 << 10, 300 << 10}
	total := 0
	for i := 0; total < importSize; i++ {
		size := sizes[i%len(sizes)]
		if i%1000 == 999 {
			size = len(noise)
		}
		total += size
		if i%50 == 0 {
			err = errors.Join(err, w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: fmt.Sprintf("d%d/", i/50), Mode: 0o755}))
		}
		err = errors.Join(err, w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: fmt.Sprintf("d%d/f%d", i/50, i), Mode: 0o644, Size: int64(size), ModTime: time.Unix(1700000000, 0)}))
		if _, writeErr := w.Write(noise[:size]); err == nil {
			err = writeErr
		}
		if err != nil {
			return err
		}
	}
	return errors.Join(w.Close(), f.Close())
}
