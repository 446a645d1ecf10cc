package kerneltest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// TestUser is the ordinary user that tests run as when root starts them.
// `make test-user` creates it, with ranges in /etc/subuid and /etc/subgid.
const TestUser = "snugtest"

// rootEnv set to anything keeps the tests running as root.
const rootEnv = "SNUG_TEST_ROOT"

// Main is the whole of a TestMain: it runs the tests as an ordinary user, also
// when root started them, and exits with their status.
func Main(m *testing.M) {
	Drop()
	os.Exit(Tests{M: m}.Run())
}

// Drop is the first half of Main, for a TestMain that does more. It returns at
// once unless root runs this test binary. Then it runs the binary again as
// TestUser, in a copy of the module's tree that every user may read, and exits
// with the status of that run. SNUG_TEST_ROOT=1 switches this off, for tests
// that want to see what root sees and for those that rewrite golden files.
func Drop() {
	hearSignals()
	if os.Getuid() != 0 || os.Getenv(rootEnv) != "" || !isTestRun() || onlyOneID() {
		return
	}
	status, err := runAsUser(TestUser)
	if err != nil {
		fmt.Fprintf(os.Stderr, "kerneltest: cannot run the tests as %s: %v\n", TestUser, err)
		status = 2
	}
	exit(status)
}

// hearSignals has programs that the tests start be told of signals that nohup(1),
// or a shell's & in a script, made this process ignore: what is ignored stays so
// through execve(2), what has a handler gets its default action back.
func hearSignals() {
	for _, s := range []os.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT} {
		if signal.Ignored(s) {
			signal.Notify(make(chan os.Signal, 1), s)
		}
	}
}

// isTestRun tells a run of the tests from the test binary playing another
// program (testscript's commands, helpers inside a sandbox), and from fuzzing,
// which needs no kernel and keeps its findings in the caller's directories.
func isTestRun() bool {
	if !strings.HasSuffix(os.Args[0], ".test") {
		return false
	}
	for _, arg := range os.Args[1:] {
		name, value, _ := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		if name == "test.fuzzworker" || name == "test.fuzz" && value != "" {
			return false
		}
	}
	return true
}

// onlyOneID reports whether no other user than the caller exists, as inside a
// sandbox that maps the caller to root: there is nobody to become then.
func onlyOneID() bool {
	text, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return false
	}
	fields := strings.Fields(string(text))
	return len(fields) == 3 && fields[2] == "1"
}

func runAsUser(name string) (status int, err error) {
	who, err := lookup(name)
	if err != nil {
		return 0, err
	}
	stage, err := newStage()
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(stage.dir)
	cmd, err := stage.command(who)
	if err != nil {
		return 0, err
	}
	// The child dies with its parent: pdeathsig watches the thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err = cmd.Run()
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		status, err = exitStatus(exit.ProcessState), nil
	}
	return status, errors.Join(err, stage.bringBack())
}

// exitStatus is the status of a shell: 128+N for a process that signal N ended.
func exitStatus(state *os.ProcessState) int {
	if ws, ok := state.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return state.ExitCode()
}

// account is a line of the user database as numbers.
type account struct {
	name, home string
	uid, gid   uint32
}

func lookup(name string) (account, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return account{}, fmt.Errorf("%w (try: make test-user)", err)
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	return account{name, u.HomeDir, uint32(uid), uint32(gid)}, errors.Join(err1, err2)
}

// environ is root's environment with what names root replaced. Directories
// that the caller's session or toolchain own are left out.
func (a account) environ(tmp string) []string {
	var env []string
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		switch {
		case name == "HOME" || name == "USER" || name == "LOGNAME" || name == "TMPDIR" || name == "PWD":
		case strings.HasPrefix(name, "XDG_") || strings.HasPrefix(name, "SUDO_"):
		case name == "GOCACHE" || name == "GOTMPDIR" || name == "GOCOVERDIR":
		default:
			env = append(env, kv)
		}
	}
	return append(env, "HOME="+a.home, "USER="+a.name, "LOGNAME="+a.name, "TMPDIR="+tmp)
}

// command is this very run of the test binary, as the user.
func (s *stage) command(who account) (*exec.Cmd, error) {
	if err := os.Chown(s.out, int(who.uid), int(who.gid)); err != nil {
		return nil, err
	}
	cmd := exec.Command(s.binary, s.args(os.Args[1:])...)
	cmd.Dir = s.workdir
	cmd.Env = append(who.environ(s.tmp), "PWD="+s.workdir)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Credential: &syscall.Credential{Uid: who.uid, Gid: who.gid, Groups: []uint32{who.gid}},
		Pdeathsig:  syscall.SIGKILL,
	}
	return cmd, nil
}

// moduleRoot is the directory above dir that holds go.mod; dir itself when
// there is none.
func moduleRoot(dir string) string {
	for up := dir; up != "/"; up = filepath.Dir(up) {
		text, err := os.ReadFile(filepath.Join(up, "go.mod"))
		if err == nil && bytes.Contains(text, []byte("module ")) {
			return up
		}
	}
	return dir
}
