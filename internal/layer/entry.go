package layer

import (
	"archive/tar"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/internal/problem"
)

// Whiteouts of a layer's stream (OCI image specification, "Image Layer
// Filesystem Changeset").
const (
	whiteout   = ".wh."
	opaqueMark = ".wh..wh..opq"
	metaPrefix = ".wh..wh."
)

// opaqueAttr hides what lower layers have in a directory (overlayfs, userxattr).
const opaqueAttr = "user.overlay.opaque"

// fuseOpaqueAttr and fuseMarks are what fuse-overlayfs(1) has for it in an upper
// directory; it understands overlayfs's.
const fuseOpaqueAttr = "user.fuseoverlayfs.opaque"

var fuseMarks = []string{opaqueMark, ".wh..opq"}

// isOpaque reports whether an open directory hides what is below it.
func isOpaque(fd int) bool {
	for _, name := range []string{opaqueAttr, fuseOpaqueAttr} {
		if value, _ := getAttr(fd, name); value == "y" {
			return true
		}
	}
	return false
}

// entry unpacks one entry of the stream.
func (u *unpacker) entry(h *tar.Header, content io.Reader) error {
	if h.Typeflag == tar.TypeXGlobalHeader {
		return nil
	}
	name, err := u.clean(h.Name)
	if err != nil {
		return err
	}
	if name == "" {
		if h.Typeflag != tar.TypeDir {
			return errors.New("the root can only be a directory")
		}
		return u.directoryMeta(u.root, "", h)
	}
	dir, base := path.Split(name)
	parent, err := u.sameParent(dir)
	if err != nil {
		return err
	}
	if strings.HasPrefix(base, whiteout) {
		return u.whiteout(parent, base)
	}
	return u.make(parent, base, name, h, content)
}

// clean returns a name below the root, without dots.
func (u *unpacker) clean(name string) (string, error) {
	if strings.HasPrefix(name, "/") && !u.Absolute {
		return "", &problem.Problem{What: "the layer's entry " + problem.Printable(name), Why: "its name is absolute",
			Fix: "to take it as below the image's root: --absolute-names"}
	}
	parts := strings.Split(name, "/")
	kept := parts[:0]
	for _, part := range parts {
		switch part {
		case "", ".":
		case "..":
			return "", errors.New("its name leads out of the image with \"..\"")
		default:
			kept = append(kept, part)
		}
	}
	return strings.Join(kept, "/"), nil
}

// sameParent is parent for entries that come in the order of their directories:
// it keeps the last one open, until something is removed.
func (u *unpacker) sameParent(dir string) (int, error) {
	if u.lastFD >= 0 && u.lastDir == dir && !u.stale {
		return u.lastFD, nil
	}
	u.forget()
	u.stale = false
	fd, err := u.parent(dir)
	if err != nil {
		return -1, err
	}
	u.lastDir, u.lastFD = dir, fd
	return fd, nil
}

// forget closes the directory that sameParent keeps.
func (u *unpacker) forget() {
	if u.lastFD >= 0 {
		unix.Close(u.lastFD)
	}
	u.lastFD = -1
}

// parent opens the directory of an entry, below the root, and makes what is
// missing on the way.
func (u *unpacker) parent(dir string) (int, error) {
	if dir = strings.Trim(dir, "/"); dir == "" {
		return u.beneath(".")
	}
	fd, err := u.beneath(dir)
	if err == nil || !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ENOTDIR) {
		return fd, err
	}
	above, base := path.Split(dir)
	parent, err := u.parent(above)
	if err != nil {
		return -1, err
	}
	defer unix.Close(parent)
	err = u.mkdir(parent, base)
	if err == nil && u.Below != nil {
		err = u.likeBelow(parent, base, dir)
	}
	if err != nil && !errors.Is(err, unix.EEXIST) {
		return -1, err
	}
	return u.beneath(dir)
}

// beneath opens a directory. Symbolic links are followed as long as they stay
// below the root.
func (u *unpacker) beneath(dir string) (int, error) {
	how := unix.OpenHow{Flags: unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS}
	return openat2(u.root, dir, how)
}

func openat2(dir int, name string, how unix.OpenHow) (int, error) {
	fd, err := -1, error(unix.EAGAIN)
	// Any rename or mount elsewhere may disturb the lookup (openat2(2)).
	for tries := 0; (err == unix.EAGAIN || err == unix.EINTR) && tries < 1<<16; tries++ {
		fd, err = unix.Openat2(dir, name, &how)
	}
	return fd, err
}

// mkdir makes a directory that is open while things go into it. One that takes
// the place of a removed one hides what that had.
func (u *unpacker) mkdir(parent int, base string) error {
	err := unix.Mkdirat(parent, base, 0o755)
	if !errors.Is(err, unix.EEXIST) || !isWhiteout(parent, base) {
		return err
	}
	if err := unix.Unlinkat(parent, base, 0); err != nil {
		return err
	}
	u.stale = true
	if err := unix.Mkdirat(parent, base, 0o755); err != nil {
		return err
	}
	return u.opaque(parent, base)
}

func (u *unpacker) opaque(parent int, base string) error {
	fd, err := openDir(parent, base)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Fsetxattr(fd, opaqueAttr, []byte("y"), 0)
}

func openDir(parent int, base string) (int, error) {
	return unix.Openat(parent, base, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
}

func typeOf(parent int, base string) (uint32, bool) {
	var st unix.Stat_t
	if unix.Fstatat(parent, base, &st, unix.AT_SYMLINK_NOFOLLOW) != nil {
		return 0, false
	}
	return st.Mode & unix.S_IFMT, st.Mode&unix.S_IFMT == unix.S_IFCHR && st.Rdev == 0
}

func isWhiteout(parent int, base string) bool {
	_, is := typeOf(parent, base)
	return is
}

// whiteout removes a name of the layers below, or all that a directory has there.
func (u *unpacker) whiteout(parent int, base string) error {
	switch {
	case base == opaqueMark:
		return unix.Fsetxattr(parent, opaqueAttr, []byte("y"), 0)
	case strings.HasPrefix(base, metaPrefix):
		return nil // of aufs's own
	}
	base = strings.TrimPrefix(base, whiteout)
	if base == "" || base == "." || base == ".." {
		return errors.New("it removes nothing that has a name")
	}
	err := unix.Mknodat(parent, base, unix.S_IFCHR, 0)
	if !errors.Is(err, unix.EEXIST) {
		return err
	}
	// The layer itself has something of this name, and that stays.
	if kind, _ := typeOf(parent, base); kind == unix.S_IFDIR {
		return u.opaque(parent, base)
	}
	return nil
}

// make makes a file of any type.
func (u *unpacker) make(parent int, base, name string, h *tar.Header, content io.Reader) error {
	switch h.Typeflag {
	case tar.TypeDir:
		return u.directory(parent, base, name, h)
	case tar.TypeReg, tar.TypeCont, tar.TypeGNUSparse:
		return u.regular(parent, base, name, h, content)
	case tar.TypeSymlink:
		if err := u.retry(parent, base, func() error { return unix.Symlinkat(h.Linkname, parent, base) }); err != nil {
			return err
		}
		return u.plainMeta(parent, base, h)
	case tar.TypeLink:
		return u.link(parent, base, h)
	case tar.TypeFifo:
		if err := u.retry(parent, base, func() error { return unix.Mknodat(parent, base, unix.S_IFIFO|0o600, 0) }); err != nil {
			return err
		}
		if err := u.plainMeta(parent, base, h); err != nil {
			return err
		}
		return unix.Fchmodat(parent, base, mode(h), 0)
	case tar.TypeChar, tar.TypeBlock:
		u.report.Skipped.Devices++
		return nil
	}
	return fmt.Errorf("type %q is not one that a file can have", h.Typeflag)
}

// retry makes something where, at the second try, nothing is in its way: of
// several entries of a name the last one counts.
func (u *unpacker) retry(parent int, base string, do func() error) error {
	err := do()
	if !errors.Is(err, unix.EEXIST) {
		return err
	}
	if !isWhiteout(parent, base) {
		u.tape.recipe.lossy = true
	}
	if err := removeAll(parent, base); err != nil {
		return err
	}
	u.stale = true
	return do()
}

func mode(h *tar.Header) uint32 { return uint32(h.Mode) & 0o7777 }

func (u *unpacker) directory(parent int, base, name string, h *tar.Header) error {
	err := u.mkdir(parent, base)
	if errors.Is(err, unix.EEXIST) {
		if kind, _ := typeOf(parent, base); kind != unix.S_IFDIR {
			err = u.retry(parent, base, func() error { return unix.Mkdirat(parent, base, 0o755) })
		} else {
			err = nil
		}
	}
	if err != nil {
		return err
	}
	fd, err := openDir(parent, base)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return u.directoryMeta(fd, name, h)
}

func (u *unpacker) directoryMeta(fd int, name string, h *tar.Header) error {
	if err := u.openMeta(fd, h); err != nil {
		return err
	}
	u.dirs[name] = dirMeta{mode(h), timespec(h.ModTime)}
	return nil
}

// regular writes a file. Blocks of zeros become holes.
func (u *unpacker) regular(parent int, base, name string, h *tar.Header, content io.Reader) error {
	if h.Size < 0 || h.Size > u.Limits.Bytes-u.claims {
		return overLimit(fmt.Sprintf("%s is said to have %d bytes, and all files together may have %d", problem.Printable(name), h.Size, u.Limits.Bytes), "--max-size")
	}
	u.claims += h.Size
	fd := -1
	err := u.retry(parent, base, func() (err error) {
		fd, err = unix.Openat(parent, base, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
		return err
	})
	if err != nil {
		return err
	}
	next, f := u.reads(content), unfilled{fd: fd, h: h}
	if !isSparse(h) {
		if h.Size > 0 {
			u.tape.file(name, h.Size)
		}
		if h.Size <= aheadSize {
			return u.later.add(f, u.tape)
		}
		next = u.tape.take
	}
	return u.fill(f, next)
}

// fill gives a file that was just made its content, then what goes with it, and
// closes it.
func (u *unpacker) fill(f unfilled, next func(limit int64) ([]byte, error)) error {
	defer unix.Close(f.fd)
	if err := copyTo(f.fd, next, f.h.Size); err != nil {
		return err
	}
	if err := u.openMeta(f.fd, f.h); err != nil { // a write would take capabilities off
		return err
	}
	if err := unix.Fchmod(f.fd, mode(f.h)); err != nil {
		return err
	}
	when := timespec(f.h.ModTime)
	return unix.UtimesNanoAt(f.fd, "", []unix.Timespec{when, when}, unix.AT_EMPTY_PATH) // Linux 5.8
}

// isSparse reports whether the stream holds less than the whole of a file.
func isSparse(h *tar.Header) bool {
	if h.Typeflag == tar.TypeGNUSparse {
		return true
	}
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return false
}

const holeSize = 4096

var zeros [holeSize]byte

// reads returns what reads content, a part of at most limit bytes at a time.
func (u *unpacker) reads(content io.Reader) func(limit int64) ([]byte, error) {
	return func(limit int64) ([]byte, error) {
		n, err := io.ReadFull(content, u.buf[:min(int64(len(u.buf)), limit)])
		if n > 0 {
			err = nil
		}
		return u.buf[:n], err
	}
}

// copyTo writes a file of the given size, part by part.
func copyTo(fd int, next func(limit int64) ([]byte, error), size int64) error {
	var at int64
	hole := false
	for at < size {
		p, err := next(size - at)
		if err != nil {
			return cutOff(err)
		}
		if hole, err = writeSparse(fd, p, at); err != nil {
			return err
		}
		at += int64(len(p))
	}
	if hole {
		return unix.Ftruncate(fd, size)
	}
	return nil
}

func cutOff(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// writeSparse writes p at an offset but for blocks of zeros. It reports whether
// p ends with a hole, which has to be made in the end.
func writeSparse(fd int, p []byte, at int64) (hole bool, err error) {
	start := 0 // of what is to be written
	for i, end := 0, 0; i < len(p); i = end {
		end = min(i+holeSize-int((at+int64(i))%holeSize), len(p)) // of this block of the file
		if hole = p[i] == 0 && bytes.Equal(p[i:end], zeros[:end-i]); !hole {
			continue
		}
		if err := writeAt(fd, p[start:i], at+int64(start)); err != nil {
			return false, err
		}
		start = end
	}
	return hole, writeAt(fd, p[start:], at+int64(start))
}

func writeAt(fd int, p []byte, at int64) error {
	for len(p) > 0 {
		n, err := unix.Pwrite(fd, p, at)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		if n > 0 {
			p, at = p[n:], at+int64(n)
		}
	}
	return nil
}

// link makes another name of a file of this layer, or of those below.
func (u *unpacker) link(parent int, base string, h *tar.Header) error {
	if err := u.later.wait(); err != nil {
		return err
	}
	target, err := u.clean(h.Linkname)
	if err != nil {
		return fmt.Errorf("as a hard link it leads to %s: %w", problem.Printable(h.Linkname), err)
	}
	err = u.linkTo(target, parent, base)
	if errors.Is(err, unix.ENOENT) && u.Below != nil && target != "" {
		if err = u.copyUp(target); err == nil {
			err = u.linkTo(target, parent, base)
		}
	}
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EPERM) {
		return fmt.Errorf("it is a hard link to %s, which is not a file of the image", problem.Printable(h.Linkname))
	}
	return err
}

func (u *unpacker) linkTo(target string, parent int, base string) error {
	dir, file := path.Split(target)
	if dir == "" {
		dir = "."
	}
	from, err := u.beneath(dir)
	if err == nil {
		defer unix.Close(from)
		if sameName(from, file, parent, base) {
			return nil
		}
		if isWhiteout(from, file) {
			return unix.EPERM // the layer itself removes it
		}
		err = u.retry(parent, base, func() error { return unix.Linkat(from, file, parent, base, 0) })
	}
	return err
}

// sameName reports whether a link leads to itself, which would lose the file.
func sameName(dirA int, a string, dirB int, b string) bool {
	var sa, sb unix.Stat_t
	return unix.Fstatat(dirA, a, &sa, unix.AT_SYMLINK_NOFOLLOW) == nil && unix.Fstatat(dirB, b, &sb, unix.AT_SYMLINK_NOFOLLOW) == nil &&
		sa.Dev == sb.Dev && sa.Ino == sb.Ino
}

// timespec is a time that file systems take.
func timespec(t time.Time) unix.Timespec {
	if t.IsZero() || t.Unix() < 0 || t.Unix() > 1<<33 {
		return unix.Timespec{Sec: max(0, min(t.Unix(), 1<<33))}
	}
	return unix.NsecToTimespec(t.UnixNano())
}

func setTime(parent int, base string, when unix.Timespec) error {
	return unix.UtimesNanoAt(parent, base, []unix.Timespec{when, when}, unix.AT_SYMLINK_NOFOLLOW)
}

// finishDirs gives directories their modes and times, the deepest first: a mode
// may forbid to enter.
func (u *unpacker) finishDirs() error {
	names := slices.Sorted(maps.Keys(u.dirs))
	for _, name := range slices.Backward(names) { // what is in a directory sorts behind it
		d := u.dirs[name]
		how := unix.OpenHow{Flags: unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS}
		fd, err := openat2(u.root, cmp.Or(name, "."), how)
		if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
			continue // a later entry took its place, or its name led through a link
		}
		if err == nil {
			err = errors.Join(unix.Fchmod(fd, d.mode), setTime(fd, ".", d.when), unix.Close(fd))
		}
		if err != nil {
			return entryProblem(name, err)
		}
	}
	return nil
}

// removeAll removes a name and everything below it.
func removeAll(parent int, base string) error {
	err := unix.Unlinkat(parent, base, 0)
	if !errors.Is(err, unix.EISDIR) {
		return err
	}
	fd, err := openDir(parent, base)
	if err != nil {
		return err
	}
	names, err := readNames(fd)
	for _, name := range names {
		if err == nil {
			err = removeAll(fd, name)
		}
	}
	unix.Close(fd)
	if err != nil {
		return err
	}
	return unix.Unlinkat(parent, base, unix.AT_REMOVEDIR)
}
