package seccomp

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// machine is a table of numbers that a kernel knows.
type machine struct {
	audit uint32 // AUDIT_ARCH_… of struct seccomp_data
	calls string // lines of a number and a name
	names []string
}

// machines are those that a filter for goarch judges: the native one, and the
// 32-bit one that such a kernel may have beside it.
func machines(goarch string) (native, compat machine) {
	if goarch == "arm64" {
		return machine{unix.AUDIT_ARCH_AARCH64, arm64Calls, []string{"arm64", "aarch64"}}, machine{unix.AUDIT_ARCH_ARM, armCalls, []string{"arm"}}
	}
	return machine{unix.AUDIT_ARCH_X86_64, amd64Calls, []string{"amd64", "x86_64"}}, machine{unix.AUDIT_ARCH_I386, x86Calls, []string{"x86"}}
}

// x32 is the bit in the number of a call of the x32 ABI, which shares its
// AUDIT_ARCH with x86-64. On all machines no call has so high a number.
const x32 = 0x40000000

// each calls f with every call of m, by ascending number.
func (m machine) each(f func(nr uint32, name string)) {
	for line := range strings.SplitSeq(strings.TrimSuffix(m.calls, "\n"), "\n") {
		number, name, _ := strings.Cut(line, " ")
		nr, _ := strconv.ParseUint(number, 10, 32)
		f(uint32(nr), name)
	}
}

// name is the name of a number; "" when it has none.
func (m machine) name(nr uint32) string {
	at := "\n" + strconv.FormatUint(uint64(nr), 10) + " "
	_, rest, found := strings.Cut("\n"+m.calls, at)
	name, _, _ := strings.Cut(rest, "\n")
	if !found {
		return ""
	}
	return name
}

// known reports whether some machine has a call of this name, or there is such a
// group.
func known(name string) bool {
	if strings.HasPrefix(name, "@") {
		return group(name) != ""
	}
	if name == "" || strings.ContainsAny(name, " \n") {
		return false
	}
	for _, calls := range []string{amd64Calls, arm64Calls, x86Calls, armCalls} {
		if strings.Contains(calls, " "+name+"\n") {
			return true
		}
	}
	return false
}

func unknown(name string) error {
	if strings.HasPrefix(name, "@") {
		return fmt.Errorf("%q is not a group; there are %s", name, strings.Join(groupNames(), " "))
	}
	return fmt.Errorf("%q is not a system call", name)
}
