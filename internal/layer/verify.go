package layer

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// Verify puts the stream of a layer together and compares its digest; and with
// what the stream says, how the files are there. owners tells whether they were
// given their owners.
func Verify(recipe io.ReadSeeker, dir, diffID string, owners bool) error {
	root, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	defer unix.Close(root)
	r, w := io.Pipe()
	sum := sha256.New()
	go func() { w.CloseWithError(Assemble(recipe, dir, io.MultiWriter(sum, w))) }()
	defer r.Close()
	tr := tar.NewReader(r)
	for {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if err := compare(root, h, owners); err != nil {
			return err
		}
	}
	if _, err := io.Copy(io.Discard, r); err != nil {
		return err
	}
	if got := "sha256:" + hex.EncodeToString(sum.Sum(nil)); got != diffID {
		return errors.New("the content of a file is not what it was")
	}
	return nil
}

// compare looks at a file of the directory as its entry says it is.
func compare(root int, h *tar.Header, owners bool) error {
	name := path.Clean("/" + h.Name)[1:]
	dir, base := path.Split(name)
	kind, known := kinds[h.Typeflag]
	switch {
	case name == "", !known:
		return nil
	case strings.HasPrefix(base, metaPrefix):
		return nil
	case strings.HasPrefix(base, whiteout):
		name, kind = dir+strings.TrimPrefix(base, whiteout), 0
	}
	fd, err := openat2(root, name, unix.OpenHow{Flags: unix.O_PATH | unix.O_NOFOLLOW | unix.O_CLOEXEC, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS})
	if err != nil {
		return fmt.Errorf("%q: %w", name, err)
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	switch {
	case kind == 0:
		return nil // it is there; what else has the name is compared by its own entry
	case kind != st.Mode&unix.S_IFMT:
		return fmt.Errorf("%q is of another type than it was", name)
	case h.Typeflag == tar.TypeLink:
		return nil
	case kind != unix.S_IFLNK && st.Mode&0o7777 != mode(h):
		return fmt.Errorf("%q has the mode %04o, which was %04o", name, st.Mode&0o7777, mode(h))
	case owners && (int(st.Uid) != h.Uid || int(st.Gid) != h.Gid):
		return fmt.Errorf("%q belongs to %d:%d, and did to %d:%d", name, st.Uid, st.Gid, h.Uid, h.Gid)
	case kind == unix.S_IFLNK:
		return compareLink(fd, name, h.Linkname)
	}
	return nil
}

var kinds = map[byte]uint32{
	tar.TypeReg: unix.S_IFREG, tar.TypeCont: unix.S_IFREG, tar.TypeGNUSparse: unix.S_IFREG, tar.TypeDir: unix.S_IFDIR,
	tar.TypeSymlink: unix.S_IFLNK, tar.TypeFifo: unix.S_IFIFO,
}

func compareLink(fd int, name, want string) error {
	text := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(fd, "", text)
	if err != nil {
		return err
	}
	if string(text[:n]) != want {
		return fmt.Errorf("%q leads to %q, and did to %q", name, text[:n], want)
	}
	return nil
}
