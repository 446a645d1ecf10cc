package seccomp

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// verdict is what the kernel does with a call: the value that a filter returns.
type verdict uint32

const (
	killed  verdict = 0x80000000 // the process ends with SIGSYS
	refused verdict = 0x00050000 // the call fails with the errno of the low 16 bits
	asked   verdict = 0x7fc00000 // the listener is asked (SECCOMP_RET_USER_NOTIF)
	logged  verdict = 0x7ffc0000 // the call is made, and the log says so
	allowed verdict = 0x7fff0000
)

// actionMask is SECCOMP_RET_ACTION: the rest is an errno.
const actionMask verdict = 0x7fff0000

// denies reports whether v keeps a call from being made.
func (v verdict) denies() bool { return v != allowed && v != logged }

// rule says what becomes of a call whose arguments meet all conditions.
type rule struct {
	call string // a name, or a group with its "@"
	when []condition
	then verdict
}

// condition is a comparison of one argument.
type condition struct {
	arg   uint8
	op    operator
	mask  uint64 // ^0: the whole argument
	value uint64
}

type operator uint8

const (
	equal operator = iota
	unequal
	less
	lessEqual
	greater
	greaterEqual
)

// operators are the signs of the operators; the longer ones come first.
var operators = [...]struct {
	sign string
	op   operator
}{{"==", equal}, {"!=", unequal}, {"<=", lessEqual}, {">=", greaterEqual}, {"<", less}, {">", greater}}

// parse reads a rule. What follows the last colon of one that denies is an
// errno; otherwise it becomes then.
func parse(text string, deny bool, then verdict) (rule, error) {
	r := rule{then: then}
	rest := strings.TrimSpace(text)
	if name, errno, ok := cutErrno(rest); ok {
		if !deny {
			return r, errors.New("only a call that is denied has an errno")
		}
		var err error
		if r.then, err = parseVerdict(errno); err != nil {
			return r, err
		}
		rest = name
	}
	name, conditions, ok := strings.Cut(rest, "(")
	r.call = strings.TrimSpace(name)
	if !known(r.call) {
		return r, unknown(r.call)
	}
	if !ok {
		return r, nil
	}
	if conditions, ok = strings.CutSuffix(conditions, ")"); !ok {
		return r, errors.New("the conditions do not end with \")\"")
	}
	for part := range strings.SplitSeq(strings.ReplaceAll(conditions, "&&", ","), ",") {
		c, err := parseCondition(strings.TrimSpace(part))
		if err != nil {
			return r, err
		}
		r.when = append(r.when, c)
	}
	return r, nil
}

func cutErrno(text string) (rule, errno string, ok bool) {
	i := strings.LastIndexByte(text, ':')
	if i < 0 {
		return text, "", false
	}
	return strings.TrimSpace(text[:i]), strings.TrimSpace(text[i+1:]), true
}

// parseVerdict reads the name of an errno, or "kill".
func parseVerdict(name string) (verdict, error) {
	if name == "kill" {
		return killed, nil
	}
	for n := unix.Errno(1); n <= maxErrno; n++ {
		if unix.ErrnoName(n) == name {
			return refused | verdict(n), nil
		}
	}
	if name == "ENOTSUP" {
		return refused | verdict(unix.EOPNOTSUPP), nil
	}
	return 0, fmt.Errorf("%q is not the name of an errno", name)
}

const maxErrno = 133 // EHWPOISON, the last one (errno(3))

func parseCondition(text string) (condition, error) {
	c := condition{mask: ^uint64(0)}
	for _, o := range operators {
		left, right, ok := strings.Cut(text, o.sign)
		if !ok {
			continue
		}
		c.op = o.op
		left, mask, masked := strings.Cut(left, "&")
		n, isArg := strings.CutPrefix(strings.TrimSpace(left), "arg")
		if !isArg || len(n) != 1 || n[0] < '0' || n[0] > '5' {
			return c, fmt.Errorf("%q does not compare one of arg0 to arg5", text)
		}
		c.arg = n[0] - '0'
		var err error
		if masked {
			if c.mask, err = number(mask); err != nil {
				return c, err
			}
		}
		c.value, err = number(right)
		if err == nil && c.op == equal && c.value&^c.mask != 0 {
			err = fmt.Errorf("%q never holds: the value has bits that the mask takes away", text)
		}
		return c, err
	}
	return c, fmt.Errorf("%q is not a condition", text)
}

// number reads a number, or constants with "|" between them.
func number(text string) (uint64, error) {
	var sum uint64
	for word := range strings.SplitSeq(text, "|") {
		word = strings.TrimSpace(word)
		n, err := strconv.ParseUint(word, 0, 64)
		if err != nil {
			var ok bool
			if n, ok = constant(word); !ok {
				return 0, fmt.Errorf("%q is neither a number nor a constant that is known here", word)
			}
		}
		sum |= n
	}
	return sum, nil
}

// constant returns the value of a name of the kernel's headers.
func constant(name string) (uint64, bool) {
	for i := range constants {
		if constants[i].name == name {
			return constants[i].value, true
		}
	}
	return 0, false
}

var constants = [...]struct {
	name  string
	value uint64
}{
	{"AF_UNSPEC", unix.AF_UNSPEC}, {"AF_UNIX", unix.AF_UNIX}, {"AF_INET", unix.AF_INET}, {"AF_INET6", unix.AF_INET6},
	{"AF_NETLINK", unix.AF_NETLINK}, {"AF_PACKET", unix.AF_PACKET}, {"AF_ALG", unix.AF_ALG}, {"AF_VSOCK", unix.AF_VSOCK},
	{"AF_BLUETOOTH", unix.AF_BLUETOOTH}, {"AF_CAN", unix.AF_CAN}, {"AF_XDP", unix.AF_XDP}, {"AF_KEY", unix.AF_KEY},
	{"AF_RDS", unix.AF_RDS}, {"AF_TIPC", unix.AF_TIPC}, {"AF_SMC", unix.AF_SMC}, {"AF_QIPCRTR", unix.AF_QIPCRTR},
	{"SOCK_STREAM", unix.SOCK_STREAM}, {"SOCK_DGRAM", unix.SOCK_DGRAM}, {"SOCK_RAW", unix.SOCK_RAW}, {"SOCK_SEQPACKET", unix.SOCK_SEQPACKET},
	{"NETLINK_ROUTE", unix.NETLINK_ROUTE}, {"NETLINK_SOCK_DIAG", unix.NETLINK_SOCK_DIAG}, {"NETLINK_AUDIT", unix.NETLINK_AUDIT},
	{"NETLINK_NETFILTER", unix.NETLINK_NETFILTER}, {"NETLINK_KOBJECT_UEVENT", unix.NETLINK_KOBJECT_UEVENT}, {"NETLINK_GENERIC", unix.NETLINK_GENERIC},
	{"CLONE_NEWNS", unix.CLONE_NEWNS}, {"CLONE_NEWCGROUP", unix.CLONE_NEWCGROUP}, {"CLONE_NEWUTS", unix.CLONE_NEWUTS}, {"CLONE_NEWIPC", unix.CLONE_NEWIPC},
	{"CLONE_NEWUSER", unix.CLONE_NEWUSER}, {"CLONE_NEWPID", unix.CLONE_NEWPID}, {"CLONE_NEWNET", unix.CLONE_NEWNET}, {"CLONE_NEWTIME", unix.CLONE_NEWTIME},
	{"TIOCSTI", 0x5412}, {"TIOCLINUX", 0x541c}, {"TIOCCONS", 0x541d}, {"TIOCSETD", 0x5423},
	{"PROT_READ", unix.PROT_READ}, {"PROT_WRITE", unix.PROT_WRITE}, {"PROT_EXEC", unix.PROT_EXEC},
	{"PTRACE_TRACEME", unix.PTRACE_TRACEME}, {"ADDR_NO_RANDOMIZE", 0x0040000}, {"UNAME26", 0x0020000}, {"PER_LINUX32", 0x0008},
	{"S_IFMT", unix.S_IFMT}, {"S_IFCHR", unix.S_IFCHR}, {"S_IFBLK", unix.S_IFBLK},
}
