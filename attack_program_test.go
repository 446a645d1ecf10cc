package snug_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/snug-sandbox/snug"
	"github.com/snug-sandbox/snug/internal/child"
	"github.com/snug-sandbox/snug/internal/host"
	"github.com/snug-sandbox/snug/internal/kerneltest"
	"github.com/snug-sandbox/snug/internal/units"
	"github.com/snug-sandbox/snug/landlock"
	"github.com/snug-sandbox/snug/process"
)

// forgetful are facts of a user who may change the file of this program.
func forgetful(t testing.TB) func(*host.Facts) {
	pages, err := child.ProgramPages()
	if err != nil || len(pages.Keep) < 2 {
		t.Fatal(pages, err)
	}
	return func(f *host.Facts) {
		f.Program = host.ProgramPages{}
		for _, m := range pages.Keep {
			f.Program.Keep = append(f.Program.Keep, [3]uint64{m.At, m.Size, m.Prot})
		}
		for _, m := range pages.Drop {
			f.Program.Drop = append(f.Program.Drop, [3]uint64{m.At, m.Size})
		}
	}
}

// A command that leads back to the program that starts it (CVE-2019-5736): a link, a
// script, the name itself. Where Landlock does not keep it from that file, there is
// an empty one in its place, and the sandbox works as any other.
func TestTheCommandIsNotTheCallersProgram(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	dir := t.TempDir()
	os.Symlink("/proc/self/exe", filepath.Join(dir, "link"))
	os.WriteFile(filepath.Join(dir, "script"), []byte("#!/proc/self/exe\n"), 0o755)
	leavesNothing(t)
	kinds := map[string]func(*snug.Spec){
		"without Landlock": func(s *snug.Spec) { s.Security.Landlock = landlock.No },
		"may mount":        func(s *snug.Spec) { s.Security.Capabilities = []string{"CAP_SYS_ADMIN"} },
		"process 1":        func(s *snug.Spec) { s.Command.PID1, s.Security.Landlock = true, landlock.No },
		"terminal":         func(s *snug.Spec) { s.Terminal.TTY, s.Security.Landlock = process.TTYYes, landlock.No },
	}
	if kerneltest.Probe("timens") == nil {
		kinds["time"] = func(s *snug.Spec) {
			s.Namespaces.MonotonicOffset, s.Security.Landlock = units.Duration(5e9), landlock.No
		}
	}
	for kind, change := range kinds {
		s := snug.Spec{}
		s.Mounts = append(s.Mounts, writable(dir))
		change(&s)
		start := func(facts func(*host.Facts), name string, args ...string) (*snug.Cmd, error) {
			cmd := snug.Command(s, name, args...)
			if len(args) == 0 {
				cmd.Spec.Command.Argv0 = probePath
			}
			p, err := cmd.CompileAs(facts)
			if err != nil {
				t.Fatal(err)
			}
			if err = cmd.StartChanged(p); err == nil {
				err = cmd.Wait()
			}
			return cmd, err
		}
		for _, name := range []string{filepath.Join(dir, "link"), filepath.Join(dir, "script"), "/proc/self/exe"} {
			cmd, err := start(forgetful(t), name)
			if failed := new(snug.StepError); !errors.As(err, &failed) || cmd.Result().Code() != snug.CodeRefused {
				t.Errorf("%s, %s: %v, %+v", kind, name, err, cmd.Result())
			}
		}
		if cmd, err := start(forgetful(t), "sh", "-c", "sleep 0 & wait; exit 7"); cmd.Result().ExitCode != 7 || len(cmd.Result().Notes) > 0 {
			t.Errorf("%s: %v, %+v", kind, err, cmd.Result())
		}
		if _, err := start(func(f *host.Facts) { f.Program = host.ProgramPages{} }, "/proc/self/exe"); errors.As(err, new(*snug.StepError)) {
			t.Errorf("%s: the attack fails anyway: %v", kind, err)
		}
	}
}
