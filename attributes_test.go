package snug_test

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug"
	"github.com/snug-sandbox/snug/internal/kerneltest"
	"github.com/snug-sandbox/snug/internal/units"
)

func TestUmask(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	old := unix.Umask(0o077)
	defer unix.Umask(old)
	want(t, sh(snug.Spec{}, "umask"), "0022")
	mode := units.FileMode(0o027)
	s := snug.Spec{}
	s.Command.Umask = &mode
	want(t, sh(s, "umask"), "0027")
}

func init() {
	register("odd-caller", func([]string) error {
		signal.Ignore(syscall.SIGPIPE, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGCHLD, syscall.SIGTSTP)
		cmd := sh(snug.Spec{}, "while read line; do echo $line; done </proc/self/status")
		cmd.Stdout = os.Stdout
		return cmd.Run()
	})
}

func TestIgnoredSignalsOfTheCallerDoNotLeakIn(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	cmd := outside(t, "odd-caller")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	// A shell catches nothing before it is told to.
	if n := strings.Count(string(out), "SigBlk: 0000000000000000") + strings.Count(string(out), "SigIgn: 0000000000000000"); n != 2 {
		t.Errorf("signals inside:\n%s", out)
	}
}

func TestRealTimeSignalsAreNotBlocked(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	for _, pid1 := range []bool{false, true} {
		s := snug.Spec{}
		s.Command.PID1 = pid1
		out := output1(t, snug.Command(s, "grep", "Sig[BI]", "/proc/self/status"))
		if strings.Count(out, "0000000000000000") != 2 {
			t.Errorf("pid1 = %v:\n%s", pid1, out)
		}
	}
}

func TestNice(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	nice := 19 // whatever the tests' own is, it is not above
	s := snug.Spec{}
	s.Command.Nice = &nice
	want(t, snug.Command(s, "nice"), "19")
}

func TestNiceBelowTheCallersIsRefused(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	nice := -5
	s := snug.Spec{}
	s.Command.Nice = &nice
	err := snug.Command(s, "nice").Run()
	if !errors.Is(err, unix.EACCES) || !strings.Contains(err.Error(), "set the nice value to -5: lowering it needs privilege") {
		t.Errorf("got %v", err)
	}
}

func TestOOMScore(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	adj := 321
	s := snug.Spec{}
	s.Command.OOMScoreAdj = &adj
	want(t, snug.Command(s, "cat", "/proc/self/oom_score_adj"), "321")
	adj = -999
	if err := snug.Command(s, "true").Run(); !errors.Is(err, unix.EACCES) || !strings.Contains(err.Error(), "set oom_score_adj to -999") {
		t.Errorf("got %v", err)
	}
}

func TestLimitsAreSet(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	limit := func(n int64) *units.Rlimit { return units.SameRlimit(units.Limit(n)) }
	s := snug.Spec{}
	l := &s.Limits.Limits
	l.Nofile, l.Core, l.Fsize, l.Stack, l.Data = limit(77), limit(0), limit(4096), limit(1<<20), limit(1<<30)
	l.AS, l.Memlock, l.Nproc, l.Msgqueue, l.Sigpending = limit(2<<30), limit(4096), limit(40), limit(5000), limit(33)
	l.Rtprio, l.Rttime, l.Nice = limit(0), &units.Rlimit{Soft: 5000, Hard: 7000}, limit(0)
	out := output1(t, snug.Command(s, "cat", "/proc/self/limits"))
	for _, line := range []string{
		"Max realtime priority     0                    0 ",
		"Max realtime timeout      5000                 7000 ",
		"Max nice priority         0                    0 ",
		"Max file size             4096                 4096 ",
		"Max data size             1073741824           1073741824 ",
		"Max stack size            1048576              1048576 ",
		"Max core file size        1                    1 ",
		"Max processes             40                   40 ",
		"Max open files            77                   77 ",
		"Max locked memory         4096                 4096 ",
		"Max address space         2147483648           2147483648 ",
		"Max pending signals       33                   33 ",
		"Max msgqueue size         5000                 5000 ",
	} {
		if !strings.Contains(out, line) {
			t.Errorf("no line %q in\n%s", line, out)
		}
	}
}

func TestALimitAboveTheCallersIsRefused(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	s := snug.Spec{}
	s.Limits.Nofile = units.SameRlimit(units.Unlimited)
	err := snug.Command(s, "true").Run()
	if !errors.Is(err, unix.EPERM) || !strings.Contains(err.Error(), "set limits.nofile: the value is above the caller's own hard limit") {
		t.Errorf("got %v", err)
	}
}

func TestALimitThatLeavesNoRoomIsNamed(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	s := snug.Spec{}
	s.Limits.Nofile = units.SameRlimit(3)
	err := snug.Command(s, "true").Run()
	if !errors.Is(err, unix.EMFILE) || !strings.Contains(err.Error(), "the limit of open files leaves no room for it") {
		t.Errorf("got %v", err)
	}
}

func TestCPUTimeEndsTheCommand(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	s := snug.Spec{}
	s.Limits.CPUTime = units.Duration(1)
	s.Limits.Core = new(units.Rlimit)
	cmd := sh(s, "while :; do :; done")
	cmd.Run()
	r := cmd.Result()
	if r.Cause != snug.CauseCPUTime || r.Code() != snug.CodeTimeout || !slices.Equal(r.LimitsReached, []string{"limits.cpu_time"}) {
		t.Errorf("%+v", r)
	}
	// With a control group it is the supervisor that ends it.
	how := map[syscall.Signal]string{syscall.SIGXCPU: "RLIMIT_CPU", syscall.SIGTERM: "supervisor"}[r.Signal]
	if how == "" || !strings.Contains(r.Held["limits.cpu_time"], how) {
		t.Errorf("%v, held by %q", r.Signal, r.Held["limits.cpu_time"])
	}
}

func TestBigEnvironment(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	s := snug.Spec{}
	s.Env.Set = map[string]string{}
	size := 0
	for i := range 20 {
		value := strings.Repeat("x", 100_000)
		s.Env.Set[fmt.Sprintf("BIG_%02d", i)] = value
		size += len(value)
	}
	if got := output1(t, sh(s, "env | grep -c ^BIG_; env | grep ^BIG_ | wc -c")); got != fmt.Sprint("20\n", size+20*len("BIG_00=\n")) {
		t.Errorf("got %s", got)
	}
}

func TestManyArguments(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	args := []string{"-c", `echo $# "$1" "${10000}"`, "bash"}
	for i := range 10_000 {
		args = append(args, fmt.Sprintf("argument-%05d", i))
	}
	want(t, snug.Command(snug.Spec{}, "bash", args...), "10000 argument-00000 argument-09999")
}

func TestOddBytesInArguments(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	args := []string{"%s\\0", "", " ", "\n", "\xff\xfe", "é世", "\x01\x7f", "-", "--", "'\"$`", strings.Repeat("a", 100_000)}
	out := output1(t, snug.Command(snug.Spec{}, "printf", args...))
	if want := strings.Join(args[1:], "\x00") + "\x00"; out != want {
		t.Errorf("got %q", out)
	}
}

func TestArgumentsThatTheKernelRefuses(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	for name, args := range map[string][]string{
		"one too long": {strings.Repeat("a", 200_000)},
		"too many":     strings.Split(strings.Repeat("aaaaaaaaaaaaaaaaaaaa,", 300_000), ","),
	} {
		cmd := snug.Command(snug.Spec{}, "/bin/true", args...)
		err := cmd.Run()
		if !errors.Is(err, unix.E2BIG) || cmd.Result().Code() != 126 || !strings.Contains(err.Error(), "run /bin/true: argument list too long") {
			t.Errorf("%s: %v, code %d", name, err, cmd.Result().Code())
		}
	}
}

func TestArgv0(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	s := snug.Spec{}
	s.Command.Argv0 = "another name"
	want(t, snug.Command(s, "sh", "-c", "tr '\\0' ' ' </proc/$$/cmdline | cut -d' ' -f1,2"), "another name")
}

func TestNoCommandIsAShell(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	s := snug.Spec{}
	s.Identity.Shell = "/bin/bash"
	cmd := &snug.Cmd{Spec: s, Stdin: strings.NewReader("echo $0 $BASH_VERSION | cut -d. -f1 | cut -c1-5")}
	want(t, cmd, "bash ")
	s.Identity.Shell = "/no/such/shell"
	want(t, &snug.Cmd{Spec: s, Stdin: strings.NewReader("echo $0")}, "sh")
}

func TestEnvironmentInside(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	for k, v := range map[string]string{"SNUG_SECRET": "secret", "LC_ALL": "C", "TERM": "dumb", "KEEP_A": "a", "KEEP_B": "b", "OLDPWD": "/old", "PATH": "relative:/usr/bin:.:/bin"} {
		t.Setenv(k, v)
	}
	s := snug.Spec{}
	s.Env.Keep = []string{"KEEP_*"}
	s.Env.Unset = []string{"KEEP_B", "TERM"}
	s.Env.Set = map[string]string{"NEW": "with = and\nline"}
	s.Command.Workdir = "/usr"
	out := output1(t, snug.Command(s, "env", "-0"))
	got := map[string]string{}
	for _, kv := range strings.Split(strings.TrimSuffix(out, "\x00"), "\x00") {
		name, value, _ := strings.Cut(kv, "=")
		got[name] = value
	}
	want := map[string]string{"LC_ALL": "C", "KEEP_A": "a", "NEW": "with = and\nline", "PWD": "/usr", "PATH": "/usr/bin:/bin",
		"HOME": os.Getenv("HOME"), "USER": os.Getenv("USER"), "LOGNAME": os.Getenv("USER"), "SHELL": "/bin/sh"}
	for _, name := range []string{"COLORTERM", "NO_COLOR", "LANG", "LANGUAGE", "TZ", "SHELL", "LC_CTYPE"} {
		if v, ok := os.LookupEnv(name); ok {
			want[name] = v
		}
	}
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s is %q inside, want %q", name, got[name], value)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s=%s is inside", name, got[name])
		}
	}
}

func TestWorkdir(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	s := snug.Spec{}
	s.Command.Workdir = "/usr/bin"
	want(t, sh(s, "pwd; echo $PWD"), "/usr/bin\n/usr/bin")
	for dir, says := range map[string]string{"/no/such": "does not exist inside", "/etc/passwd": "it is not a directory"} {
		s.Command.Workdir = dir
		err := sh(s, "true").Run()
		if err == nil || !strings.Contains(err.Error(), "go to "+dir+": ") || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", dir, err)
		}
	}
}

func TestWorkdirOfTheCallerWhereItIsShown(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	t.Chdir("/usr/lib")
	want(t, sh(snug.Spec{}, "pwd"), "/usr/lib")
	t.Chdir(t.TempDir())
	s := snug.Spec{}
	s.Identity.Home = "/usr/share"
	want(t, sh(s, "pwd"), "/usr/share")
	s.Identity.Home = "/not/shown"
	want(t, sh(s, "pwd"), "/")
	wd, _ := os.Getwd()
	s.Mounts = append(s.Mounts, bind(wd))
	want(t, sh(s, "pwd"), wd)
}

func TestNoNewPrivileges(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	want(t, sh(snug.Spec{}, "grep NoNewPrivs /proc/self/status | cut -f2"), "1")
}
