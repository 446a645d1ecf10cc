package actions

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/snug-sandbox/snug/internal/kerneltest"
)

func TestMain(m *testing.M) { kerneltest.Main(m) }

// TestHostSetupAsksForTheNarrowThing has sudo be a script that writes down what
// it was asked for.
func TestHostSetupAsksForTheNarrowThing(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root needs no sudo, and would change this machine")
	}
	dir := t.TempDir()
	write(t, dir+"/sudo", "#!/bin/sh\nprintf '%s\\n' \"$*\" >>"+dir+"/log\ncat >>"+dir+"/log\n")
	write(t, dir+"/snug", "")
	if err := os.Chmod(dir+"/sudo", 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	was := settings
	defer func() { settings = was }()
	settings = dir
	r := &runner{Process: Process{Snug: filepath.Join(dir, "snug")}}
	asked := func(do func() error) (string, error) {
		t.Helper()
		os.Remove(dir + "/log")
		err := do()
		text, _ := os.ReadFile(dir + "/log")
		return string(text), err
	}

	if text, err := asked(r.allowSnug); err == nil || text != "" {
		t.Errorf("without a restriction: %q, %v", text, err)
	}
	write(t, dir+"/kernel/apparmor_restrict_unprivileged_userns", "1\n")
	text, err := asked(r.allowSnug)
	if err != nil || !strings.HasPrefix(text, "-n -- tee /etc/apparmor.d/snug\n") || !strings.Contains(text, "profile snug \""+dir+"/snug\" flags=(unconfined) {\n  userns,\n") ||
		!strings.HasSuffix(text, "-n -- apparmor_parser -r -W /etc/apparmor.d/snug\n") || strings.Contains(text, "sysctl") {
		t.Errorf("%s, %v", text, err)
	}
	if text, err := asked(r.liftSysctls); err != nil || text != "-n -- sysctl -q -w kernel.apparmor_restrict_unprivileged_userns=0\n" {
		t.Errorf("%s, %v", text, err)
	}
	write(t, dir+"/kernel/apparmor_restrict_unprivileged_userns", "0\n")
	if text, err := asked(r.liftSysctls); err == nil || text != "" {
		t.Errorf("with nothing to lift: %q, %v", text, err)
	}
}
