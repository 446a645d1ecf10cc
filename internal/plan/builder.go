package plan

import (
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/internal/child"
	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/internal/program"
)

// Builder makes a Plan. The nouns append to it in the order in which their
// steps run.
type Builder struct {
	Plan

	texts map[string]uint64
	From  string // the entry of a Spec that steps are added for

	// Begin, if there is one, may have the child begin with what was added so far. It is
	// called where all steps are as they stay.
	Begin func()

	// Control holds the control socket in the process of the command, where
	// something is sent from there.
	Control program.Reg

	args   []program.Arg // of all steps, one after the other
	inUse  [program.Registers]bool
	names  [program.Registers]string // of registers in use
	failed error
	keep   []func()
}

// NewBuilder returns an empty builder. Descriptors holds the numbers inside of
// the caller's descriptors that the command shall have.
func NewBuilder(descriptors []int) *Builder {
	b := &Builder{texts: make(map[string]uint64, 64)}
	b.Program.Steps = make([]program.Step, 0, 640)
	b.args = make([]program.Arg, 0, 2560)
	b.Program.Data = make([]byte, 8, 4096) // offset 0 means "none"
	b.Files = descriptors
	b.take(child.RegControl, "control")
	b.take(child.RegSupervisor, "supervisor")
	for r, name := range []string{"below", "below_size", "above", "above_size", "top", "top_size"} {
		b.take(child.RegMemory+program.Reg(r), name)
	}
	for i := range descriptors {
		b.take(b.File(i), "caller")
	}
	return b
}

func (b *Builder) take(r program.Reg, name string) {
	b.inUse[r], b.Program.Given[r] = true, name
}

// File is the register that holds the caller's descriptor i of Plan.Files.
func (b *Builder) File(i int) program.Reg { return child.RegFiles + program.Reg(i) }

// Step is a step that was added and can still be changed.
type Step struct {
	b *Builder
	i int
}

// Do adds a step.
func (b *Builder) Do(label string, call program.Call, args ...program.Arg) Step {
	at := len(b.args)
	b.args = append(b.args, args...)
	b.Program.Steps = append(b.Program.Steps, program.Step{Label: label, From: b.From, Call: call, Args: b.args[at:len(b.args):len(b.args)]})
	return Step{b, len(b.Program.Steps) - 1}
}

func (s Step) get() *program.Step { return &s.b.Program.Steps[s.i] }

// Index is the number of the step.
func (s Step) Index() int { return s.i }

// Into keeps the result in r.
func (s Step) Into(r program.Reg) Step {
	s.get().Out = r
	return s
}

// Out is the register that the result is kept in.
func (s Step) Out() program.Reg { return s.get().Out }

// Keep keeps the result in a free register.
func (s Step) Keep(name string) program.Reg {
	r := s.b.Register(name)
	s.Into(r)
	s.get().Name = name
	return r
}

// Store keeps the low 32 bits of the result at an address of Program.Data.
func (s Step) Store(at program.Arg) Step {
	s.get().Store = uint32(at.Value)
	return s
}

// Accept goes on, with the next step or the one of Else, when the call is
// refused with one of errnos.
func (s Step) Accept(errnos ...syscall.Errno) Step {
	copy(s.get().Accept[:], errnos)
	return s
}

// Note has the result say so when an accepted errno came.
func (s Step) Note(sentence string) Step {
	s.get().Note = sentence
	return s
}

// Defer has what is noted since a step be told later, or never: the caller sets the At of
// this element of Due.
func (b *Builder) Defer(since int) (index int) {
	b.Due = append(b.Due, Due{From: since, To: b.Next()})
	return len(b.Due) - 1
}

// Min makes a result below n a failure.
func (s Step) Min(n int) Step {
	s.get().Min = int64(n)
	return s
}

// Repeat runs the step n times in all, the first argument growing by one.
func (s Step) Repeat(n int) Step {
	s.get().Repeat = uint16(n - 1)
	return s
}

// RepeatSecond is Repeat with the second argument growing.
func (s Step) RepeatSecond(n int) Step {
	s.get().RepeatArg = 1
	return s.Repeat(n)
}

// Help says what refusals mean here.
func (s Step) Help(h *program.Help) Step {
	s.get().Help = h
	return s
}

// Exec marks an execve.
func (s Step) Exec() Step {
	s.get().Exec = true
	return s
}

// Fork marks the clone that makes the process of the command.
func (s Step) Fork() Step {
	s.get().Fork = true
	return s
}

// Move marks a clone whose new process takes the place of the old one.
func (s Step) Move() Step {
	s.get().Move = true
	return s
}

// ElseHere continues with the next step that will be added after an accepted
// errno.
func (s Step) ElseHere() { s.get().Else = s.b.Next() }

// ThenHere continues with the next step that will be added after success.
func (s Step) ThenHere() { s.get().Then = s.b.Next() }

// Next is the number of the next step that will be added.
func (b *Builder) Next() int { return len(b.Program.Steps) }

// Register takes a free register. A plan that needs more than there are is a
// mistake of the code that makes it; Err reports it.
func (b *Builder) Register(name string) program.Reg {
	for r := program.Reg(program.Registers - 1); r >= child.RegFiles; r-- {
		if !b.inUse[r] {
			b.inUse[r], b.names[r] = true, name
			return r
		}
	}
	b.failed = &problem.Problem{What: "mounts", Why: "too many of them have to stay open until what is mounted below them is in its place",
		Fix: "mount less on top of mounts that are inside directories of the host"}
	return 0
}

// Scarce reports whether few registers are left.
func (b *Builder) Scarce() bool {
	free := 0
	for _, used := range b.inUse {
		if !used {
			free++
		}
	}
	return free < 16
}

// Free gives registers back.
func (b *Builder) Free(regs ...program.Reg) {
	for _, r := range regs {
		b.inUse[r] = false
	}
}

// Close closes the descriptor in r and gives the register back.
func (b *Builder) Close(r program.Reg) {
	b.Do("close "+b.names[r], Close, Reg(r))
	b.Free(r)
}

// Advance has the child begin with what was added so far, if it may.
func (b *Builder) Advance() {
	if b.Begin != nil && b.failed == nil {
		b.Begin()
	}
}

// Err returns the first mistake in building.
func (b *Builder) Err() error {
	if b.failed != nil {
		return b.failed
	}
	return b.Program.Check()
}

// Barrier has the child wait until the parent has done a. Where it need not be asked
// to, it may have done so already: then it is not woken to hear of it.
func (b *Builder) Barrier(a Action) {
	msg, answer := b.Bytes([]byte{child.MsgBarrier, byte(len(b.Barriers))}), b.Space(8)
	b.Barriers = append(b.Barriers, a)
	ask := func() {
		b.Do("tell the parent to "+a.Label, Sendto, Reg(child.RegControl), msg, Num(2), Num(0), Num(0), Num(0)).Min(2)
		b.Do(a.Label, Recvfrom, Reg(child.RegControl), answer, Num(8), Num(0), Num(0), Num(0)).Min(1)
	}
	if a.Awaited() {
		ask()
		return
	}
	done := b.Do(a.Label+", if it is not done", Recvfrom, Reg(child.RegControl), answer, Num(8), Num(unix.MSG_DONTWAIT), Num(0), Num(0)).Min(1).Accept(unix.EAGAIN)
	ask()
	done.ThenHere()
}

// BarrierWith is Barrier for an action that needs a descriptor of the child's. It
// is in a control message of the given length.
func (b *Builder) BarrierWith(a Action, control program.Arg, length uint64) {
	b.Barriers = append(b.Barriers, a)
	b.send("have the parent "+a.Label, []byte{child.MsgBarrier, byte(len(b.Barriers) - 1)}, control, length)
}

// send sends a message with a control message, and waits for the answer.
func (b *Builder) send(label string, text []byte, control program.Arg, length uint64) {
	b.tell(label, child.RegControl, text, control, length)
	b.Do(label, Recvfrom, Reg(child.RegControl), b.Space(8), Num(8), Num(0), Num(0), Num(0)).Min(1)
}

// tell sends a message with a control message through the socket in r.
func (b *Builder) tell(label string, r program.Reg, text []byte, control program.Arg, length uint64) {
	iov := b.Words(0, 2)
	b.Point(iov, 0, b.Bytes(text))
	// struct msghdr: name, namelen, iov, iovlen, control, controllen, flags
	msg := b.Words(0, 0, 0, 1, 0, length, 0)
	b.Point(msg, 16, iov)
	b.Point(msg, 32, control)
	b.Do(label, Sendmsg, Reg(r), msg, Num(0)).Min(2)
}

// Hold says what holds a limit, unless something else does already; it reports
// whether that is so.
func (b *Builder) Hold(limit, by string) bool {
	if b.Held[limit] != "" {
		return false
	}
	if b.Held == nil {
		b.Held = map[string]string{}
	}
	b.Held[limit] = by
	return true
}

// Last is the step that was added last.
func (b *Builder) Last() Step { return Step{b, len(b.Program.Steps) - 1} }

// RightsSize is the length of a control message with one descriptor.
const RightsSize = 16 + 4

// Rights is the memory of a control message that hands a descriptor over
// (unix(7), SCM_RIGHTS), and the place in it for the descriptor's number.
func (b *Builder) Rights() (control, number program.Arg) {
	control = b.Space(24)
	b.SetWord(control, 0, RightsSize)
	b.SetWord(control, 8, unix.SOL_SOCKET|unix.SCM_RIGHTS<<32)
	number = control
	number.Value += 16
	return control, number
}

// SendFile sends the parent the terminal's master end, in a control message of
// the given length, and waits until the parent has set it up.
func (b *Builder) SendFile(label string, control program.Arg, length uint64) {
	b.send(label, []byte{child.MsgTerminal, 0}, control, length)
	b.Terminal = true
}

// KeepLater has f append the steps of the process that stays, once all others
// are there.
func (b *Builder) KeepLater(f func()) { b.keep = append(b.keep, f) }

// Finish returns the complete plan.
func (b *Builder) Finish() (*Plan, error) {
	if b.keep != nil {
		b.Program.Keep = b.Next()
	}
	for _, add := range b.keep {
		add()
	}
	if err := b.Err(); err != nil {
		return nil, err
	}
	return &b.Plan, nil
}
