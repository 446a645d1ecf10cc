package userns

import (
	"encoding/binary"
	"runtime"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/internal/plan"
)

// judge runs a classic BPF program over struct seccomp_data, as seccomp(2) does.
func judge(t *testing.T, filter []byte, arch, nr uint32, arg0 uint64) uint32 {
	t.Helper()
	data := make([]byte, 64)
	binary.NativeEndian.PutUint32(data, nr)
	binary.NativeEndian.PutUint32(data[4:], arch)
	binary.NativeEndian.PutUint64(data[16:], arg0)
	acc := uint32(0)
	for pc := 0; pc < len(filter)/8; pc++ {
		op := filter[8*pc:]
		code, k := binary.NativeEndian.Uint16(op), binary.NativeEndian.Uint32(op[4:])
		jump := func(yes bool) {
			if yes {
				pc += int(op[2])
			} else {
				pc += int(op[3])
			}
		}
		switch code {
		case unix.BPF_LD | unix.BPF_W | unix.BPF_ABS:
			acc = binary.NativeEndian.Uint32(data[k:])
		case unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K:
			jump(acc == k)
		case unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K:
			jump(acc >= k)
		case unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K:
			jump(acc&k != 0)
		case unix.BPF_RET | unix.BPF_K:
			return k
		default:
			t.Fatalf("instruction %d has code %#x", pc, code)
		}
	}
	t.Fatal("the filter has no end")
	return 0
}

func TestTheFilterForbidsNewUserNamespaces(t *testing.T) {
	arch, other := uint32(unix.AUDIT_ARCH_X86_64), uint32(unix.AUDIT_ARCH_I386)
	if runtime.GOARCH == "arm64" {
		arch, other = unix.AUDIT_ARCH_AARCH64, unix.AUDIT_ARCH_ARM
	}
	const allow, eperm, enosys = 0x7fff0000, 0x50000 | uint32(unix.EPERM), 0x50000 | uint32(unix.ENOSYS)
	filter := userFilter()
	for _, c := range []struct {
		name     string
		arch, nr uint32
		arg0     uint64
		want     uint32
	}{
		{"read", arch, unix.SYS_READ, unix.CLONE_NEWUSER, allow},
		{"getpid", arch, unix.SYS_GETPID, ^uint64(0), allow},
		{"clone of a thread", arch, unix.SYS_CLONE, unix.CLONE_VM | unix.CLONE_THREAD, allow},
		{"clone of other namespaces", arch, unix.SYS_CLONE, unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET, allow},
		{"clone", arch, unix.SYS_CLONE, unix.CLONE_NEWUSER, eperm},
		{"clone with more", arch, unix.SYS_CLONE, unix.CLONE_NEWUSER | unix.CLONE_NEWNS | 17, eperm},
		{"clone with the upper half set", arch, unix.SYS_CLONE, 0xffffffff00000000 | unix.CLONE_NEWUSER, eperm},
		{"unshare", arch, unix.SYS_UNSHARE, unix.CLONE_NEWUSER, eperm},
		{"unshare of others", arch, unix.SYS_UNSHARE, unix.CLONE_NEWNS, allow},
		{"clone3", arch, unix.SYS_CLONE3, 0, enosys},
		{"x32 clone", arch, 0x40000000 | unix.SYS_CLONE, unix.CLONE_NEWUSER, enosys},
		{"x32 read", arch, 0x40000000, 0, enosys},
		{"another architecture", other, unix.SYS_READ, 0, enosys},
		{"no architecture", 0, unix.SYS_CLONE, 0, enosys},
		{"setns", arch, unix.SYS_SETNS, unix.CLONE_NEWUSER, allow},
	} {
		if got := judge(t, filter, c.arch, c.nr, c.arg0); got != c.want {
			t.Errorf("%s: %#x, want %#x", c.name, got, c.want)
		}
	}
}

func TestHowFurtherNamespacesAreForbidden(t *testing.T) {
	for name, c := range map[string]struct {
		privileges Privileges
		shared     bool
		calls      []string
	}{
		"allowed":              {Privileges{NestedUserns: true}, false, nil},
		"ordinary":             {Privileges{}, false, []string{"openat", "write", "close", "prctl"}},
		"one that matters not": {Privileges{Capabilities: []string{"CAP_NET_ADMIN"}}, false, []string{"openat", "write", "close", "prctl"}},
		"admin":                {Privileges{Capabilities: []string{"CAP_SYS_ADMIN"}}, false, []string{"prctl"}},
		"resource":             {Privileges{Capabilities: []string{"CAP_SYS_RESOURCE"}}, false, []string{"prctl"}},
		"shared":               {Privileges{}, true, []string{"prctl"}},
	} {
		b := plan.NewBuilder([]int{0})
		if err := c.privileges.PlanNested(c.shared, b); err != nil || b.Program.Check() != nil && len(b.Program.Steps) > 0 {
			t.Fatal(name, err, b.Program.Check())
		}
		var calls []string
		for _, s := range b.Program.Steps {
			calls = append(calls, s.Call.Name)
		}
		if !slices.Equal(calls, c.calls) {
			t.Errorf("%s: %v, want %v", name, calls, c.calls)
		}
	}
}

func TestTheFilterIsTheWayOutOnlyWhereTheLimitCannotBeSet(t *testing.T) {
	b := plan.NewBuilder([]int{0})
	if err := (Privileges{}).PlanNested(false, b); err != nil {
		t.Fatal(err)
	}
	open, closed := b.Program.Steps[0], b.Program.Steps[2]
	if open.Else != 3 || closed.Then != 4 || open.Note == "" {
		t.Errorf("%+v, %+v", open, closed)
	}
}
