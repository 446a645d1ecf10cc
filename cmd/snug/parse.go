package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/snug-sandbox/snug/internal/postponed"
	"github.com/snug-sandbox/snug/internal/problem"
)

// command is a command line that has been understood.
type command struct {
	node *kong.Node // the verb
	help bool       // --help stands somewhere in it
}

// model returns the grammar of snug with the given verbs.
func model(nodes ...*kong.Node) *kong.Application {
	postponed.Grammar()
	app := &kong.Application{Node: node("snug", tagline, "", nil)}
	app.Type = kong.ApplicationNode
	app.Children = nodes
	for _, n := range nodes {
		n.Parent = app.Node
	}
	return app
}

// fullModel returns the grammar with every verb. Only help, completion and the
// manual page want it: building it takes several times what parsing needs.
func fullModel() *kong.Application {
	var nodes []*kong.Node
	for _, v := range verbs() {
		nodes = append(nodes, v.build(nil))
	}
	app := model(nodes...)
	app.Flags = []*kong.Flag{
		mark("help/h", "Show help and exit. After a verb: help for that verb.", new(bool)),
		mark("version/V", "Show the version and exit.", new(bool)),
	}
	return app
}

// parse reads a command line by the grammar of the one verb that it begins with.
func parse(args []string) (command, error) {
	v, err := findVerb(args[0])
	if err != nil {
		return command{}, err
	}
	cmd, err := parseWith(v.build(args), args)
	if err != nil {
		// What is wrong, and what was meant, is told by the whole grammar.
		return parseWith(v.build(nil), args)
	}
	if cmd.help {
		cmd.node = sameNode(model(v.build(nil)), cmd.node)
	}
	return cmd, nil
}

// parseWith reads a command line by the grammar of one verb.
func parseWith(verb *kong.Node, args []string) (cmd command, err error) {
	for _, part := range parts(verb, args) {
		if cmd, err = parsePart(verb, part); err != nil || cmd.help {
			break
		}
	}
	return cmd, err
}

func parsePart(verb *kong.Node, args []string) (command, error) {
	// kong.New would add what none of this needs (struct tags, variables in
	// help texts, a registry of types), for twice the time of the parse.
	ctx, err := kong.Trace(&kong.Kong{Model: model(verb)}, args)
	if err != nil {
		return command{}, err
	}
	cmd := command{node: ctx.Selected(), help: asksForHelp(ctx)}
	if cmd.help {
		return cmd, nil
	}
	if ctx.Error != nil {
		return cmd, mistake(cmd.node, ctx.Error)
	}
	if err := ctx.Validate(); err != nil {
		return cmd, mistake(cmd.node, err)
	}
	return cmd, nil
}

// sameNode returns the node of app that n is in a grammar that was not whole.
func sameNode(app *kong.Application, n *kong.Node) *kong.Node {
	for _, e := range entries(app) {
		if e.path == n.Path() {
			return e.node
		}
	}
	return n
}

// helpOption is the --help that every verb has.
func helpOption() *kong.Flag {
	return mark("help/h", "Show this help and exit.", new(bool))
}

// asksForHelp reports whether --help was read. It counts even when something is
// missing or wrong after it: who asks for help should get it.
func asksForHelp(ctx *kong.Context) bool {
	for _, path := range ctx.Path {
		if path.Flag != nil && path.Flag.Name == "help" {
			return true
		}
	}
	return false
}

// valueError is a value that an option or argument cannot have.
type valueError struct{ why, fix string }

func (e *valueError) Error() string { return e.why }

// badValue says what is wrong with a value; kong adds the option's name.
func badValue(format string, args ...any) error {
	return &valueError{why: fmt.Sprintf(format, args...)}
}

// badValueTry is badValue with what to write instead.
func badValueTry(fix, format string, args ...any) error {
	return &valueError{why: fmt.Sprintf(format, args...), fix: fix}
}

func missingValue(v *kong.Value, next kong.Token) error {
	if v.Flag == nil {
		return badValue("is missing")
	}
	if next.IsEOL() || next.Value == "--" {
		return badValueTry("--"+v.Name+" "+v.Flag.PlaceHolder, "needs a value")
	}
	return badValueTry(fmt.Sprintf("--%s=%v, if that is the value", v.Name, next),
		"needs a value, and %q looks like an option", next)
}

// mistake puts an error of kong's into Snug's words.
func mistake(n *kong.Node, err error) error {
	var bad *valueError
	text := err.Error()
	p := &problem.Problem{What: n.Path(), Why: text, Fix: "snug " + n.Path() + " --help"}
	switch {
	case errors.As(err, &bad):
		p.What, _, _ = strings.Cut(text, ": ")
		p.Why, p.Fix = bad.why, bad.fix
	case strings.HasPrefix(text, "unknown flag "):
		p.What = before(strings.TrimPrefix(text, "unknown flag "), ", did you mean")
		p.Why = fmt.Sprintf("%q has no such option", n.Path())
		if near := meantOption(p.What, flagNames(n)); near != "" {
			p.Fix = near + ", or " + p.Fix + " for all options"
		}
	case strings.HasPrefix(text, "unexpected argument "):
		word := before(strings.TrimPrefix(text, "unexpected argument "), ", did you mean")
		p.Why = fmt.Sprintf("%q is one word too many", word)
		if len(n.Children) > 0 {
			p.Why = fmt.Sprintf("%q is not one of %s", word, strings.Join(childNames(n), ", "))
		}
		if near := nearest(word, childNames(n)); near != "" {
			p.Fix = "snug " + n.Path() + " " + near
		}
	case len(n.Children) > 0:
		p.Why = "needs one of " + strings.Join(childNames(n), ", ")
	case strings.HasPrefix(text, "expected ") && len(n.Positional) > 0:
		p.Why = "needs " + strings.Join(argumentsUsage(n), " ")
	}
	return p
}

func before(s, mark string) string {
	s, _, _ = strings.Cut(s, mark)
	return s
}

func childNames(n *kong.Node) []string {
	var names []string
	for _, c := range n.Children {
		names = append(names, c.Name)
	}
	return names
}

func flagNames(n *kong.Node) []string {
	var names []string
	for _, f := range n.Flags {
		names = append(names, "--"+f.Name)
		if f.Tag.Negatable != "" {
			names = append(names, "--no-"+f.Name)
		}
		if f.Short != 0 {
			names = append(names, "-"+string(f.Short))
		}
	}
	return names
}
