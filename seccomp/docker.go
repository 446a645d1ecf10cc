package seccomp

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/internal/problem"
)

// dockerProfile is the format of docker run --security-opt seccomp=FILE, which
// podman and the OCI's runtime specification share.
type dockerProfile struct {
	DefaultAction   string       `json:"defaultAction"`
	DefaultErrnoRet *uint16      `json:"defaultErrnoRet"`
	Syscalls        []dockerRule `json:"syscalls"`
}

type dockerRule struct {
	Name     string       `json:"name"` // of old files
	Names    []string     `json:"names"`
	Action   string       `json:"action"`
	ErrnoRet *uint16      `json:"errnoRet"`
	Args     []dockerArg  `json:"args"`
	Includes dockerFilter `json:"includes"`
	Excludes dockerFilter `json:"excludes"`
}

type dockerArg struct {
	Index    uint   `json:"index"`
	Value    uint64 `json:"value"`
	ValueTwo uint64 `json:"valueTwo"`
	Op       string `json:"op"`
}

// dockerFilter says where a rule counts. Kernels that Snug runs on are newer
// than any minKernel that is in use.
type dockerFilter struct {
	Caps   []string `json:"caps"`
	Arches []string `json:"arches"`
}

// importDocker appends the rules of such a file. Names that no table has are for
// other machines. A number that is newer than the tables gets ENOSYS where the
// profile would refuse it: programs then do without.
func (p *policy) importDocker(name string, x Context) error {
	var d dockerProfile
	bad := func(why string) error {
		return &problem.Problem{What: "security.seccomp.file " + name, Why: why, Fix: "a filter as docker run --security-opt seccomp=FILE takes it"}
	}
	decoder := json.NewDecoder(bytes.NewReader(x.Imported))
	if err := decoder.Decode(&d); err != nil {
		return bad(err.Error())
	}
	var err error
	if p.rest, err = dockerVerdict(d.DefaultAction, d.DefaultErrnoRet); err != nil {
		return bad("defaultAction: " + err.Error())
	}
	p.unlisted = p.rest
	if p.rest&actionMask == refused {
		p.unlisted = refused | verdict(unix.ENOSYS)
	}
	for i, s := range d.Syscalls {
		rules, err := s.rules(d.DefaultErrnoRet)
		if err != nil {
			return bad(fmt.Sprintf("syscalls[%d]: %v", i, err))
		}
		if s.counts(x) {
			p.rules = append(p.rules, rules...)
		}
	}
	return nil
}

// counts reports whether the rule is for this machine and these capabilities.
func (s dockerRule) counts(x Context) bool {
	native, _ := machines(x.Arch)
	here := func(arch string) bool { return slices.Contains(native.names, arch) }
	if len(s.Includes.Arches) > 0 && !slices.ContainsFunc(s.Includes.Arches, here) || slices.ContainsFunc(s.Excludes.Arches, here) {
		return false
	}
	for _, name := range s.Includes.Caps {
		if !x.holds(name) {
			return false
		}
	}
	return !slices.ContainsFunc(s.Excludes.Caps, x.holds)
}

func (x Context) holds(capability string) bool {
	n := slices.Index(capabilities[:], strings.ToUpper(capability))
	return n >= 0 && x.Capabilities&(1<<n) != 0 || capability == "CAP_SYS_ADMIN" && x.NestedUserns
}

// capabilities that such files name, at their numbers.
var capabilities = [...]string{
	unix.CAP_DAC_READ_SEARCH: "CAP_DAC_READ_SEARCH", unix.CAP_SYS_MODULE: "CAP_SYS_MODULE", unix.CAP_SYS_RAWIO: "CAP_SYS_RAWIO",
	unix.CAP_SYS_CHROOT: "CAP_SYS_CHROOT", unix.CAP_SYS_PTRACE: "CAP_SYS_PTRACE", unix.CAP_SYS_PACCT: "CAP_SYS_PACCT",
	unix.CAP_SYS_ADMIN: "CAP_SYS_ADMIN", unix.CAP_SYS_BOOT: "CAP_SYS_BOOT", unix.CAP_SYS_NICE: "CAP_SYS_NICE", unix.CAP_SYS_TIME: "CAP_SYS_TIME",
	unix.CAP_SYS_TTY_CONFIG: "CAP_SYS_TTY_CONFIG", unix.CAP_SYSLOG: "CAP_SYSLOG", unix.CAP_BPF: "CAP_BPF", unix.CAP_PERFMON: "CAP_PERFMON",
	unix.CAP_NET_ADMIN: "CAP_NET_ADMIN", unix.CAP_NET_RAW: "CAP_NET_RAW", unix.CAP_AUDIT_WRITE: "CAP_AUDIT_WRITE",
}

func (s dockerRule) rules(errno *uint16) ([]rule, error) {
	if s.ErrnoRet != nil {
		errno = s.ErrnoRet
	}
	then, err := dockerVerdict(s.Action, errno)
	if err != nil {
		return nil, err
	}
	var when []condition
	for _, arg := range s.Args {
		c, err := arg.condition()
		if err != nil {
			return nil, err
		}
		when = append(when, c)
	}
	if s.Name != "" {
		s.Names = append(s.Names, s.Name)
	}
	rules := make([]rule, len(s.Names))
	for i, name := range s.Names {
		rules[i] = rule{name, when, then}
	}
	return rules, nil
}

func dockerVerdict(action string, errno *uint16) (verdict, error) {
	n := verdict(unix.EPERM)
	if errno != nil {
		n = verdict(*errno)
	}
	switch action {
	case "SCMP_ACT_ALLOW":
		return allowed, nil
	case "SCMP_ACT_LOG":
		return logged, nil
	case "SCMP_ACT_ERRNO":
		return refused | n, nil
	case "SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD":
		return killed, nil
	}
	return 0, fmt.Errorf("%q is not an action that works here", action)
}

func (d dockerArg) condition() (condition, error) {
	c := condition{arg: uint8(d.Index), mask: ^uint64(0), value: d.Value}
	if d.Index > 5 {
		return c, fmt.Errorf("there is no argument %d", d.Index)
	}
	switch d.Op {
	case "SCMP_CMP_NE":
		c.op = unequal
	case "SCMP_CMP_LT":
		c.op = less
	case "SCMP_CMP_LE":
		c.op = lessEqual
	case "SCMP_CMP_EQ":
		c.op = equal
	case "SCMP_CMP_GE":
		c.op = greaterEqual
	case "SCMP_CMP_GT":
		c.op = greater
	case "SCMP_CMP_MASKED_EQ":
		c.op, c.mask, c.value = equal, d.Value, d.ValueTwo
	default:
		return c, fmt.Errorf("%q is not a comparison", d.Op)
	}
	return c, nil
}
