package host

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Device is a block device that limits of traffic are for.
type Device struct {
	Number string // "8:0"; of the whole disk where a partition was asked for
	Why    string // why there is none
}

// blockDevice finds the device that a name stands for: a device's number, a
// device file, or a file or directory whose file system lies on one.
func blockDevice(root, name string) Device {
	number, why := name, ""
	if strings.HasPrefix(name, "/") {
		number, why = deviceAt(root, name)
	}
	if why != "" {
		return Device{Why: name + " " + why}
	}
	return wholeDisk(root, name, number)
}

// deviceAt returns the number of the device at a path, or below it.
func deviceAt(root, path string) (number, why string) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return "", "cannot be looked at: " + err.Error()
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFBLK:
		return deviceNumber(st.Rdev), ""
	case unix.S_IFCHR:
		return "", "is not a block device"
	}
	if unix.Major(st.Dev) != 0 {
		return deviceNumber(st.Dev), ""
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	return "", noDevice(readMounts(root), path)
}

func deviceNumber(dev uint64) string {
	return strconv.Itoa(int(unix.Major(dev))) + ":" + strconv.Itoa(int(unix.Minor(dev)))
}

// noDevice says what lies at a path whose file system has no device of its own.
func noDevice(mounts []mountEntry, path string) string {
	var at mountEntry
	for _, m := range mounts {
		if _, ok := below(path, m.point); ok && len(m.point) >= len(at.point) {
			at = m
		}
	}
	why := "is on a file system of the type " + at.fstype + ", which has no block device of its own"
	if strings.HasPrefix(at.source, "/dev/") {
		why += "; it uses " + at.source
	}
	return why
}

// wholeDisk is the disk that a device is a partition of, or the device itself
// (io.max is for whole disks). sysfs has a link for each device, into the
// directory of its disk.
func wholeDisk(root, name, number string) Device {
	dir, err := filepath.EvalSymlinks(filepath.Join(root, "sys/dev/block", number))
	if err != nil {
		return Device{Why: name + ": there is no block device " + number}
	}
	if _, err := os.Stat(filepath.Join(dir, "partition")); err == nil {
		number = strings.TrimSpace(readSmall(filepath.Join(filepath.Dir(dir), "dev")))
	}
	return Device{Number: number}
}
