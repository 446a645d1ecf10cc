package profiles

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"
)

func describe1(text string) string { return "description = \"" + text + "\"\n" }

func TestAProfileIsFoundInTheFirstPlaceThatHasIt(t *testing.T) {
	w := newWorld(t)
	w.write("etc/a.toml", describe1("system"))
	w.write("config/a.toml", describe1("user"))
	if got := w.load("a").Spec.Description; got != "user" {
		t.Errorf("got %s", got)
	}
	w.write(".snug/a.toml", describe1("project"))
	p := w.load("a")
	if p.Spec.Description != "project" || p.Sources[0] != w.dir+"/.snug/a.toml" || p.Spec.Name != "a" {
		t.Errorf("got %q from %v", p.Spec.Description, p.Sources)
	}
}

func TestBuiltinsComeLastAndNeedNoPlace(t *testing.T) {
	w := newWorld(t)
	if got := w.load("default").Sources[0]; got != "built-in:default" {
		t.Errorf("got %s", got)
	}
	w.write("etc/default.toml", describe1("mine"))
	if got := w.load("default").Spec.Description; got != "mine" {
		t.Errorf("got %s", got)
	}
	w.in.Paths = nil
	if got := w.load().Sources[0]; got != "built-in:default" {
		t.Errorf("no name at all loads %s", got)
	}
}

// Whoever enters a checkout and asks for a sandbox has not agreed to the sandbox
// that the checkout brings along.
func TestWithoutANameTheWorkingDirectoryHasNoSay(t *testing.T) {
	w := newWorld(t)
	w.write(".snug/default.toml", describe1("of the project"))
	if got := w.load().Sources[0]; got != "built-in:default" {
		t.Errorf("got %s", got)
	}
	w.write("config/default.toml", "extends = \"default\"\n")
	if got := fmt.Sprint(w.load().Sources); got != "[built-in:default "+w.dir+"/config/default.toml]" {
		t.Errorf("got %s", got)
	}
	if got := w.load("default").Spec.Description; got != "of the project" {
		t.Errorf("by its name it is %s", got)
	}
}

func TestASlashOrTheSuffixMakesAPath(t *testing.T) {
	w := newWorld(t)
	w.write("a.toml", describe1("path"))
	w.write("b", describe1("no suffix"))
	w.write(".snug/a.toml", describe1("name"))
	for name, want := range map[string]string{"a": "name", "a.toml": "path", "./a.toml": "path", "./b": "no suffix", w.dir + "/b": "no suffix", ".snug/a.toml": "name"} {
		if got := w.load(name).Spec.Description; got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
}

func TestExtendsStartsAtTheExtendingFile(t *testing.T) {
	w := newWorld(t)
	w.write("sub/p.toml", "extends = [\"base.toml\", \"../up.toml\", \"./deep/d.toml\"]\n")
	w.write("sub/base.toml", "[env]\nkeep = [\"BASE\"]\n")
	w.write("up.toml", "[env]\nkeep = [\"UP\"]\n")
	w.write("sub/deep/d.toml", "extends = \"e.toml\"\n")
	w.write("sub/deep/e.toml", "[[mounts]]\nsource = \"x\"\n")
	p := w.load("sub/p.toml")
	if fmt.Sprint(p.Spec.Env.Keep) != "[BASE UP]" || p.Spec.Mounts[0].Source != w.dir+"/sub/deep/x" {
		t.Errorf("got %+v", p.Spec)
	}
	if want := "[sub/base.toml up.toml sub/deep/e.toml sub/deep/d.toml sub/p.toml]"; fmt.Sprint(p.Sources) != want {
		t.Errorf("read %v, want %v", p.Sources, want)
	}
}

func TestAProfileMayExtendTheNextOneOfItsOwnName(t *testing.T) {
	w := newWorld(t)
	w.write(".snug/default.toml", "extends = \"default\"\n[env]\nkeep = [\"PROJECT\"]\n")
	w.write("config/default.toml", "extends = \"default\"\n[env]\nkeep = [\"USER1\"]\n")
	p := w.load("default")
	if want := fmt.Sprintf("[built-in:default %s/config/default.toml %s/.snug/default.toml]", w.dir, w.dir); fmt.Sprint(p.Sources) != want {
		t.Errorf("read %v", p.Sources)
	}
}

// What a built-in profile means does not depend on where it is used.
func TestABuiltinExtendsBuiltinsOnly(t *testing.T) {
	w := newWorld(t)
	w.write(".snug/default.toml", "[network]\nmode = \"host\"\n")
	p := w.load("build")
	if fmt.Sprint(p.Sources) != "[built-in:default built-in:build]" || p.Spec.Network.Mode != "" {
		t.Errorf("read %v", p.Sources)
	}
}

func TestAProfileThatIsNotThereNamesThePlacesAndTheNearest(t *testing.T) {
	w := newWorld(t)
	w.write("config/webserver.toml", "")
	for name, want := range map[string]string{
		"webservr":   `profile "webservr": not found in DIR/.snug, DIR/config, DIR/etc, the built-ins; did you mean "webserver"? | snug profile list`,
		"strct":      `profile "strct": not found in DIR/.snug, DIR/config, DIR/etc, the built-ins; did you mean "strict"? | snug profile list`,
		"zzzzzzz":    `profile "zzzzzzz": not found in DIR/.snug, DIR/config, DIR/etc, the built-ins | snug profile list`,
		"gone.toml":  `profile gone.toml: there is no such file`,
		"./config":   `profile ./config: is a directory`,
		"a\x00b":     `profile "a\x00b": this is not the name or path of a profile`,
		"/gone/file": `profile /gone/file: there is no such file`,
	} {
		if got := w.errors(name); got != want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, want)
		}
	}
	if _, err := Load(w.in, "gone.toml"); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a missing file is not fs.ErrNotExist")
	}
	if got := w.errors(""); got == "" {
		t.Error("an empty name is a profile")
	}
}

// Naming the nearest profile must not read the profiles: those may be looking
// for one that is not there, too.
func TestProfilesThatAreAllLookingForOneEndInAMistake(t *testing.T) {
	w := newWorld(t)
	w.write("config/a.toml", "extends = \"gone\"\n")
	w.write("config/b.toml", "extends = \"gonee\"\n")
	if got := w.errors("a"); !strings.Contains(got, "profile \"gone\": not found") {
		t.Errorf("got %s", got)
	}
	if entries, _ := List(w.in); len(entries) != 2+len(builtins) || entries[0].Err == nil || entries[1].Err == nil {
		t.Errorf("got %v", entries)
	}
}

func TestACircleIsAMistakeThatShowsTheWay(t *testing.T) {
	w := newWorld(t)
	w.write("a.toml", "\nextends = \"b.toml\"\n")
	w.write("b.toml", "extends = [\n  \"default\",\n  \"sub/c.toml\",\n]\n")
	w.write("sub/c.toml", "extends = \"../a.toml\"\n")
	want := "sub/c.toml:1:1: extends: profiles extend each other in a circle: a.toml -> b.toml -> sub/c.toml -> a.toml | take one of these extends out"
	if got := w.errors("a.toml"); got != want {
		t.Errorf("got %s", got)
	}
	w.write(".snug/x.toml", "extends = \"y\"\n")
	w.write(".snug/y.toml", "extends = \"x\"\n")
	if got := w.errors("x"); !strings.Contains(got, ".snug/y.toml:1:1: extends: profiles extend each other in a circle") {
		t.Errorf("got %s", got)
	}
	w.write(".snug/self.toml", "extends = \"self\"\n")
	if got := w.errors("self"); !strings.Contains(got, "it extends its own name, and no place further on has another profile of that name") {
		t.Errorf("got %s", got)
	}
}

func TestAMissingBaseNamesTheFilesOnTheWay(t *testing.T) {
	w := newWorld(t)
	w.write("a.toml", "extends = \"b.toml\"\n")
	w.write("b.toml", "extends = \"none\"\n")
	got := w.errors("a.toml")
	if !strings.HasPrefix(got, "b.toml:1:1: extends: profile \"none\": not found in ") || !strings.Contains(got, "(extended by a.toml -> b.toml)") {
		t.Errorf("got %s", got)
	}
}

func TestAChainOfProfilesEndsSomewhere(t *testing.T) {
	w := newWorld(t)
	for i := range 40 {
		w.write(fmt.Sprintf("p%d.toml", i), fmt.Sprintf("extends = \"p%d.toml\"\n", i+1))
	}
	w.write("p40.toml", "")
	if got := w.errors("p0.toml"); !strings.HasPrefix(got, "p31.toml:1:1: extends: more than 32 profiles extend each other: p0.toml -> p1.toml") {
		t.Errorf("got %s", got)
	}
	w.load("p10.toml")
}

// In a shared directory anybody can leave a .snug for those who come by.
func TestAProjectProfileOfAnotherUserIsRefused(t *testing.T) {
	w := newWorld(t)
	w.write(".snug/default.toml", describe1("trap"))
	w.write("config/default.toml", describe1("mine"))
	owner := os.Getuid()
	if owner == 0 {
		owner = 4242
		if err := os.Chown(w.dir+"/.snug/default.toml", owner, owner); err != nil {
			t.Fatal(err)
		}
	}
	w.in.UID = owner + 1
	want := fmt.Sprintf("profile DIR/.snug/default.toml: it belongs to user id %d, and a profile of the working directory is only used when it is yours"+
		" | read it, then name it by its path: -p DIR/.snug/default.toml", owner)
	if got := w.errors("default"); got != want {
		t.Errorf("got %s", got)
	}
	if got := w.load(".snug/default.toml").Spec.Description; got != "trap" {
		t.Errorf("as a path it is %q", got)
	}
	w.in.UID = owner
	if got := w.load("default").Spec.Description; got != "trap" {
		t.Errorf("its owner gets %q", got)
	}
}

func TestAFileThatIsNoProfileIsRefused(t *testing.T) {
	w := newWorld(t)
	w.write("big.toml", "# "+strings.Repeat("x", 1<<20))
	if got := w.errors("big.toml"); got != "profile big.toml: larger than 1 MiB, which is no profile" {
		t.Errorf("got %s", got)
	}
	if got := w.errors("/dev/zero"); got != "profile /dev/zero: larger than 1 MiB, which is no profile" {
		t.Errorf("got %s", got)
	}
	w.write("full.toml", "# "+strings.Repeat("x", 1<<20-3)+"\n")
	w.load("full.toml")
	w.write("empty.toml", "")
	w.load("empty.toml")
	w.write("bom.toml", "\ufeffversion = 1\nx = 1\n")
	if got := w.errors("bom.toml"); !strings.HasPrefix(got, "bom.toml:2:1: x: ") {
		t.Errorf("got %s", got)
	}
	w.write("utf16.toml", "\xff\xfev\x00")
	if got := w.errors("utf16.toml"); got != "utf16.toml:1:1: not UTF-8 text" {
		t.Errorf("got %s", got)
	}
}

func TestAProfileComesThroughAPipe(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	go func() {
		w.WriteString("description = \"")
		w.WriteString(strings.Repeat("long ", 20000))
		w.WriteString("\"\n")
		w.Close()
	}()
	p := newWorld(t).load(fmt.Sprintf("/proc/self/fd/%d", r.Fd()))
	if len(p.Spec.Description) != 100000 {
		t.Errorf("read %d bytes", len(p.Spec.Description))
	}
}
