package running

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// place makes a directory for records and returns it.
func place(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("XDG_RUNTIME_DIR", dir)
	return filepath.Join(dir, "snug")
}

func names0(list []Record) []string {
	var names []string
	for _, r := range list {
		names = append(names, r.Name)
	}
	return names
}

func TestNames(t *testing.T) {
	for name, valid := range map[string]bool{
		"a": true, "build-4711": true, "A.b_c": true, "0": true, strings.Repeat("x", 64): true,
		"": false, "-a": false, ".": false, "..": false, ".a": false, "_a": false, "a/b": false, "a b": false, "a\x1b[31m": false, "a\nb": false,
		"ä": false, strings.Repeat("x", 65): false, "a\x00": false,
	} {
		if ValidName(name) != valid {
			t.Errorf("%q is valid: %v", name, !valid)
		}
	}
	for text, want := range map[string]string{
		"default": "default-7", "": "snug-7", "../x": "x-7", "a b\n": "a-b--7", "ä": "snug-7", strings.Repeat("x", 99): strings.Repeat("x", 62) + "-7",
	} {
		if got := NameOf(text, "7"); got != want || !ValidName(got) {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}

func TestANameIsHeldOnce(t *testing.T) {
	place(t)
	l, err := Reserve("box")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Reserve("box"); !errors.Is(err, ErrInUse) {
		t.Errorf("twice: %v", err)
	}
	if list := List(); len(list) != 0 {
		t.Errorf("not started yet, but listed: %v", list)
	}
	want := Record{Profile: "default", Started: time.Now().UTC(), Command: []string{"sleep", "1"}, Instance: json.RawMessage(`{"pid":1}`)}
	if err := l.Publish(want); err != nil {
		t.Fatal(err)
	}
	list := List()
	if len(list) != 1 || list[0].Name != "box" || list[0].Profile != "default" || list[0].Supervisor != os.Getpid() || string(list[0].Instance) != `{"pid":1}` || !list[0].Started.Equal(want.Started) {
		t.Errorf("%+v", list)
	}
	if _, held := Find("box", os.Getpid()); !held {
		t.Error("it is not found")
	}
	l.Release()
	if list := List(); len(list) != 0 {
		t.Errorf("released, but listed: %v", list)
	}
	if l, err = Reserve("box"); err != nil {
		t.Error(err)
	}
	l.Release()
}

// Many want one name, and others collect what is abandoned: exactly one has it
// at a time.
func TestANameIsFoughtFor(t *testing.T) {
	dir := place(t)
	var mu sync.Mutex
	holders, most, won := 0, 0, 0
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 50 {
				Collect(dir, "box")
				l, err := Reserve("box")
				if err != nil {
					continue
				}
				mu.Lock()
				holders, won = holders+1, won+1
				most = max(most, holders)
				mu.Unlock()
				l.Publish(Record{})
				mu.Lock()
				holders--
				mu.Unlock()
				l.Release()
			}
		})
	}
	all.Wait()
	if most != 1 || won < 50 {
		t.Errorf("%d at a time, %d in all", most, won)
	}
}

func TestWhatNobodyHoldsIsRemoved(t *testing.T) {
	dir := place(t)
	l, err := Reserve("kept")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Release()
	l.Publish(Record{})
	for _, name := range []string{"a", "b", "c"} {
		os.WriteFile(filepath.Join(dir, name), []byte(`{"version":1,"name":"`+name+`","supervisor":1}`), 0o600)
	}
	l.CollectSome()
	if left := names(dir); !slices.Equal(left, []string{"kept"}) {
		t.Errorf("left: %v", left)
	}
}

func TestHostileDirectories(t *testing.T) {
	for name, make := range map[string]func(dir string) error{
		"for all":        func(dir string) error { return errors.Join(os.Mkdir(dir, 0o700), os.Chmod(dir, 0o777)) },
		"for the group":  func(dir string) error { return errors.Join(os.Mkdir(dir, 0o700), os.Chmod(dir, 0o710)) },
		"a file":         func(dir string) error { return os.WriteFile(dir, nil, 0o600) },
		"a link":         func(dir string) error { return os.Symlink(os.TempDir(), dir) },
		"a broken link":  func(dir string) error { return os.Symlink("/nowhere", dir) },
		"in a bad place": func(dir string) error { return os.Chmod(filepath.Dir(dir), 0o777) },
	} {
		dir := place(t)
		if err := make(dir); err != nil {
			t.Fatal(name, err)
		}
		if safe(dir) || slices.Contains(known(), dir) {
			t.Errorf("%s: it is used", name)
		}
		if got, err := directory(); err == nil && got == dir {
			t.Errorf("%s: it is written to", name)
		}
	}
}

func TestHostileRecords(t *testing.T) {
	dir := place(t)
	l, err := Reserve("box") // makes the directory
	if err != nil {
		t.Fatal(err)
	}
	l.Release()
	target := filepath.Join(t.TempDir(), "target")
	os.WriteFile(target, []byte("untouched"), 0o600)
	text := func(name string) []byte {
		r, _ := json.Marshal(Record{Version: version, Name: name, Supervisor: os.Getpid(), SupervisorStart: StartTime(os.Getpid())})
		return r
	}
	for name, make := range map[string]func(path string) error{
		"link":   func(path string) error { return os.Symlink(target, path) },
		"pipe":   func(path string) error { return unix.Mkfifo(path, 0o600) },
		"folder": func(path string) error { return os.Mkdir(path, 0o700) },
		"open": func(path string) error {
			return errors.Join(os.WriteFile(path, text("open"), 0o600), os.Chmod(path, 0o644))
		},
	} {
		path := filepath.Join(dir, name)
		if err := make(path); err != nil {
			t.Fatal(name, err)
		}
		if Collect(dir, name) {
			t.Errorf("%s: it was removed", name)
		}
		if _, err := Reserve(name); err == nil {
			t.Errorf("%s: it was taken over", name)
		}
	}
	for _, name := range []string{"a\x1b[31mb", "new\nline", ".hidden"} {
		os.WriteFile(filepath.Join(dir, name), text(name), 0o600)
	}
	// Held, but not a record, or another's.
	for name, content := range map[string]string{
		"rubbish": "\x00\xff", "half": `{"version":2,"name":"half"`, "newer": `{"version":3,"supervisor":1}`, "whole": string(text("whole")), "gone": `{"version":2,"supervisor":4000000,"supervisor_start":5}`,
	} {
		l, err := Reserve(name)
		if err != nil {
			t.Fatal(name, err)
		}
		l.file.WriteString(content)
		defer l.Release()
	}
	if list := names0(List()); len(list) != 0 {
		t.Errorf("listed: %q", list)
	}
	if got, _ := os.ReadFile(target); string(got) != "untouched" {
		t.Errorf("the link's target is %q", got)
	}
}

func TestProcessesAreTheSameOnes(t *testing.T) {
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid, start := cmd.Process.Pid, StartTime(cmd.Process.Pid)
	if !Alive(pid, start) || Alive(pid, start+1) || Alive(pid, 0) || Alive(0, start) || Parent(pid) != os.Getpid() {
		t.Error("it is not the process that it is")
	}
	if _, err := Pidfd(pid, start+1); !errors.Is(err, unix.ESRCH) {
		t.Errorf("%v", err)
	}
	if !slices.Contains(Processes(os.Getpid(), 0), pid) || !slices.Contains(Processes(1, Namespace(pid, "pid")), pid) {
		t.Error("it is not found")
	}
	if u := Use([]int{os.Getpid()}); u.CPU <= 0 || u.Memory <= 0 || u.Tasks < 2 {
		t.Errorf("%+v", u)
	}
	ended := make(chan bool)
	go func() { Await(pid, start); close(ended) }()
	cmd.Process.Kill()
	<-ended
	if Alive(pid, start) {
		t.Error("a process that has ended and was not waited for is alive")
	}
	cmd.Wait()
}

func FuzzPointer(f *testing.F) {
	good, _ := json.Marshal(pointer{Version: version, Supervisor: 7, Descriptor: 3, Cgroup: "/sys/fs/cgroup/x"})
	f.Add(string(good))
	f.Add(`{"version":2,"supervisor":-1}`)
	f.Add("{}")
	f.Fuzz(func(t *testing.T, text string) {
		p, ok := parse([]byte(text))
		if !ok {
			return
		}
		if p.Version != version || p.Supervisor <= 0 || p.Descriptor < 0 {
			t.Fatalf("%+v", p)
		}
		again, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := parse(again); !ok {
			t.Fatalf("%s is none", again)
		}
	})
}

// What has just ended may still be waited for, unless there is a lot of it.
func TestNeglected(t *testing.T) {
	var list []int
	for range mostLeft {
		cmd := exec.Command("sh", "-c", `printf snug-init >/proc/$$/comm`)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { cmd.Wait() })
		Await(cmd.Process.Pid, StartTime(cmd.Process.Pid))
		list = append(list, cmd.Process.Pid)
	}
	for _, c := range []struct {
		left   []int
		within time.Duration
		want   bool
	}{
		{nil, time.Hour, false},
		{list[:1], time.Hour, false},
		{list[:1], -1, true},
		{list[1:], time.Hour, false},
		{list, time.Hour, true},
		{[]int{os.Getpid()}, -1, false}, // alive
		{[]int{list[0], 1, 1, 1}, -1, true},
	} {
		if got := neglected(c.left, c.within); got != c.want {
			t.Errorf("%d left, waited for within %v: %v", len(c.left), c.within, got)
		}
	}
}
