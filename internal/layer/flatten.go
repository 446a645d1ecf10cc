package layer

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Flatten makes the empty directory dir what overlayfs would show of layers,
// the topmost first: a copy of all their files. Where the file system can do it
// the copies share their blocks; shared reports that all do.
func Flatten(layers []string, dir string) (shared bool, err error) {
	root, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false, &os.PathError{Op: "open", Path: dir, Err: err}
	}
	defer unix.Close(root)
	f := &flattener{root: root, shared: true}
	for _, layer := range slices.Backward(layers) {
		from, err := unix.Open(layer, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return false, &os.PathError{Op: "open", Path: layer, Err: err}
		}
		f.links = map[[2]uint64]string{}
		err = errors.Join(f.directory(from, root, ""), unix.Close(from))
		if err != nil {
			return false, err
		}
	}
	return f.shared, nil
}

type flattener struct {
	root   int
	links  map[[2]uint64]string // of this layer: the first name of a file that has several
	shared bool
}

// directory lays the content of one directory over another, which then gets its
// owner, mode, attributes and times.
func (f *flattener) directory(from, to int, prefix string) error {
	names, err := readNames(from)
	if err != nil {
		return named(prefix, err)
	}
	for _, base := range names {
		if err := f.entry(from, to, base, prefix+base); err != nil {
			return named(prefix+base, err)
		}
	}
	var st unix.Stat_t
	if err := unix.Fstat(from, &st); err != nil {
		return err
	}
	return copyMeta(from, to, st)
}

func (f *flattener) entry(from, to int, base, name string) error {
	var st unix.Stat_t
	if err := unix.Fstatat(from, base, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	kind := st.Mode & unix.S_IFMT
	if kind == unix.S_IFDIR {
		return f.subdirectory(from, to, base, name)
	}
	if err := removeAll(to, base); err != nil && !errors.Is(err, unix.ENOENT) {
		return err
	}
	if kind == unix.S_IFCHR && st.Rdev == 0 {
		return nil // it removed what the layers below have
	}
	if st.Nlink > 1 {
		key := [2]uint64{st.Dev, st.Ino}
		if first, ok := f.links[key]; ok {
			return unix.Linkat(f.root, first, to, base, 0)
		}
		f.links[key] = name
	}
	switch kind {
	case unix.S_IFREG:
		return f.regular(from, to, base)
	case unix.S_IFLNK:
		return copyLink(from, to, base, st)
	}
	if err := unix.Mknodat(to, base, kind|st.Mode&0o7777, int(st.Rdev)); err != nil {
		return err
	}
	return copyOwner(to, base, st)
}

func (f *flattener) subdirectory(from, to int, base, name string) error {
	sub, err := openDir(from, base)
	if err != nil {
		return err
	}
	defer unix.Close(sub)
	below, _ := typeOf(to, base)
	opaque, _ := getAttr(sub, opaqueAttr)
	if below != 0 && (below != unix.S_IFDIR || opaque == "y") {
		if err := removeAll(to, base); err != nil {
			return err
		}
		below = 0
	}
	if below == 0 {
		if err := unix.Mkdirat(to, base, 0o700); err != nil {
			return err
		}
	}
	into, err := openDir(to, base)
	if err != nil {
		return err
	}
	defer unix.Close(into)
	return f.directory(sub, into, name+"/")
}

func (f *flattener) regular(from, to int, base string) error {
	in, err := openFile(from, base)
	if err != nil {
		return err
	}
	defer in.Close()
	fd, err := unix.Openat(to, base, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	out := os.NewFile(uintptr(fd), base)
	defer out.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(in.Fd()), &st); err != nil {
		return err
	}
	if err := f.content(in, out, st.Size); err != nil {
		return err
	}
	return copyMeta(int(in.Fd()), fd, st)
}

// content copies a file; blocks are shared where that is possible, holes stay
// holes.
func (f *flattener) content(in, out *os.File, size int64) error {
	if size == 0 {
		return nil
	}
	if unix.IoctlFileClone(int(out.Fd()), int(in.Fd())) == nil {
		return nil
	}
	f.shared = false
	for at := int64(0); at < size; {
		data, err := unix.Seek(int(in.Fd()), at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			break // nothing but a hole is left
		}
		if err != nil {
			return err
		}
		hole, err := unix.Seek(int(in.Fd()), data, unix.SEEK_HOLE)
		if err != nil {
			return err
		}
		_, err1 := in.Seek(data, io.SeekStart)
		_, err2 := out.Seek(data, io.SeekStart)
		_, err3 := io.CopyN(out, in, hole-data)
		if err := errors.Join(err1, err2, err3); err != nil {
			return err
		}
		at = hole
	}
	return out.Truncate(size)
}

func copyLink(from, to int, base string, st unix.Stat_t) error {
	text := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(from, base, text)
	if err == nil {
		err = unix.Symlinkat(string(text[:n]), to, base)
	}
	if err != nil {
		return err
	}
	return copyOwner(to, base, st)
}

// copyOwner gives something that is not opened its owner and times.
func copyOwner(to int, base string, st unix.Stat_t) error {
	if err := unix.Fchownat(to, base, int(st.Uid), int(st.Gid), unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return ownerError(err)
	}
	return unix.UtimesNanoAt(to, base, []unix.Timespec{st.Atim, st.Mtim}, unix.AT_SYMLINK_NOFOLLOW)
}

// copyMeta gives an open file or directory what another one has.
func copyMeta(from, to int, st unix.Stat_t) error {
	if err := unix.Fchown(to, int(st.Uid), int(st.Gid)); err != nil {
		return ownerError(err)
	}
	attrs, err := getAttrs(from)
	if err != nil {
		return err
	}
	for name, value := range attrs {
		if strings.HasPrefix(name, "user.overlay.") {
			continue
		}
		if err := unix.Fsetxattr(to, name, []byte(value), 0); err != nil && !unsupported(err) {
			return fmt.Errorf("attribute %s: %w", name, err)
		}
	}
	if err := unix.Fchmod(to, st.Mode&0o7777); err != nil {
		return err
	}
	return unix.UtimesNanoAt(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", to), []unix.Timespec{st.Atim, st.Mtim}, 0)
}
