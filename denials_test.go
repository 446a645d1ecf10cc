package snug_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/snug-sandbox/snug"
	"github.com/snug-sandbox/snug/internal/kerneltest"
	"github.com/snug-sandbox/snug/seccomp"
)

// reporting is s with a report of what is refused.
func reporting(s snug.Spec) snug.Spec {
	s.Security.Seccomp.LogDenials = true
	return s
}

// reported is what a script was refused, one a line, sorted.
func reported(t *testing.T, cmd *snug.Cmd) string {
	t.Helper()
	all(t, cmd)
	if cmd.Result() == nil || cmd.Result().Reached != "run" {
		t.Fatalf("%+v", cmd.Result())
	}
	var lines []string
	for _, d := range cmd.Result().Denials {
		lines = append(lines, fmt.Sprintf("%s%s %s %s%s %s %d", d.Call, d.Args, d.Path, d.Why, d.Errno, d.Program, d.Count))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func TestWhatIsRefusedIsReported(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	hidden := filepath.Join(t.TempDir(), "hidden")
	write(t, hidden, "text")
	for script, want := range map[string]string{
		"true":                         "",
		"cat /etc/passwd >/dev/null":   "",
		"cat /no/such/file /proc/nope": "",
		"echo x >/tmp/x; mkdir /tmp/d; mv /tmp/x /tmp/d; cat /tmp/d/x; rm -r /tmp/d": "",
		"grep x " + hidden + " " + hidden:                                            "openat " + hidden + " not shown grep 2",
		"cd /usr; : >file":                                                           "openat /usr/file read-only sh 1",
		"rm /etc/passwd":                                                             "unlinkat /etc/passwd read-only rm 1",
		"mkdir /usr/d":                                                               "mkdir /usr/d read-only mkdir 1",
		"unshare -r true":                                                            "unshare(0x10000000)  filterEPERM unshare 1",
		"umount /":                                                                   "umount2 / filterEPERM umount 1",
	} {
		got := reported(t, sh(reporting(snug.Spec{}), script))
		if got = strings.ReplaceAll(got, "mkdirat", "mkdir"); got != want {
			t.Errorf("%s: %q, want %q", script, got, want)
		}
	}
}

// The answers are those of the filter, for children and threads too, and nobody
// waits for one that does not come.
func TestReportsChangeNothing(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	const script = `for i in 1 2 3 4 5 6 7 8; do
	(for j in 1 2 3 4 5 6 7 8 9 10; do cat /etc/hostname /etc/passwd >/dev/null || echo failed; : >/tmp/$i.$j; done; umount / 2>/dev/null && echo unmounted) &
	done; wait; ls /tmp | wc -l`
	if out := output1(t, sh(reporting(snug.Spec{}), script)); strings.TrimSpace(out) != "80" {
		t.Errorf("%q", out)
	}
	want(t, inside(t, reporting(filtered(seccomp.Default)), "denied-calls"), "")
}

func TestManyRefusalsAreCounted(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	cmd := sh(reporting(snug.Spec{}), "i=0; while [ $i -lt 1100 ]; do true 2>/dev/null >/usr/$i; i=$((i+1)); done")
	all(t, cmd)
	r := cmd.Result()
	if n := len(r.Denials); n != 1000 || !slices.Contains(r.Notes, "100 more refusals are not told") {
		t.Errorf("%d refusals, notes %q", n, r.Notes)
	}
}

// A filter that would refuse how the listener is handed over would leave the
// command waiting for ever.
func TestAListenerThatCannotBeHandedOverIsRefused(t *testing.T) {
	s := reporting(snug.Spec{})
	s.Security.Seccomp.Deny = []string{"sendmsg"}
	if _, err := snug.Compile(s, fakeHost(nothing), snug.Streams{}); err == nil || !strings.Contains(err.Error(), "sendmsg") {
		t.Error(err)
	}
	s.Security.Seccomp = seccomp.Config{Base: seccomp.None, LogDenials: true}
	if _, err := snug.Compile(s, fakeHost(nothing), snug.Streams{}); err == nil || !strings.Contains(err.Error(), "log_denials") {
		t.Error(err)
	}
}

// The command has neither the listener nor the socket that it was sent through.
func TestTheListenerIsNotInside(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	for _, fds := range [][]int{nil, {9}} {
		cmd := sh(reporting(snug.Spec{}), "ls /proc/self/fd | tr '\\n' ' '")
		want := "0 1 2 3 "
		if fds != nil {
			f, err := os.Open("/dev/null")
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			cmd.Files, want = map[int]*os.File{9: f}, "0 1 2 3 9 "
		}
		if out := output1(t, cmd); out != want { // 3 is the directory that ls reads
			t.Errorf("%q, want %q", out, want)
		}
	}
}
