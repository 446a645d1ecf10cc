package kerneltest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// stage is a directory outside the caller's tree that every user may read: the
// tree often lies where only root may look.
type stage struct {
	dir     string
	binary  string // copy of the running test binary
	workdir string // copy of the package's directory, within a copy of its module
	tmp     string // the tests' TMPDIR
	out     string // what the test binary itself writes
	cover   string // where the caller wants the coverage profile; usually empty
}

func newStage() (*stage, error) {
	base, err := openDir()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(base, "snugtest-")
	if err != nil {
		return nil, err
	}
	s := &stage{dir: dir, tmp: filepath.Join(dir, "tmp"), out: filepath.Join(dir, "out")}
	if err := s.fill(); err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	return s, nil
}

func (s *stage) fill() error {
	cwd, err := os.Getwd()
	if err != nil {
		return err
	}
	root := moduleRoot(cwd)
	rel, err := filepath.Rel(root, cwd)
	if err != nil {
		return err
	}
	tree := filepath.Join(s.dir, "src")
	s.workdir = filepath.Join(tree, rel)
	s.binary = filepath.Join(s.dir, filepath.Base(os.Args[0]))
	return errors.Join(
		os.Chmod(s.dir, 0o755),
		makeDir(s.tmp, 0o1777|fs.ModeSticky),
		makeDir(s.out, 0o755),
		copyTree(root, tree),
		copyFile("/proc/self/exe", s.binary, 0o755),
	)
}

// openDir finds a directory for temporary files that every user may enter.
func openDir() (string, error) {
	for _, dir := range []string{os.TempDir(), "/tmp", "/var/tmp"} {
		if openToAll(dir) {
			return dir, nil
		}
	}
	return "", errors.New("neither $TMPDIR nor /tmp nor /var/tmp can be entered by every user")
}

// openToAll reports whether every user may pass through dir and all above it.
func openToAll(dir string) bool {
	for {
		st, err := os.Stat(dir)
		if err != nil || st.Mode()&0o001 == 0 {
			return false
		}
		if dir == "/" || dir == "." {
			return true
		}
		dir = filepath.Dir(dir)
	}
}

// makeDir makes a directory with exactly these permissions, whatever the umask.
func makeDir(path string, mode fs.FileMode) error {
	return errors.Join(os.MkdirAll(path, 0o755), os.Chmod(path, mode))
}

// copyTree copies regular files, directories and links, readable for everyone.
// Version control and built programs stay behind.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if rel == ".git" || rel == "bin" {
			return skip(d)
		}
		return copyEntry(path, filepath.Join(to, rel), d)
	})
}

func skip(d fs.DirEntry) error {
	if d.IsDir() {
		return fs.SkipDir
	}
	return nil
}

func copyEntry(from, to string, d fs.DirEntry) error {
	switch {
	case d.IsDir():
		return makeDir(to, 0o755)
	case d.Type() == fs.ModeSymlink:
		text, err := os.Readlink(from)
		if err != nil {
			return err
		}
		return os.Symlink(text, to)
	case d.Type().IsRegular():
		info, err := d.Info()
		if err != nil {
			return err
		}
		return copyFile(from, to, forAll(info.Mode()))
	}
	return nil
}

// forAll are the permissions of a copy: everyone may read, and execute what the
// owner may execute.
func forAll(mode fs.FileMode) fs.FileMode {
	if mode&0o100 != 0 {
		return 0o755
	}
	return 0o644
}

func copyFile(from, to string, mode fs.FileMode) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close(), os.Chmod(to, mode))
}

// args are the arguments of the second run. The flags that name a file or
// directory of the go command's own, which the user may not reach, are left
// out or point into the stage.
func (s *stage) args(args []string) []string {
	var kept []string
	for _, arg := range args {
		name, value, _ := strings.Cut(arg, "=")
		switch strings.TrimLeft(name, "-") {
		case "test.testlogfile", "test.fuzzcachedir":
		case "test.gocoverdir":
			kept = append(kept, name+"="+s.out)
		case "test.coverprofile":
			s.cover = value
			kept = append(kept, name+"="+s.coverCopy())
		default:
			kept = append(kept, arg)
		}
	}
	return kept
}

func (s *stage) coverCopy() string { return filepath.Join(s.out, "cover.profile") }

// bringBack hands the coverage profile to who asked for it.
func (s *stage) bringBack() error {
	if s.cover == "" {
		return nil
	}
	text, err := os.ReadFile(s.coverCopy())
	if err != nil {
		return fmt.Errorf("no coverage profile: %w", err)
	}
	return os.WriteFile(s.cover, text, 0o644)
}
