package plan

import (
	"encoding/binary"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/internal/child"
	"github.com/snug-sandbox/snug/internal/program"
)

// Num is a plain number.
func Num(v uint64) program.Arg { return program.Arg{Value: v} }

// Int is a number that may be negative.
func Int(v int) program.Arg { return program.Arg{Value: uint64(int64(v)), Form: program.Signed} }

// Octal is a file mode.
func Octal(v uint32) program.Arg { return program.Arg{Value: uint64(v), Form: program.Octal} }

// Hex is a number that is best read in hexadecimal.
func Hex(v uint64) program.Arg { return program.Arg{Value: v, Form: program.Hex} }

// Reg is what a register holds.
func Reg(r program.Reg) program.Arg { return program.Arg{Value: uint64(r), Kind: program.Content} }

// Bits is a word of flags with their names.
func Bits(v uint64, names *program.BitNames) program.Arg {
	return program.Arg{Value: v, Form: program.Bits, Bits: names}
}

// Cwd is AT_FDCWD: paths are relative to the working directory.
var Cwd = program.Arg{Value: ^uint64(99), Form: program.Bits, Bits: &atNames}

var atNames = program.BitNames{Names: []program.BitName{{Mask: ^uint64(0), Value: ^uint64(99), Name: "AT_FDCWD"}}}

// Text is the address of s as a C string. Equal texts share their memory.
func (b *Builder) Text(s string) program.Arg {
	at, known := b.texts[s]
	if !known {
		at = uint64(len(b.Program.Data))
		b.Program.Data = append(append(b.Program.Data, s...), 0)
		b.texts[s] = at
	}
	return program.Arg{Value: at, Kind: program.Address, Form: program.Text}
}

// Bytes is the address of a copy of p, aligned to 8 bytes.
func (b *Builder) Bytes(p []byte) program.Arg {
	a := b.Space(len(p))
	copy(b.Program.Data[a.Value:], p)
	return a
}

// Words is the address of 64-bit words in this machine's byte order.
func (b *Builder) Words(words ...uint64) program.Arg {
	a := b.Space(8 * len(words))
	for i, w := range words {
		binary.NativeEndian.PutUint64(b.Program.Data[a.Value+uint64(8*i):], w)
	}
	return a
}

// Space is the address of n zero bytes, aligned to 8 bytes.
func (b *Builder) Space(n int) program.Arg {
	for len(b.Program.Data)%8 != 0 {
		b.Program.Data = append(b.Program.Data, 0)
	}
	at := len(b.Program.Data)
	b.Program.Data = append(b.Program.Data, make([]byte, n)...)
	return program.Arg{Value: uint64(at), Kind: program.Address, Form: program.Struct}
}

// Point puts the address to into the word at offset of the memory at.
func (b *Builder) Point(at program.Arg, offset int, to program.Arg) {
	b.Program.Relocs = append(b.Program.Relocs, program.Reloc{At: uint32(at.Value) + uint32(offset), To: uint32(to.Value)})
}

// Texts is the address of a null-terminated array of C strings, as execve(2)
// takes them.
func (b *Builder) Texts(list []string) program.Arg {
	texts := make([]program.Arg, len(list))
	for i, s := range list {
		texts[i] = b.Text(s)
	}
	array := b.Space(8 * (len(list) + 1))
	for i, t := range texts {
		b.Point(array, 8*i, t)
	}
	return array
}

// WriteFile adds the steps that write content to the file at path, relative to
// dir, in one go, as the files of procfs want it.
func (b *Builder) WriteFile(label string, dir program.Arg, path, content string) (open, write Step) {
	return b.WriteBytes(label, dir, path, b.Text(content), len(content))
}

// WriteBytes is WriteFile for the first n bytes at an address.
func (b *Builder) WriteBytes(label string, dir program.Arg, path string, content program.Arg, n int) (open, write Step) {
	open = b.Do(label, Openat, dir, b.Text(path), Bits(unix.O_WRONLY|unix.O_CLOEXEC, &OpenFlags), Num(0))
	fd := open.Keep("file")
	write = b.Do(label, Write, Reg(fd), content, Num(uint64(n))).Min(n)
	b.Close(fd)
	return open, write
}

// SetWord sets the 64-bit word at offset of the memory a.
func (b *Builder) SetWord(a program.Arg, offset int, w uint64) {
	binary.NativeEndian.PutUint64(b.Program.Data[a.Value+uint64(offset):], w)
}

// CopyPointer adds the steps that put the address of text into the word at to.
// An eventfd(2) is what copies 8 bytes with plain calls.
func (b *Builder) CopyPointer(label, text string, to program.Arg) {
	word := b.Words(0)
	b.Point(word, 0, b.Text(text))
	fd := b.Do(label, Eventfd, Num(0), Num(unix.EFD_CLOEXEC)).Keep("event")
	b.Do(label, Write, Reg(fd), word, Num(8))
	b.Do(label, Read, Reg(fd), to, Num(8)).Min(8)
	b.Close(fd)
}

// Filter adds the step that loads a seccomp filter, an array of struct
// sock_filter. It is prctl(2), which filters usually allow, not seccomp(2):
// another one may follow.
func (b *Builder) Filter(label string, filter []byte) Step {
	return b.Do(label, Prctl, Num(unix.PR_SET_SECCOMP), Num(unix.SECCOMP_MODE_FILTER), b.filter(filter), Num(0), Num(0))
}

// SendListener adds the steps that load a filter with a listener, by seccomp(2)
// with the given flags, and send that to the parent, which answers by the plain
// filter. Where there is a listener already the plain filter is loaded.
func (b *Builder) SendListener(label string, flags uint64, filter, plain []byte) {
	const length = 16 + 4 // struct cmsghdr with one descriptor
	control := b.Space(24)
	b.SetWord(control, 0, length)
	b.SetWord(control, 8, unix.SOL_SOCKET|unix.SCM_RIGHTS<<32)
	fd := control
	fd.Value += 16
	load := b.Do(label, Seccomp, Num(unix.SECCOMP_SET_MODE_FILTER), Hex(flags), b.filter(filter)).
		Accept(syscall.EBUSY).Note("what is refused is told to a sandbox around this one, and cannot be told here").Store(fd)
	load.Keep("listener")
	b.tell("hand the listener to the parent", b.Control, []byte{child.MsgListener, 0}, control, length)
	sent := b.Last()
	load.ElseHere()
	b.Filter(label, plain)
	sent.ThenHere()
	b.Listener = plain
}

// filter is the address of a struct sock_fprog.
func (b *Builder) filter(filter []byte) program.Arg {
	fprog := b.Words(uint64(len(filter)/8), 0)
	b.Point(fprog, 8, b.Bytes(filter))
	return fprog
}

// Equal adds the step that fails with EAGAIN unless the 32-bit word at a is
// value. It is a futex(2) operation that compares before it wakes nobody.
func (b *Builder) Equal(label string, a program.Arg, value uint32) Step {
	const cmpRequeue, private = 4, 128
	return b.Do(label, Futex, a, Num(cmpRequeue|private), Num(0), Num(0), b.Words(0), Num(uint64(value)))
}

// EqualText adds the steps that fail with EAGAIN unless text, whose length is a
// multiple of 4, is at a.
func (b *Builder) EqualText(label string, a program.Arg, text string, help *program.Help) {
	for i := 0; i < len(text); i += 4 {
		word := a
		word.Value += uint64(i)
		b.Equal(label, word, binary.NativeEndian.Uint32([]byte(text[i:i+4]))).Help(help).get().Detail = uint32(a.Value)
	}
}
