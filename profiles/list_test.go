package profiles

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
)

func TestListNamesEveryProfileAndWhatHidesIt(t *testing.T) {
	w := newWorld(t)
	w.write(".snug/b.toml", describe1("of the project"))
	w.write("config/b.toml", describe1("of the user"))
	w.write("config/a.toml", describe1("has a mistake")+"x = 1\n")
	w.write("config/broken.toml", "[[\n")
	w.write("config/readme.md", "")
	w.write("config/strict.toml", describe1("mine"))
	entries, err := List(w.in)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, e := range entries {
		line := e.Place + " " + e.Name + ": " + e.Description
		if e.Shadowed {
			line += " (shadowed)"
		}
		if e.Err != nil {
			line += " (" + strings.ReplaceAll(e.Err.Error(), w.dir, "DIR") + ")"
		}
		if (e.Path == "") != (e.Place == "built-in") {
			t.Errorf("%s has the path %q", e.Name, e.Path)
		}
		lines = append(lines, line)
	}
	got := strings.Join(lines, "\n")
	want := `project b: of the project
user a: has a mistake (DIR/config/a.toml:2:1: x: unknown key; expected one of version, description, extends, command, env, identity, rootfs, namespaces, network, limits, security, desktop, terminal or mounts)
user b: of the user (shadowed)
user broken:  (DIR/config/broken.toml:1:3: expected '.' or ']' to end table name, but got '\n' instead)
user strict: mine
built-in default: The system read-only, a private home and /tmp, the current directory writable, no network
built-in strict: The system read-only, nothing writable but a small /tmp, no files of yours, small limits (shadowed)
built-in shell: Your shell in a private home, with the current directory writable and no network
built-in build: Build in the current directory: compilers' variables, a cache of its own, no network
built-in ci: A step of a CI job: the system and tools read-only, a private home, no tokens, no network
built-in ci-go: A CI step that builds with Go
built-in ci-node: A CI step that builds with Node.js
built-in ci-python: A CI step that runs Python
built-in desktop: The base of desktop programs: a home of their own, fonts, themes, portals
built-in generic-wayland: A desktop program on Wayland, or where there is none on an X server of its own; no network
built-in generic-x11: A desktop program on an X server of its own; no network
built-in gtk: A program of GTK or GNOME; no network
built-in qt: A program of Qt or KDE; no network
built-in chromium: Chromium and its kin: network, downloads, sound; its own inner sandbox stays on
built-in firefox: Firefox: network, downloads, sound; its own inner sandbox stays on
built-in electron: A program of Electron: network, downloads, sound; its own inner sandbox stays on
built-in terminal: A terminal emulator with a private home and no network
built-in image-viewer: Looks at pictures: those that you open, and nothing else; no network
built-in pdf-reader: Reads documents: those that you open, and nothing else; prints by the portal; no network
built-in media-player: Plays what you open: sound without recording, control by media keys; no network
built-in office: Documents that you open, and your downloads; prints by the portal; no network
built-in code-editor: An editor of code with the current directory to write to, and the network
built-in game: Games and their launchers: graphics, sound, controllers, network, an X server of their own`
	if got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// A pipe that somebody left in a checkout would be waited for.
func TestAPipeInAPlaceIsNotWaitedFor(t *testing.T) {
	w := newWorld(t)
	w.write(".snug/a.toml", describe1("extends a pipe")+"extends = \"./pipe.toml\"\n")
	if err := syscall.Mkfifo(w.dir+"/.snug/pipe.toml", 0o600); err != nil {
		t.Fatal(err)
	}
	entries, err := List(w.in)
	if err != nil || !strings.HasSuffix(fmt.Sprint(entries[1].Err), "/.snug/pipe.toml: not a regular file") || !errors.Is(entries[0].Err, errNoFile) {
		t.Errorf("%v, %+v", err, entries)
	}
	if _, err := Load(w.in, "pipe"); !errors.Is(err, errNoFile) {
		t.Errorf("%v", err)
	}
}

func TestListGoesOnPastAPlaceThatCannotBeRead(t *testing.T) {
	w := newWorld(t)
	w.write("config", "a file, not a directory")
	w.write("etc/a.toml", "")
	if err := os.Symlink("etc", w.dir+"/loop"); err != nil {
		t.Fatal(err)
	}
	w.in.Paths[0].Dir = w.dir + "/" + strings.Repeat("x", 300) // too long a name is no missing file
	entries, err := List(w.in)
	if err == nil || len(entries) != 1+len(builtins) || entries[0].Name != "a" {
		t.Errorf("%v %v", entries, err)
	}
}
