package hook

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug"
	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/internal/running"
	"github.com/snug-sandbox/snug/internal/units"
	"github.com/snug-sandbox/snug/mounts"
	"github.com/snug-sandbox/snug/namespaces"
	"github.com/snug-sandbox/snug/network"
	"github.com/snug-sandbox/snug/process"
	"github.com/snug-sandbox/snug/spec"
)

// box is one container of a job, ready to be run: everything that was asked for
// has been judged.
type box struct {
	Pod, ID, Map string
	Shared       bool // the host's network
	Image        string
	Command      []string // the image's own where there is none
	Entrypoint   []string
	Workdir      string
	Env          map[string]string
	Prepend      []string // directories in front of PATH
	Mounts       []mounts.Mount
	Hosts        string
	Hostname     string
	User         string
	Memory, CPUs string
	Nofile       string
	PIDs         int64
	ReadOnly     bool
	Agent        string // the directory of the job, where the command is its agent
}

// newBox judges a container.
func (h *Hook) newBox(c *container, o options, id string) box {
	p := place{host: h.host, dir: h.dir(), warn: func(format string, args ...any) { say(h.Out, format, args...) }}
	b := box{
		Pod: h.state.Pod, ID: id, Map: h.state.Map, Shared: h.state.Shared, Image: c.Image,
		Workdir: c.WorkingDirectory, Env: map[string]string{}, Prepend: c.PrependPath, Mounts: p.mounts(c),
		Hostname: o.hostname, User: o.user, Memory: o.memory, CPUs: o.cpus, PIDs: o.pids, Nofile: o.nofile, ReadOnly: o.readOnly,
	}
	if b.Hostname == "" {
		b.Hostname = id[:12]
	}
	b.Hosts = hosts(slices.Concat(h.state.Names, o.names, []string{b.Hostname}), o.hosts)
	if o.workdir != "" {
		b.Workdir = o.workdir
	}
	for k, v := range o.env {
		b.Env[k] = v
	}
	for k, v := range c.EnvironmentVariables {
		b.Env[k] = v
	}
	b.Mounts = append(b.Mounts, o.tmpfs...)
	if c.EntryPoint != "" {
		b.Entrypoint = []string{c.EntryPoint}
	}
	if o.hasEntrypoint {
		b.Entrypoint = []string{o.entrypoint}
	}
	b.Command = c.EntryPointArgs
	return b
}

// spec is the sandbox of a container.
func (b box) spec(dns string) (spec.Spec, error) {
	s := spec.Spec{Name: "actions"}
	s.Rootfs.Image = b.Image
	if b.ReadOnly {
		s.Rootfs.Overlay = mounts.OverlayReadonly
	}
	s.Identity.Map = b.Map
	s.Command = process.Command{Args: b.Command, Entrypoint: b.Entrypoint, Workdir: b.Workdir}
	s.Env.Set = b.Env
	s.Namespaces.Hostname = b.Hostname
	s.Terminal.TTY = process.TTYNo
	s.Mounts = append([]mounts.Mount{{Type: mounts.File, Target: "/etc/hosts", Content: b.Hosts}}, b.Mounts...)
	if dns != "" {
		s.Mounts = append(s.Mounts, mounts.Mount{Type: mounts.File, Target: "/etc/resolv.conf", Content: dns})
	}
	if dir := path.Clean(b.Workdir); b.Workdir != "" && dir != "/" && !b.covers(dir) {
		s.Mounts = append(s.Mounts, mounts.Mount{Type: mounts.Dir, Target: dir})
	}
	if b.Shared {
		s.Network.Mode = network.Host
	}
	if err := b.user(&s); err != nil {
		return s, err
	}
	return s, b.limits(&s)
}

// covers reports whether a path inside is in something that is mounted from the
// host, where nothing is made for it.
func (b box) covers(target string) bool {
	for _, m := range b.Mounts {
		if (m.Type == mounts.Bind || m.Type == mounts.Overlay) && within(path.Clean(target), m.Target) {
			if m.Writable && m.Type == mounts.Bind {
				// As Docker does, which makes the directory that it starts in.
				rel, _ := filepath.Rel(m.Target, path.Clean(target))
				if root, err := os.OpenRoot(m.Source); err == nil {
					if m.Same == nil || isFile(root, *m.Same) {
						root.MkdirAll(rel, 0o755)
					}
					root.Close()
				}
			}
			return true
		}
	}
	return false
}

// isFile reports whether a directory is the one that was meant.
func isFile(root *os.Root, id mounts.FileID) bool {
	info, err := root.Stat(".")
	if err != nil {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && st.Ino == id.Inode && unix.Major(uint64(st.Dev)) == id.Major && unix.Minor(uint64(st.Dev)) == id.Minor
}

// user is who the container's command is: names are looked up in the image.
func (b box) user(s *spec.Spec) error {
	if b.User == "" {
		return nil
	}
	bad := func(why string) error { return refuse("--user "+b.User, why) }
	user, group, hasGroup := strings.Cut(b.User, ":")
	uid, gid, err := ids(fileOf(b.Image, "etc/passwd"), user, 3)
	if err != nil {
		return bad("the image has no user " + strconv.Quote(user))
	}
	if hasGroup {
		if gid, _, err = ids(fileOf(b.Image, "etc/group"), group, 2); err != nil {
			return bad("the image has no group " + strconv.Quote(group))
		}
	}
	s.Identity.UID, s.Identity.GID = &uid, &gid
	return nil
}

// ids finds a name or number in a table of users or groups (passwd(5), group(5)),
// and another field of its line. What has no line is its own number, and root is 0.
func ids(table, word string, further int) (id, other int, err error) {
	if word == "root" || word == "" {
		word = "0"
	}
	for line := range strings.Lines(table) {
		f := strings.Split(strings.TrimSpace(line), ":")
		if len(f) > 3 && (f[0] == word || f[2] == word) {
			id, err = number(f[2])
			if err == nil {
				other, err = number(f[further])
			}
			return id, other, err
		}
	}
	id, err = number(word)
	return id, 0, err
}

func number(text string) (int, error) {
	n, err := strconv.ParseUint(text, 10, 31)
	return int(n), err
}

// limits sets what the container may use up. Where nothing can hold it, what
// each process carries stands in.
func (b box) limits(s *spec.Spec) error {
	l := &s.Limits
	l.Enforce = "best-effort"
	if b.Memory != "" {
		memory, err := units.ParseMemory(b.Memory)
		if err != nil {
			return err
		}
		l.Memory = memory
	}
	if b.CPUs != "" {
		cpus, err := strconv.ParseFloat(b.CPUs, 64)
		if err != nil {
			return err
		}
		l.CPUs = cpus
	}
	if b.PIDs > 0 {
		l.PIDs = b.PIDs
	}
	if b.Nofile != "" {
		limit, err := units.ParseRlimit(b.Nofile)
		if err != nil {
			return refuse("--ulimit nofile="+b.Nofile, err.Error())
		}
		l.Nofile = &limit
	}
	return nil
}

// unheld says which limits of a container nothing on this machine holds.
func (b box) unheld() []string {
	var s spec.Spec
	s.Command.Args = []string{"/bin/true"}
	if b.Memory+b.CPUs+b.Nofile == "" && b.PIDs == 0 || b.limits(&s) != nil {
		return nil
	}
	facts, err := s.Facts()
	if err != nil {
		return nil
	}
	plan, err := spec.Compile(s, facts, spec.Streams{})
	if err != nil {
		return nil
	}
	return plan.Notes
}

// cmd is the container's command in the namespaces of its job. Close the
// namespaces when it was started.
func (b box) cmd() (*snug.Cmd, namespaceFiles, error) {
	n, dns, err := openPod(b.Pod)
	if err != nil {
		return nil, n, err
	}
	s, err := b.spec(dns)
	if err != nil {
		n.Close()
		return nil, n, err
	}
	user, net := int(n.user.Fd()), int(n.net.Fd())
	s.Namespaces.Join = namespaces.Join{User: &user}
	if !b.Shared {
		s.Namespaces.Join.Net = &net
	}
	if len(b.Prepend) > 0 {
		s.Env.Set["PATH"] = prepend(b.Prepend, b.imagePath())
	}
	return &snug.Cmd{Spec: s}, n, nil
}

// imagePath is the PATH of the container without more in front of it.
func (b box) imagePath() string {
	if p, ok := b.Env["PATH"]; ok {
		return p
	}
	return pathOf(b.Image)
}

func prepend(dirs []string, rest string) string {
	return strings.Join(append(append([]string{}, dirs...), rest), ":")
}

// register has the sandbox be found by its name, by this program's other
// processes and by snug ps. What was joined is a namespace like its own to who
// enters it.
func (b box) register(cmd *snug.Cmd, n namespaceFiles, ready func()) (*running.Lock, error) {
	lock, err := running.Reserve(nameOf(b.Pod, b.ID))
	if err != nil {
		return nil, &problem.Problem{What: "the sandbox of a container", Why: err.Error(), Err: err}
	}
	user, net := inode(n.user), inode(n.net)
	cmd.Started = func(i snug.Instance) {
		i.Spec.Namespaces.Join = namespaces.Join{}
		i.Namespaces["user"] = user
		if !b.Shared {
			i.Namespaces["net"] = net
		}
		text, err := json.Marshal(i)
		if err == nil {
			lock.Publish(running.Record{Profile: "actions", Started: time.Now(), Command: cmd.Spec.Command.Args, Instance: text})
		}
		ready()
	}
	return lock, nil
}

// Hold runs the container that in describes, until it ends. It is a process of
// its own, which outlives the hook that started it. On tell it says "ok" once
// the command runs, or what keeps it from that.
func Hold(in io.Reader, tell io.WriteCloser) int {
	var b box
	err := json.NewDecoder(in).Decode(&b)
	if err == nil {
		err = b.hold(func() {
			io.WriteString(tell, "ok")
			tell.Close()
		})
	}
	if err != nil {
		fmt.Fprint(tell, err)
		return snug.CodeFailed
	}
	return 0
}

func (b box) hold(ready func()) error {
	cmd, n, err := b.cmd()
	if err != nil {
		return err
	}
	defer n.Close()
	lock, err := b.register(cmd, n, ready)
	if err != nil {
		return err
	}
	defer lock.Release()
	null, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = null, os.Stdout, os.Stderr
	if b.Agent != "" {
		inside, outside, err := socketPair()
		if err != nil {
			return err
		}
		defer inside.Close()
		defer outside.Close()
		if err := serve(b.Agent, outside); err != nil {
			return err
		}
		cmd.ExtraFiles = []*os.File{inside}
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	cmd.Wait()
	return nil
}
