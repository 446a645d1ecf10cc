package hook

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug"
	"github.com/snug-sandbox/snug/internal/cgroupfs"
	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/internal/running"
	"github.com/snug-sandbox/snug/spec"
	"github.com/snug-sandbox/snug/userns"
)

// insidePause is where this program is inside, to do nothing there.
const insidePause = "/.snug-pause"

// prefix begins the names of all sandboxes of one runner. Two may have the same
// name, and do not have the same directory.
func (h host) prefix() string {
	sum := fnv.New32a()
	io.WriteString(sum, h.name+"\x00"+h.temp)
	return fmt.Sprintf("gha-%08x-", sum.Sum32())
}

// newID is n random bytes as hexadecimal digits.
func newID(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails (crypto/rand)
	return hex.EncodeToString(b)
}

// nameOf is the name of one of a pod's sandboxes: its network's, or that of the
// container with an id.
func nameOf(pod, id string) string { return pod + "-" + id[:min(len(id), 16)] }

const netRole = "net"

// bestMap is the map of ids that images are unpacked for.
func bestMap() string {
	s := spec.Spec{Identity: userns.Config{Map: userns.MapRange}}
	if facts, err := s.Facts(); err == nil && userns.MissingForRange(facts) == nil {
		return userns.MapRange
	}
	return userns.MapRoot
}

// Modes of SNUG_ACTIONS_NETWORK.
const (
	netAuto, netNone, netPrivate, netHost = "auto", "none", "private", "host"
)

// startPod makes the namespaces that the sandboxes of a job share: snug itself
// makes them, so that it is the one program that a host has to allow it.
func (h *Hook) startPod() error {
	h.state.Network = "snug_network_" + newID(16)
	h.state.Map = bestMap()
	modes, err := h.modes()
	if err != nil {
		return err
	}
	var refused error
	for _, mode := range modes {
		switch err := h.startNet(mode); {
		case err == nil:
			h.state.Shared = mode == netHost
			if refused != nil {
				say(h.Out, "the job's containers reach each other and nothing else, as a private network cannot be had: %v. SNUG_ACTIONS_NETWORK in the runner's .env chooses", refused)
			}
			return nil
		case !errors.Is(err, errRefused):
			return err
		default:
			refused = err
		}
	}
	return refused
}

// modes are the networks to try, in order.
func (h *Hook) modes() ([]string, error) {
	switch mode := h.Getenv("SNUG_ACTIONS_NETWORK"); mode {
	case "", netAuto:
		return []string{netPrivate, netNone}, nil
	case netNone, netPrivate, netHost:
		return []string{mode}, nil
	default:
		return nil, &problem.Problem{What: "SNUG_ACTIONS_NETWORK", Why: strconv.Quote(mode) + " is not one of auto, none, private, host"}
	}
}

// errRefused is what snug says where it would not run what was asked for.
var errRefused = errors.New("refused")

// refusal is the text of such an error.
type refusal struct{ *problem.Problem }

func (r refusal) Is(target error) bool { return target == errRefused }
func (r refusal) Unwrap() error        { return r.Problem }

// startNet starts the sandbox that holds the network. Its command does nothing,
// but for connections that it takes to ports inside.
func (h *Hook) startNet(mode string) error {
	name := nameOf(h.state.Pod, netRole)
	profile, err := inMemory(h.netProfile(mode))
	if err != nil {
		return err
	}
	defer profile.Close()
	log, err := os.Create(filepath.Join(h.dir(), "net.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	inside, outside, err := socketPair()
	if err != nil {
		return err
	}
	defer inside.Close()
	cmd := exec.Command(h.Snug, "run", "--name", name, "-p", "/proc/self/fd/3", "--", insidePause, "forward")
	cmd.Stdout, cmd.Stderr, cmd.Env, cmd.Dir = log, log, h.daemonEnv(), "/"
	cmd.SysProcAttr = detached
	cmd.ExtraFiles = []*os.File{profile, inside}
	if err := cmd.Start(); err != nil {
		outside.Close()
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for deadline := time.After(30 * time.Second); ; {
		if _, ok := running.Find(name, cmd.Process.Pid); ok {
			return h.publish(outside)
		}
		select {
		case <-ended:
			outside.Close()
			text, _ := os.ReadFile(log.Name())
			return refusal{&problem.Problem{What: "the network of the job", Why: strings.TrimPrefix(strings.TrimSpace(string(text)), "snug: ")}}
		case <-h.ctx.Done():
			outside.Close()
			cmd.Process.Kill()
			<-ended
			return h.canceled()
		case <-deadline:
			outside.Close()
			cmd.Process.Kill()
			return &problem.Problem{What: "the network of the job", Why: "its sandbox did not start within 30 seconds"}
		case <-time.After(3 * time.Millisecond):
		}
	}
}

// netProfile is the profile of the sandbox that holds the network.
func (h *Hook) netProfile(mode string) string {
	return fmt.Sprintf(`version = 1
[command]
fds = [4]
[identity]
map = %q
[network]
mode = %q
[terminal]
tty = "no"
[[mounts]]
source = %s
target = %q
`, h.state.Map, mode, strconv.Quote(strings.ReplaceAll(h.Self, "${", "$${")), insidePause)
}

// inMemory returns a file that holds text and has no name.
func inMemory(text string) (*os.File, error) {
	fd, err := unix.MemfdCreate("net.toml", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "net.toml")
	_, err = f.WriteString(text)
	return f, err
}

// detached has a process outlive the hook that started it, and the signals of
// its terminal.
var detached = &unix.SysProcAttr{Setsid: true}

// daemonEnv is what a process that stays gets of the environment. The runner
// ends what has its RUNNER_TRACKING_ID when a job is over.
func (h *Hook) daemonEnv() []string {
	var list []string
	for _, name := range []string{"PATH", "HOME", "USER", "LOGNAME", "LANG", "TMPDIR", "XDG_RUNTIME_DIR", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "DBUS_SESSION_BUS_ADDRESS", "SNUG_LIBEXEC", "SNUG_CGROUP", "SNUG_SELF"} {
		if v := h.Getenv(name); v != "" {
			list = append(list, name+"="+v)
		}
	}
	return list
}

// liveOnes are the sandboxes whose names begin so.
func liveOnes(prefix string) (list []live) {
	for _, r := range running.List() {
		l := live{Record: r}
		if strings.HasPrefix(r.Name, prefix) && json.Unmarshal(r.Instance, &l.instance) == nil {
			list = append(list, l)
		}
	}
	return list
}

type live struct {
	running.Record
	instance snug.Instance
}

// find returns the sandbox of a container of the job.
func (h *Hook) find(id string) (live, error) {
	name := nameOf(h.state.Pod, id)
	for _, l := range liveOnes(name) {
		if l.Name == name && l.instance.Alive() {
			return l, nil
		}
	}
	return live{}, &problem.Problem{What: "the job's container", Why: "it does not run any more", Fix: "look at what its command wrote: " + filepath.Join(h.dir(), id+".log")}
}

// end kills every process of a sandbox.
func (l live) end() {
	if l.instance.Cgroup != "" {
		cgroupfs.At(l.instance.Cgroup).Kill()
	}
	for _, p := range [][2]uint64{{uint64(l.instance.PID), l.instance.Start}, {uint64(l.Supervisor), l.SupervisorStart}} {
		if fd, err := running.Pidfd(int(p[0]), p[1]); err == nil {
			unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
			unix.Close(fd)
		}
	}
}

// endAll ends all sandboxes whose names begin so, the network's last, and waits
// until they are gone.
func endAll(prefix string) error {
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		list := liveOnes(prefix)
		if len(list) == 0 {
			return nil
		}
		slices.SortFunc(list, func(a, b live) int {
			return strings.Compare(strings.TrimSuffix(b.Name, netRole), strings.TrimSuffix(a.Name, netRole))
		})
		for _, l := range list {
			l.end()
		}
		if time.Now().After(deadline) {
			return &problem.Problem{What: list[0].Name, Why: "its processes were killed, but the kernel does not let them end"}
		}
	}
}

// namespaceFiles are the namespaces of a pod, open.
type namespaceFiles struct{ user, net *os.File }

// Close closes them.
func (n namespaceFiles) Close() error { return errors.Join(n.user.Close(), n.net.Close()) }

// openPod opens the namespaces of a job, of a process that is in them still.
func openPod(pod string) (n namespaceFiles, dns string, err error) {
	name := nameOf(pod, netRole)
	for _, l := range liveOnes(name) {
		for _, pid := range l.instance.Processes() {
			if n.user, err = openNamespace(pid, "user", l.instance.Namespaces["user"]); err != nil {
				continue
			}
			if n.net, err = openNamespace(pid, "net", l.instance.Namespaces["net"]); err != nil {
				n.user.Close()
				continue
			}
			text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/root/etc/resolv.conf", pid))
			return n, string(text), nil
		}
	}
	return n, "", &problem.Problem{What: "the network of the job", Why: "it has ended"}
}

// openNamespace opens a namespace of a process, if it is the one that was meant;
// 0: any.
func openNamespace(pid int, kind string, inode uint64) (*os.File, error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/ns/%s", pid, kind))
	if err != nil {
		return nil, err
	}
	var st unix.Stat_t
	if unix.Fstat(int(f.Fd()), &st) != nil || inode != 0 && st.Ino != inode {
		f.Close()
		return nil, errors.New("it is another one")
	}
	return f, nil
}

func inode(f *os.File) uint64 {
	var st unix.Stat_t
	unix.Fstat(int(f.Fd()), &st)
	return st.Ino
}
