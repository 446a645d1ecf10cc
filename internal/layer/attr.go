package layer

import (
	"archive/tar"
	"errors"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// ownerAttr holds the true owner of a file that is the caller's, as umoci(1) and
// PRoot have it: a protocol buffer with the numbers uid = 1 and gid = 2.
const ownerAttr = "user.rootlesscontainers"

// paxXattr begins the records of a stream that are extended attributes.
const paxXattr = "SCHILY.xattr."

// openMeta sets the owner and the attributes of an open file or directory.
func (u *unpacker) openMeta(fd int, h *tar.Header) error {
	if u.Chown {
		if h.Uid != 0 || h.Gid != 0 {
			if err := unix.Fchown(fd, h.Uid, h.Gid); err != nil {
				return ownerError(err)
			}
		}
	} else if h.Uid != 0 || h.Gid != 0 {
		if err := unix.Fsetxattr(fd, ownerAttr, encodeOwner(h.Uid, h.Gid), 0); err != nil && !unsupported(err) {
			return err
		}
	}
	return u.attributes(fd, h)
}

func ownerError(err error) error {
	if errors.Is(err, unix.EINVAL) {
		return errors.New("its owner has an id that is not in the caller's range (/etc/subuid, /etc/subgid)")
	}
	return err
}

// plainMeta sets the owner and the time of something that cannot be opened.
func (u *unpacker) plainMeta(parent int, base string, h *tar.Header) error {
	if u.Chown && (h.Uid != 0 || h.Gid != 0) {
		if err := unix.Fchownat(parent, base, h.Uid, h.Gid, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return ownerError(err)
		}
	}
	return setTime(parent, base, timespec(h.ModTime))
}

// attributes sets those of the caller's kind. What steers overlayfs is the
// store's own: a layer that could set it would reach into other directories.
func (u *unpacker) attributes(fd int, h *tar.Header) error {
	for key, value := range h.PAXRecords {
		name, ok := strings.CutPrefix(key, paxXattr)
		switch {
		case !ok:
		case reservedAttr(name):
			u.skipped.Add(1)
		case strings.HasPrefix(name, "user."), name == "security.capability", strings.HasPrefix(name, "system.posix_acl_"):
			if err := unix.Fsetxattr(fd, name, []byte(value), 0); err != nil {
				if !unsupported(err) {
					return err
				}
				u.skipped.Add(1)
			}
		default:
			u.skipped.Add(1)
		}
	}
	return nil
}

func reservedAttr(name string) bool {
	return strings.HasPrefix(name, "user.overlay.") || strings.HasPrefix(name, "user.fuseoverlayfs.") || strings.HasPrefix(name, "trusted.") || name == ownerAttr
}

func unsupported(err error) bool {
	return errors.Is(err, unix.EPERM) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EACCES)
}

func encodeOwner(uid, gid int) []byte {
	var b []byte
	for i, id := range []int{uid, gid} {
		if id == 0 {
			continue
		}
		b = append(b, byte(i+1)<<3)
		for v := uint32(id); ; v >>= 7 {
			if v < 0x80 {
				b = append(b, byte(v))
				break
			}
			b = append(b, byte(v)|0x80)
		}
	}
	return b
}

// decodeOwner reads what encodeOwner wrote; what it does not know it ignores.
func decodeOwner(b []byte) (uid, gid int) {
	for len(b) > 0 {
		field := b[0]
		var v uint32
		i := 1
		for shift := 0; i < len(b); i, shift = i+1, shift+7 {
			v |= uint32(b[i]&0x7f) << shift
			if b[i] < 0x80 {
				i++
				break
			}
		}
		switch field {
		case 1 << 3:
			uid = int(v)
		case 2 << 3:
			gid = int(v)
		}
		b = b[i:]
	}
	return uid, gid
}

// getAttrs reads the attributes of an open file.
func getAttrs(fd int) (map[string]string, error) {
	n, err := unix.Flistxattr(fd, nil)
	if err != nil || n == 0 {
		if err != nil && !unsupported(err) {
			return nil, err
		}
		return nil, nil
	}
	list := make([]byte, n)
	if n, err = unix.Flistxattr(fd, list); err != nil {
		return nil, err
	}
	attrs := map[string]string{}
	for _, name := range slices.Sorted(strings.SplitSeq(strings.TrimSuffix(string(list[:n]), "\x00"), "\x00")) {
		value, err := getAttr(fd, name)
		if err == nil {
			attrs[name] = value
		}
	}
	return attrs, nil
}

func getAttr(fd int, name string) (string, error) {
	n, err := unix.Fgetxattr(fd, name, nil)
	if err != nil {
		return "", err
	}
	value := make([]byte, n)
	n, err = unix.Fgetxattr(fd, name, value)
	return string(value[:max(n, 0)]), err
}
