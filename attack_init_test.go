package snug_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug"
	"github.com/snug-sandbox/snug/internal/kerneltest"
	"github.com/snug-sandbox/snug/userns"
)

// fakeRoot has every power that a sandbox gives.
func fakeRoot() snug.Spec {
	s := snug.Spec{}
	s.Identity.Map = userns.MapRoot
	s.Security.Capabilities = []string{"ALL"}
	s.Security.NestedUserns = true
	return s
}

const secret = "SNUG_TEST_SECRET_0b2f"

// closedFiles are files of /proc/1 that nobody inside may read or list.
var closedFiles = []string{
	"environ", "mem", "maps", "smaps", "numa_maps", "pagemap", "auxv", "stack", "syscall", "io", "personality", "map_files", "fd", "fdinfo",
	"ns/user", "ns/mnt", "ns/pid", "exe", "cwd", "root", "root/etc", "cwd/etc", "patch_state",
	"task/1/environ", "task/1/mem", "task/1/maps", "task/1/fd", "task/1/root",
}

func init() {
	register("attack-init", func([]string) error {
		for _, name := range closedFiles {
			if got, err := lookAt("/proc/1/" + name); err == nil {
				fmt.Printf("%s: %.200q\n", name, got)
			}
		}
		for _, name := range []string{"cmdline", "comm", "status", "mounts", "mountinfo", "stat", "limits", "cgroup"} {
			if got, err := os.ReadFile("/proc/1/" + name); err == nil && strings.Contains(string(got), secret) || name == "cmdline" && len(got) > 0 {
				fmt.Printf("%s: %.200q\n", name, got)
			}
		}
		for name, attack := range attacksOnInit {
			if err := attack(); err == nil {
				fmt.Printf("%s worked\n", name)
			} else if !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EACCES) {
				fmt.Printf("%s: %v, not a refusal\n", name, err)
			}
		}
		return nil
	})
}

// lookAt reads a file, a link or a directory.
func lookAt(name string) (string, error) {
	if text, err := os.Readlink(name); err == nil {
		return text, nil
	}
	if list, err := os.ReadDir(name); err == nil {
		return fmt.Sprint(list), nil
	}
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	// The address of the Go program's text, for mem.
	p := make([]byte, 16)
	n, err := f.ReadAt(p, 0x401000)
	if err == nil || n > 0 {
		return string(p[:n]), nil
	}
	n, err = f.Read(p)
	return string(p[:n]), err
}

var attacksOnInit = map[string]func() error{
	"ptrace attach": func() error {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		return unix.PtraceAttach(1)
	},
	"ptrace seize": func() error {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		return unix.PtraceSeize(1)
	},
	"process_vm_readv": func() error {
		p := make([]byte, 8)
		local := unix.Iovec{Base: &p[0]}
		local.SetLen(8)
		_, err := unix.ProcessVMReadv(1, []unix.Iovec{local}, []unix.RemoteIovec{{Base: 0x401000, Len: 8}}, 0)
		return err
	},
	"pidfd_getfd": func() error {
		pidfd, err := unix.PidfdOpen(1, 0)
		if err != nil {
			return err
		}
		defer unix.Close(pidfd)
		_, err = unix.PidfdGetfd(pidfd, 0, 0)
		return err
	},
	"setns": func() error {
		pidfd, err := unix.PidfdOpen(1, 0)
		if err != nil {
			return err
		}
		defer unix.Close(pidfd)
		return unix.Setns(pidfd, unix.CLONE_NEWUTS)
	},
	"coredump filter": func() error { return os.WriteFile("/proc/1/coredump_filter", []byte("0x7f"), 0) },
	"clear_refs":      func() error { return os.WriteFile("/proc/1/clear_refs", []byte("1"), 0) },
}

func attackers() map[string]snug.Spec {
	ordinary, root := snug.Spec{}, fakeRoot()
	nested := snug.Spec{}
	nested.Security.NestedUserns = true
	return map[string]snug.Spec{"ordinary": ordinary, "fake root with all capabilities": root, "nested": nested}
}

func TestProcessOneCannotBeReadOrTraced(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	t.Setenv("SECRET", secret)
	for name, s := range attackers() {
		t.Run(name, func(t *testing.T) { want(t, inside(t, s, "attack-init"), "") })
	}
}

func TestProcessOneCannotBeReadFromANestedNamespace(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	if _, err := exec.LookPath("unshare"); err != nil {
		t.Skip("needs unshare(1)")
	}
	for name, s := range attackers() {
		if !s.Security.NestedUserns {
			continue
		}
		cmd := inside(t, s, "attack-init")
		cmd.Spec.Command.Args = append([]string{"unshare", "-Ur"}, cmd.Spec.Command.Args...)
		if out := output1(t, cmd); out != "" {
			t.Errorf("%s: %s", name, out)
		}
	}
}

func TestProcessOneIsNotKilledFromInside(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	for name, s := range attackers() {
		if out := output1(t, sh(s, "for s in TERM INT HUP KILL STOP SEGV ABRT; do kill -$s 1; done; sleep 0.05; cat /proc/1/comm")); out != "snug-init" {
			t.Errorf("%s: %q", name, out)
		}
	}
}

// The processes that a caller starts while a sandbox is being made hold copies
// of its memory. Their arguments are the caller's.
func TestTheCallersSecretsAreNotInside(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	t.Setenv("SECRET", secret)
	forEachKind(t, func(t *testing.T, s snug.Spec) {
		script := `for f in /proc/$$/environ /proc/$PPID/environ /proc/$PPID/cmdline /proc/1/environ /proc/1/cmdline; do tr '\0' '\n' <$f; done; env; set`
		out, _ := all(t, sh(s, script+" 2>/dev/null"))
		if strings.Contains(out, secret) {
			t.Error("the secret is inside")
		}
	})
}

func TestTheReaperKeepsNothingOpen(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	r, w := pipe(t)
	cmd := sh(snug.Spec{}, "exec 3>&-; sleep 1000")
	cmd.ExtraFiles = []*os.File{w}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		cmd.Kill()
		cmd.Wait()
	}()
	w.Close()
	// The end of file comes only if no process holds the other end.
	if _, err := r.Read(make([]byte, 1)); err == nil {
		t.Error("something was written")
	}
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", cmd.PID()))
	if err == nil {
		t.Errorf("the reaper's descriptors can be listed by its own user: %v", fds)
	}
}
