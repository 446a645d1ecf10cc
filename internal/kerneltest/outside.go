package kerneltest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
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
