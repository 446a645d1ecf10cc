package userns

import (
	"encoding/binary"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/internal/plan"
	"github.com/snug-sandbox/snug/internal/program"
)

func TestCapabilityNumbers(t *testing.T) {
	for name, n := range map[string]int{
		"CAP_CHOWN": unix.CAP_CHOWN, "CAP_KILL": unix.CAP_KILL, "CAP_NET_ADMIN": unix.CAP_NET_ADMIN, "CAP_SYS_CHROOT": unix.CAP_SYS_CHROOT,
		"CAP_SYS_PTRACE": unix.CAP_SYS_PTRACE, "CAP_SYS_ADMIN": unix.CAP_SYS_ADMIN, "CAP_MKNOD": unix.CAP_MKNOD, "CAP_SETFCAP": unix.CAP_SETFCAP,
		"CAP_SYSLOG": unix.CAP_SYSLOG, "CAP_AUDIT_READ": unix.CAP_AUDIT_READ, "CAP_BPF": unix.CAP_BPF, "CAP_CHECKPOINT_RESTORE": unix.CAP_CHECKPOINT_RESTORE,
	} {
		if Capabilities[n] != name {
			t.Errorf("%d is %s, want %s", n, Capabilities[n], name)
		}
	}
	if len(Capabilities) != unix.CAP_LAST_CAP+1 {
		t.Errorf("%d capabilities, the last one is %d", len(Capabilities), unix.CAP_LAST_CAP)
	}
}

func TestCapabilitySets(t *testing.T) {
	const all = 1<<len(Capabilities) - 1
	for _, c := range []struct {
		names []string
		set   uint64
		says  string
	}{
		{nil, 0, ""},
		{[]string{"CAP_KILL"}, 1 << unix.CAP_KILL, ""},
		{[]string{"kill", "cap_kill", "Cap_Kill"}, 1 << unix.CAP_KILL, ""},
		{[]string{"ALL"}, all, ""}, {[]string{"all", "CAP_KILL"}, all, ""},
		{[]string{"CAP_KILLS"}, 0, `"CAP_KILLS" is not a capability`},
		{[]string{""}, 0, `"" is not a capability`},
		{[]string{"CAP_"}, 0, "not a capability"}, {[]string{"CAP_CAP_KILL"}, 0, "not a capability"},
	} {
		pr := Privileges{Capabilities: c.names}
		set, err := pr.set()
		if set != c.set || (err != nil) != (c.says != "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q: %#x, %v", c.names, set, err)
		}
		if (pr.Validate() == nil) != (c.says == "") {
			t.Errorf("%q: Validate says %v", c.names, pr.Validate())
		}
	}
}

// dropped are the capabilities that the plan takes out of the bounding set.
func dropped(steps []program.Step) (set uint64) {
	for _, s := range steps {
		if s.Call == plan.Prctl && s.Args[0].Value == unix.PR_CAPBSET_DROP {
			for n := range uint64(s.Repeat) + 1 {
				set |= 1 << (s.Args[1].Value + n)
			}
		}
	}
	return set
}

func TestTheBoundingSetLosesAllOthers(t *testing.T) {
	for _, names := range [][]string{nil, {"CAP_CHOWN"}, {"CAP_CHECKPOINT_RESTORE"}, {"CAP_CHOWN", "CAP_KILL", "CAP_SETGID", "CAP_BPF"}, {"ALL"}} {
		b := plan.NewBuilder([]int{0})
		pr := Privileges{Capabilities: names}
		if err := pr.PlanCredentials(Credentials{}, b); err != nil || b.Err() != nil {
			t.Fatal(err, b.Err())
		}
		set, _ := pr.set()
		if got := dropped(b.Program.Steps); got != ^set {
			t.Errorf("%v: dropped %#x, want %#x", names, got, ^set)
		}
	}
}

func TestCapsetWords(t *testing.T) {
	b := plan.NewBuilder([]int{0})
	const set = 1<<unix.CAP_KILL | 1<<unix.CAP_BPF
	s := capset(b, "keep", set, set)
	data := b.Program.Data[b.Program.Steps[s.Index()].Args[1].Value:]
	words := [6]uint32{}
	for i := range words {
		words[i] = binary.NativeEndian.Uint32(data[4*i:])
	}
	// struct __user_cap_data_struct twice: effective, permitted, inheritable.
	low, high := uint32(1<<unix.CAP_KILL), uint32(1<<(unix.CAP_BPF-32))
	if words != [6]uint32{low, low, low, high, high, high} {
		t.Errorf("%#x", words)
	}
	capset(b, "reaper", 1<<unix.CAP_KILL, 0)
	data = b.Program.Data[b.Last().Index()*0+int(b.Program.Steps[b.Last().Index()].Args[1].Value):]
	if inheritable := binary.NativeEndian.Uint32(data[8:]); inheritable != 0 {
		t.Errorf("inheritable %#x", inheritable)
	}
}

func TestGroupsAreSetWithoutAnotherUser(t *testing.T) {
	for _, c := range []struct {
		groups []int
		calls  string
	}{{nil, ""}, {[]int{}, "setgroups(0, 0)"}, {[]int{7, 1 << 31}, "setgroups(2, "}} {
		b := plan.NewBuilder([]int{0})
		if err := (Privileges{}).PlanCredentials(Credentials{Groups: c.groups}, b); err != nil || b.Err() != nil {
			t.Fatal(err, b.Err())
		}
		var text strings.Builder
		b.Program.Print(&text)
		if c.calls == "" && strings.Contains(text.String(), "setgroups") || !strings.Contains(text.String(), c.calls) {
			t.Errorf("%v: no %s in\n%s", c.groups, c.calls, &text)
		}
	}
}

func TestIDsAreChangedInTheRightOrder(t *testing.T) {
	b := plan.NewBuilder([]int{0})
	if err := (Privileges{Capabilities: []string{"CAP_KILL"}}).PlanCredentials(Credentials{UID: 5, GID: 6, Switch: true}, b); err != nil {
		t.Fatal(err)
	}
	var calls []string
	for _, s := range b.Program.Steps {
		if s.Call != plan.Prctl {
			calls = append(calls, s.Call.Name)
		}
	}
	if got := strings.Join(calls, " "); got != "setgroups setresgid setresuid capset" {
		t.Error(got)
	}
	last := b.Program.Steps[len(b.Program.Steps)-1]
	if last.Args[0].Value != unix.PR_CAP_AMBIENT || last.Args[2].Value != unix.CAP_KILL {
		t.Errorf("the last step is %+v", last)
	}
}

func TestASharedNamespaceNeedNotGiveUpCapabilities(t *testing.T) {
	for _, shared := range []bool{false, true} {
		b := plan.NewBuilder([]int{0})
		if err := (Privileges{}).PlanCredentials(Credentials{Shared: shared}, b); err != nil {
			t.Fatal(err)
		}
		accepts := false
		for _, e := range b.Program.Steps[0].Accept {
			accepts = accepts || e == unix.EPERM
		}
		if accepts != shared {
			t.Errorf("shared %v: EPERM is accepted: %v", shared, accepts)
		}
	}
}
