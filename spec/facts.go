package spec

import (
	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/internal/child"
	"github.com/snug-sandbox/snug/internal/host"
	"github.com/snug-sandbox/snug/internal/nofile"
	"github.com/snug-sandbox/snug/internal/plan"
	"github.com/snug-sandbox/snug/landlock"
	"github.com/snug-sandbox/snug/mounts"
	"github.com/snug-sandbox/snug/userns"
)

// Facts gathers what compiling s needs to know about this machine and the
// caller, and no more: every look costs a start some microseconds.
func (s Spec) Facts() (host.Facts, error) {
	f, err := host.Gather(s.wants())
	f.ArgumentPages[0], f.ArgumentPages[1] = child.ArgumentPages()
	f.OpenFiles = nofile.AtStart
	if err == nil && !s.Namespaces.None && !s.wallsFiles(f) && !s.asksForProgram() && mayChangeProgram(f.UID) {
		f.Program, err = programPages()
	}
	return f, err
}

// wallsFiles reports whether Landlock keeps the command from the host's files.
func (s Spec) wallsFiles(f host.Facts) bool {
	held, _ := landlock.Wall{Files: !s.mayMount()}.On(f.Landlock)
	return held.Files
}

// asksForProgram reports whether the command is this program once more, by the word
// of who calls bwrap. An image or a profile has no such word.
func (s Spec) asksForProgram() bool {
	return s.Inherit != nil && len(s.Command.Args) > 0 && s.Command.Args[0] == "/proc/self/exe"
}

// mayChangeProgram reports whether this user may change the file of this program,
// or its permissions.
func mayChangeProgram(uid int) bool {
	const self = "/proc/self/exe"
	var st unix.Stat_t
	return uid == 0 || unix.Stat(self, &st) != nil || int(st.Uid) == uid || unix.Access(self, unix.W_OK) == nil
}

func programPages() (found host.ProgramPages, err error) {
	p, err := child.ProgramPages()
	for _, m := range p.Keep {
		found.Keep = append(found.Keep, [3]uint64{m.At, m.Size, m.Prot})
	}
	for _, m := range p.Drop {
		found.Drop = append(found.Drop, [3]uint64{m.At, m.Size})
	}
	return found, err
}

// Plan returns the steps that run s on this machine, without running them. Its
// String method, which fmt uses, and Print write them one a line; it also
// marshals to JSON.
func (s Spec) Plan() (*plan.Plan, error) {
	f, err := s.Facts()
	if err != nil {
		return nil, err
	}
	return Compile(s, f, Streams{})
}

func (s Spec) wants() host.Want {
	return host.Want{
		SubIDs:    s.Identity.Map == userns.MapRange,
		RootLinks: !s.Rootfs.HasTree() && (s.Rootfs.Base == "" || s.Rootfs.Base == mounts.BaseSystem),
		Fuse:      s.Rootfs.Driver == mounts.DriverFuse,
		RootEtc:   s.etcOf(),
		Cgroup:    !s.Limits.Config.Empty() || s.Limits.CPUTime > 0,
		Devices:   s.Limits.Devices(),

		Resolver:    s.reachesOut(),
		Landlock:    s.landlocked(),
		SeccompFile: s.Security.Seccomp.File,
	}
}

// landlocked reports whether Landlock may be used. A command that inherits what
// any child process does keeps all its ways.
func (s Spec) landlocked() bool { return s.Security.Landlock != landlock.No && s.Inherit == nil }

// reportsDenials reports whether the parent is told what is refused.
func (s Spec) reportsDenials() bool {
	return s.Security.Seccomp.LogDenials && !s.Security.Seccomp.Off() && s.Inherit == nil
}

func (s Spec) etcOf() string {
	if s.Rootfs.KeepEtc {
		return ""
	}
	return s.Rootfs.Path
}
