package child

import (
	"syscall"
	"unsafe"
)

// hint is a word of a command line that tells of namespaces.
type hint struct {
	word  string
	flags uint64
}

const (
	cloneCgroup = 0x2000000 // CLONE_NEWCGROUP
	cloneMounts = syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS
	cloneAll    = cloneMounts | cloneCgroup | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS
)

// verb counts as the first word only.
var verb = hint{"run", cloneAll}

// last ends its options, and network are those that have it share a namespace: one word,
// or two.
var (
	last    = hint{word: "--"}
	network = [...]hint{{word: "--net=host"}, {word: "--net"}, {word: "host"}}
)

// more is bubblewrap's option for words that can be read from a descriptor.
var more = hint{word: "--args"}

// options are those of bubblewrap, which cannot do without a mount namespace.
var options = [...]hint{
	{"--unshare-all", cloneAll},
	{"--unshare-user", cloneMounts},
	{"--unshare-user-try", cloneMounts},
	{"--unshare-ipc", cloneMounts | syscall.CLONE_NEWIPC},
	{"--unshare-pid", cloneMounts | syscall.CLONE_NEWPID},
	{"--unshare-net", cloneMounts | syscall.CLONE_NEWNET},
	{"--unshare-uts", cloneMounts | syscall.CLONE_NEWUTS},
	{"--unshare-cgroup", cloneMounts | cloneCgroup},
	{"--unshare-cgroup-try", cloneMounts | cloneCgroup},
}

// guess reads a command line as the kernel lays it out: the number of words, and
// a pointer to each. It returns the namespaces that seem to be wanted, or 0. To
// be wrong costs time and nothing else: what a plan needs is compared with it.
//
//go:nosplit
//go:norace
//go:noinline
//go:nocheckptr
func guess(r *region, stack unsafe.Pointer) (flags uint64) {
	words := *(*uintptr)(stack)
	for i := uintptr(1); i < words; i++ {
		word := *(*unsafe.Pointer)(unsafe.Add(stack, 8+8*i))
		if i == 1 && equal(word, &verb) {
			return guessRun(r, stack)
		}
		if i+1 < words && equal(word, &more) {
			flags |= guessFile(r, *(*unsafe.Pointer)(unsafe.Add(stack, 16+8*i)))
		}
		flags |= option(word)
	}
	return flags
}

// guessRun is guess for the verb run, whose first child most likely has all namespaces,
// and begins in the usual way, unless it is said here that it has the caller's network.
//
//go:nosplit
//go:norace
//go:noinline
//go:nocheckptr
func guessRun(r *region, stack unsafe.Pointer) (flags uint64) {
	words := *(*uintptr)(stack)
	for i := uintptr(2); i < words; i++ {
		word := *(*unsafe.Pointer)(unsafe.Add(stack, 8+8*i))
		if equal(word, &last) {
			break
		}
		if equal(word, &network[0]) || i+1 < words && equal(word, &network[1]) && equal(*(*unsafe.Pointer)(unsafe.Add(stack, 16+8*i)), &network[2]) {
			return verb.flags &^ syscall.CLONE_NEWNET
		}
	}
	if mayOpen(r) {
		r.opened = openingIDs
	}
	return verb.flags
}

//go:nosplit
//go:norace
//go:noinline
//go:nocheckptr
func option(word unsafe.Pointer) (flags uint64) {
	for h := range options {
		if equal(word, &options[h]) {
			flags |= options[h].flags
		}
	}
	return flags
}

// guessFile reads the words of a file, where that leaves them for who reads it
// next: of a pipe it learns nothing. What it has read does not stay.
//
//go:nosplit
//go:norace
//go:noinline
//go:nocheckptr
func guessFile(r *region, number unsafe.Pointer) (flags uint64) {
	const most = 64 << 10 // of words; a program that has more to say says this first
	fd := uintptr(0)
	for i := 0; ; i++ {
		digit := *(*byte)(unsafe.Add(number, i))
		if digit == 0 && i > 0 {
			break
		}
		if digit < '0' || digit > '9' || i == 6 {
			return 0
		}
		fd = 10*fd + uintptr(digit-'0')
	}
	words := unsafe.Add(unsafe.Pointer(r), aheadSize/2)
	n, _, errno := syscall.RawSyscall6(syscall.SYS_PREAD64, fd, uintptr(words), most, 0, 0, 0)
	if errno != 0 {
		return 0
	}
	begins := true
	for i := uintptr(0); i < n; i++ {
		if begins {
			flags |= option(unsafe.Add(words, i))
		}
		begins = *(*byte)(unsafe.Add(words, i)) == 0
	}
	for i := uintptr(0); i < n; i++ {
		*(*byte)(unsafe.Add(words, i)) = 0
	}
	return flags
}

// equal compares a C string with the word of a hint.
//
//go:nosplit
//go:norace
//go:noinline
//go:nocheckptr
func equal(text unsafe.Pointer, h *hint) bool {
	for i := 0; i < len(h.word); i++ {
		if *(*byte)(unsafe.Add(text, i)) != h.word[i] {
			return false
		}
	}
	return *(*byte)(unsafe.Add(text, len(h.word))) == 0
}
