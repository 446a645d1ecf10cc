// Package seccomp makes the filter of system calls that a command runs under
// (seccomp(2)): rules by name become a program of classic BPF, which the plan
// loads right before execve.
//
// A filter looks at the numbers in the registers and never at the memory that
// they point to. It begins with the architecture: the numbers of another one
// mean other calls, and on amd64 a 64-bit program can make 32-bit calls with the
// instruction int 0x80 and x32 calls with a bit in the number. What is judged
// by the wrong table would be no filter at all.
//
// The filters of the bases are compiled when this package is built, all others
// when they are asked for, once in each process (cache.go). None is kept in a file.
// A process that has to read one would save some 0.15 ms of a start of 3 ms, and
// would have to trust a file that says what a command may do: whoever may write to
// the user's cache, as a command that was given the home directory may, could leave a
// filter there that lets everything through. That its content is the right one is
// not to be known without compiling, and a key to sign it with would lie beside it,
// for the same user to read.
package seccomp

import (
	"runtime"
	"strconv"

	"github.com/snug-sandbox/snug/internal/problem"
)

//go:generate sh -c "go run gen.go $(go list -m -f '{{.Dir}}' golang.org/x/sys)/unix"
//go:generate go test -run Fresh -update

// Values of Config.Base.
const (
	Default = "default" // what ordinary programs never need is refused
	Strict  = "strict"  // for programs that compute: no debugging, few sockets
	None    = "none"    // no filter
)

// Config is the key security.seccomp: one word, or a table with these keys.
//
// A rule is the name of a call, or a group such as "@debug", with conditions
// on its arguments if need be: "ioctl(arg1 == TIOCSTI)". Arguments count from
// 0; conditions are ==, !=, <, <=, >, >= with a number or a constant, and
// "arg0 & MASK == VALUE"; all of several, with commas between them, must hold. In
// a list of what is denied an errno may follow, or "kill": "ptrace:ENOSYS".
//
// The kernel takes many arguments for 32-bit numbers, and ignores the upper half
// of the register. A rule that denies therefore holds when the whole register or
// its lower half fits, a rule that allows only when both do.
type Config struct {
	// Base is "default", "strict" or "none": what the other keys start from.
	Base string `toml:"base"`

	// File is a filter in Docker's JSON format, on the host, that takes the place
	// of Base.
	File string `toml:"file"`

	// Allow are rules for calls that are allowed beside those of the base. What
	// nested_userns forbids stays forbidden.
	Allow []string `toml:"allow"`

	// Deny are rules for calls that are refused. They win over Allow.
	Deny []string `toml:"deny"`

	// Log are rules for calls that are allowed and written to the kernel's log.
	Log []string `toml:"log"`

	// Errno is what calls of Deny fail with. Default "EPERM".
	Errno string `toml:"errno"`

	// Compat allows programs of the 32-bit architecture that this machine can run
	// (x86, arm), with the same rules. Calls of socketcall(2) and ipc(2), which
	// hold their arguments in memory, cannot be looked into there.
	Compat bool `toml:"compat"`

	// LogDenials has the result tell which calls were refused, and which paths:
	// those that are not shown, or read-only. Each such call, and each that opens
	// or executes a file, waits for the caller's answer then (seccomp_unotify(2)).
	// The kernel's log tells of refused calls, too, where it is kept.
	LogDenials bool `toml:"log_denials"`
}

// Off reports whether there is no filter.
func (c Config) Off() bool {
	return c.Base == None && c.File == "" && len(c.Allow)+len(c.Deny)+len(c.Log) == 0
}

// StrictBase reports whether the filter starts from "strict".
func (c Config) StrictBase() bool { return c.Base == Strict }

// NoKeys reports whether the filter surely refuses every call for keyrings.
func (c Config) NoKeys() bool {
	return c.Base != None && c.File == "" && len(c.Allow)+len(c.Log) == 0
}

// Validate reports what makes no sense on any machine.
func (c Config) Validate() error {
	var list problem.List
	bad := func(key, why, fix string) {
		list = append(list, &problem.Problem{What: "security.seccomp." + key, Why: why, Fix: fix})
	}
	switch c.Base {
	case "", Default, Strict, None:
	default:
		bad("base", strconv.Quote(c.Base)+" is not a filter", "one of default, strict, none")
	}
	if c.File != "" && c.Base != "" {
		bad("file", "a filter starts from a file or from a base, not from both", "leave one of them out")
	}
	if c.LogDenials && c.Off() {
		bad("log_denials", "there is no filter that could report anything", "leave out base = \"none\" (--seccomp none), or leave out log_denials (--log-denials)")
	}
	if _, err := parseVerdict(c.Errno); c.Errno != "" && err != nil {
		bad("errno", err.Error(), "a name of errno(3) such as EPERM or ENOSYS")
	}
	for _, of := range []struct {
		key   string
		rules []string
		deny  bool
	}{{"allow", c.Allow, false}, {"deny", c.Deny, true}, {"log", c.Log, false}} {
		for i, text := range of.rules {
			if _, err := parse(text, of.deny, allowed); err != nil {
				bad(of.key+"["+strconv.Itoa(i)+"]", err.Error(), "a call or a group, such as \"ptrace\", \"@debug\" or \"socket(arg0 == AF_INET6)\"")
			}
		}
	}
	return list.Err()
}

// CheckRule reports what is wrong with one rule of a list of what is allowed or
// denied; "" when nothing is.
func CheckRule(text string, deny bool) string {
	if _, err := parse(text, deny, allowed); err != nil {
		return err.Error()
	}
	return ""
}

// Names returns all groups and all calls that rules may name.
func Names() []string {
	names := groupNames()
	native, compat := machines(runtime.GOARCH)
	for _, m := range []machine{native, compat} {
		m.each(func(_ uint32, name string) { names = append(names, name) })
	}
	return names
}
