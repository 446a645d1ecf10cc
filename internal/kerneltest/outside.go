package kerneltest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// openPty opens both ends of a new pseudo-terminal; pts(4).
func openPty() error {
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return err
	}
	defer master.Close()
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		return fmt.Errorf("unlock the terminal: %w", err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		return fmt.Errorf("number of the terminal: %w", err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return err
	}
	return slave.Close()
}

// mapRange maps the caller's subordinate ids with the helpers that are allowed
// to; newuidmap(1).
func mapRange() error {
	uids, err := firstRange("/etc/subuid")
	if err != nil {
		return err
	}
	gids, err := firstRange("/etc/subgid")
	if err != nil {
		return err
	}
	var stderr bytes.Buffer
	cmd := insideCommand("subid", &stderr)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	err = errors.Join(
		helper("newuidmap", cmd.Process.Pid, os.Getuid(), uids),
		helper("newgidmap", cmd.Process.Pid, os.Getgid(), gids),
		stdin.Close(),
	)
	return errors.Join(err, withReason(cmd.Wait(), &stderr))
}

// waitForMap waits until the outer half has written the maps, then looks
// whether the range has arrived. It cannot take one of its ids: the capability
// for that was lost when it was executed before it had a map.
func waitForMap() error {
	if _, err := bufio.NewReader(os.Stdin).ReadByte(); err == nil {
		return errors.New("the outer half wrote into the pipe that it should close")
	}
	for _, name := range []string{"/proc/self/uid_map", "/proc/self/gid_map"} {
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if lines := bytes.Count(text, []byte("\n")); lines != 2 {
			return fmt.Errorf("%s has %d lines instead of 2", name, lines)
		}
	}
	return nil
}

// helper runs newuidmap or newgidmap: root is the caller, all else the range.
func helper(name string, pid, id int, r [2]string) error {
	out, err := exec.Command(name, strconv.Itoa(pid), "0", strconv.Itoa(id), "1", "1", r[0], r[1]).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, bytes.TrimSpace(out))
	}
	return nil
}

// firstRange is the first line of a table of subordinate ids that is the
// caller's: start and count; subuid(5).
func firstRange(table string) (r [2]string, err error) {
	me, err := user.Current()
	if err != nil {
		return r, err
	}
	text, err := os.ReadFile(table)
	if err != nil {
		return r, err
	}
	for line := range strings.Lines(string(text)) {
		f := strings.Split(strings.TrimSpace(line), ":")
		if len(f) == 3 && (f[0] == me.Username || f[0] == me.Uid) {
			return [2]string{f[1], f[2]}, nil
		}
	}
	return r, fmt.Errorf("%s has no line for %s", table, me.Username)
}

// makeCgroup makes and removes a directory in the caller's own cgroup v2, where
// memory and process numbers can be limited; cgroups(7). The user's systemd can
// make one, too.
func makeCgroup() error {
	err := makeOwnCgroup()
	if _, bus := os.Stat(fmt.Sprintf("/run/user/%d/bus", os.Getuid())); bus == nil {
		return nil
	}
	return err
}

func makeOwnCgroup() error {
	dir, err := ownCgroup()
	if err != nil {
		return err
	}
	controllers, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	if err != nil {
		return err
	}
	for _, want := range []string{"memory", "pids"} {
		if !bytes.Contains(controllers, []byte(want)) {
			return fmt.Errorf("the controller %s is not delegated to %s", want, dir)
		}
	}
	sub := filepath.Join(dir, fmt.Sprintf("kerneltest-%d", os.Getpid()))
	return errors.Join(os.Mkdir(sub, 0o755), os.Remove(sub))
}

// controller is a probe for a controller in the caller's own cgroup, or else in
// that of the user's systemd.
func controller(name string) func() error {
	return func() error {
		dir := fmt.Sprintf("/sys/fs/cgroup/user.slice/user-%[1]d.slice/user@%[1]d.service", os.Getuid())
		if makeOwnCgroup() == nil {
			dir, _ = ownCgroup()
		}
		text, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
		if err == nil && !slices.Contains(strings.Fields(string(text)), name) {
			err = fmt.Errorf("the controller %s is not delegated to %s", name, dir)
		}
		return err
	}
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
