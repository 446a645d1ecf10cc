package host

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// disks are the links of sysfs for a disk with a partition, and for one of the
// device mapper.
func disks(t *testing.T) string {
	root := tree(t, map[string]string{
		"sys/devices/pci/block/vda/dev": "254:0\n", "sys/devices/pci/block/vda/vda1/dev": "254:1\n", "sys/devices/pci/block/vda/vda1/partition": "1\n",
		"sys/devices/virtual/block/dm-0/dev": "253:0\n", "sys/dev/block/x": "",
	})
	for number, to := range map[string]string{"254:0": "pci/block/vda", "254:1": "pci/block/vda/vda1", "253:0": "virtual/block/dm-0"} {
		if err := os.Symlink("../../devices/"+to, filepath.Join(root, "sys/dev/block", number)); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestBlockDevice(t *testing.T) {
	root := disks(t)
	for _, c := range []struct{ name, number, why string }{
		{"254:0", "254:0", ""}, {"254:1", "254:0", ""}, {"253:0", "253:0", ""},
		{"9:9", "", "9:9: there is no block device 9:9"},
		{"/dev/null", "", "/dev/null is not a block device"},
		{"/nothing/here", "", "/nothing/here cannot be looked at: no such file or directory"},
		{"/proc", "", "/proc is on a file system of the type "},
	} {
		if got := blockDevice(root, c.name); got.Number != c.number || !strings.HasPrefix(got.Why, c.why) || (got.Why == "") != (c.why == "") {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

func TestAFileSystemWithoutADevice(t *testing.T) {
	root := tree(t, map[string]string{"proc/self/mountinfo": "20 1 8:1 / / rw - ext4 /dev/sda1 rw\n30 20 0:26 / /tmp rw - tmpfs tmpfs rw\n" +
		"31 20 0:30 /home /home rw - btrfs /dev/sda2 rw\n"})
	for path, want := range map[string]string{
		"/tmp/x": "is on a file system of the type tmpfs, which has no block device of its own", "/tmpx": "is on a file system of the type ext4, which has no block device of its own; it uses /dev/sda1",
		"/home/ann": "is on a file system of the type btrfs, which has no block device of its own; it uses /dev/sda2",
	} {
		if got := noDevice(readMounts(root), path); got != want {
			t.Errorf("%s: %q", path, got)
		}
	}
}
