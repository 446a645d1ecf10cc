package layer

import (
	"errors"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// below looks into the layers under one that is unpacked. A layer names files of
// those in two ways: as the target of a hard link, and as directories that it
// puts something into and has no entry of.
type below struct {
	dirs []int // descriptors, the topmost first
}

func openBelow(layers []string) (*below, error) {
	b := &below{}
	for _, dir := range layers {
		fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			b.close()
			return nil, &os.PathError{Op: "open", Path: dir, Err: err}
		}
		b.dirs = append(b.dirs, fd)
	}
	return b, nil
}

func (b *below) close() {
	for _, fd := range b.dirs {
		unix.Close(fd)
	}
}

// find returns the directory that holds name, to be closed by the caller, and what
// name is there. Links are not followed.
func (b *below) find(name string) (parent int, st unix.Stat_t, err error) {
	for _, root := range b.dirs {
		parent, st, hides, err := look(root, name)
		if err == nil || hides {
			return parent, st, err
		}
	}
	return -1, unix.Stat_t{}, unix.ENOENT
}

// look is find in one layer. hides says that the layers below it do not count.
func look(root int, name string) (parent int, st unix.Stat_t, hides bool, err error) {
	if parent, err = unix.Openat(root, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err != nil {
		return -1, st, true, err
	}
	for {
		part, rest, more := strings.Cut(name, "/")
		err := unix.Fstatat(parent, part, &st, unix.AT_SYMLINK_NOFOLLOW)
		removed := err == nil && st.Mode&unix.S_IFMT == unix.S_IFCHR && st.Rdev == 0
		switch {
		case err != nil:
			hides = hides || isOpaque(parent)
		case removed, more && st.Mode&unix.S_IFMT != unix.S_IFDIR:
			hides, err = true, unix.ENOENT
		case !more:
			return parent, st, false, nil
		}
		next := -1
		if err == nil {
			hides = hides || isOpaque(parent)
			next, err = openDir(parent, part)
		}
		unix.Close(parent)
		if err != nil {
			return -1, st, hides, err
		}
		parent, name = next, rest
	}
}

// copyUp copies a file of the layers below into this one, as a file system over
// them does when it is written to, so that it can get another name.
func (u *unpacker) copyUp(name string) error {
	b, err := u.below()
	if err != nil {
		return err
	}
	from, st, err := b.find(name)
	if err != nil {
		return err
	}
	defer unix.Close(from)
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return unix.EPERM
	}
	dir, base := path.Split(name)
	to, err := u.parent(dir)
	if err != nil {
		return err
	}
	defer unix.Close(to)
	u.report.Dependent = true
	f := &flattener{root: u.root, links: map[[2]uint64]string{}}
	return f.entry(from, to, base, name)
}

// below opens the layers below when they are needed first, and waits until they
// are there.
func (u *unpacker) below() (*below, error) {
	if u.under != nil {
		return u.under, nil
	}
	var layers []string
	if u.Below != nil {
		var err error
		if layers, err = u.Below(); err != nil {
			return nil, err
		}
	}
	var err error
	u.under, err = openBelow(layers)
	return u.under, err
}

// likeBelow gives a directory that the layer has no entry of what it has below.
func (u *unpacker) likeBelow(parent int, base, name string) error {
	b, err := u.below()
	if err != nil {
		return err
	}
	from, st, err := b.find(name)
	if err != nil || st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return nil // it is new, or takes the place of something
	}
	defer unix.Close(from)
	old, err := openDir(from, base)
	if err != nil {
		return err
	}
	defer unix.Close(old)
	made, err := openDir(parent, base)
	if err != nil {
		return err
	}
	defer unix.Close(made)
	u.report.Dependent = true
	u.dirs[name] = dirMeta{st.Mode & 0o7777, timespec(modTime(st))}
	err = copyMeta(old, made, st)
	return errors.Join(err, unix.Fchmod(made, st.Mode&0o7777|0o700))
}
