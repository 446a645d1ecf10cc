package bwrap

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/snug-sandbox/snug/internal/units"
	"github.com/snug-sandbox/snug/mounts"
	"github.com/snug-sandbox/snug/namespaces"
	"github.com/snug-sandbox/snug/process"
	"github.com/snug-sandbox/snug/seccomp"
	"github.com/snug-sandbox/snug/spec"
	"github.com/snug-sandbox/snug/userns"
)

// Surroundings is what a translation needs to know beside the command line.
type Surroundings struct {
	UID          int    // of the caller
	Workdir      string // the caller's working directory, by the name that the caller gives it
	Umask        int    // the caller's file mode creation mask
	Ignored      uint64 // signals that the caller ignores, bit N-1 for signal N
	Capabilities uint64 // the caller's effective capabilities
	NoUserns     bool   // no user namespace can be made here; looked up for root only, who can do without
	NoCgroupns   bool   // the kernel has no cgroup namespaces

	// Data returns all that can be read from a descriptor.
	Data func(fd int) ([]byte, error)
	// Path returns where a descriptor leads to, and which file that is.
	Path func(fd int) (string, mounts.FileID, error)
	// Stat returns what a path leads to, Follow where, and Readlink the text of a link.
	// Without them the kernel finds out.
	Stat     func(path string) (mounts.Kind, error)
	Follow   func(path string) (string, error)
	Readlink func(path string) (string, error)
	// Terminal is the name of the terminal that standard output is; empty: none.
	Terminal string
}

// Spec translates the request. Errors are messages in bubblewrap's words.
func (r *Request) Spec(around Surroundings) (spec.Spec, error) {
	s := spec.Spec{Name: "bwrap", OrderedMounts: true}
	s.Rootfs = mounts.Rootfs{Base: mounts.BaseEmpty, Writable: true}
	s.Terminal.TTY = process.TTYNo
	s.Identity = userns.Config{UID: r.UID, GID: r.GID, Block: r.UsernsBlockFD}
	s.Namespaces = r.namespaces(around)
	s.Security.Privileges = r.privileges(around)
	s.Security.Seccomp.Base = seccomp.None
	umask := units.FileMode(around.Umask)
	s.Command = process.Command{Args: r.Args, Argv0: r.Argv0, PID1: r.AsPID1, Umask: &umask}
	s.Inherit = r.inherit(around)
	sources := sources{around: around}
	for i, op := range r.Operations {
		list, err := op.mounts(around)
		if err != nil {
			return s, err
		}
		if sources.leaveOut(op, list) {
			continue
		}
		for _, m := range list {
			s.Mounts, r.origins = append(s.Mounts, m), append(r.origins, i)
		}
	}
	var err error
	s.Security.Filters, err = r.filters(around)
	return s, err
}

func (r *Request) namespaces(around Surroundings) namespaces.Config {
	c := namespaces.Config{
		User: share(!r.newUser(around)), PID: share(!r.PID), Net: share(!r.Net), IPC: share(!r.IPC), UTS: share(!r.UTS),
		Cgroup:   share(!r.Cgroup && !(r.CgroupTry && !around.NoCgroupns)),
		Join:     namespaces.Join{User: r.UserFD, PID: r.PIDFD, Later: r.User2FD},
		KeepName: true,
	}
	if r.UserFD != nil {
		c.User = namespaces.New // but joined
	}
	if r.Hostname != nil {
		c.Hostname = *r.Hostname
	}
	return c
}

// newUser reports whether a user namespace is made. Who is not root needs one
// for all others.
func (r *Request) newUser(around Surroundings) bool {
	return r.UserFD == nil && (r.User || around.UID != 0 || r.UserTry && !around.NoUserns)
}

func share(yes bool) string {
	if yes {
		return namespaces.Share
	}
	return namespaces.New
}

// privileges are none for an ordinary user but what --cap-add gives; root keeps
// what --cap-drop does not take.
func (r *Request) privileges(around Surroundings) userns.Privileges {
	p := userns.Privileges{NestedUserns: !r.DisableUserns, AssertNoNested: r.UsernsDisabled || r.DisableUserns}
	var set uint64
	if around.UID == 0 {
		p.KeepAll = len(r.Capabilities) == 0
		set = around.Capabilities
	}
	for _, c := range r.Capabilities {
		bits := uint64(1) << c.Nr
		if c.All {
			bits = ^uint64(0)
		}
		if c.Add {
			set |= bits
		} else {
			set &^= bits
		}
	}
	if around.UID == 0 && !r.newUser(around) && r.UserFD == nil {
		set &= around.Capabilities // over the machine nobody gets what the caller has not
	}
	for nr, name := range userns.Capabilities {
		if set&(1<<nr) != 0 {
			p.Capabilities = append(p.Capabilities, name)
		}
	}
	return p
}

func (r *Request) inherit(around Surroundings) *process.Inherit {
	i := &process.Inherit{
		Environ: without(r.Environ, "PWD"), NewSession: r.NewSession, Remain: !r.DieWithParent, Name: "bwrap",
		Locks: r.LockFiles, Block: r.BlockFD, Ignored: around.Ignored, ExecLabel: r.ExecLabel, FileLabel: r.FileLabel,
		Held: r.SyncFDs,
	}
	for _, fd := range []*int{r.InfoFD, r.StatusFD} {
		if fd != nil {
			i.Drop = append(i.Drop, *fd)
		}
	}
	switch {
	case r.Chdir != nil:
		i.Workdirs = []string{*r.Chdir}
	default:
		if around.Workdir != "" {
			i.Workdirs = append(i.Workdirs, around.Workdir)
		}
		if home := value(r.Environ, "HOME"); home != "" {
			i.Workdirs = append(i.Workdirs, home)
		}
		i.Workdirs = append(i.Workdirs, "/")
	}
	return i
}

func without(environ []string, name string) []string {
	list := make([]string, 0, len(environ)+1)
	for _, kv := range environ {
		if !strings.HasPrefix(kv, name+"=") {
			list = append(list, kv)
		}
	}
	return list
}

func value(environ []string, name string) string {
	for _, kv := range environ {
		if v, ok := strings.CutPrefix(kv, name+"="); ok {
			return v
		}
	}
	return ""
}

// filters reads the seccomp programs, in the order in which they are loaded.
func (r *Request) filters(around Surroundings) ([][]byte, error) {
	fds := r.AddSeccomp
	if r.Seccomp != nil {
		fds = []int{*r.Seccomp}
	}
	var list [][]byte
	for i, fd := range fds {
		data, err := around.Data(fd)
		if slices.Contains(fds[:i], fd) {
			err = syscall.EBADF // it was closed
		}
		switch {
		case err != nil:
			return nil, Failed("Can't read seccomp data", err)
		case len(data)%8 != 0:
			return nil, message("Invalid seccomp data, must be multiple of 8")
		}
		list = append(list, data)
	}
	return list, nil
}

// mounts translates one operation.
func (op Operation) mounts(around Surroundings) ([]mounts.Mount, error) {
	m := mounts.Mount{Target: op.Dest, Source: op.Source, Optional: op.Try, Parents: op.parents()}
	var err error
	switch op.Kind {
	case Bind, ROBind, DevBind, BindFD, ROBindFD:
		err = op.bind(&m, around)
	case RemountRO:
		m.Type = mounts.Remount
	case Overlay, TmpOverlay, ROOverlay:
		op.overlay(&m, around)
	case Proc:
		m.Type = mounts.Proc
	case Dev:
		m.Type = mounts.Dev
		if around.Terminal != "" {
			return []mounts.Mount{m, console(op.Dest, around.Terminal)}, nil
		}
	case Tmpfs:
		m.Type, m.Mode, m.Size = mounts.Tmpfs, op.mode(0o755), units.Bytes(op.Size)
	case Mqueue:
		m.Type = mounts.Mqueue
	case Dir:
		m.Type, m.Mode = mounts.Dir, op.mode(0o755)
	case File:
		m.Type, m.Mode = mounts.Write, op.mode(0o666)
		m.Content, err = op.data(around)
	case BindData, ROBindData:
		m.Type, m.Mode, m.Writable = mounts.File, op.mode(0o600), op.Kind == BindData
		m.Content, err = op.data(around)
	case Symlink:
		m.Type = mounts.Symlink
	case Chmod:
		m.Type, m.Mode = mounts.Chmod, op.mode(0)
	}
	return []mounts.Mount{m}, err
}

// bind is a bind mount that also shows what the host mounts below it later.
func (op Operation) bind(m *mounts.Mount, around Surroundings) error {
	m.Type, m.Writable, m.Propagation = mounts.Bind, op.Kind != ROBind && op.Kind != ROBindFD, mounts.PropagationSlave
	if op.Kind == DevBind {
		m.Type = mounts.DevBind
	}
	if op.Kind != BindFD && op.Kind != ROBindFD {
		return nil
	}
	path, id, err := around.Path(op.FD)
	if err != nil {
		return Failed("Can't find source path /proc/self/fd/"+strconv.Itoa(op.FD), err)
	}
	m.Source, m.Same = path, &id
	return nil
}

// overlay has the topmost layer first, which bubblewrap has last.
func (op Operation) overlay(m *mounts.Mount, around Surroundings) {
	m.Type, m.Writable = mounts.Overlay, op.Kind != ROOverlay
	for _, dir := range slices.Backward(op.Layers) {
		m.Lower = append(m.Lower, absolute(dir, around.Workdir))
	}
	m.Source = ""
	if op.Kind == Overlay {
		m.Upper, m.Work = absolute(op.Source, around.Workdir), absolute(op.Work, around.Workdir)
	}
}

func absolute(path, workdir string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(workdir, path)
}

func (op Operation) data(around Surroundings) (string, error) {
	content, err := around.Data(op.FD)
	if err != nil {
		return "", Failed("Can't write data to file "+op.Dest, err)
	}
	return string(content), nil
}

// console shows the caller's terminal in a /dev that was made before.
func console(dev, terminal string) mounts.Mount {
	return mounts.Mount{Type: mounts.DevBind, Source: terminal, Target: filepath.Join("/", dev, "console"), Writable: true}
}

func (op Operation) mode(otherwise int) *units.FileMode {
	if op.Perms != nil {
		otherwise = *op.Perms
	}
	m := units.FileMode(otherwise)
	return &m
}

// parents is the permission of the directories that have to be made above the
// target. As bubblewrap does it, they are open to group and others only where
// the target is; and what has no permission of its own counts as closed.
func (op Operation) parents() *units.FileMode {
	perms := 0
	switch op.Kind {
	case Dir, Tmpfs:
		perms = 0o755
	case File:
		perms = 0o666
	case BindData, ROBindData:
		perms = 0o600
	}
	if op.Perms != nil && op.Kind != Chmod {
		perms = *op.Perms
	}
	m := units.FileMode(0o755)
	if perms&0o070 == 0 {
		m &^= 0o050
	}
	if perms&0o007 == 0 {
		m &^= 0o005
	}
	return &m
}
