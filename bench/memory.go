package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// settling is how long after the start of a command memory is looked at: Snug gives
// back what a start needed once a command has run for 200 ms.
const settling = 500 * time.Millisecond

// mayAdd is how much more memory than bubblewrap's two processes Snug's may use.
const mayAdd = 4096 // kB

// memory compares the proportional set size of what stays beside the command.
// Only root may look into process 1 of a sandbox, for Snug's and bubblewrap's
// alike.
func (b *bench) memory() error {
	if os.Getuid() != 0 {
		return errors.New("only root can read the memory of process 1 of a sandbox")
	}
	const samples = 9
	var ours, theirs []int
	for range samples {
		snug, err := b.resident(b.command(b.profile()))
		if err != nil {
			return err
		}
		bwrap, err := b.resident(b.bubblewrap())
		if err != nil {
			return err
		}
		ours, theirs = append(ours, snug), append(theirs, bwrap)
	}
	m, n := middle(ours), middle(theirs)
	b.add(target{what: "PSS beside the command, over bwrap's + 4 MB", snug: fmt.Sprintf("%d kB", m), bwrap: fmt.Sprintf("%d kB", n),
		value: float64(m) / float64(n+mayAdd), limit: 1})
	return nil
}

// resident starts a sandbox whose command waits, and sums up the memory of all
// its processes but the command.
func (b *bench) resident(c contender) (kB int, err error) {
	in, out, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer in.Close()
	p, ok := c(in, b.wait).(*exec.Cmd)
	if !ok {
		return 0, errors.New("not a program")
	}
	if err := becomeUser(p, b.user); err != nil {
		return 0, err
	}
	if err := p.Start(); err != nil {
		return 0, err
	}
	kB, err = b.beside(p.Process.Pid)
	return kB, errors.Join(err, out.Close(), p.Wait())
}

// becomeUser lets a program run as an ordinary user.
func becomeUser(cmd *exec.Cmd, name string) error {
	u, err := user.Lookup(name)
	if err != nil {
		return err
	}
	uid, err1 := strconv.Atoi(u.Uid)
	gid, err2 := strconv.Atoi(u.Gid)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + u.HomeDir, "USER=" + name}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	return errors.Join(err1, err2)
}

// beside waits until the command below pid runs, lets things settle, and sums
// up what the processes above it use.
func (b *bench) beside(pid int) (kB int, err error) {
	for range 500 {
		time.Sleep(10 * time.Millisecond)
		family, err := descendants(pid)
		if err != nil {
			return 0, err
		}
		if others, found := b.withoutCommand(family); found {
			time.Sleep(settling)
			return sumPSS(others)
		}
	}
	return 0, errors.New("the command did not come up within five seconds")
}

// withoutCommand drops the process that runs the waiting program.
func (b *bench) withoutCommand(pids []int) (others []int, found bool) {
	for _, pid := range pids {
		exe, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
		if filepath.Base(exe) == filepath.Base(b.wait) {
			found = true
			continue
		}
		others = append(others, pid)
	}
	return others, found
}

// descendants returns pid and every process below it.
func descendants(pid int) ([]int, error) {
	names, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	children := map[int][]int{}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		if id, parent, ok := parseStat(string(text)); ok {
			children[parent] = append(children[parent], id)
		}
	}
	family := []int{pid}
	for i := 0; i < len(family); i++ {
		family = append(family, children[family[i]]...)
	}
	return family, nil
}

// parseStat takes the process and its parent out of /proc/PID/stat, whose
// second field is a name in parentheses that may hold anything.
func parseStat(text string) (pid, parent int, ok bool) {
	open, end := strings.IndexByte(text, '('), strings.LastIndexByte(text, ')')
	if open < 0 || end < open {
		return 0, 0, false
	}
	fields := strings.Fields(text[end+1:])
	if len(fields) < 2 {
		return 0, 0, false
	}
	pid, err1 := strconv.Atoi(strings.TrimSpace(text[:open]))
	parent, err2 := strconv.Atoi(fields[1])
	return pid, parent, err1 == nil && err2 == nil
}

func sumPSS(pids []int) (kB int, err error) {
	for _, pid := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if err != nil {
			return 0, err
		}
		n, err := parsePSS(string(text))
		if err != nil {
			return 0, fmt.Errorf("process %d: %w", pid, err)
		}
		kB += n
	}
	return kB, nil
}

func parsePSS(text string) (kB int, err error) {
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, "Pss:"); ok {
			return strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")))
		}
	}
	return 0, errors.New("smaps_rollup has no line Pss")
}
