package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"strings"
	"testing"
)

// Everything that is made from the grammar knows every verb and option.
func TestEveryOptionIsEverywhere(t *testing.T) {
	app := fullModel()
	made := map[string]string{"bash": bashScript(app), "zsh": zshScript(app), "fish": fishScript(app), "man": manual(app)}
	for _, e := range entries(app) {
		for _, f := range e.node.Flags {
			for _, name := range spellings(f) {
				plain := strings.TrimLeft(name, "-")
				for where, mark := range map[string]string{"bash": name, "zsh": "*" + name, "fish": " " + plain + " ", "man": strings.ReplaceAll(plain, "-", `\-`)} {
					if !strings.Contains(made[where], mark) {
						t.Errorf("%s does not know %s of %s", where, name, e.path)
					}
				}
			}
		}
		for where, mark := range map[string]string{"bash": "'" + e.path + "')", "zsh": zshName(e.path) + "() {", "fish": `"` + e.path + `"`, "man": "SNUG " + strings.ToUpper(e.path)} {
			if !strings.Contains(made[where], mark) {
				t.Errorf("%s does not know the verb %s", where, e.path)
			}
		}
	}
}

func TestKinds(t *testing.T) {
	for _, e := range entries(fullModel()) {
		for _, f := range e.node.Flags {
			want, known := map[string]kind{
				"profile": profileNames, "map": words, "bind": files, "rootfs": dirs, "env": variables, "keep-env": variables,
				"share": namespaceWords, "unshare": namespaceWords, "report": files, "memory": nothing, "hostname": nothing,
			}[f.Name]
			if got := kindOf(f.Value, f.PlaceHolder); known && got != want {
				t.Errorf("--%s of %s: kind %d, want %d", f.Name, e.path, got, want)
			}
		}
	}
}

// Only the options that occur get into the grammar, and those that do, do.
func TestOnlyWhatOccurs(t *testing.T) {
	for line, want := range map[string]string{
		"run ls":                       "help",
		"run --net host ls":            "net help",
		"run --no-linger --env=A=B ls": "env linger help",
		"run -q ls":                    "profile env publish-all workdir quiet help",
	} {
		var got []string
		for _, f := range runNode(strings.Fields(line)).Flags {
			got = append(got, f.Name)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %s, want %s", line, strings.Join(got, " "), want)
		}
	}
}

func TestWrap(t *testing.T) {
	for text, want := range map[string][]string{
		"":                     {""},
		"one two three":        {"one two", "three"},
		"exactly ten":          {"exactly", "ten"},
		"a incomprehensible b": {"a", "incomprehensible", "b"},
		" \n spread   out ":    {"spread out"},
	} {
		if got := wrap(text, 10); !reflect.DeepEqual(got, want) {
			t.Errorf("wrap(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestRoffText(t *testing.T) {
	for text, want := range map[string]string{
		"--x":  `\-\-x`,
		`a\:b`: `a\e:b`,
		".hid": `\&.hid`,
		"'q'":  `\&'q'`,
		"~/.x": `\(ti/.x`,
	} {
		if got := roffText(text); got != want {
			t.Errorf("roffText(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestTree(t *testing.T) {
	var got strings.Builder
	mounts := []viewMount{
		{Target: "/home/me", what: "home"}, {Target: "/usr", what: "usr"}, {Target: "/home/me/a/b", what: "b"},
		{Target: "/home/me/a", what: "a", Mode: "rw", Over: "there", From: "here"}, {Target: "/homely", what: "other"},
		{Target: "/usr", what: "masked"},
	}
	teller{&got}.tree(&view{Root: viewRoot{"empty", "ro"}, Mounts: mounts})
	want := `  /          ro  empty
    home/me      home
      a      rw  a       here, over there
        b        b
    homely       other
    usr          usr
    usr          masked
`
	if got.String() != want {
		t.Errorf("got\n%s", got.String())
	}
}

func TestColumnsStayInLine(t *testing.T) {
	var got strings.Builder
	long := strings.Repeat("x", 60)
	mounts := []viewMount{
		{Target: "/été", what: "\x1b of the host", Mode: "rw", From: "here"}, {Target: "/a\nb", what: "b", Mode: "ro", From: "here"},
		{Target: "/" + long, what: "long", Mode: "ro", From: "here"},
		{Target: "/z", what: "/no/" + long, Mode: "ro", From: "here", Left: true},
		{Target: "/zz", what: long + long}, {Target: "/zzz", what: "short", Left: true, From: "here"},
	}
	teller{&got}.tree(&view{Root: viewRoot{"empty", "ro"}, Mounts: mounts})
	want := `  /       ro  empty
    a\nb  ro  b                            here
    ` + long + `
          ro  long                         here
    z     ro  /no/` + long + ` (not there: left out)
                                           here
    zz        ` + long + long + `
    zzz       short (not there: left out)  here
    été   rw  \x1b of the host             here
`
	if got.String() != want {
		t.Errorf("got\n%s\nwant\n%s", got.String(), want)
	}
}

func TestLookAt(t *testing.T) {
	dir := t.TempDir()
	own := dir + "/own"
	for _, make := range []func() error{
		func() error { return os.MkdirAll(own+"/in", 0o700) }, func() error { return os.Symlink("loop", dir+"/loop") },
		func() error { return os.Chmod(own, 0) },
	} {
		if err := make(); err != nil {
			t.Fatal(err)
		}
	}
	defer os.Chmod(own, 0o700)
	tests := map[string]string{
		dir: "false ", dir + "/none": "true does not exist", "/etc/passwd/x": "true does not exist",
		dir + "/loop": "false cannot be reached: too many levels of symbolic links",
		own + "/in":   "false ", // the sandbox has the power over what is the caller's
	}
	if _, err := os.Stat("/proc/1/root/x"); errors.Is(err, fs.ErrPermission) {
		tests["/proc/1/root/x"] = "false cannot be reached: you have no permission for /proc/1/root"
	}
	for path, want := range tests {
		if missing, why := lookAt(path); fmt.Sprint(missing, " ", why) != want {
			t.Errorf("%s: %v, %q, want %s", path, missing, why, want)
		}
	}
}

func TestRootIsToldWhatItGivesAway(t *testing.T) {
	if got := strings.Join(notesFor(0), ""); !strings.Contains(got, "/etc/shadow") {
		t.Errorf("root is told %q", got)
	}
	if got := notesFor(1000); got != nil {
		t.Errorf("another user is told %q", got)
	}
}

func TestColours(t *testing.T) {
	file, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	t.Setenv("TERM", "xterm")
	t.Setenv("NO_COLOR", "")
	if colours(file) {
		t.Error("colours in a file")
	}
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("needs a terminal: %v", err)
	}
	defer terminal.Close()
	if !colours(terminal) {
		t.Error("no colours on a terminal")
	}
	for name, value := range map[string]string{"NO_COLOR": "1", "TERM": "dumb"} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, value)
			if colours(terminal) {
				t.Error("colours all the same")
			}
		})
	}
}
