package layer

import (
	"errors"
	"maps"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Difference fills the empty directory upper with what overlayfs would have
// written there, had tree been made by changes on top of base: both are whole
// trees, and tree began as a copy of base. Files of upper are other names of
// those of tree, so both are on one file system.
func Difference(tree, base, upper string) error {
	var fds [3]int
	for i, dir := range []string{tree, base, upper} {
		fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return &os.PathError{Op: "open", Path: dir, Err: err}
		}
		defer unix.Close(fd)
		fds[i] = fd
	}
	d := &differ{root: fds[2]}
	if err := d.directory(fds[0], fds[1], ""); err != nil {
		return err
	}
	return sameMeta(fds[0], fds[2])
}

type differ struct{ root int }

// directory compares two directories; below is -1 where there was none.
func (d *differ) directory(tree, below int, prefix string) error {
	names, err := readNames(tree)
	if err != nil {
		return named(prefix, err)
	}
	for _, base := range names {
		if err := d.entry(tree, below, base, prefix+base); err != nil {
			return named(prefix+base, err)
		}
	}
	if below < 0 {
		return nil
	}
	had, err := readNames(below)
	if err != nil {
		return named(prefix, err)
	}
	for _, base := range had {
		if _, still := slices.BinarySearch(names, base); still {
			continue
		}
		err := d.in(prefix, func(upper int) error { return unix.Mknodat(upper, base, unix.S_IFCHR, 0) })
		if err != nil {
			return named(prefix+base, err)
		}
	}
	return nil
}

func (d *differ) entry(tree, below int, base, name string) error {
	var now, was unix.Stat_t
	if err := unix.Fstatat(tree, base, &now, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	there := below >= 0 && unix.Fstatat(below, base, &was, unix.AT_SYMLINK_NOFOLLOW) == nil
	if now.Mode&unix.S_IFMT != unix.S_IFDIR {
		if there && sameStat(now, was) && sameContent(tree, below, base, now) {
			return nil
		}
		return d.in(name[:len(name)-len(base)], func(upper int) error { return unix.Linkat(tree, base, upper, base, 0) })
	}
	sub, err := openDir(tree, base)
	if err != nil {
		return err
	}
	defer unix.Close(sub)
	lower := -1
	if there && was.Mode&unix.S_IFMT == unix.S_IFDIR {
		if lower, err = openDir(below, base); err != nil {
			return err
		}
		defer unix.Close(lower)
	}
	if lower < 0 || !sameStat(now, was) || !sameAttrs(sub, lower) {
		if err := d.in(name+"/", func(int) error { return nil }); err != nil {
			return err
		}
	}
	return d.directory(sub, lower, name+"/")
}

// in calls f with the directory of upper that stands for one of tree. It is made
// with those above it.
func (d *differ) in(prefix string, f func(upper int) error) error {
	dir, err := unix.Openat(d.root, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { unix.Close(dir) }()
	for part := range strings.FieldsFuncSeq(prefix, func(r rune) bool { return r == '/' }) {
		if err := unix.Mkdirat(dir, part, 0o700); err != nil && !errors.Is(err, unix.EEXIST) {
			return err
		}
		next, err := openDir(dir, part)
		if err != nil {
			return err
		}
		unix.Close(dir)
		dir = next
	}
	return f(dir)
}

// sameMeta gives the directories of upper what those of tree have, once nothing
// more is made in them.
func sameMeta(tree, upper int) error {
	names, err := readNames(upper)
	if err != nil {
		return err
	}
	for _, base := range names {
		if kind, _ := typeOf(upper, base); kind != unix.S_IFDIR {
			continue
		}
		if err := sameMetaBelow(tree, upper, base); err != nil {
			return named(base, err)
		}
	}
	var st unix.Stat_t
	if err := unix.Fstat(tree, &st); err != nil {
		return err
	}
	return copyMeta(tree, upper, st)
}

func sameMetaBelow(tree, upper int, base string) error {
	from, err := openDir(tree, base)
	if err != nil {
		return err
	}
	defer unix.Close(from)
	to, err := openDir(upper, base)
	if err != nil {
		return err
	}
	defer unix.Close(to)
	return sameMeta(from, to)
}

func sameStat(a, b unix.Stat_t) bool {
	if a.Mode&unix.S_IFMT != unix.S_IFDIR && (a.Size != b.Size || a.Rdev != b.Rdev) {
		return false
	}
	return a.Mode == b.Mode && a.Uid == b.Uid && a.Gid == b.Gid && a.Mtim == b.Mtim
}

// sameContent compares what size and time do not tell.
func sameContent(tree, below int, base string, st unix.Stat_t) bool {
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFLNK:
		var a, b [unix.PathMax]byte
		n, err1 := unix.Readlinkat(tree, base, a[:])
		m, err2 := unix.Readlinkat(below, base, b[:])
		return err1 == nil && err2 == nil && string(a[:n]) == string(b[:m])
	case unix.S_IFREG:
		a, err := openFile(tree, base)
		if err != nil {
			return false
		}
		defer a.Close()
		b, err := openFile(below, base)
		if err != nil {
			return false
		}
		defer b.Close()
		return sameAttrs(int(a.Fd()), int(b.Fd()))
	}
	return true
}

func sameAttrs(a, b int) bool {
	x, err1 := getAttrs(a)
	y, err2 := getAttrs(b)
	return err1 == nil && err2 == nil && maps.Equal(x, y)
}
