package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/snug-sandbox/snug/desktop"
	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/mounts"
	"github.com/snug-sandbox/snug/profiles"
)

func desktopNode() *kong.Node {
	n := node("desktop", "Have desktop programs start in sandboxes, by their icons", desktopDetail, nil)
	n.Flags = []*kong.Flag{helpOption()}
	n.Children = []*kong.Node{desktopInstallNode(), desktopRemoveNode(), desktopListNode(), desktopProfilesNode(), desktopWizardNode()}
	for _, c := range n.Children {
		c.Parent = n
	}
	return n
}

const desktopDetail = `
The table [desktop] of a profile says what of the desktop a program reaches:
windows, sound, portals, buses. "snug explain" shows what each key opens.

  snug run -p firefox                      a browser in a home of its own
  snug desktop install firefox-esr         the same, by its icon
  snug desktop list
  snug desktop wizard -- gedit             propose a profile for a program
`

type desktopInstallVerb struct {
	word, profile, name, icon string
	types                     []string
}

func desktopInstallNode() *kong.Node {
	v := &desktopInstallVerb{}
	n := node("install", "Write a desktop entry that starts a program in a sandbox", `
NAME is that of an installed desktop entry, without ".desktop": a copy that runs
the program in the sandbox takes its place for you, with its icon, its types of
files and its actions. Where the bus would start the program, it starts it in the
sandbox, too. A COMMAND stands for the entry that starts it; for one without an
entry a new one is written. "remove" takes
all of it back.

Without --profile one of the built-in ones is chosen by what the entry says of
the program.

  snug desktop install org.gnome.Evince --profile pdf-reader
`, v)
	n.Flags = []*kong.Flag{
		option("profile/p", "NAME", "Profile by name or path.", func(s string) error { v.profile = s; return nil }),
		option("name", "TITLE", "What the entry is called. Default: as it was.", func(s string) error { v.name = s; return nil }),
		option("icon", "ICON", "Its icon: one of the theme's, or a file. Default: as it was, or of the program's name.", v.setIcon),
		option("mime", "TYPE", "A type of files that it opens, such as image/png (repeatable). Default: as it was.", func(s string) error { v.types = append(v.types, s); return nil }),
		helpOption(),
	}
	n.Positional = []*kong.Positional{argument("NAME|COMMAND", "A desktop entry, or a program.", true, func(s string) error { v.word = s; return nil })}
	return n
}

func (v *desktopInstallVerb) do(std streams) error {
	args := []string{"install"}
	if v.profile != "" {
		p, err := profiles.Load(profiles.Default(), v.profile)
		if err != nil {
			return err
		}
		if filepath.Base(v.profile) != v.profile || filepath.Ext(v.profile) == ".toml" {
			if v.profile, err = filepath.Abs(v.profile); err != nil {
				return err
			}
		}
		if p.Spec.Desktop.Empty() {
			return &problem.Problem{What: "--profile " + v.profile, Why: "it has no table [desktop]: the program would have no windows", Fix: "one of those that snug desktop profiles lists, or one that extends them"}
		}
		args = append(args, "--profile="+v.profile)
	}
	args = append(args, "--name="+v.name, "--icon="+v.icon)
	if v.types != nil {
		args = append(args, "--mime="+strings.Join(v.types, ";")+";")
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	return desktopHelper(std, append(args, "--snug="+self, "--", v.word)...)
}

// setIcon takes a file's name as it is seen from everywhere.
func (v *desktopInstallVerb) setIcon(s string) error {
	if v.icon = s; !strings.Contains(s, "/") {
		return nil
	}
	if _, err := os.Stat(s); err != nil {
		return &problem.Problem{What: "--icon " + s, Err: err}
	}
	var err error
	v.icon, err = filepath.Abs(s)
	return err
}

// desktopHelper runs the helper program, which tells what is wrong itself.
func desktopHelper(std streams, args ...string) error {
	helper, err := ownProgram(desktop.Helper)
	if err != nil {
		return &problem.Problem{What: "desktop", Why: err.Error(), Err: err}
	}
	cmd := exec.Command(helper, args...)
	cmd.Stdout, cmd.Stderr = std.out, std.err
	var exit *exec.ExitError
	if err := cmd.Run(); errors.As(err, &exit) {
		return &endedError{codeFailed}
	} else if err != nil {
		return &problem.Problem{What: "desktop", Why: err.Error(), Err: err}
	}
	return nil
}

type desktopWordsVerb struct {
	word string
	args []string
}

func (v *desktopWordsVerb) do(std streams) error {
	return desktopHelper(std, append([]string{v.word}, v.args...)...)
}

func desktopRemoveNode() *kong.Node {
	v := &desktopWordsVerb{word: "remove"}
	n := node("remove", "Take back what install wrote", "", v)
	n.Flags = []*kong.Flag{helpOption()}
	n.Positional = []*kong.Positional{arguments("NAME", "Desktop entries, as list shows them.", true, wordsMapper{&v.args})}
	return n
}

func desktopListNode() *kong.Node {
	n := node("list", "List the programs that start in sandboxes by their icons", "", &desktopWordsVerb{word: "list"})
	n.Flags = []*kong.Flag{helpOption()}
	return n
}

type desktopProfilesVerb struct{}

func desktopProfilesNode() *kong.Node {
	n := node("profiles", "List the profiles for desktop programs", "", desktopProfilesVerb{})
	n.Flags = []*kong.Flag{helpOption()}
	return n
}

func (desktopProfilesVerb) do(std streams) error {
	in := profiles.Default()
	entries, listErr := profiles.List(in)
	rows := [][]string{{"NAME", "FROM", "DESCRIPTION"}}
	for _, e := range entries {
		if e.Shadowed || e.Err != nil {
			continue
		}
		if p, err := profiles.Load(in, e.Name); err == nil && !p.Spec.Desktop.Empty() {
			rows = append(rows, []string{e.Name, e.Place, e.Description})
		}
	}
	return errors.Join(writeTable(std.out, rows), listErr)
}

type desktopWizardVerb struct{ runVerb }

func desktopWizardNode() *kong.Node {
	v := &desktopWizardVerb{}
	n := node("wizard", "Run a program, and propose a profile for it", `
The program runs in a sandbox of the profile (generic-wayland, if you name none).
What it says on the session bus is noted, and with strace(1), where that is
installed, the files and sockets that it missed. When it has ended, a profile that
would have given them is proposed on standard output.

  snug desktop wizard -- gedit >~/.config/snug/profiles/gedit.toml
`, v)
	n.Flags = []*kong.Flag{
		option("profile/p", "NAME", "Profile by name or path.", func(s string) error { v.profiles = append(v.profiles, s); return nil }),
		helpOption(),
	}
	n.Positional = []*kong.Positional{arguments("[--] CMD [ARG...]", "The program and its arguments.", true, restMapper{&v.command})}
	return n
}

func (v *desktopWizardVerb) do(std streams) error {
	if v.profiles == nil {
		v.profiles = []string{"generic-wayland"}
	}
	dir, err := os.MkdirTemp("", "snug-wizard-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	program, trace := v.command[0], filepath.Join(dir, "trace")
	if _, err := exec.LookPath(program); err != nil {
		return &problem.Problem{What: problem.Printable(program), Why: "there is no such program", Err: err}
	}
	v.log, v.box.program = filepath.Join(dir, "bus"), program
	v.watch(dir, std)
	out := std.out
	std.out = std.err // the proposal alone is for standard output
	result, err := v.run(std)
	if err != nil || result == nil {
		return err
	}
	std.out = out
	return desktopHelper(std, "suggest", v.log, trace, v.profiles[len(v.profiles)-1], program)
}

// watch has strace(1) note what the program misses.
func (v *desktopWizardVerb) watch(dir string, std streams) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		fmt.Fprintln(std.err, "snug: note: without strace, files that the program misses are not noted: sudo apt-get install strace")
		return
	}
	const inside = "/run/snug-wizard"
	v.changes = append(v.changes, change{option: "bind", value: dir + ":" + inside, make: bindWizard(dir, inside)})
	v.command = append([]string{strace, "-f", "-qq", "-s", "4096", "-o", inside + "/trace",
		"-e", "trace=open,openat,openat2,connect,access,faccessat,faccessat2,stat,newfstatat,statx,readlink,execve", "--"}, v.command...)
}

func bindWizard(dir, inside string) func(*changing, string) error {
	return func(c *changing, _ string) error {
		c.Mounts = append(c.Mounts, mounts.Mount{Type: mounts.Bind, Source: dir, Target: inside, Writable: true})
		return nil
	}
}
