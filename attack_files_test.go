package snug_test

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug"
	"github.com/snug-sandbox/snug/internal/kerneltest"
	"github.com/snug-sandbox/snug/mounts"
)

func init() {
	register("open-by-handle", func(args []string) error {
		kind, err1 := strconv.Atoi(args[0])
		id, err2 := hex.DecodeString(args[1])
		if err1 != nil || err2 != nil {
			return errors.Join(err1, err2)
		}
		for _, dir := range args[2:] {
			at, err := os.Open(dir)
			if err != nil {
				return err
			}
			fd, err := unix.OpenByHandleAt(int(at.Fd()), unix.NewFileHandle(int32(kind), id), unix.O_RDONLY)
			if err == nil {
				unix.Close(fd)
				fmt.Println("opened through", dir)
			}
			at.Close()
		}
		return nil
	})
}

// A handle names a file of a file system without any path to it
// (open_by_handle_at(2)): a bind of one directory would open them all.
func TestHandlesOpenNothingOutside(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	mkdirs(t, filepath.Join(dir, "shown"))
	write(t, file, secret)
	handle, _, err := unix.NameToHandleAt(unix.AT_FDCWD, file, 0)
	if err != nil {
		t.Skip("needs a file system with handles: ", err)
	}
	for name, s := range attackers() {
		prefixes := [][]string{nil}
		if s.Security.NestedUserns && hasUnshare() {
			prefixes = append(prefixes, []string{"unshare", "-Urm"})
		}
		for _, prefix := range prefixes {
			s.Mounts = []mounts.Mount{{Source: filepath.Join(dir, "shown"), Target: "/run/shown", Writable: true}}
			cmd := inside(t, s, "open-by-handle", strconv.Itoa(int(handle.Type())), hex.EncodeToString(handle.Bytes()), "/", "/usr", "/tmp", "/run/shown")
			cmd.Spec.Command.Args = append(prefix, cmd.Spec.Command.Args...)
			if out := output1(t, cmd); out != "" {
				t.Errorf("%s %s: %s", name, prefix, out)
			}
		}
	}
}

func hasUnshare() bool {
	_, err := exec.LookPath("unshare")
	return err == nil
}

// oddities make what is no directory and no ordinary file of a root's own.
var oddities = map[string]func(name string) error{
	"fifo":    func(name string) error { return unix.Mkfifo(name, 0o666) },
	"locked":  func(name string) error { return os.Mkdir(name, 0) },
	"huge":    func(name string) error { return errors.Join(os.WriteFile(name, nil, 0o644), os.Truncate(name, 10<<30)) },
	"socket":  func(name string) error { return unix.Mknod(name, unix.S_IFSOCK|0o666, 0) },
	"nothing": func(string) error { return nil },
}

// None of these may hang the set-up, or be written to.
func TestOddFilesInPlaceOfStandardOnes(t *testing.T) {
	kerneltest.Require(t, "userns", "proc", "overlay")
	leavesNothing(t)
	worked := 0
	for _, place := range []string{"proc", "dev", "etc", "etc/passwd", "etc/hosts", "var/tmp"} {
		for kind, make := range oddities {
			h := newHostile(t)
			name := filepath.Join(h.tree, place)
			if err := os.RemoveAll(name); err != nil {
				t.Fatal(err)
			}
			if err := make(name); err != nil {
				t.Fatal(kind, err)
			}
			before := fileOf(t, name)
			for way, root := range h.roots() {
				s := snug.Spec{}
				if root(&s) != "" {
					continue // not the root
				}
				if sh(s, "for f in /tmp/f /run/f /dev/f /etc/passwd; do echo x >$f; done; exit 0").Run() == nil {
					worked++
				}
				if now := fileOf(t, name); now != before {
					t.Errorf("%s as %s with %s: %s, was %s", place, kind, way, now, before)
				}
			}
		}
	}
	if worked < 20 {
		t.Errorf("only %d sandboxes could be made", worked)
	}
}

func fileOf(t *testing.T, name string) string {
	t.Helper()
	var st unix.Stat_t
	err := unix.Lstat(name, &st)
	if err != nil && !errors.Is(err, unix.ENOENT) {
		t.Fatal(err)
	}
	return fmt.Sprint(err, st.Mode, st.Size, st.Blocks, st.Mtim, st.Ctim)
}

// What is hidden cannot be moved out of its mask's way.
func TestMasksStay(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	dir := t.TempDir()
	mkdirs(t, filepath.Join(dir, "above/hidden"))
	write(t, filepath.Join(dir, "above/hidden/file"), secret)
	write(t, filepath.Join(dir, "above/file"), secret)
	nested := snug.Spec{}
	nested.Security.NestedUserns = true
	for name, c := range map[string]struct {
		spec   snug.Spec
		prefix string
	}{
		"ordinary":                       {snug.Spec{}, ""},
		"all but CAP_SYS_ADMIN":          {almostAll(), ""},
		"root of a namespace of its own": {nested, "unshare -Urm"},
	} {
		s := c.spec
		s.Mounts = []mounts.Mount{
			{Source: dir, Target: "/run/work", Writable: true},
			{Type: mounts.Mask, Target: "/run/work/above/hidden"},
			{Type: mounts.Mask, Target: "/run/work/above/file"},
		}
		out, _ := all(t, sh(s, c.prefix+` sh -c '
			cd /run/work
			mv above/hidden moved; mv above/file moved2; rm -rf above/hidden above/file
			ln above/file link; umount above/hidden; umount -l above/file
			mv above other && mkdir above
			mount --bind . /mnt; mount --rbind . /tmp; mount -o remount,bind,rw other/hidden; chmod 777 other/hidden other/file
			grep -r . . /tmp /mnt
			mv other/* above/; rmdir above; mv other above'`))
		if strings.Contains(out, secret) {
			t.Errorf("%s: %s", name, out)
		}
		if text, err := os.ReadFile(filepath.Join(dir, "above/hidden/file")); string(text) != secret {
			t.Fatalf("%s: %q, %v", name, text, err)
		}
	}
}

// The program that a root of somebody else's names is looked for when nothing
// of the caller's is open any more.
func TestTheProgramIsNoDescriptorOfTheCallers(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	h := newHostile(t)
	f, err := os.Open(h.victim)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	program := filepath.Join(h.victim, "program")
	write(t, program, "#!/bin/sh\necho ran\n")
	if err := os.Chmod(program, 0o755); err != nil {
		t.Fatal(err)
	}
	link(t, fmt.Sprintf("/proc/self/fd/%d/program", f.Fd()), filepath.Join(h.tree, "open"))
	link(t, "/proc/1/exe", filepath.Join(h.tree, "init"))
	for _, name := range []string{"/open", "/init"} {
		s := snug.Spec{}
		h.roots()["root"](&s)
		if out, err := all(t, snug.Command(s, name)); err == nil || strings.Contains(out, "ran") {
			t.Errorf("%s: %q, %v", name, out, err)
		}
	}
}
