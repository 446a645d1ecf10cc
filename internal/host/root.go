package host

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/snug-sandbox/snug/internal/problem"
	"golang.org/x/sys/unix"
)

// rootLinks reads the symbolic links among the system directories of root.
// Merged and unmerged /usr differ in nothing else.
func rootLinks(root string) map[string]string {
	links := make(map[string]string, 4)
	for _, dir := range [...]string{
		"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/libexec",
	} {
		if text, err := os.Readlink(filepath.Join(root, dir)); err == nil {
			links[dir] = text
		}
	}
	return links
}

// maxEtcFile is more than any real passwd or group, and little enough to hold.
const maxEtcFile = 1 << 20

// rootEtc reads etc/passwd and etc/group of dir. The tree is somebody else's: a
// symbolic link in it must not lead out, a fifo must not hang, and a file of
// any size must not fill the memory.
func rootEtc(dir string) (map[string]string, error) {
	root, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &problem.Problem{
			What: fmt.Sprintf("root directory %q", dir),
			Why:  rootReason(err),
			Fix:  "give the path of a directory that holds a root file system",
			Err:  err,
		}
	}
	defer unix.Close(root)
	files := make(map[string]string, 2)
	for _, name := range [...]string{"passwd", "group"} {
		text, err := readInRoot(root, "etc/"+name)
		switch {
		case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR):
		case err != nil:
			return nil, &problem.Problem{
				What: "/etc/" + name + " of the root directory " + dir,
				Fix:  "mend the file, or set keep_etc = true in [rootfs] to use it as it is",
				Err:  err,
			}
		default:
			files[name] = text
		}
	}
	return files, nil
}

// LayerFile reads a file of a root that is made of layers, the topmost first.
// One that no layer has is empty.
func LayerFile(layers []string, name string) (string, error) {
	for _, dir := range layers {
		root, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return "", &problem.Problem{What: "layer " + dir, Why: rootReason(err), Err: err}
		}
		text, err := readInRoot(root, name)
		unix.Close(root)
		switch {
		case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR):
		case errors.Is(err, unix.ENXIO):
			return "", nil // a device 0:0: the layer removes it
		case err != nil:
			return "", &problem.Problem{What: "/" + name + " of the image", Err: err}
		default:
			return text, nil
		}
	}
	return "", nil
}

// LayerDirectory returns the permissions of a directory of a root that is made of
// layers, the topmost first, where an empty directory of the caller's with these, put
// on top of all layers, leaves it as it is (overlayfs, "merged directories"). It does
// not where the directory is somebody else's, has an access control list or a label
// (acl(5), xattr(7)), gives its files to a group, or is none.
func LayerDirectory(layers []string, name string) (perm uint32, ok bool) {
	for _, dir := range layers {
		var st unix.Stat_t
		switch err := unix.Lstat(dir+"/"+name, &st); {
		case err == unix.ENOENT:
			continue
		case err != nil, st.Mode&unix.S_IFMT != unix.S_IFDIR, st.Mode&0o7000 != 0, int(st.Uid) != unix.Geteuid(), int(st.Gid) != unix.Getegid():
			return 0, false
		}
		return st.Mode & 0o777, onlyUserAttributes(dir + "/" + name)
	}
	return 0o755, true
}

// onlyUserAttributes reports whether a file has none but those that mean nothing
// to the kernel.
func onlyUserAttributes(name string) bool {
	var list [256]byte
	n, err := unix.Llistxattr(name, list[:])
	if err != nil {
		return err == unix.ENOTSUP
	}
	for _, attribute := range strings.Split(string(list[:n]), "\x00") {
		if attribute != "" && !strings.HasPrefix(attribute, "user.") {
			return false
		}
	}
	return true
}

func rootReason(err error) string {
	switch {
	case errors.Is(err, unix.ENOENT):
		return "does not exist"
	case errors.Is(err, unix.ENOTDIR):
		return "is not a directory"
	case errors.Is(err, unix.EACCES):
		return "may not be entered"
	}
	return err.Error()
}

// readInRoot reads a regular file below root. RESOLVE_IN_ROOT makes absolute
// links and ".." stay inside (openat2(2), Linux 5.6); O_NONBLOCK lets the open
// of a fifo return.
func readInRoot(root int, name string) (string, error) {
	fd, err := -1, error(unix.EAGAIN)
	// Any rename or mount elsewhere may disturb the lookup (openat2(2)).
	for tries := 0; err == unix.EAGAIN && tries < 1<<16; tries++ {
		fd, err = unix.Openat2(root, name, &unix.OpenHow{
			Flags:   unix.O_RDONLY | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_CLOEXEC,
			Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
		})
	}
	if err != nil {
		return "", err
	}
	file := os.NewFile(uintptr(fd), name)
	defer file.Close()
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return "", err
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFREG {
		return "", errors.New("is not a regular file")
	}
	text, err := io.ReadAll(io.LimitReader(file, maxEtcFile+1))
	if err != nil {
		return "", err
	}
	if len(text) > maxEtcFile {
		return "", fmt.Errorf("is larger than %d bytes", maxEtcFile)
	}
	return string(text), nil
}
