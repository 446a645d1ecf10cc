package layer

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// openFile opens a regular file below root, without following links.
func openFile(root int, name string) (*os.File, error) {
	how := unix.OpenHow{Flags: unix.O_RDONLY | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS}
	fd, err := openat2(root, name, how)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), name)
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		f.Close()
		return nil, errors.Join(err, errors.New("is not a regular file"))
	}
	return f, nil
}

func readNames(fd int) ([]string, error) {
	again, err := unix.Openat(fd, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	d := os.NewFile(uintptr(again), ".")
	defer d.Close()
	names, err := d.Readdirnames(-1)
	slices.Sort(names)
	return names, err
}

// nobody is the id of a file whose owner has none in a user namespace
// (user_namespaces(7)).
const nobody = 65534

// packer is the state of one Pack.
type packer struct {
	w       *tar.Writer
	links   map[[2]uint64]string // names of files that have several
	upper   bool
	foreign bool // the tree's owner has no id here, and is root in the image
	skipped Skipped
}

// Pack writes a directory as the stream of a layer, sorted by name. Of an
// overlay's upper directory, what it removes from the layers below becomes the
// marks that the OCI image specification has for it. Files are on one file
// system: what is mounted below dir is left out.
func Pack(dir string, w io.Writer, upper bool) (Skipped, error) {
	root, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return Skipped{}, &os.PathError{Op: "open", Path: dir, Err: err}
	}
	defer unix.Close(root)
	var st unix.Stat_t
	if err := unix.Fstat(root, &st); err != nil {
		return Skipped{}, err
	}
	p := &packer{w: tar.NewWriter(w), links: map[[2]uint64]string{}, upper: upper, foreign: st.Uid == nobody}
	if err := p.directory(root, ".", st); err != nil {
		return p.skipped, err
	}
	return p.skipped, p.w.Close()
}

func (p *packer) directory(fd int, name string, st unix.Stat_t) error {
	attrs, err := getAttrs(fd)
	if err != nil {
		return named(name, err)
	}
	h := p.header(name, st, attrs)
	h.Typeflag, h.Name = tar.TypeDir, name+"/"
	if err := p.w.WriteHeader(h); err != nil {
		return named(name, err)
	}
	prefix := ""
	if name != "." {
		prefix = name + "/"
	}
	list := readNames
	if p.upper {
		list = upperNames
	}
	if p.upper && isOpaque(fd) {
		if err := p.mark(prefix + opaqueMark); err != nil {
			return err
		}
	}
	names, err := list(fd)
	if err != nil {
		return named(name, err)
	}
	for _, base := range names {
		if err := p.entry(fd, base, prefix+base, st.Dev); err != nil {
			return named(prefix+base, err)
		}
	}
	return nil
}

// named adds the name to an error once.
func named(name string, err error) error {
	var with *nameError
	if err == nil || errors.As(err, &with) {
		return err
	}
	return &nameError{name, err}
}

type nameError struct {
	name string
	err  error
}

func (e *nameError) Error() string { return fmt.Sprintf("%q: %v", e.name, e.err) }
func (e *nameError) Unwrap() error { return e.err }

func (p *packer) mark(name string) error {
	return p.w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o600})
}

func (p *packer) entry(parent int, base, name string, dev uint64) error {
	var st unix.Stat_t
	if err := unix.Fstatat(parent, base, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	kind := st.Mode & unix.S_IFMT
	switch {
	case kind == unix.S_IFCHR && st.Rdev == 0 && p.upper:
		return p.mark(strings.TrimSuffix(name, base) + whiteout + base)
	case strings.HasPrefix(base, whiteout):
		return errors.New("a name that begins with .wh. means a removed file in an image")
	case p.upper && isMountPoint(parent, base, "/"+name):
		return nil
	case kind == unix.S_IFCHR, kind == unix.S_IFBLK:
		p.skipped.Devices++
		return nil
	case kind == unix.S_IFSOCK:
		return nil // it belongs to a process
	}
	if kind != unix.S_IFDIR && st.Nlink > 1 {
		key := [2]uint64{st.Dev, st.Ino}
		if first, ok := p.links[key]; ok {
			return p.w.WriteHeader(&tar.Header{Typeflag: tar.TypeLink, Name: name, Linkname: first, Mode: int64(st.Mode & 0o7777), ModTime: modTime(st)})
		}
		p.links[key] = name
	}
	switch kind {
	case unix.S_IFDIR:
		return p.subdirectory(parent, base, name, st, dev)
	case unix.S_IFREG:
		return p.regular(parent, base, name)
	case unix.S_IFLNK:
		return p.symlink(parent, base, name, st)
	}
	h := p.header(name, st, nil)
	h.Typeflag = tar.TypeFifo
	return p.w.WriteHeader(h)
}

func (p *packer) subdirectory(parent int, base, name string, st unix.Stat_t, dev uint64) error {
	fd, err := openDir(parent, base)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if st.Dev != dev && !p.upper {
		h := p.header(name, st, nil)
		h.Typeflag, h.Name = tar.TypeDir, name+"/"
		return p.w.WriteHeader(h)
	}
	return p.directory(fd, name, st)
}

func (p *packer) regular(parent int, base, name string) error {
	f, err := openFile(parent, base)
	if err != nil {
		return err
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return err
	}
	attrs, err := getAttrs(int(f.Fd()))
	if err != nil {
		return err
	}
	h := p.header(name, st, attrs)
	h.Typeflag, h.Size = tar.TypeReg, st.Size
	if err := p.w.WriteHeader(h); err != nil {
		return err
	}
	_, err = io.CopyN(p.w, f, st.Size)
	if err == io.EOF {
		err = errors.New("the file became shorter while it was read")
	}
	return err
}

func (p *packer) symlink(parent int, base, name string, st unix.Stat_t) error {
	text := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(parent, base, text)
	if err != nil {
		return err
	}
	h := p.header(name, st, nil)
	h.Typeflag, h.Linkname = tar.TypeSymlink, string(text[:n])
	return p.w.WriteHeader(h)
}

func (p *packer) header(name string, st unix.Stat_t, attrs map[string]string) *tar.Header {
	h := &tar.Header{Name: name, Mode: int64(st.Mode & 0o7777), Uid: int(st.Uid), Gid: int(st.Gid), ModTime: modTime(st)}
	if p.foreign && h.Uid == nobody {
		h.Uid, h.Gid = 0, 0
	}
	if owner, ok := attrs[ownerAttr]; ok {
		h.Uid, h.Gid = decodeOwner([]byte(owner))
	}
	for key, value := range attrs {
		if reservedAttr(key) || strings.HasPrefix(key, "security.") && key != "security.capability" {
			continue
		}
		if h.PAXRecords == nil {
			h.PAXRecords = map[string]string{}
		}
		h.PAXRecords[paxXattr+key] = value
	}
	return h
}

// modTime has whole seconds, so that the common format holds it.
func modTime(st unix.Stat_t) time.Time { return time.Unix(st.Mtim.Sec, 0) }
