package kerneltest

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestMain(m *testing.M) { Main(m) }

func TestTestsDoNotRunAsRoot(t *testing.T) {
	if os.Getenv(rootEnv) == "" && os.Getuid() == 0 && !onlyOneID() {
		t.Fatal("Main left the tests running as root")
	}
}

func TestTreeIsThereAndReadable(t *testing.T) {
	for _, name := range []string{"kerneltest.go", "../../go.mod"} {
		if _, err := os.ReadFile(name); err != nil {
			t.Error(err)
		}
	}
}

func TestTempDirBelongsToTheTest(t *testing.T) {
	if err := os.WriteFile(filepath.Join(t.TempDir(), "file"), nil, 0o600); err != nil {
		t.Error(err)
	}
}

func TestProbesAgreeWithUnshare(t *testing.T) {
	tool, err := exec.LookPath("unshare")
	if err != nil {
		t.Skip("needs unshare(1)")
	}
	for name, args := range map[string][]string{
		"userns": {"-UrmpfniuC", "true"},
		"mqueue": {"-Urmi", "mount", "-t", "mqueue", "mqueue", "/mnt"},
		"proc":   {"-Urmpf", "mount", "-t", "proc", "proc", "/mnt"},
	} {
		theirs := exec.Command(tool, args...).Run()
		ours := Probe(name)
		if (theirs == nil) != (ours == nil) {
			t.Errorf("%s: unshare(1) says %v, the probe %v", name, theirs, ours)
		}
	}
}

func TestEveryFeatureHasAnAnswer(t *testing.T) {
	for _, name := range Features() {
		t.Logf("%s: %v", name, Probe(name))
	}
	if len(Features()) < 13 {
		t.Errorf("only these features: %v", Features())
	}
}

func TestDiskIsOnADisk(t *testing.T) {
	if _, err := diskDir(); err != nil {
		t.Skip(err)
	}
	dir := Disk(t)
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Error(err)
	}
	t.Setenv("SNUG_TEST_DISK", dir)
	if got, err := diskDir(); got != dir || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	t.Setenv("SNUG_TEST_DISK", "/proc")
	if got, _ := diskDir(); got == "/proc" {
		t.Error("/proc is no disk")
	}
}

func TestControllersThatAreNotThere(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "cgroup.controllers"), []byte("cpu memory pids\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := makeCgroup(dir, []string{"memory", "pids"}); err != nil {
		t.Error(err)
	}
	if err := makeCgroup(dir, []string{"memory", "cpuset"}); err == nil || !strings.Contains(err.Error(), "cpuset is not delegated") {
		t.Errorf("got %v", err)
	}
	if err := makeCgroup(dir+"/none", nil); err == nil {
		t.Error("there is no such group")
	}
}

func TestUnknownFeature(t *testing.T) {
	_, err := Condition("teleport")
	if err == nil || !strings.Contains(err.Error(), `"teleport"`) {
		t.Errorf("got %v", err)
	}
}

// missing makes a feature that no machine has.
func missing(t *testing.T) string {
	const name = "nothing-has-this"
	probes[name] = &probe{outside: func() error { return errors.New("not here") }}
	t.Cleanup(func() { delete(probes, name) })
	return name
}

func TestMissingFeatureSkips(t *testing.T) {
	t.Setenv("SNUG_TEST_MUST", "userns,overlay")
	if ok, err := Condition(missing(t)); ok || err != nil {
		t.Errorf("got %v, %v", ok, err)
	}
}

func TestMissingFeatureThatMustBeThereFails(t *testing.T) {
	name := missing(t)
	for _, list := range []string{name, "userns, " + name, "all"} {
		t.Setenv("SNUG_TEST_MUST", list)
		_, err := Condition(name)
		if err == nil || !strings.Contains(err.Error(), "not here") {
			t.Errorf("SNUG_TEST_MUST=%s: got %v", list, err)
		}
	}
}

func TestOpenToAll(t *testing.T) {
	dir := t.TempDir()
	closed := filepath.Join(dir, "closed")
	if err := os.MkdirAll(filepath.Join(closed, "in"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	if !openToAll("/") || openToAll(filepath.Join(closed, "in")) || openToAll(filepath.Join(dir, "absent")) {
		t.Error("wrong about who may enter")
	}
}

func TestCopyTree(t *testing.T) {
	from, to := t.TempDir(), filepath.Join(t.TempDir(), "copy")
	steps := errors.Join(
		os.MkdirAll(filepath.Join(from, ".git"), 0o700),
		os.MkdirAll(filepath.Join(from, "a/bin"), 0o700),
		os.WriteFile(filepath.Join(from, "a/bin/run"), []byte("text"), 0o700),
		os.Symlink("a/bin/run", filepath.Join(from, "link")),
		copyTree(from, to),
	)
	if steps != nil {
		t.Fatal(steps)
	}
	st, err := os.Stat(filepath.Join(to, "link"))
	if err != nil || st.Mode().Perm() != 0o755 {
		t.Errorf("got %v, %v", st, err)
	}
	if _, err := os.Stat(filepath.Join(to, ".git")); err == nil {
		t.Error("version control was copied")
	}
}

func TestArgsLoseWhatTheUserCannotReach(t *testing.T) {
	s := &stage{out: "/out"}
	got := s.args([]string{"-test.testlogfile=/x/log", "-test.v=true", "-test.coverprofile=/x/c", "-test.run=A=B"})
	want := "-test.v=true -test.coverprofile=/out/cover.profile -test.run=A=B"
	if strings.Join(got, " ") != want || s.cover != "/x/c" {
		t.Errorf("got %q, cover %q", got, s.cover)
	}
}

func TestSignalsAreNotIgnored(t *testing.T) {
	if out, err := exec.Command("sh", "-c", "kill -HUP $$; kill -INT $$; kill -QUIT $$; echo ignored").CombinedOutput(); err == nil {
		t.Errorf("%s", out)
	}
}
