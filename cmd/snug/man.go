package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"
)

type manVerb struct{}

func manNode() *kong.Node {
	n := node("man", "Print the manual page", `
  snug man | man -l -
  snug man > /usr/local/share/man/man1/snug.1
`, manVerb{})
	n.Flags = []*kong.Flag{helpOption()}
	return n
}

func (manVerb) do(std streams) error {
	_, err := io.WriteString(std.out, manual(fullModel()))
	return err
}

// manual returns snug(1) in the language of man(7), from the same model that
// parses the command line.
func manual(app *kong.Application) string {
	m := &roff{}
	m.line(`.TH SNUG 1 "" "snug %s" "User Commands"`, versionText())
	m.section("NAME")
	m.line(`snug \- %s`, roffText(strings.ToLower(app.Help[:1])+strings.TrimSuffix(app.Help[1:], ".")))
	m.section("SYNOPSIS")
	for _, e := range entries(app) {
		if len(e.node.Children) == 0 {
			m.synopsis(e.node)
		}
	}
	m.section("DESCRIPTION")
	m.detail(manDescription)
	told := map[string]bool{"help": true} // DESCRIPTION says that every verb has it
	for _, e := range entries(app) {
		m.verb(e, told)
	}
	m.section("EXIT STATUS")
	m.list(exitCodes)
	m.section("FILES")
	m.list(manFiles)
	m.section("SEE ALSO")
	m.line(`.BR bwrap (1), .BR namespaces (7), .BR user_namespaces (7), .BR cgroups (7)`)
	return m.String()
}

const manDescription = `
Snug lets an ordinary user, with no root, no daemon and no setuid helper of its
own, run a command in a sandbox: in user, mount, pid, net, ipc, uts and cgroup
namespaces of its own. A profile says what the sandbox shows of the host, what
the command may do and what it may use up; options change what the profile says.

Every verb has --help, and the options of snug end at the first word of the
command: in "snug run ls -la", -la belongs to ls.
`

// exitCodes are the exit codes, for the manual and the help of run.
var exitCodes = [][2]string{
	{"0", "Success: the command's, or that of another verb."},
	{"1", "The command's; or doctor or profile check found something wrong."},
	{"124", "The time limit ended the command."},
	{"125", "Snug itself failed: a wrong option, a mistake in a profile, a step that the kernel refused."},
	{"126", "The command was found inside, but cannot be executed."},
	{"127", "There is no such command inside."},
	{"128+N", "Signal N ended the command."},
}

var manFiles = [][2]string{
	{"./.snug/NAME.toml", "Profiles of a project."},
	{"$XDG_CONFIG_HOME/snug/profiles/NAME.toml", "The user's profiles; ~/.config when the variable is not set."},
	{"/etc/snug/profiles/NAME.toml", "The machine's profiles."},
}

// roff is a text in the language of man(7).
type roff struct{ strings.Builder }

func (m *roff) line(format string, args ...any) { fmt.Fprintf(m, format+"\n", args...) }

func (m *roff) section(title string) { m.line(".SH %s", title) }

// synopsis shows how a verb is called.
func (m *roff) synopsis(n *kong.Node) {
	m.line(".SY \"snug %s\"", n.Path())
	if len(n.Flags) > 1 {
		m.line(`.RI [ OPTION .\|.\|.\&]`)
	}
	for _, arg := range n.Positional {
		m.line("%s", roffText(argumentUsage(arg)))
	}
	m.line(".YS")
}

// verb describes one verb with its options and examples. Options that were told
// with an earlier verb are left out: explain says that it takes those of run.
func (m *roff) verb(e entry, told map[string]bool) {
	n := e.node
	text, examples := splitDetail(n.Detail)
	m.section("SNUG " + strings.ToUpper(e.path))
	m.line("%s.", roffText(n.Help))
	if text != "" {
		m.line(".PP")
		m.detail(text)
	}
	var rows [][2]string
	for _, arg := range n.Positional {
		rows = append(rows, [2]string{argumentUsage(arg), arg.Help})
	}
	m.list(rows)
	for _, g := range groups(n.Flags) {
		m.options(g, told)
	}
	if examples != "" {
		m.line(".SS Examples")
		m.detail(examples)
	}
}

func (m *roff) options(g flagGroup, told map[string]bool) {
	title := ".SS " + roffText(g.title)
	for _, f := range g.flags {
		// "json" means the same everywhere, but is told everywhere.
		if told[f.Name] && f.Name != "json" {
			continue
		}
		if title != "" {
			m.line("%s", title)
			title = ""
		}
		told[f.Name] = true
		m.line(".TP\n%s\n%s", roffOption(f), roffText(f.Help))
	}
}

// roffOption shows the spellings in bold and the value in italics.
func roffOption(f *kong.Flag) string {
	text := ""
	if f.Short != 0 {
		text = `\fB\-` + string(f.Short) + `\fR, `
	}
	text += `\fB\-\-` + roffText(f.Name) + `\fR`
	if f.Tag.Negatable != "" {
		text += `, \fB\-\-no\-` + roffText(f.Name) + `\fR`
	}
	if !f.IsBool() {
		text += ` \fI` + roffText(f.PlaceHolder) + `\fR`
	}
	return text
}

// list prints rows of a name and its explanation.
func (m *roff) list(rows [][2]string) {
	for _, row := range rows {
		m.line(".TP\n\\fB%s\\fR\n%s", roffText(row[0]), roffText(row[1]))
	}
}

// detail prints paragraphs, and indented lines as they are.
func (m *roff) detail(s string) {
	verbatim := false
	set := func(on bool) {
		if on != verbatim {
			m.line("%s", map[bool]string{true: ".PP\n.EX", false: ".EE"}[on])
			verbatim = on
		}
	}
	for _, line := range strings.Split(strings.Trim(s, "\n"), "\n") {
		if line == "" && !verbatim {
			m.line(".PP")
			continue
		}
		set(line == "" || line[0] == ' ')
		m.line("%s", roffText(strings.TrimPrefix(line, "  ")))
	}
	set(false)
}

// roffText escapes what means something to roff: backslashes, a dot or quote at
// the start of a line, and hyphens, which it would typeset as dashes.
func roffText(s string) string {
	s = strings.NewReplacer(`\`, `\e`, `-`, `\-`, `~`, `\(ti`, `^`, `\(ha`, "`", `\(ga`).Replace(s)
	if strings.HasPrefix(s, ".") || strings.HasPrefix(s, "'") {
		s = `\&` + s
	}
	return s
}
