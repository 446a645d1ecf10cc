package host

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/snug-sandbox/snug/internal/kerneltest"
	"golang.org/x/sys/unix"
)

func TestProbesWhereNamespacesWork(t *testing.T) {
	kerneltest.Require(t, "userns")
	if err := ProbeClone(); err != nil {
		t.Error("clone:", err)
	}
	if err := ProbeMap(); err != nil {
		t.Error("map:", err)
	}
	u := GatherUserns("/")
	for _, kind := range NamespaceKinds() {
		has, _ := u.HasNamespace(kind)
		if err := ProbeNamespace(kind); (err == nil) != has {
			t.Errorf("%s: the kernel has it: %v, the probe says %v", kind, has, err)
		}
	}
	if err := ProbeMountAPI(); err != nil {
		t.Error("mount API:", err)
	}
}

func TestProbesLeaveNothing(t *testing.T) {
	for range 20 {
		_ = ProbeMount()
	}
	if _, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); !errors.Is(err, unix.ECHILD) {
		t.Errorf("a child is left: %v", err)
	}
}

func TestProbeOfNoNamespace(t *testing.T) {
	if err := ProbeNamespace("space"); err == nil {
		t.Error("there is no such namespace")
	}
}

// TestProbesWhereNamespacesAreOff repeats the probes in a user namespace that
// allows no other one, as `snug run` makes it by default.
func TestProbesWhereNamespacesAreOff(t *testing.T) {
	kerneltest.Require(t, "userns")
	if os.Getenv("SNUG_HOST_TEST_INSIDE") != "" {
		closeNamespaces(t)
		for _, err := range []error{ProbeClone(), ProbeMap(), ProbeMount(), ProbeNamespace("pid")} {
			if !errors.Is(err, unix.ENOSPC) {
				t.Errorf("got %v, want ENOSPC", err)
			}
		}
		if u := GatherUserns("/"); !u.Nested() || !u.SysctlIs("user.max_user_namespaces", 0) {
			t.Errorf("got %+v", u)
		}
		return
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), "SNUG_HOST_TEST_INSIDE=1", "SNUG_TEST_ROOT=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("inside: %v\n%s", err, out)
	}
}

func closeNamespaces(t *testing.T) {
	if err := os.WriteFile("/proc/sys/user/max_user_namespaces", []byte("0"), 0); err != nil {
		t.Fatal(err)
	}
}

func TestLandlockABI(t *testing.T) {
	abi, err := LandlockABI()
	if err != nil {
		if !errors.Is(err, unix.ENOSYS) && !errors.Is(err, unix.EOPNOTSUPP) {
			t.Errorf("got %v", err)
		}
		return
	}
	if abi < 1 {
		t.Errorf("ABI %d without an error", abi)
	}
}

func TestProbeSeccompAgreesWithProc(t *testing.T) {
	text, err := os.ReadFile("/proc/sys/kernel/seccomp/actions_avail")
	if err != nil {
		t.Skip("the kernel does not list its seccomp actions")
	}
	if err := ProbeSeccomp(); err != nil {
		t.Errorf("the kernel has %s, the probe says %v", strings.TrimSpace(string(text)), err)
	}
}

func TestProbeTun(t *testing.T) {
	err := ProbeTun()
	file, want := os.OpenFile("/dev/net/tun", os.O_RDWR, 0)
	if want == nil {
		file.Close()
	}
	if (err == nil) != (want == nil) {
		t.Errorf("got %v; opening it says %v", err, want)
	}
}

func TestUserBus(t *testing.T) {
	real := exists("/run/user/" + strconv.Itoa(os.Getuid()) + "/systemd")
	for _, name := range []string{"", "bus", "systemd/private"} {
		dir := tree(t, map[string]string{"x": ""})
		if name != "" {
			write(t, dir+"/"+name, "")
		}
		t.Setenv("XDG_RUNTIME_DIR", dir)
		if name == "" && real {
			continue // systemd-logind's directory is looked at
		}
		socket, systemd := UserBus()
		if (socket == dir+"/bus") != (name == "bus") || systemd != (name == "systemd/private") {
			t.Errorf("%q there: got %q, %v", name, socket, systemd)
		}
	}
	t.Setenv("XDG_RUNTIME_DIR", "")
	if socket, systemd := UserBus(); !real && (socket != "" || systemd) {
		t.Errorf("no directory: got %q, %v", socket, systemd)
	}
}
