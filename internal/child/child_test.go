package child

import (
	"encoding/binary"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/snug-sandbox/snug/internal/kerneltest"
	"github.com/snug-sandbox/snug/internal/program"
)

func TestMain(m *testing.M) { kerneltest.Main(m) }

// builder makes small programs.
type builder struct{ program.Program }

func newBuilder() *builder {
	b := &builder{}
	b.Data = make([]byte, 8)
	return b
}

func (b *builder) text(s string) program.Arg {
	at := uint64(len(b.Data))
	b.Data = append(append(b.Data, s...), 0)
	return program.Arg{Value: at, Kind: program.Address}
}

func (b *builder) words(n int) program.Arg {
	for len(b.Data)%8 != 0 {
		b.Data = append(b.Data, 0)
	}
	at := uint64(len(b.Data))
	b.Data = append(b.Data, make([]byte, 8*n)...)
	return program.Arg{Value: at, Kind: program.Address}
}

// do adds a step and returns it for changes.
func (b *builder) do(nr uint32, args ...program.Arg) *program.Step {
	b.Steps = append(b.Steps, program.Step{Call: program.Call{Nr: nr}, Args: args})
	return &b.Steps[len(b.Steps)-1]
}

// say writes to the first descriptor that was handed over.
func (b *builder) say(text string) *program.Step {
	return b.do(syscall.SYS_WRITE, reg(RegFiles), b.text(text), num(uint64(len(text))))
}

func num(n uint64) program.Arg      { return program.Arg{Value: n} }
func reg(r program.Reg) program.Arg { return program.Arg{Value: uint64(r), Kind: program.Content} }

func accept(errnos ...syscall.Errno) (list [program.MaxAccept]syscall.Errno) {
	copy(list[:], errnos)
	return list
}

// exec adds the fork, the execve of a shell script, and the steps of the
// process that stays.
func (b *builder) exec(script string) {
	b.do(syscall.SYS_CLONE, num(uint64(syscall.CLONE_VM|syscall.CLONE_VFORK|int(syscall.SIGCHLD)))).Fork = true
	b.do(syscall.SYS_DUP3, reg(RegFiles), num(1), num(0))
	argv := b.words(4)
	for i, word := range []string{"sh", "-c", script} {
		to := b.text(word)
		b.Relocs = append(b.Relocs, program.Reloc{At: uint32(argv.Value) + uint32(8*i), To: uint32(to.Value)})
	}
	zero := b.words(1)
	b.do(syscall.SYS_RT_SIGPROCMASK, num(2), zero, num(0), num(8))
	b.do(syscall.SYS_EXECVE, b.text("/bin/sh"), argv, zero).Exec = true
	b.Keep = len(b.Steps)
	b.do(syscall.SYS_DUP3, reg(RegControl), num(ControlFD), num(0))
	set := b.words(1)
	b.Data[set.Value+2] = 1 // SIGCHLD
	signals := program.Reg(7)
	b.do(syscall.SYS_SIGNALFD4, num(^uint64(0)), set, num(8), num(syscall.O_NONBLOCK)).Out = signals
	b.do(syscall.SYS_DUP3, reg(signals), num(SignalFD), num(0))
	const closeRange = 436
	b.do(closeRange, num(3), num(1<<32-1), num(0))
}

// run runs the program and returns what it said and what became of it.
func (b *builder) run(t *testing.T, o Options) (string, Outcome) {
	t.Helper()
	if err := b.Check(); err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	o.Files = append([]int{int(w.Fd())}, o.Files...)
	p, err := Start(&b.Program, o)
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	for e := p.Receive(); e.Kind != Gone && e.Kind != Done; e = p.Receive() {
		if e.Kind == Barrier {
			p.Release()
		}
	}
	outcome, err := p.Wait()
	if err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	buf := make([]byte, 4096)
	for {
		n, _ := r.Read(buf)
		if n <= 0 {
			return said.String(), outcome
		}
		said.Write(buf[:n])
	}
}

// A program that ends without an execve ends there; there is no step of that
// number, so none is named.
func (b *builder) says(t *testing.T, want string) {
	t.Helper()
	said, o := b.run(t, Options{})
	if said != want || o.Started || o.Failed >= 0 && o.Failed < len(b.Steps) {
		t.Errorf("said %q, want %q; %+v", said, want, o)
	}
}

func TestStepsRunInOrder(t *testing.T) {
	b := newBuilder()
	b.say("one ")
	b.say("two ")
	b.say("three")
	b.says(t, "one two three")
}

func TestARefusalEndsTheProgramAndIsNamed(t *testing.T) {
	b := newBuilder()
	b.say("before")
	b.do(syscall.SYS_CLOSE, num(^uint64(0)))
	b.say("after")
	if said, o := b.run(t, Options{}); said != "before" || o.Failed != 1 || o.Errno != syscall.EBADF || o.Started {
		t.Errorf("%q, %+v", said, o)
	}
}

// errnos has calls of the numbers from 5000 up fail with the errno that they are
// above it (seccomp(2)), in the process that runs it and in those that it makes.
func (b *builder) errnos() {
	filter := []syscall.SockFilter{
		{Code: syscall.BPF_LD | syscall.BPF_W | syscall.BPF_ABS},
		{Code: syscall.BPF_JMP | syscall.BPF_JGE | syscall.BPF_K, Jf: 3, K: 5000},
		{Code: syscall.BPF_ALU | syscall.BPF_SUB | syscall.BPF_K, K: 5000},
		{Code: syscall.BPF_ALU | syscall.BPF_OR | syscall.BPF_K, K: 0x50000},
		{Code: syscall.BPF_RET | syscall.BPF_A},
		{Code: syscall.BPF_RET | syscall.BPF_K, K: 0x7fff0000},
	}
	head, code := b.words(2), b.words(len(filter))
	b.Data[head.Value] = byte(len(filter))
	for i, f := range filter {
		at := b.Data[int(code.Value)+8*i:]
		binary.LittleEndian.PutUint16(at, f.Code)
		at[2], at[3] = f.Jt, f.Jf
		binary.LittleEndian.PutUint32(at[4:], f.K)
	}
	b.Relocs = append(b.Relocs, program.Reloc{At: uint32(head.Value) + 8, To: uint32(code.Value)})
	const noNewPrivs, setFilter, modeFilter = 38, 22, 2
	b.do(syscall.SYS_PRCTL, num(noNewPrivs), num(1), num(0), num(0), num(0))
	b.do(syscall.SYS_PRCTL, num(setFilter), num(modeFilter), head)
}

// A step that fails is named with its errno, whichever that is, in each of the
// processes and whatever kind of step it is.
func TestEveryErrnoEndsTheProgram(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.EPERM, syscall.EINVAL, syscall.ENOSYS, syscall.EMFILE, syscall.ENOMEM, syscall.EINTR} {
		fails := num(0)
		bad := func(b *builder, change func(*program.Step)) int {
			s := b.do(5000+uint32(errno), fails)
			change(s)
			return len(b.Steps) - 1
		}
		for name, build := range map[string]func(*builder) int{
			"plain": func(b *builder) int { return bad(b, func(*program.Step) {}) },
			"accepts": func(b *builder) int {
				return bad(b, func(s *program.Step) { s.Accept = accept(syscall.EBADF, syscall.ENOENT) })
			},
			"noted": func(b *builder) int {
				return bad(b, func(s *program.Step) { s.Note, s.Accept = "note", accept(syscall.EBADF) })
			},
			"again": func(b *builder) int { return bad(b, func(s *program.Step) { s.Repeat = 3 }) },
			"command": func(b *builder) int {
				b.exec("exit 3")
				at := b.Keep - 1 // before the execve
				b.Steps[at-1].Call.Nr = 5000 + uint32(errno)
				return at - 1
			},
			"execve": func(b *builder) int {
				b.exec("exit 3")
				b.Steps[b.Keep-1].Call.Nr = 5000 + uint32(errno)
				return b.Keep - 1
			},
			"reaper": func(b *builder) int {
				b.exec("exec sleep 1000")
				b.Steps[len(b.Steps)-1].Call.Nr = 5000 + uint32(errno)
				return len(b.Steps) - 1
			},
		} {
			b := newBuilder()
			b.errnos()
			at := build(b)
			if said, o := b.run(t, Options{Killer: KillCommand}); o.Failed != at || o.Errno != errno || said != "" {
				t.Errorf("%s, %v: step %d of %d, %q, %+v", name, errno, at, len(b.Steps), said, o)
			}
		}
	}
}

func TestAcceptedRefusalsGoOn(t *testing.T) {
	b := newBuilder()
	s := b.do(syscall.SYS_CLOSE, num(^uint64(0)))
	s.Accept, s.Note = accept(syscall.ENOENT, syscall.EPERM, syscall.EINVAL, syscall.EBADF), "noted"
	b.say("next ")
	s = b.do(syscall.SYS_CLOSE, num(^uint64(0)))
	s.Accept, s.Else, s.Then = accept(syscall.EBADF), 4, 5
	b.say("skipped ")
	b.say("else")
	said, o := b.run(t, Options{})
	if said != "next else" || len(o.Notes) != 1 || o.Notes[0] != (Note{0, syscall.EBADF}) {
		t.Errorf("%q, %+v", said, o)
	}
}

func TestThenSkips(t *testing.T) {
	b := newBuilder()
	b.say("a").Then = 2
	b.say("b")
	b.say("c")
	b.says(t, "ac")
}

func TestResultsGoIntoRegistersAndMemory(t *testing.T) {
	b := newBuilder()
	memory := b.words(1)
	fd := program.Reg(40)
	s := b.do(syscall.SYS_FCNTL, reg(RegFiles), num(syscall.F_DUPFD), num(123))
	s.Out, s.Store = fd, uint32(memory.Value)
	b.do(syscall.SYS_CLOSE, reg(RegFiles))
	b.do(syscall.SYS_WRITE, reg(fd), memory, num(4))
	if said, _ := b.run(t, Options{}); said != "{\x00\x00\x00" {
		t.Errorf("%q", said)
	}
}

func TestRegistersWithoutAResultAreNoDescriptors(t *testing.T) {
	b := newBuilder()
	b.do(syscall.SYS_CLOSE, reg(50))
	if _, o := b.run(t, Options{}); o.Errno != syscall.EBADF {
		t.Errorf("%+v", o)
	}
}

func TestResultsBelowTheMinimumFail(t *testing.T) {
	b := newBuilder()
	b.say("short").Min = 5
	b.say("shorter").Min = 8
	if said, o := b.run(t, Options{}); said != "shortshorter" || o.Failed != 1 || o.Errno != syscall.EIO {
		t.Errorf("%q, %+v", said, o)
	}
}

func TestRepeatedSteps(t *testing.T) {
	b := newBuilder()
	s := b.do(syscall.SYS_DUP3, reg(RegFiles), num(100), num(0))
	s.Repeat, s.RepeatArg = 4, 1
	for fd := range uint64(5) {
		b.do(syscall.SYS_WRITE, num(100+fd), b.text("x"), num(1))
	}
	b.do(syscall.SYS_CLOSE, num(100)).Repeat = 4
	b.do(syscall.SYS_CLOSE, num(102))
	if said, o := b.run(t, Options{}); said != "xxxxx" || o.Failed != 7 || o.Errno != syscall.EBADF {
		t.Errorf("%q, %+v", said, o)
	}
}

func TestBarriersWaitForTheParent(t *testing.T) {
	b := newBuilder()
	message := b.words(1)
	b.Data[message.Value], b.Data[message.Value+1] = MsgBarrier, 5
	b.do(syscall.SYS_SENDTO, reg(RegControl), message, num(2), num(0), num(0), num(0))
	b.do(syscall.SYS_RECVFROM, reg(RegControl), message, num(8), num(0), num(0), num(0)).Min = 1
	b.say("released")
	b.says(t, "released")
}

func TestACommandRuns(t *testing.T) {
	b := newBuilder()
	b.exec("echo hello; exit 7")
	said, o := b.run(t, Options{Killer: KillCommand})
	if said != "hello\n" || !o.Started || !o.Ended || o.Status.ExitStatus() != 7 || o.Failed != -1 {
		t.Errorf("%q, %+v", said, o)
	}
}

func TestTheMostTellingExecveIsReported(t *testing.T) {
	for _, c := range []struct {
		files []string
		step  int
		errno syscall.Errno
	}{
		{[]string{"/no/a", "/no/b"}, 1, syscall.ENOENT},
		{[]string{"/no/a", "/etc/passwd", "/no/b"}, 2, syscall.EACCES},
		{[]string{"/etc/passwd/x", "/no/b", "/etc"}, 3, syscall.EACCES},
	} {
		b := newBuilder()
		b.exec("")
		exec := b.Steps[3]
		b.Steps = b.Steps[:1]
		for _, file := range c.files {
			s := exec
			s.Args = append([]program.Arg{b.text(file)}, exec.Args[1:]...)
			s.Accept = accept(syscall.ENOENT, syscall.ENOTDIR, syscall.EACCES)
			b.Steps = append(b.Steps, s)
		}
		b.Keep = len(b.Steps)
		if _, o := b.run(t, Options{Killer: KillCommand}); o.Started || o.Failed != c.step || o.Errno != c.errno {
			t.Errorf("%v: %+v", c.files, o)
		}
	}
}

func TestMoreFilesThanRegisters(t *testing.T) {
	if _, err := Start(&program.Program{}, Options{Files: make([]int, MaxFiles+1)}); !errors.Is(err, syscall.E2BIG) {
		t.Errorf("got %v", err)
	}
}

func TestACloneThatIsRefused(t *testing.T) {
	_, err := Start(&program.Program{}, Options{Flags: syscall.CLONE_THREAD})
	if !errors.Is(err, syscall.EINVAL) {
		t.Errorf("got %v", err)
	}
	_, err = Start(&program.Program{}, Options{CgroupFD: 1 << 20})
	if !errors.Is(err, syscall.EBADF) {
		t.Errorf("into a cgroup that is none: %v", err)
	}
}

func TestArgumentPagesHoldTheArguments(t *testing.T) {
	from, size := ArgumentPages()
	if from == 0 || size == 0 || from%pageSize != 0 || size%pageSize != 0 {
		t.Fatalf("%#x, %#x", from, size)
	}
	stat, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')'):]))
	// proc(5): arg_start to env_end are fields 48 to 51, the first here is 2.
	for _, field := range fields[46:50] {
		var at uint64
		for _, c := range field {
			at = at*10 + uint64(c-'0')
		}
		if at < from || at > from+size {
			t.Errorf("%#x is not between %#x and %#x", at, from, from+size)
		}
	}
}
