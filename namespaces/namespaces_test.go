package namespaces

import (
	"errors"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/internal/plan"
	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/internal/units"
)

func TestFlags(t *testing.T) {
	const all = unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWCGROUP
	for _, c := range []struct {
		config     Config
		flags, pid uint64
	}{
		{Config{}, all, unix.CLONE_NEWPID},
		{Config{User: New, PID: New, Net: New, IPC: New, UTS: New, Cgroup: New}, all, unix.CLONE_NEWPID},
		{Config{User: Share}, all &^ unix.CLONE_NEWUSER, unix.CLONE_NEWPID},
		{Config{PID: Share}, all, 0},
		{Config{Net: Share}, all &^ unix.CLONE_NEWNET, unix.CLONE_NEWPID},
		{Config{IPC: Share}, all &^ unix.CLONE_NEWIPC, unix.CLONE_NEWPID},
		{Config{UTS: Share}, all &^ unix.CLONE_NEWUTS, unix.CLONE_NEWPID},
		{Config{Cgroup: Share}, all &^ unix.CLONE_NEWCGROUP, unix.CLONE_NEWPID},
		{Config{Time: New}, all, unix.CLONE_NEWPID},
	} {
		if flags, pid := c.config.Flags(); flags != c.flags || pid != c.pid {
			t.Errorf("%+v: %#x and %#x, want %#x and %#x", c.config, flags, pid, c.flags, c.pid)
		}
	}
}

func TestValidate(t *testing.T) {
	long := strings.Repeat("x", 65)
	for _, c := range []struct {
		config Config
		says   string
	}{
		{Config{}, ""},
		{Config{Hostname: strings.Repeat("x", 64), Domainname: "a.b"}, ""},
		{Config{Time: New, MonotonicOffset: 1, BoottimeOffset: -1}, ""},
		{Config{User: "host"}, `namespaces.user: "host" is neither new nor share`},
		{Config{PID: "Share"}, "namespaces.pid"}, {Config{Net: "none"}, "namespaces.net"}, {Config{IPC: "x"}, "namespaces.ipc"},
		{Config{UTS: "x"}, "namespaces.uts"}, {Config{Cgroup: "x"}, "namespaces.cgroup"}, {Config{Time: "x"}, "namespaces.time"},
		{Config{Hostname: long}, "namespaces.hostname: 65 bytes are more than the 64"},
		{Config{Domainname: long}, "namespaces.domainname: 65 bytes"},
		{Config{Hostname: "a\nb"}, "namespaces.hostname: the name holds a control character"},
		{Config{Domainname: "a\x00b"}, "namespaces.domainname"},
		{Config{UTS: Share, Hostname: "x"}, "namespaces.hostname: a shared uts namespace keeps its name"},
		{Config{UTS: Share, Domainname: "x"}, "namespaces.domainname"},
		{Config{Time: Share, BoottimeOffset: 1}, "namespaces.time: a shared time namespace has no offsets"},
	} {
		err := c.config.Validate()
		if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%+v: %v, want %q", c.config, err, c.says)
		}
	}
}

func TestAllMistakesAtOnce(t *testing.T) {
	var list problem.List
	if err := (Config{User: "a", PID: "b", Hostname: strings.Repeat("x", 65)}).Validate(); !errors.As(err, &list) || len(list) != 3 {
		t.Errorf("got %v", err)
	}
}

func TestOffsets(t *testing.T) {
	for _, c := range []struct {
		monotonic, boottime time.Duration
		want                string
	}{
		{0, 0, ""},
		{time.Second, 0, "monotonic 1 0\n"},
		{0, 1500 * time.Millisecond, "boottime 1 500000000\n"},
		{-time.Nanosecond, -1500 * time.Millisecond, "monotonic -1 999999999\nboottime -2 500000000\n"},
		{-2 * time.Second, time.Nanosecond, "monotonic -2 0\nboottime 0 1\n"},
	} {
		config := Config{MonotonicOffset: units.Duration(c.monotonic), BoottimeOffset: units.Duration(c.boottime)}
		if got := config.offsets(); got != c.want {
			t.Errorf("%v, %v: %q, want %q", c.monotonic, c.boottime, got, c.want)
		}
		if config.NewTime() != (c.want != "") {
			t.Errorf("%v, %v: NewTime is %v", c.monotonic, c.boottime, config.NewTime())
		}
	}
	if !(Config{Time: New}).NewTime() {
		t.Error("a new time namespace is none")
	}
}

func TestPlan(t *testing.T) {
	for _, c := range []struct {
		config Config
		calls  string
	}{
		{Config{}, "sethostname"},
		{Config{Domainname: "x"}, "sethostname setdomainname"},
		{Config{UTS: Share}, ""},
		{Config{Time: New}, "sethostname unshare"},
		{Config{BoottimeOffset: 5}, "sethostname unshare openat write close"},
	} {
		b := plan.NewBuilder([]int{0, 1, 2})
		c.config.Plan(b)
		var calls []string
		for _, s := range b.Program.Steps {
			calls = append(calls, s.Call.Name)
		}
		if got := strings.Join(calls, " "); got != c.calls || b.Err() != nil {
			t.Errorf("%+v: %s, want %s; %v", c.config, got, c.calls, b.Err())
		}
	}
}

func TestName(t *testing.T) {
	if (Config{}).Name() != "snug" || (Config{Hostname: "box"}).Name() != "box" {
		t.Error("wrong host names")
	}
}
