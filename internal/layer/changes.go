package layer

import (
	"errors"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// Changes calls tell for everything that an overlay's upper directory changed
// of the tree below it: 'A' added, 'C' changed, 'D' deleted. Names begin with a
// slash and come sorted within their directories.
func Changes(upper, lower string, tell func(kind byte, name string) error) error {
	up, err := unix.Open(upper, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: upper, Err: err}
	}
	defer unix.Close(up)
	low, err := unix.Open(lower, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: lower, Err: err}
	}
	defer unix.Close(low)
	return changes(up, low, "/", tell)
}

// changes compares two directories; low is -1 where there is none below.
func changes(up, low int, prefix string, tell func(byte, string) error) error {
	names, err := upperNames(up)
	if err != nil {
		return err
	}
	var hidden []string
	if low >= 0 && isOpaque(up) {
		if hidden, err = readNames(low); err != nil {
			return err
		}
		hidden = slices.DeleteFunc(hidden, func(base string) bool {
			_, stays := slices.BinarySearch(names, base)
			return stays
		})
		low = -1
	}
	for _, base := range slices.Sorted(slices.Values(slices.Concat(names, hidden))) {
		if _, gone := slices.BinarySearch(hidden, base); gone {
			err = tell('D', prefix+base)
		} else {
			err = change(up, low, base, prefix, tell)
		}
		if err != nil {
			return named(prefix+base, err)
		}
	}
	return nil
}

// upperNames lists an upper directory, without the marks of what wrote it.
func upperNames(fd int) ([]string, error) {
	names, err := readNames(fd)
	return slices.DeleteFunc(names, func(name string) bool { return slices.Contains(fuseMarks, name) }), err
}

func change(up, low int, base, prefix string, tell func(byte, string) error) error {
	if isMountPoint(up, base, prefix+base) {
		return nil
	}
	kind, removed := typeOf(up, base)
	below, there := uint32(0), false
	if low >= 0 {
		below, _ = typeOf(low, base)
		there = below != 0
	}
	switch {
	case removed && there:
		return tell('D', prefix+base)
	case removed:
		return nil
	case kind == unix.S_IFDIR && below == kind && holdsMountPoints(up, low, base, prefix+base):
		return nil
	case there:
		if err := tell('C', prefix+base); err != nil {
			return err
		}
	default:
		if err := tell('A', prefix+base); err != nil {
			return err
		}
	}
	if kind != unix.S_IFDIR {
		return nil
	}
	sub, err := openDir(up, base)
	if err != nil {
		return err
	}
	defer unix.Close(sub)
	lowSub := -1
	if below == unix.S_IFDIR {
		if lowSub, err = openDir(low, base); err != nil {
			return errors.Join(err)
		}
		defer unix.Close(lowSub)
	}
	return changes(sub, lowSub, prefix+base+"/", tell)
}

// mountPoints are files that a sandbox shows its own on top of. Where an image
// has none, an empty one is made in the upper directory to mount on.
var mountPoints = map[string]bool{"/etc/hosts": true, "/etc/hostname": true, "/etc/resolv.conf": true}

// isMountPoint reports whether a file of an upper directory is nothing but a
// place to mount on.
func isMountPoint(parent int, base, name string) bool {
	var st unix.Stat_t
	return mountPoints[name] && unix.Fstatat(parent, base, &st, unix.AT_SYMLINK_NOFOLLOW) == nil &&
		st.Mode&unix.S_IFMT == unix.S_IFREG && st.Size == 0
}

// holdsMountPoints reports whether nothing was changed in a directory but that
// places to mount on were made in it.
func holdsMountPoints(up, low int, base, name string) bool {
	var a, b unix.Stat_t
	if unix.Fstatat(up, base, &a, unix.AT_SYMLINK_NOFOLLOW) != nil || unix.Fstatat(low, base, &b, unix.AT_SYMLINK_NOFOLLOW) != nil ||
		a.Mode != b.Mode || a.Uid != b.Uid || a.Gid != b.Gid {
		return false
	}
	sub, err := openDir(up, base)
	if err != nil {
		return false
	}
	defer unix.Close(sub)
	names, err := upperNames(sub)
	return err == nil && len(names) > 0 && !isOpaque(sub) &&
		!slices.ContainsFunc(names, func(n string) bool { return !isMountPoint(sub, n, name+"/"+n) })
}
