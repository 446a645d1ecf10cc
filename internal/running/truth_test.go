package running

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/internal/kerneltest"
)

// TestMain is a supervisor when it is told the name of a sandbox.
func TestMain(m *testing.M) {
	name := os.Getenv("SNUG_TEST_SUPERVISE")
	if name == "" {
		kerneltest.Main(m)
	}
	l, err := Reserve(name)
	if err == nil {
		err = l.Publish(Record{Supervisor: os.Getpid()})
	}
	fmt.Println(err)
	os.Stdin.Read(make([]byte, 1))
}

// supervise runs a process that holds a record, in new namespaces.
func supervise(t *testing.T, name string, flags uintptr) int {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), "SNUG_TEST_SUPERVISE="+name)
	if flags != 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  flags,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: os.Getuid(), HostID: os.Getuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: os.Getgid(), HostID: os.Getgid(), Size: 1}},
		}
	}
	in, _ := cmd.StdinPipe()
	out, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); cmd.Wait() })
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "<nil>\n" {
		t.Fatal(line, err)
	}
	return cmd.Process.Pid
}

// What a process in a sandbox says of itself is not believed, wherever it says so.
func TestASupervisorIsInNoSandbox(t *testing.T) {
	kerneltest.Require(t, "userns")
	dir := place(t)
	supervise(t, "outside", 0)
	pid := supervise(t, "inside", unix.CLONE_NEWUSER)
	text, _ := json.Marshal(pointer{version, pid, StartTime(pid), descriptorOf(t, pid), ""})
	if err := os.WriteFile(filepath.Join(dir, "inside"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	if list := names0(List()); !slices.Equal(list, []string{"outside"}) {
		t.Errorf("listed: %q", list)
	}
}

// descriptorOf finds the sealed record of a process.
func descriptorOf(t *testing.T, pid int) int {
	t.Helper()
	for fd := range 64 {
		if to, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", pid, fd)); to == "/memfd:"+sealedName+" (deleted)" {
			return fd
		}
	}
	t.Fatal("it has no record")
	return 0
}

// A file that somebody else made, which a process outside holds because it was
// given it (compositors and sound servers are), is not its record.
func TestARecordIsOfItsSupervisorsOwnMaking(t *testing.T) {
	dir := place(t)
	l, err := Reserve("box")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Release()
	if err := l.Publish(Record{Command: []string{"true"}}); err != nil {
		t.Fatal(err)
	}
	me := os.Getpid()
	forged, err := json.Marshal(Record{Version: version, Name: "box", Supervisor: me, SupervisorStart: StartTime(me), Command: []string{"forged"}})
	if err != nil {
		t.Fatal(err)
	}
	given := func(locked bool) int {
		fd, err := unix.MemfdCreate(sealedName, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Close(fd) })
		unix.Write(fd, forged)
		if locked { // by another process, which is gone or not
			cmd := exec.Command("flock", "-x", "3")
			cmd.ExtraFiles = []*os.File{os.NewFile(uintptr(dup(t, fd)), "given")}
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v %s", err, out)
			}
		}
		return fd
	}
	for name, fd := range map[string]int{"not locked": given(false), "locked by another": given(true), "not open": 1000, "not a file": 0} {
		text, _ := json.Marshal(pointer{version, me, StartTime(me), fd, ""})
		os.WriteFile(filepath.Join(dir, "box"), text, 0o600)
		if list := List(); len(list) != 0 {
			t.Errorf("%s: %+v", name, list)
		}
	}
	// The record itself under another name is not one of that name.
	text, _ := json.Marshal(pointer{version, me, StartTime(me), int(l.sealed.Fd()), ""})
	os.WriteFile(filepath.Join(dir, "box"), text, 0o600)
	other, err := Reserve("other")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Release()
	other.file.Write(text)
	if list := names0(List()); !slices.Equal(list, []string{"box"}) {
		t.Errorf("listed: %q", list)
	}
	if _, err := l.sealed.WriteAt([]byte("x"), 0); err == nil {
		t.Error("the record can be changed")
	}
	if f, err := os.OpenFile("/proc/self/fd/"+strconv.Itoa(int(l.sealed.Fd())), os.O_RDWR, 0); err == nil {
		if _, err := f.WriteAt([]byte("x"), 0); err == nil {
			t.Error("the record can be changed by another descriptor")
		}
		f.Close()
	}
}

func dup(t *testing.T, fd int) int {
	t.Helper()
	n, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
