package main

import (
	"archive/tar"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// startImage compares a start from an image with podman's, and with bubblewrap on
// the same directory, all with a file system over it that takes what is written.
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
	if err := b.home("data"); err != nil {
		return err
	}
	if err := b.snug("image", "import", "--ids", "single", "--tag", "bench", tree); err != nil {
		return err
	}
	if err := b.againstBubblewrap(tree); err != nil {
		return err
	}
	if err := b.againstPodman(tree); err != nil {
		return err
	}
	return b.amongOthers()
}

// home has programs keep what they keep below DIR.
func (b *bench) home(name string) error {
	run := filepath.Join(b.dir, "run")
	return errors.Join(os.MkdirAll(run, 0o700), os.Setenv("XDG_DATA_HOME", filepath.Join(b.dir, name)), os.Setenv("XDG_RUNTIME_DIR", run))
}

func (b *bench) snug(args ...string) error {
	_, err := clocked(filepath.Join(b.dir, "snug"), args...)
	return err
}

func (b *bench) onImage(ref string) contender {
	return func(stdin *os.File, program string) process {
		return external(stdin, filepath.Join(b.dir, "snug"), "run", "--image", ref, "--", program)
	}
}

func (b *bench) againstBubblewrap(tree string) error {
	help, _ := exec.Command(b.bwrap, "--help").CombinedOutput()
	if !strings.Contains(string(help), "--tmp-overlay") {
		fmt.Println("left out: start from an image against bwrap: this bwrap has no --tmp-overlay, which came with 0.11")
		return nil
	}
	onTree := func(stdin *os.File, program string) process {
		return external(stdin, b.bwrap, "--unshare-all", "--overlay-src", tree, "--tmp-overlay", "/", "--proc", "/proc", "--dev", "/dev", program)
	}
	ours, theirs, err := alternate(b.runs, b.onImage("bench"), onTree, "/quit")
	if err == nil {
		b.addTimes("start from an image against bwrap", ours, theirs, 0.75)
	}
	return err
}

// podman is its command line for an ordinary user who has no session of systemd.
var podman = []string{"--runtime", "runc", "--cgroup-manager", "cgroupfs", "--events-backend", "none"}

func (b *bench) againstPodman(tree string) error {
	for _, name := range []string{"podman", "runc"} {
		if _, err := exec.LookPath(name); err != nil {
			fmt.Println("left out: start from an image against podman:", err)
			return nil
		}
	}
	file := filepath.Join(b.dir, "tree.tar")
	if _, err := clocked("tar", "-C", tree, "-cf", file, "."); err != nil {
		return err
	}
	pod := func(words ...string) []string { return append(podman[:len(podman):len(podman)], words...) }
	if _, err := clocked("podman", pod("import", file, "localhost/bench")...); err != nil {
		fmt.Println("left out: start from an image against podman:", err)
		return nil
	}
	defer exec.Command("podman", pod("system", "reset", "--force")...).Run()
	run := func(stdin *os.File, program string) process {
		return external(stdin, "podman", pod("run", "--rm", "--network", "none", "localhost/bench", program)...)
	}
	ours, theirs, err := alternate(min(b.runs, 20), b.onImage("bench"), run, "/quit")
	if err == nil {
		b.addTimes("start from an image against podman run", ours, theirs, 0.05)
	}
	return err
}

// amongOthers compares a start from a large image in a full store with one from a
// small image: neither may matter.
func (b *bench) amongOthers() error {
	file := filepath.Join(b.dir, "large.tar")
	if err := writeTar(file, b.quit); err != nil {
		return err
	}
	defer os.Remove(file)
	if err := b.snug("image", "import", "--ids", "single", "--tag", "large", file); err != nil {
		return err
	}
	for i := range 200 {
		if err := b.snug("image", "tag", "large", fmt.Sprint("other:", i)); err != nil {
			return err
		}
	}
	large, small, err := alternate(b.runs, b.onImage("other:7"), b.onImage("bench"), "/quit")
	if err == nil {
		b.addTimes("start from 300 MB among 200 images against a small one", large, small, 1.1)
	}
	return err
}

// importSize is how large the root file system is that is imported.
const importSize = 300 << 20

// importImage compares the import of a tar file with tar -x of it, and that of an
// image with umoci unpack.
func (b *bench) importImage() error {
	file := filepath.Join(b.dir, "import.tar")
	if err := writeTar(file, b.quit); err != nil {
		return err
	}
	ours, theirs, err := b.unpackInTurns("tar", 5, func(n string) (ours, theirs []string) {
		return []string{file}, []string{"tar", "-C", n, "-xf", file}
	})
	if err != nil {
		return err
	}
	b.addTimes("import of a tar of 300 MB against tar -x", ours, theirs, 1.2)
	if err := errors.Join(b.memoryOfImport("memory of that import in MB", file), b.importMany()); err != nil {
		return err
	}
	if _, err := exec.LookPath("umoci"); err != nil {
		fmt.Println("left out: import of an image against umoci unpack:", err)
		return os.Remove(file)
	}
	layout := filepath.Join(b.dir, "layout") + "/"
	if err := errors.Join(b.home("data-tar0"), b.snug("image", "export", "import", "--output", layout)); err != nil {
		return err
	}
	ours, theirs, err = b.unpackInTurns("image", 5, func(n string) (ours, theirs []string) {
		return []string{layout}, []string{"umoci", "unpack", "--rootless", "--image", layout + ":latest", filepath.Join(n, "bundle")}
	})
	if err != nil {
		return err
	}
	b.addTimes("import of an image of 300 MB against umoci unpack", ours, theirs, 1)
	return os.Remove(file)
}

// unpackInTurns imports what words names first, and runs the second command, some
// times. Nothing is removed in between: where files were just removed, file systems
// are slow to make new ones, for whoever comes next.
func (b *bench) unpackInTurns(name string, most int, words func(dir string) (ours, theirs []string)) (ours, theirs []time.Duration, err error) {
	snug := filepath.Join(b.dir, "snug")
	for i := range min(b.runs, most) {
		dir := filepath.Join(b.dir, fmt.Sprint("unpacked-", name, i))
		if err := errors.Join(os.Mkdir(dir, 0o755), b.home(fmt.Sprint("data-", name, i))); err != nil {
			return nil, nil, err
		}
		what, command := words(dir)
		imported, err := clocked(snug, append([]string{"image", "import", "--ids", "single", "--tag", "import"}, what...)...)
		if err != nil {
			return nil, nil, err
		}
		unpacked, err := clocked(command[0], command[1:]...)
		if err != nil {
			return nil, nil, err
		}
		ours, theirs = append(ours, imported), append(theirs, unpacked)
	}
	return ours, theirs, nil
}

// importMany is importImage for many files without content, once.
func (b *bench) importMany() error {
	file := filepath.Join(b.dir, "many.tar")
	if err := writeMany(file, 200000); err != nil {
		return err
	}
	defer os.Remove(file)
	ours, theirs, err := b.unpackInTurns("many", 1, func(n string) (ours, theirs []string) {
		return []string{file}, []string{"tar", "-C", n, "-xf", file}
	})
	if err != nil {
		return err
	}
	b.addTimes("import of 200,000 empty files against tar -x", ours, theirs, 1.2)
	return b.memoryOfImport("memory of that import in MB", file)
}

// writeMany writes a tar of a number of files that are empty.
func writeMany(name string, count int) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	w := tar.NewWriter(f)
	for i := range count {
		if i%1000 == 0 {
			err = errors.Join(err, w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: fmt.Sprintf("d%d/", i/1000), Mode: 0o755}))
		}
		err = errors.Join(err, w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: fmt.Sprintf("d%d/f%d", i/1000, i), Mode: 0o644, ModTime: time.Unix(1700000000, 0)}))
	}
	return errors.Join(err, w.Close(), f.Close())
}

// memoryOfImport measures the helper's, which does the work.
func (b *bench) memoryOfImport(what, file string) error {
	cmd := exec.Command(filepath.Join(b.dir, "snug-image"), "import", "--store="+filepath.Join(b.dir, "data-memory"), "--tag=import", file)
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		return err
	}
	done := make(chan struct{})
	peak := make(chan int, 1)
	go func() { peak <- peakMemory(cmd.Process.Pid, done) }()
	err := cmd.Wait()
	close(done)
	if err != nil {
		return fmt.Errorf("%w: %s", err, &said)
	}
	const limit = 64 // MB
	used := float64(<-peak) / 1024
	b.add(target{what: what, snug: fmt.Sprintf("%.0f", used), bwrap: fmt.Sprint(limit), value: used / limit, limit: 1})
	return nil
}

// peakMemory is the most memory, in KiB, that a process has had when done is
// closed. The rusage of a child would count what this program has, too.
func peakMemory(pid int, done <-chan struct{}) (peak int) {
	for {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if _, after, ok := strings.Cut(string(text), "VmHWM:"); ok {
			fmt.Sscan(after, &peak)
		}
		select {
		case <-done:
			return peak
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func clocked(name string, args ...string) (time.Duration, error) {
	before := time.Now()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s: %w: %s", name, err, out)
	}
	return time.Since(before), err
}

// addFile puts a program into a tar.
func addFile(w *tar.Writer, name, file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o755, Size: int64(len(text))}); err != nil {
		return err
	}
	_, err = w.Write(text)
	return err
}

// writeTar writes a tar of files as a distribution has them: many small ones,
// some large, and the program quit.
func writeTar(name, quit string) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	w := tar.NewWriter(f)
	if err := addFile(w, "quit", quit); err != nil {
		return err
	}
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
