// Package program is a list of raw system calls as data: what the child of a
// sandbox does between clone and execve. It computes and prints; package child
// runs it.
package program

import "syscall"

// Call is one system call of the kernel, by name and by number on this machine.
type Call struct {
	Name string
	Nr   uint32
}

// Reg is a register: a numbered place that holds one step's result, such as a
// descriptor or a pid, for later steps. Register 0 means "none".
type Reg uint8

// Registers is the number of registers, the unusable register 0 among them.
const Registers = 64

// Kind says what the Value of an Arg is.
type Kind uint8

// Kinds of an Arg.
const (
	Number  Kind = iota // Value itself
	Address             // the address of byte Value of Program.Data
	Content             // the content of register Value
)

// Form says how an Arg is shown. It changes nothing about what it does.
type Form uint8

// Forms of an Arg.
const (
	Decimal Form = iota
	Signed
	Octal
	Hex
	Text   // the C string at the address
	Struct // memory whose content is not shown
	Bits   // the names of Arg.Bits
)

// Arg is one argument of a system call.
type Arg struct {
	Value uint64
	Kind  Kind
	Form  Form
	Bits  *BitNames // names for Form Bits
}

// MaxAccept is the most errnos that one step may accept.
const MaxAccept = 4

// Step is one system call with everything that decides what follows it.
//
// A call that succeeds continues with step Then, one that is refused with an
// errno in Accept with step Else; zero means the next step. Both only lead
// forward, so that a program always ends. Any other refusal ends the program
// and is reported with the step's number.
type Step struct {
	Label string // what this does, in the user's words: "bind /usr read-only at /usr"
	From  string // the entry of a Spec that it is a part of: "mounts[2]"
	Call  Call
	Args  []Arg

	Out   Reg    // register for the result, or 0
	Name  string // what the result is, for printing
	Store uint32 // offset in Data where the low 32 bits of the result go too, or 0
	Min   int64  // a result below this is EIO: a short write, an early end of file

	Accept [MaxAccept]syscall.Errno
	Then   int
	Else   int
	Note   string // said in the result when an accepted errno came; empty is silent

	Repeat    uint16 // run this many times more, one argument growing by 1
	RepeatArg uint8  // which argument that is: 0 or 1
	Fork      bool   // a clone: the new process goes on with the next step, the old one at Program.Keep
	Move      bool   // a clone: the new process goes on with the next step, the old one ends
	Exec      bool   // an execve; the most telling refusal of several is reported

	Help   *Help  // what refusals mean here
	Detail uint32 // offset in Data of a C string that says more about a refusal, or 0
}

// Help explains refusals of a step in the user's words.
type Help struct {
	Errno syscall.Errno
	Why   string
	Fix   string
	Next  *Help
}

// For returns the sentence for errno: why, and what to do.
func (h *Help) For(errno syscall.Errno) (why, fix string) {
	for ; h != nil; h = h.Next {
		if h.Errno == errno {
			return h.Why, h.Fix
		}
	}
	return errno.Error(), ""
}

// Reloc is a place in Data that holds the address of another place in Data.
type Reloc struct {
	At, To uint32
}

// Program is what the child does. Steps up to the one with Fork run in the
// first process. What follows, up to Keep, runs in the process that executes
// the command; the first process goes on at Keep, and stays as its reaper.
type Program struct {
	Steps  []Step
	Data   []byte
	Relocs []Reloc
	Keep   int               // index of the first step of the process that stays, 0 without a fork
	Given  [Registers]string // what registers hold from the start, for printing
}
