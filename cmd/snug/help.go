package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"
	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/internal/problem"
)

type helpVerb struct{ words []string }

func helpNode() *kong.Node {
	v := &helpVerb{}
	n := node("help", "Show help for Snug or one of its verbs", `
  snug help
  snug help run
  snug help profile show
`, v)
	n.Flags = []*kong.Flag{helpOption()}
	n.Positional = []*kong.Positional{arguments("VERB", "The verb to explain.", false, wordsMapper{&v.words})}
	return n
}

func (v *helpVerb) do(std streams) error {
	if len(v.words) == 0 {
		return writeOverview(std.out)
	}
	entry, err := findVerb(v.words[0])
	if err != nil {
		return err
	}
	n := model(entry.build(nil)).Children[0]
	for _, word := range v.words[1:] {
		next := nodeBelow(n, word)
		if next == nil {
			return &problem.Problem{What: "help", Why: fmt.Sprintf("snug %s has no %q", n.Path(), word), Fix: "snug help " + n.Path()}
		}
		n = next
	}
	return writeHelp(std.out, n)
}

// nodeBelow returns n's child of that name, or nil. It also ties the child to n,
// as kong's own builder would.
func nodeBelow(n *kong.Node, name string) *kong.Node {
	for _, c := range n.Children {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// writeOverview prints what "snug --help" shows.
func writeOverview(w io.Writer) error {
	app := fullModel()
	page := &page{width: width(w)}
	page.line("%s", app.Help)
	page.line("")
	page.line("Usage: snug VERB [OPTION...] [ARGUMENT...]")
	page.heading("Verbs")
	var rows [][2]string
	for _, n := range app.Children {
		rows = append(rows, [2]string{n.Name, n.Help})
	}
	page.columns(rows)
	page.heading("Options")
	page.flags(app.Flags)
	page.heading("Examples")
	page.detail(overviewExamples)
	page.line("")
	page.line(`"snug help VERB" says more about one verb, and "snug man" is the whole manual.`)
	_, err := io.WriteString(w, page.String())
	return err
}

const overviewExamples = `
  snug run -- ls -la              a look around in the default sandbox
  snug run -p build -- make       what the profile "build" allows
  snug explain -p build -- make   what that would be, without running it
  snug doctor                     what this machine allows, and how to mend it
`

// writeHelp prints what "snug VERB --help" shows.
func writeHelp(w io.Writer, n *kong.Node) error {
	page := &page{width: width(w)}
	page.line("Usage: %s", usage(n))
	page.line("")
	page.text("", n.Help+".")
	text, examples := splitDetail(n.Detail)
	if text != "" {
		page.line("")
		page.detail(text)
	}
	page.commands(n.Children)
	page.arguments(n.Positional)
	for _, g := range groups(n.Flags) {
		page.heading(g.title)
		page.flags(g.flags)
	}
	if examples != "" {
		page.heading("Examples")
		page.detail(examples)
	}
	_, err := io.WriteString(w, page.String())
	return err
}

// usage returns the line that shows n's syntax.
func usage(n *kong.Node) string {
	words := []string{"snug", n.Path()}
	if len(n.Children) > 0 {
		return strings.Join(append(words, strings.Join(childNames(n), "|"), "..."), " ")
	}
	words = append(append(words, "[OPTION...]"), argumentsUsage(n)...)
	return strings.Join(words, " ")
}

func argumentsUsage(n *kong.Node) (words []string) {
	for _, arg := range n.Positional {
		words = append(words, argumentUsage(arg))
	}
	return words
}

// argumentUsage shows one argument as NAME, [NAME], NAME... or [NAME...]. The
// name of an argument that takes a whole command brings its own brackets.
func argumentUsage(arg *kong.Positional) string {
	if strings.HasPrefix(arg.Name, "[") {
		return arg.Name
	}
	text := arg.Name
	if arg.IsSlice() {
		text += "..."
	}
	if !arg.Required {
		text = "[" + text + "]"
	}
	return text
}

// splitDetail takes the examples, which are the indented last part, off the
// text of a verb.
func splitDetail(detail string) (text, examples string) {
	detail = strings.Trim(detail, "\n")
	lines := strings.Split(detail, "\n")
	i := len(lines)
	for i > 0 && (strings.HasPrefix(lines[i-1], "  ") || lines[i-1] == "") {
		i--
	}
	return strings.TrimSpace(strings.Join(lines[:i], "\n")), strings.Trim(strings.Join(lines[i:], "\n"), "\n")
}

// flagGroup is the options under one heading.
type flagGroup struct {
	title string
	flags []*kong.Flag
}

// groups returns flags by heading, in the order in which headings first occur.
// Options without one come last.
func groups(flags []*kong.Flag) []flagGroup {
	var list []flagGroup
	rest := flagGroup{title: "Options"}
	for _, f := range flags {
		switch {
		case f.Group == nil:
			rest.flags = append(rest.flags, f)
		case len(list) > 0 && list[len(list)-1].title == f.Group.Title:
			list[len(list)-1].flags = append(list[len(list)-1].flags, f)
		default:
			list = append(list, flagGroup{f.Group.Title, []*kong.Flag{f}})
		}
	}
	if len(rest.flags) > 0 {
		list = append(list, rest)
	}
	return list
}

// page is text laid out for a terminal.
type page struct {
	strings.Builder
	width int
}

func (p *page) line(format string, args ...any) {
	fmt.Fprintf(p, format+"\n", args...)
}

func (p *page) heading(title string) { p.line("\n%s:", title) }

// text wraps a paragraph.
func (p *page) text(indent, s string) {
	for _, line := range wrap(s, p.width-len(indent)) {
		p.line("%s%s", indent, line)
	}
}

// detail wraps paragraphs and leaves indented lines as they are.
func (p *page) detail(s string) {
	var paragraph []string
	flush := func() {
		if paragraph != nil {
			p.text("", strings.Join(paragraph, " "))
			paragraph = nil
		}
	}
	for _, line := range strings.Split(strings.Trim(s, "\n"), "\n") {
		if line != "" && line[0] != ' ' {
			paragraph = append(paragraph, line)
			continue
		}
		flush()
		p.line("%s", line)
	}
	flush()
}

func (p *page) commands(nodes []*kong.Node) {
	if len(nodes) == 0 {
		return
	}
	p.heading("Verbs")
	var rows [][2]string
	for _, n := range nodes {
		syntax := n.Name
		for _, arg := range n.Positional {
			syntax += " " + argumentUsage(arg)
		}
		rows = append(rows, [2]string{syntax, n.Help})
	}
	p.columns(rows)
}

func (p *page) arguments(args []*kong.Positional) {
	if len(args) == 0 {
		return
	}
	p.heading("Arguments")
	var rows [][2]string
	for _, arg := range args {
		rows = append(rows, [2]string{argumentUsage(arg), arg.Help})
	}
	p.columns(rows)
}

func (p *page) flags(flags []*kong.Flag) {
	var rows [][2]string
	for _, f := range flags {
		short := "    "
		if f.Short != 0 {
			short = "-" + string(f.Short) + ", "
		}
		rows = append(rows, [2]string{short + longName(f), f.Help})
	}
	p.columns(rows)
}

// longName shows an option with what it takes: "--[no-]linger", "--env K=V".
func longName(f *kong.Flag) string {
	switch {
	case f.Tag.Negatable != "":
		return "--[no-]" + f.Name
	case f.IsBool():
		return "--" + f.Name
	}
	return "--" + f.Name + " " + f.PlaceHolder
}

// columns prints rows of a name and its wrapped explanation.
func (p *page) columns(rows [][2]string) {
	const widest = 26 // a longer name has its explanation on the next line
	left := 0
	for _, row := range rows {
		if n := len(row[0]); n <= widest {
			left = max(left, n)
		}
	}
	for _, row := range rows {
		name := row[0]
		if len(name) > left {
			p.line("  %s", name)
			name = ""
		}
		for _, line := range wrap(row[1], p.width-left-4) {
			p.line("  %-*s  %s", left, name, line)
			name = ""
		}
	}
}

// wrap breaks s at spaces into lines of at most width bytes, but for words
// that are longer themselves.
func wrap(s string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(s) {
		switch {
		case line == "":
			line = word
		case len(line)+1+len(word) <= width:
			line += " " + word
		default:
			lines, line = append(lines, line), word
		}
	}
	return append(lines, line)
}

// width returns how many columns to use: those of the terminal, within what is
// pleasant to read, or 80.
func width(w io.Writer) int {
	columns, _ := strconv.Atoi(os.Getenv("COLUMNS"))
	if f, ok := w.(*os.File); ok && columns == 0 {
		if size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ); err == nil {
			columns = int(size.Col)
		}
	}
	if columns == 0 {
		columns = 80
	}
	return min(max(columns, 50), 100)
}
