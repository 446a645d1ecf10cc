package bwrap

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/internal/child"
	"github.com/snug-sandbox/snug/mounts"
)

// SELinux reports whether this kernel has it, and it is enabled.
func SELinux() bool { return exists("/sys/fs/selinux/enforce") }

// Look finds out what a translation in this process needs to know.
func Look() Surroundings {
	umask := unix.Umask(0)
	unix.Umask(umask)
	workdir, err := unix.Getwd() // not $PWD: bubblewrap tells the real path
	if err != nil || !strings.HasPrefix(workdir, "/") {
		workdir = ""
	}
	s := Surroundings{
		UID: os.Getuid(), Workdir: workdir, Umask: umask, Ignored: ignored(),
		NoUserns: os.Getuid() == 0 && noUserns(), NoCgroupns: !exists("/proc/self/ns/cgroup"), Data: readAll, Path: pathOf,
		Stat: sourceKind, Follow: filepath.EvalSymlinks, Readlink: os.Readlink,
	}
	if s.UID == 0 {
		s.Capabilities = effectiveCapabilities()
	}
	if _, err := unix.IoctlGetTermios(1, unix.TCGETS); err == nil {
		s.Terminal, _ = os.Readlink("/proc/self/fd/1")
	}
	return s
}

// ignored are the signals that the caller ignores, as far as Go leaves them so.
// A shell without job control has its background jobs ignore SIGINT and SIGQUIT
// together; of the second one Go forgets it.
func ignored() uint64 {
	set := child.Ignored()
	if set&(1<<(unix.SIGINT-1)) != 0 {
		set |= 1 << (unix.SIGQUIT - 1)
	}
	return set
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func noUserns() bool {
	most, err := os.ReadFile("/proc/sys/user/max_user_namespaces")
	return !exists("/proc/self/ns/user") || err == nil && strings.TrimSpace(string(most)) == "0"
}

func effectiveCapabilities() uint64 {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if unix.Capget(&header, &data[0]) != nil {
		return 0
	}
	return uint64(data[0].Effective) | uint64(data[1].Effective)<<32
}

// keep keeps a descriptor of the caller's for us, the command does not get it.
func keep(fd int) { child.CloseOnExec(fd) }

// readAll reads a descriptor of the caller to its end. It stays open: named
// twice, the second time it is empty.
func readAll(fd int) ([]byte, error) {
	var content []byte
	buf := make([]byte, 64<<10)
	for {
		n, err := unix.Read(fd, buf)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return nil, err
		case n == 0:
			keep(fd)
			return content, nil
		}
		content = append(content, buf[:max(n, 0)]...)
	}
}

// sourceKind finds out what a path leads to.
func sourceKind(path string) (mounts.Kind, error) {
	var stat unix.Stat_t
	if err := unix.Stat(path, &stat); err != nil {
		return mounts.Unseen, err
	}
	if stat.Mode&unix.S_IFMT == unix.S_IFDIR {
		return mounts.Directory, nil
	}
	return mounts.Other, nil
}

// pathOf finds out where a descriptor leads to.
func pathOf(fd int) (string, mounts.FileID, error) {
	path, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
	if err != nil {
		return "", mounts.FileID{}, err
	}
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return "", mounts.FileID{}, err
	}
	keep(fd)
	return path, mounts.FileID{Major: unix.Major(stat.Dev), Minor: unix.Minor(stat.Dev), Inode: stat.Ino}, nil
}
