package userns

import (
	"encoding/binary"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/internal/plan"
	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/internal/program"
)

// Capabilities are the names of capabilities(7), by number.
var Capabilities = [...]string{
	"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_SETGID", "CAP_SETUID",
	"CAP_SETPCAP", "CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST", "CAP_NET_ADMIN", "CAP_NET_RAW",
	"CAP_IPC_LOCK", "CAP_IPC_OWNER", "CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_CHROOT", "CAP_SYS_PTRACE", "CAP_SYS_PACCT",
	"CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_NICE", "CAP_SYS_RESOURCE", "CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_MKNOD",
	"CAP_LEASE", "CAP_AUDIT_WRITE", "CAP_AUDIT_CONTROL", "CAP_SETFCAP", "CAP_MAC_OVERRIDE", "CAP_MAC_ADMIN", "CAP_SYSLOG",
	"CAP_WAKE_ALARM", "CAP_BLOCK_SUSPEND", "CAP_AUDIT_READ", "CAP_PERFMON", "CAP_BPF", "CAP_CHECKPOINT_RESTORE",
}

// Validate reports unknown capabilities.
func (pr Privileges) Validate() error {
	_, err := pr.set()
	return err
}

// Bits returns the capabilities as a bit set; unknown ones, which Validate
// reports, are left out.
func (pr Privileges) Bits() uint64 {
	set, _ := pr.set()
	return set
}

// set returns the capabilities as a bit set. Names may be lower case and
// without "CAP_".
func (pr Privileges) set() (uint64, error) {
	var set uint64
	for _, name := range pr.Capabilities {
		n, ok := capability(name)
		switch {
		case strings.EqualFold(name, "ALL"):
			set |= 1<<len(Capabilities) - 1
		case !ok:
			return 0, &problem.Problem{What: "security.capabilities", Why: strconv.Quote(name) + " is not a capability",
				Fix: "a name of capabilities(7) such as CAP_NET_BIND_SERVICE, or ALL"}
		default:
			set |= 1 << n
		}
	}
	return set, nil
}

func capability(name string) (int, bool) {
	name = strings.ToUpper(name)
	if !strings.HasPrefix(name, "CAP_") {
		name = "CAP_" + name
	}
	for n, known := range Capabilities {
		if known == name {
			return n, true
		}
	}
	return 0, false
}

// Credentials is what PlanCredentials needs beside the Privileges.
type Credentials struct {
	UID, GID int
	Groups   []int // supplementary ones; nil: as they are, where nothing switches
	Switch   bool  // the ids differ from those that the map gives the child
	Shared   bool  // the user namespace is the caller's
	Joined   bool  // the user namespace was there before
}

// PlanCredentials appends the steps that leave the command with its ids and the
// listed capabilities, and no way to get others: they are gone from the
// bounding set too. It belongs right before execve.
func (pr Privileges) PlanCredentials(c Credentials, p *plan.Builder) error {
	set, err := pr.set()
	if err != nil {
		return err
	}
	if !pr.KeepAll {
		pr.dropBounding(set, c.Shared, p)
	}
	if set == 0 && !pr.KeepAll {
		lockBits(c, p)
	}
	if c.Switch || c.Groups != nil {
		c.planGroups(p)
	}
	if c.Switch {
		what := "become user " + strconv.Itoa(c.UID) + ", group " + strconv.Itoa(c.GID)
		p.Do(what, plan.Prctl, plan.Num(unix.PR_SET_KEEPCAPS), plan.Num(1), plan.Num(0), plan.Num(0), plan.Num(0))
		p.Do(what, plan.Setgid, plan.Int(c.GID), plan.Int(c.GID), plan.Int(c.GID)).Help(unmapped)
		p.Do(what, plan.Setuid, plan.Int(c.UID), plan.Int(c.UID), plan.Int(c.UID)).Help(unmapped)
	}
	if pr.KeepAll {
		// What is inheritable is kept by a command that is not root, too.
		for n, name := range Capabilities {
			raiseAmbient(p, name, n).Accept(syscall.EPERM, syscall.EINVAL)
		}
		return nil
	}
	capset(p, "keep "+describe(set), set, set)
	for n := range Capabilities {
		if set&(1<<n) != 0 {
			raiseAmbient(p, Capabilities[n], n)
		}
	}
	return nil
}

// planGroups appends the step that sets the supplementary groups (setgroups(2)).
func (c Credentials) planGroups(p *plan.Builder) {
	list := plan.Num(0)
	if len(c.Groups) > 0 {
		var text []byte
		for _, id := range c.Groups {
			text = binary.NativeEndian.AppendUint32(text, uint32(id))
		}
		list = p.Bytes(text)
	}
	step := p.Do("set the further groups", plan.Setgroups, plan.Int(len(c.Groups)), list).Help(unmapped)
	if c.Joined && len(c.Groups) == 0 {
		step.Accept(syscall.EPERM) // denied there, as for most maps (user_namespaces(7))
	}
}

var unmapped = &program.Help{Errno: syscall.EINVAL, Why: "the sandbox has no such id", Fix: "choose one that is in its map (/proc/self/uid_map)"}

// lockBits has user id 0 mean nothing, for good: an execve as root gives no
// capabilities, and none becomes ambient (capabilities(7)). Whether capabilities
// outlast a change of the user id stays open: it gives none, and ping(8) sets it.
func lockBits(c Credentials, p *plan.Builder) {
	const noRoot, noSetuidFixupLocked, noAmbient = 3, 8, 0xc0
	const bits = noRoot | noSetuidFixupLocked | noAmbient
	step := p.Do("lock the securebits", plan.Prctl, plan.Num(unix.PR_SET_SECUREBITS), plan.Hex(bits), plan.Num(0), plan.Num(0), plan.Num(0))
	if c.Shared || c.Joined {
		step.Accept(syscall.EPERM) // without CAP_SETPCAP; no_new_privs holds what they would
	}
}

func raiseAmbient(p *plan.Builder, name string, n int) plan.Step {
	return p.Do("keep "+name+" over execve", plan.Prctl, plan.Num(unix.PR_CAP_AMBIENT), plan.Num(unix.PR_CAP_AMBIENT_RAISE), plan.Num(uint64(n)), plan.Num(0), plan.Num(0))
}

// dropBounding takes every capability that is not in set out of the bounding
// set, runs of them in one repeated step. Numbers that this kernel does not
// know yet are EINVAL.
func (pr Privileges) dropBounding(set uint64, shared bool, p *plan.Builder) {
	for n := 0; n < 64; n++ {
		if set&(1<<n) != 0 {
			continue
		}
		from := n
		for n < 63 && set&(1<<(n+1)) == 0 {
			n++
		}
		drop := p.Do("drop capabilities for good", plan.Prctl, plan.Num(unix.PR_CAPBSET_DROP), plan.Num(uint64(from)), plan.Num(0), plan.Num(0), plan.Num(0)).RepeatSecond(n - from + 1)
		if shared {
			// Without CAP_SETPCAP; no_new_privs holds what the set would.
			drop.Accept(syscall.EINVAL, syscall.EPERM)
		} else {
			drop.Accept(syscall.EINVAL)
		}
	}
}

// PlanAssert appends the step that fails where the command could create user
// namespaces. It belongs after the credentials.
func (pr Privileges) PlanAssert(p *plan.Builder) {
	if pr.AssertNoNested {
		p.Do("assert that user namespaces cannot be created", plan.Unshare, plan.Bits(unix.CLONE_NEWUSER, &plan.UnshareFlags)).Min(1).
			Accept(syscall.EPERM, syscall.ENOSPC, syscall.EUSERS).
			Help(&program.Help{Errno: syscall.EIO, Why: "one could be created"})
	}
}

// PlanReaper appends the step that leaves the process that stays with nothing
// but CAP_KILL, which it needs for processes of other users of a range.
func PlanReaper(p *plan.Builder) {
	const kill = 1 << unix.CAP_KILL
	// A caller that shares its user namespace may not have it.
	capset(p, "keep CAP_KILL only", kill, 0).Accept(syscall.EPERM)
}

// capset sets the effective and permitted sets to set.
func capset(p *plan.Builder, label string, set, inheritable uint64) plan.Step {
	const version3 = 0x20080522
	header := p.Words(version3)
	low, high := set&0xffffffff, set>>32
	// struct __user_cap_data_struct twice: effective, permitted, inheritable.
	data := p.Words(low|low<<32, inheritable&0xffffffff|high<<32, high|inheritable>>32<<32)
	return p.Do(label, plan.Capset, header, data)
}

func describe(set uint64) string {
	if set == 0 {
		return "no capability"
	}
	var list []string
	for n, name := range Capabilities {
		if set&(1<<n) != 0 {
			list = append(list, name)
		}
	}
	if len(list) == len(Capabilities) {
		return "all capabilities"
	}
	return strings.Join(list, ", ")
}
