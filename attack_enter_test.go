package snug_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug"
	"github.com/snug-sandbox/snug/internal/kerneltest"
	"github.com/snug-sandbox/snug/process"
	"github.com/snug-sandbox/snug/userns"
)

func init() {
	// attack-enter looks, without a pause, for processes that come in from outside,
	// and tries to look into them for as long as they are not what they execute.
	register("attack-enter", func([]string) error {
		fmt.Println("ready")
		me := os.Getpid()
		seen := map[string]bool{}
		for end := time.Now().Add(5 * time.Minute); time.Now().Before(end); {
			if _, err := os.Stat("/tmp/stop"); err == nil {
				break
			}
			for pid := 3; pid < 2000; pid++ {
				if pid != me && unix.Kill(pid, 0) == nil {
					attackEntering(pid, seen)
				}
			}
		}
		for found := range seen {
			if found != "entered" { // it was told of
				fmt.Println(found)
			}
		}
		return nil
	})
}

// attackEntering tries everything on one process. What works counts only if the
// process was still the one from outside afterwards.
func attackEntering(pid int, seen map[string]bool) {
	dir := "/proc/" + strconv.Itoa(pid) + "/"
	entering := func() bool {
		comm, _ := os.ReadFile(dir + "comm")
		// The name is that of the caller's program before it is that of the role.
		return len(comm) > 0 && strings.TrimSpace(string(comm)) == "snug-exec"
	}
	if !entering() {
		return
	}
	if !seen["entered"] {
		fmt.Println("entered")
	}
	seen["entered"] = true
	for _, name := range []string{"environ", "mem", "maps", "auxv", "fd", "fdinfo", "exe", "cwd", "root", "root/etc", "cwd/.", "ns/mnt", "map_files"} {
		if got, err := lookAt(dir + name); err == nil && entering() {
			seen[fmt.Sprintf("%s: %.100q", name, got)] = true
		}
	}
	if got, err := os.ReadFile(dir + "cmdline"); err == nil && len(got) > 0 && entering() {
		seen[fmt.Sprintf("cmdline: %.100q", got)] = true
	}
	if pidfd, err := unix.PidfdOpen(pid, 0); err == nil {
		for n := range 8 {
			if fd, err := unix.PidfdGetfd(pidfd, n, 0); err == nil && entering() {
				seen[fmt.Sprintf("descriptor %d", n)] = true
				unix.Close(fd)
			}
		}
		if unix.Setns(pidfd, unix.CLONE_NEWNS) == nil && entering() {
			seen["setns"] = true
		}
		unix.Close(pidfd)
	}
}

// From the first moment on at which the sandbox sees a process that enters, to
// its execve, nothing of it can be had: no memory, no descriptor, no directory.
func TestWhoEntersCannotBeReadOrTraced(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	t.Setenv("SECRET", secret)
	for name, s := range attackers() {
		t.Run(name, func(t *testing.T) {
			i, out := running(t, inside(t, s, "attack-enter"))
			seen := make(chan string, 1)
			lines := bufio.NewReader(out)
			go func() {
				line, _ := lines.ReadString('\n')
				seen <- line
			}()
			// Whether it comes to look while one enters is not up to this process.
			for n, end := 0, time.Now().Add(patience); n < 20 || len(seen) == 0 && time.Now().Before(end); n++ {
				if err := i.Command("true").Run(); err != nil {
					t.Fatal(err, fix(err))
				}
			}
			// The sandbox ends when it sees the file, and this command with it, which
			// may not have been told of its start yet.
			i.Command("touch", "/tmp/stop").Run()
			first := <-seen
			rest, _ := io.ReadAll(lines)
			if got := first + string(rest); got != "entered\n" {
				t.Errorf("%s", got)
			}
		})
	}
}

// A directory of the caller's cannot become the working directory: none is open
// when it is looked up, and links to what is are not followed.
func TestEnteringHasNoDirectoryOfTheCallers(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	dir, err := os.Open("/")
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	if _, err := unix.FcntlInt(dir.Fd(), unix.F_SETFD, 0); err != nil {
		t.Fatal(err)
	}
	i, _ := running(t, sh(snug.Spec{}, fmt.Sprintf("for n in $(seq 0 %d); do ln -s /proc/self/fd/$n /tmp/$n; done; echo ready; cat", dir.Fd()+5)))
	for n := range dir.Fd() + 5 {
		cmd := i.Command("ls")
		cmd.Spec.Command.Workdir = fmt.Sprintf("/tmp/%d", n)
		if out, err := cmd.CombinedOutput(); err == nil {
			t.Errorf("%d: %s", n, out)
		}
	}
	out := output1(t, i.Command("sh", "-c", "ls /proc/self/fd; readlink /proc/self/cwd /proc/self/root"))
	if strings.Contains(out, strconv.Itoa(int(dir.Fd()))+"\n") && dir.Fd() > 4 {
		t.Errorf("descriptor %d is in\n%s", dir.Fd(), out)
	}
}

// What the sandbox puts where a terminal or a list is looked for is refused, and
// keeps nobody waiting.
func TestEnteringASandboxThatLies(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	s := fakeRoot()
	for name, lie := range map[string]string{
		"a pipe as /dev/ptmx":    "mount -t tmpfs x /dev && mkfifo /dev/ptmx",
		"a file as /dev/ptmx":    "mount -t tmpfs x /dev && echo x > /dev/ptmx",
		"a loop as /dev/ptmx":    "mount -t tmpfs x /dev && ln -s ptmx /dev/ptmx",
		"a device as /dev/ptmx":  "mount -t tmpfs x /tmp && touch /tmp/n && mount --bind /dev/null /tmp/n && mount -t tmpfs x /dev && touch /dev/ptmx && mount --bind /tmp/n /dev/ptmx",
		"nothing as /dev/ptmx":   "mount -t tmpfs x /dev",
		"a directory as a /proc": "mount -t tmpfs x /proc && mkdir -p /proc/thread-self && mkfifo /proc/thread-self/children",
	} {
		i, _ := running(t, sh(s, lie+" && echo ready; cat"))
		cmd := i.Command("true")
		if strings.Contains(name, "ptmx") {
			cmd.Spec.Terminal.TTY = process.TTYYes
		}
		err := cmd.Run()
		if failed := new(snug.StepError); strings.Contains(name, "ptmx") && !errors.As(err, &failed) {
			t.Errorf("%s: %v", name, err)
		} else if !strings.Contains(name, "ptmx") && err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A program that leads back to the one that enters (CVE-2019-5736) finds nothing.
func TestEnteringExecutesNothingOfTheHost(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	dir := t.TempDir()
	os.Symlink("/proc/self/exe", filepath.Join(dir, "link"))
	os.WriteFile(filepath.Join(dir, "script"), []byte("#!/proc/self/exe\n"), 0o755)
	for _, kind := range []string{userns.MapSelf, userns.MapRoot} {
		box := waits(snug.Spec{})
		box.Spec.Identity.Map = kind
		box.Spec.Mounts = append(box.Spec.Mounts, writable(dir))
		i, _ := running(t, box)
		for _, name := range []string{"link", "script"} {
			cmd := i.Command(filepath.Join(dir, name))
			cmd.Spec.Command.Argv0 = probePath
			out, err := all(t, cmd)
			if failed := new(snug.StepError); !errors.As(err, &failed) {
				t.Errorf("%s, %s: %q, %v", kind, name, out, err)
			}
		}
	}
}
