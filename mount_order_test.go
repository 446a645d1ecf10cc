package snug_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug"
	"github.com/snug-sandbox/snug/internal/host"
	"github.com/snug-sandbox/snug/internal/kerneltest"
	"github.com/snug-sandbox/snug/mounts"
)

func text(target, content string) mounts.Mount {
	return mounts.Mount{Type: mounts.File, Target: target, Content: content}
}

func tmpfs(target string) mounts.Mount { return mounts.Mount{Type: mounts.Tmpfs, Target: target} }

func TestTheMoreSpecificTargetWins(t *testing.T) {
	shows(t, "cat /run/a/b/file; ls /run/a", "inner"+"b", text("/run/a/b/file", "inner"), tmpfs("/run/a/b"), tmpfs("/run/a"))
	shows(t, "head -c4 /usr/share/file", "mine", text("/usr/share/file", "mine"), tmpfs("/usr/share"))
}

func TestTheLaterOfTwoWins(t *testing.T) {
	shows(t, "cat /run/file", "second", text("/run/file", "first"), text("/run/file", "second"))
	shows(t, "ls /run/a", "second", mounts.Mount{Source: "/usr", Target: "/run/a"}, tmpfs("/run/a"), text("/run/a/second", ""))
	shows(t, "cat /run/file", "second", text("/run//file", "first"), text("/run/x/../file/", "second"))
}

func TestStandardMountsCanBeReplaced(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	dir := t.TempDir()
	write(t, filepath.Join(dir, "file"), "text")
	for _, target := range []string{"/tmp", "/run", "/var/tmp", "/opt", "/dev/shm"} {
		s := snug.Spec{}
		s.Mounts = []mounts.Mount{{Source: dir, Target: target}}
		want(t, sh(s, "cat "+target+"/file"), "text")
	}
	s := snug.Spec{}
	s.Mounts = []mounts.Mount{{Type: mounts.Dir, Target: "/proc"}}
	want(t, sh(s, "cd /proc; echo *"), "*")
}

func TestOrderedMountsHideEarlierOnes(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	s := snug.Spec{OrderedMounts: true}
	s.Rootfs.Base = mounts.BaseEmpty
	s.Mounts = append(emptyWithPrograms(), text("/run/a/b", "hidden"), tmpfs("/run/a"), text("/run/a/c", "shown"))
	want(t, sh(s, "cd /run/a; echo *; cat c"), "c\nshown")
}

func TestMountsInsideOfABind(t *testing.T) {
	dir := t.TempDir()
	mkdirs(t, filepath.Join(dir, "a/b"))
	write(t, filepath.Join(dir, "file"), "old")
	tree := mounts.Mount{Source: dir, Target: "/run/tree", Writable: true}
	before := listing(t, dir)
	shows(t, "cd /run/tree; cat file a/b/c/d; touch a/b/e", "newdeep", tree, text("/run/tree/file", "new"), tmpfs("/run/tree/a/b"), text("/run/tree/a/b/c/d", "deep"))
	if listing(t, dir) != before {
		t.Error("the host's directory has changed")
	}
	s := snug.Spec{}
	s.Mounts = []mounts.Mount{tree, tmpfs("/run/tree/new")}
	err := snug.Command(s, "true").Run()
	if err == nil || !strings.Contains(err.Error(), "mount a tmpfs at /run/tree/new: the target does not exist, and nothing is created in the host's tree") {
		t.Errorf("got %v", err)
	}
	if listing(t, dir) != before {
		t.Error("the host's directory has changed")
	}
}

func TestNamesOfAllKinds(t *testing.T) {
	kerneltest.Require(t, "userns", "proc", "overlay")
	names := []string{"a:b", "a,b", `a\b`, "a b", "a\nb", "a\tb", `\,:`, "=", "é世\xff", strings.Repeat("x", 255), "\x01", "..a", "a..", "-", "$HOME", "%s", `"'`, "a\\", ":", ","}
	dir := t.TempDir()
	for i, name := range names {
		for _, kind := range []string{"lower", "upper", "upper.work", "tree"} {
			mkdirs(t, filepath.Join(dir, kind, name))
		}
		write(t, filepath.Join(dir, "lower", name, "file"), fmt.Sprint(i))
	}
	for i, name := range names {
		lower, upper := filepath.Join(dir, "lower", name), filepath.Join(dir, "upper", name)
		for _, kernel := range kernels {
			s := snug.Spec{}
			s.Mounts = []mounts.Mount{
				{Source: lower, Target: "/run/bind/" + name},
				tmpfs("/run/tmpfs/" + name),
				text("/run/text/"+name, "text"),
				{Type: mounts.Symlink, Source: name, Target: "/run/links/" + name},
				{Type: mounts.Overlay, Lower: []string{lower, "/usr"}, Upper: upper, Work: filepath.Join(dir, "upper.work", name), Target: "/run/overlay/" + name},
			}
			cmd := snug.Command(s, "sh", "-c", `cd /run; cat "bind/$1/file" "text/$1" "overlay/$1/file"; readlink -n "links/$1"; echo >"overlay/$1/$2"`, "sh", name, fmt.Sprint(kernel))
			if got, want := asOn(t, kernel, cmd), fmt.Sprint(i, "text", i, name); got != want {
				t.Errorf("as on Linux %v: %q: %q, want %q", kernel, name, got, want)
			}
			if _, err := inode(filepath.Join(upper, fmt.Sprint(kernel))); err != nil {
				t.Errorf("as on Linux %v: %q: nothing was kept", kernel, name)
			}
		}
	}
}

func TestTwoThousandBindsWithFewDescriptors(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	dir := t.TempDir()
	s := snug.Spec{}
	for i := range 2000 {
		source := filepath.Join(dir, fmt.Sprint(i))
		mkdirs(t, source)
		s.Mounts = append(s.Mounts, mounts.Mount{Source: source, Target: fmt.Sprintf("/run/%d/x", i)})
	}
	write(t, filepath.Join(dir, "1999/file"), "last")
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 256, Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	defer unix.Setrlimit(unix.RLIMIT_NOFILE, &old)
	for _, kernel := range kernels[1:] {
		if got := asOn(t, kernel, sh(s, "cat /run/1999/x/file; grep -c ' /run/.*/x ' /proc/self/mountinfo")); got != "last2000" {
			t.Errorf("as on Linux %v: %q", kernel, got)
		}
	}
}

func TestDeepTargets(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	s := snug.Spec{}
	for i := range 60 {
		target := fmt.Sprint("/run/", i)
		s.Mounts = append(s.Mounts, tmpfs(target), text(target+"/file", ""))
		s.Mounts = append(s.Mounts, mounts.Mount{Source: "/usr", Target: target + "/" + strings.Repeat("d/", 40) + "usr"})
	}
	want(t, sh(s, "ls -d /run/59/*/"), "/run/59/d/")
}

func TestOneDirectoryAtManyPlaces(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "file"), "text")
	shows(t, "cat /run/a/file /run/b/file; touch /run/a/x 2>/dev/null || echo a read-only; touch /run/b/x && rm /run/a/x 2>/dev/null || echo still", "texttexta read-only\nstill",
		mounts.Mount{Source: dir, Target: "/run/a"}, mounts.Mount{Source: dir, Target: "/run/b", Writable: true})
}

func TestPropagation(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	for _, propagation := range []string{"", mounts.PropagationPrivate, mounts.PropagationSlave} {
		cmd := outside(t, "propagation", t.TempDir(), propagation)
		cmd.SysProcAttr = ownMounts(nil)
		out, err := cmd.CombinedOutput()
		says := "not seen\n"
		if propagation == mounts.PropagationSlave {
			says = "seen\n"
		}
		if err != nil || string(out) != says {
			t.Errorf("%q: %q, %v", propagation, out, err)
		}
	}
}

func init() {
	register("propagation", func(args []string) error {
		dir := args[0]
		if err := unix.Mount(dir, dir, "", unix.MS_BIND, ""); err != nil {
			return err
		}
		if err := unix.Mount("", dir, "", unix.MS_SHARED, ""); err != nil {
			return err
		}
		s := snug.Spec{}
		s.Mounts = []mounts.Mount{{Source: dir, Target: "/run/tree", Propagation: args[1]}}
		cmd := sh(s, "read line; grep -q /run/tree/sub /proc/self/mountinfo && echo seen || echo not seen")
		in, err := cmd.StdinPipe()
		if err != nil {
			return err
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			return err
		}
		if err := cmd.Start(); err != nil {
			return err
		}
		sub := filepath.Join(dir, "sub")
		if err := unix.Mkdir(sub, 0o755); err != nil {
			return err
		}
		if err := unix.Mount("tmpfs", sub, "tmpfs", 0, ""); err != nil {
			return err
		}
		fmt.Fprintln(in)
		said := make([]byte, 100)
		n, _ := out.Read(said)
		fmt.Print(string(said[:n]))
		return cmd.Wait()
	})
}

func TestAKernelVersionChangesNothingInside(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	script := "cut -d' ' -f5,6 /proc/self/mountinfo | sort; ls -l /dev /run /tmp | cut -c1-10"
	first := ""
	for _, kernel := range append(kernels, host.Version{Major: 99}) {
		got := asOn(t, kernel, sh(snug.Spec{}, script))
		if first == "" {
			first = got
		}
		if got != first {
			t.Errorf("as on Linux %v:\n%s\nnot\n%s", kernel, got, first)
		}
	}
}

func TestManyMountsThatEndReadOnly(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	s := snug.Spec{}
	for i := range 100 {
		target := fmt.Sprint("/run/", i)
		s.Mounts = append(s.Mounts, mounts.Mount{Type: mounts.Tmpfs, Target: target, ReadOnly: true}, text(target+"/a/b/file", "text"))
	}
	want(t, sh(s, "cat /run/99/a/b/file; touch /run/0/x /run/99/x 2>/dev/null || echo read-only"), "textread-only")
}

func TestMountsOnMountsInTheHostsTree(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	dir := t.TempDir()
	for _, n := range []int{20, 100} {
		s := snug.Spec{}
		s.Mounts = []mounts.Mount{bind(dir)}
		for i := range n {
			target := filepath.Join(dir, fmt.Sprint(i))
			mkdirs(t, target)
			s.Mounts = append(s.Mounts, tmpfs(target), text(target+"/a/b/file", "text"))
		}
		cmd := sh(s, "cat "+dir+"/*/a/b/file | wc -c")
		if n == 20 {
			want(t, cmd, "80")
			continue
		}
		if err := cmd.Run(); err == nil || !strings.Contains(err.Error(), "mounts: too many of them have to stay open") {
			t.Errorf("%d: %v", n, err)
		}
	}
}
