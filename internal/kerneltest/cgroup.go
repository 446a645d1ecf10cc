package kerneltest

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// controllers is the probe for controllers.
func controllers(names ...string) func() error { return func() error { return delegates(names...) } }

// delegates reports whether the caller can have a control group of its own with
// these controllers: one that it makes in its own group, or that the user's
// systemd makes; cgroups(7), "Delegation".
func delegates(names ...string) error {
	own, err := ownCgroup()
	if err != nil {
		return err
	}
	if err = makeCgroup(own, names); err == nil {
		return nil
	}
	uid := os.Getuid()
	if _, bus := os.Stat(fmt.Sprintf("/run/user/%d/bus", uid)); bus != nil {
		return err
	}
	root, err := cgroup2Mount()
	if err != nil {
		return err
	}
	return haveControllers(fmt.Sprintf("%s/user.slice/user-%d.slice/user@%d.service", root, uid, uid), names)
}

// makeCgroup makes and removes a directory in a control group.
func makeCgroup(dir string, names []string) error {
	sub := filepath.Join(dir, fmt.Sprintf("kerneltest-%d", os.Getpid()))
	if err := haveControllers(dir, names); err != nil {
		return err
	}
	return errors.Join(os.Mkdir(sub, 0o755), os.Remove(sub))
}

func haveControllers(dir string, names []string) error {
	text, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	if err != nil {
		return err
	}
	have := strings.Fields(string(text))
	for _, want := range names {
		if !slices.Contains(have, want) {
			return fmt.Errorf("the controller %s is not delegated to %s", want, dir)
		}
	}
	return nil
}

// ownCgroup is the directory of the caller's cgroup in the v2 hierarchy.
func ownCgroup() (string, error) {
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
			root, err := cgroup2Mount()
			// Where Snug moves the processes of a subtree that it divides.
			return strings.TrimSuffix(filepath.Join(root, path), "/snug-outside"), err
		}
	}
	return "", errors.New("there is no cgroup v2 hierarchy")
}

func cgroup2Mount() (string, error) {
	text, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 2 && f[2] == "cgroup2" {
			return f[1], nil
		}
	}
	return "", errors.New("no cgroup2 file system is mounted")
}

// limitsIO wants a disk and the controller that limits it.
func limitsIO() error {
	_, err := diskDir()
	return errors.Join(err, delegates("io"))
}

// Disk returns a new directory on a disk that the controller io can limit, and
// removes it after the test. SNUG_TEST_DISK names where to make it; otherwise it
// is where temporary files are, in the user's home, or in /var/tmp. The test
// should have required the feature io.
func Disk(t testing.TB) string {
	t.Helper()
	parent, err := diskDir()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp(parent, "snug-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// diskDir is the first directory that the caller may write and that lies on a
// block device.
func diskDir() (string, error) {
	home, _ := os.UserHomeDir()
	dirs := []string{cmp.Or(os.Getenv("SNUG_TEST_DISK"), os.TempDir()), home, "/var/tmp"}
	for _, dir := range dirs {
		var st unix.Stat_t
		if unix.Stat(dir, &st) != nil || unix.Access(dir, unix.W_OK) != nil {
			continue
		}
		device := fmt.Sprintf("/sys/dev/block/%d:%d", unix.Major(st.Dev), unix.Minor(st.Dev))
		if _, err := os.Stat(device); err == nil {
			return dir, nil
		}
	}
	return "", fmt.Errorf("none of %s is a directory on a disk", strings.Join(dirs, ", "))
}
