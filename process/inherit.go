package process

import (
	"encoding/binary"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/internal/child"
	"github.com/snug-sandbox/snug/internal/plan"
	"github.com/snug-sandbox/snug/internal/program"
)

// Inherit is for callers that expect of a sandboxed command what they expect
// of any child process: it keeps the caller's session, process group,
// controlling terminal, ignored signals, and all descriptors without
// close-on-exec. Bubblewrap works like that. No key of a profile sets it.
type Inherit struct {
	// Environ is the whole environment, "K=V", but for PWD, which becomes the
	// working directory.
	Environ []string

	// Workdirs are the directories to try as working directory; the first that
	// can be entered is taken.
	Workdirs []string

	// NewSession makes the command the leader of a session (setsid(2)).
	NewSession bool

	// Remain lets what the command leaves behind run on, also after the
	// caller's end. The run ends with the command.
	Remain bool

	// Name is what the process that stays is called (PR_SET_NAME). Its
	// namespaces can be entered by the caller, so its memory is emptied of
	// everything of the caller's.
	Name string

	// Held are descriptors of the caller that the process that stays keeps open
	// until the last process is gone. The command does not get them.
	Held []int

	// Locks are files inside that the process that stays holds a read lock on
	// for as long (F_OFD_SETLK, fcntl(2)).
	Locks []string

	// Drop are descriptors that nobody inside gets, not even for the set-up: their
	// other end may wait for all to be closed.
	Drop []int

	// Block is a descriptor that is read from, one byte, before the command is
	// executed. The command does not get it.
	Block *int

	// Ignored are the signals that stay ignored: bit N-1 for signal N.
	Ignored uint64

	// ExecLabel is the SELinux context of the command; empty: none.
	ExecLabel string
	// FileLabel is the SELinux context of files that are made for the sandbox;
	// empty: the usual one.
	FileLabel string
}

// ignores reports whether a signal stays ignored.
func (i *Inherit) ignores(signal int) bool { return i != nil && i.Ignored>>(signal-1)&1 != 0 }

// planWait appends what has to happen right before the command's credentials
// change: it is waited for the caller's word.
func (i *Inherit) planWait(p *plan.Builder) {
	if fd := i.Block; fd != nil {
		p.Do("wait for a byte from descriptor "+strconv.Itoa(*fd), plan.Read, plan.Num(uint64(*fd)), p.Space(8), plan.Num(1))
		p.Do("close descriptor "+strconv.Itoa(*fd), plan.Close, plan.Num(uint64(*fd)))
	}
	if i.ExecLabel != "" {
		p.WriteFile("set the SELinux context of the command", plan.Cwd, "/proc/thread-self/attr/exec", i.ExecLabel)
	}
}

// kept are registers of descriptors for the process that stays.
type kept struct {
	signals, children, own program.Reg
	more                   []program.Reg
}

// openHeld opens what the process that stays holds beside its own descriptors.
func (s Setup) openHeld(p *plan.Builder, k *kept) {
	if s.Inherit == nil {
		return
	}
	for _, fd := range s.Inherit.Held {
		label := "hold descriptor " + strconv.Itoa(fd)
		k.more = append(k.more, p.Do(label, plan.Fcntl, plan.Num(uint64(fd)), plan.Num(unix.F_DUPFD_CLOEXEC), plan.Num(0)).Keep("held"))
		p.Do(label, plan.Close, plan.Num(uint64(fd)))
	}
	for _, file := range s.Inherit.Locks {
		label := "lock " + file
		fd := p.Do(label, plan.Openat, plan.Cwd, p.Text(file), plan.Bits(unix.O_RDONLY|unix.O_CLOEXEC, &plan.OpenFlags), plan.Num(0)).Keep("lock")
		// struct flock: type and whence, start, length, pid. All of the file.
		p.Do(label, plan.Fcntl, plan.Reg(fd), plan.Num(unix.F_OFD_SETLK), p.Words(unix.F_RDLCK, 0, 0, 0))
		k.more = append(k.more, fd)
	}
}

// planForget appends the steps that leave the first process without anything of
// the caller in its memory, before there is anybody who could look: it maps its
// program and the image.
func planForget(p *plan.Builder) {
	const label = "forget the caller's memory"
	for r := child.RegMemory; r < child.RegFiles; r += 2 {
		p.Do(label, plan.Munmap, plan.Reg(r), plan.Reg(r+1)).Accept(syscall.EINVAL)
	}
}

// planOverwrite appends the step of the process that stays that overwrites what
// the image said of the caller's files.
func planOverwrite(p *plan.Builder) {
	data := program.Arg{Kind: program.Address}
	p.Do("overwrite the plan's data", plan.Getrandom, data, plan.Num(uint64(len(p.Program.Data))), plan.Num(0)).
		Accept(syscall.ENOSYS, syscall.EAGAIN, syscall.EINTR)
}

// planWorkdir goes to the working directory and returns the environment. An
// inherited one has the name of the first directory that can be entered as PWD.
func (s Setup) planWorkdir(p *plan.Builder) program.Arg {
	if s.Inherit == nil {
		const howSize = 24 // struct open_how
		label := "go to " + s.Workdir
		how := p.Words(unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0, unix.RESOLVE_NO_MAGICLINKS)
		dir := p.Do(label, plan.Openat2, plan.Cwd, p.Text(s.Workdir), how, plan.Num(howSize)).Help(workdirHelp).Keep("dir")
		p.Do(label, plan.Fchdir, plan.Reg(dir)).Help(workdirHelp)
		p.Close(dir)
		return p.Texts(s.Environ)
	}
	dirs := s.Inherit.Workdirs
	environ := append([]string{}, s.Inherit.Environ...)
	if len(dirs) == 0 {
		dirs = []string{"/"}
	}
	env := p.Texts(append(environ, "PWD="+dirs[0]))
	slot := env
	slot.Value += uint64(8 * len(environ))
	var entered []plan.Step
	for i, dir := range dirs {
		chdir := p.Do("go to "+dir, plan.Chdir, p.Text(dir)).Help(workdirHelp)
		if i < len(dirs)-1 {
			chdir.Accept(syscall.ENOENT, syscall.ENOTDIR, syscall.EACCES, syscall.ELOOP)
		}
		if i > 0 {
			p.CopyPointer("set PWD", "PWD="+dir, slot)
		}
		entered = append(entered, p.Last())
		if i < len(dirs)-1 {
			chdir.ElseHere()
		}
	}
	for _, step := range entered {
		step.ThenHere()
	}
	return env
}

// planDrop appends the steps that close what is not for this side.
func (i *Inherit) planDrop(p *plan.Builder) {
	if i == nil {
		return
	}
	for _, fd := range i.Drop {
		p.Do("close descriptor "+strconv.Itoa(fd), plan.Close, plan.Num(uint64(fd))).Accept(syscall.EBADF)
	}
}

// planFileLabel appends the step that gives files made from now on a label.
func (i *Inherit) planFileLabel(p *plan.Builder) {
	if i != nil && i.FileLabel != "" {
		p.WriteFile("set the SELinux context of new files", plan.Cwd, "/proc/thread-self/attr/fscreate", i.FileLabel)
	}
}

// planShell adds to an execve what execvp(3) does with a file that is no
// program: a shell reads it. A file that is a program, or names its interpreter,
// was refused for another reason.
func (s Setup) planShell(p *plan.Builder, c candidate, env program.Arg) {
	label := "look at " + c.file
	var no []plan.Step // these lead on to the next candidate
	open := p.Do(label, plan.Openat, plan.Cwd, p.Text(c.file), plan.Bits(unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, &plan.OpenFlags), plan.Num(0)).
		Accept(syscall.ENOENT, syscall.ENOTDIR, syscall.EACCES, syscall.ELOOP)
	fd := open.Keep("script")
	access := p.Do(label, plan.Faccessat, plan.Cwd, p.Text(c.file), plan.Num(unix.X_OK)).Accept(syscall.EACCES)
	for _, magic := range []string{"\x7fELF", "#!\x00\x00"} {
		buffer := p.Space(4)
		length := len(strings.TrimRight(magic, "\x00"))
		no = append(no, p.Do(label, plan.Pread, plan.Reg(fd), buffer, plan.Num(uint64(length)), plan.Num(0)).Accept(syscall.EISDIR))
		is := p.Equal(label, buffer, binary.NativeEndian.Uint32([]byte(magic))).Accept(syscall.EAGAIN)
		skip := p.Do(label, plan.Getpid)
		no = append(no, skip)
		is.ElseHere()
	}
	shell := append([]string{"sh", c.file}, c.args[1:]...)
	p.Do("run "+c.file+" with /bin/sh", plan.Execve, p.Text("/bin/sh"), p.Texts(shell), env).Exec().
		Accept(syscall.ENOENT, syscall.ENOTDIR, syscall.EACCES)
	for i, step := range no {
		if i%2 == 0 {
			step.ElseHere() // a directory
		} else {
			step.ThenHere()
		}
	}
	access.ElseHere()
	p.Do(label, plan.Close, plan.Reg(fd))
	p.Free(fd)
	open.ElseHere()
}

// searchPath is the PATH that the command is looked up in.
func (s Setup) searchPath() string {
	environ := s.Environ
	if s.Inherit != nil {
		environ = s.Inherit.Environ
	}
	for _, kv := range environ {
		if value, ok := strings.CutPrefix(kv, "PATH="); ok {
			return value
		}
	}
	return "/bin:/usr/bin" // execvp(3)
}
