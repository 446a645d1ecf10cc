package main

import (
	"fmt"
	"os"
	"slices"

	"github.com/alecthomas/kong"

	"github.com/snug-sandbox/snug"
	"github.com/snug-sandbox/snug/internal/host"
	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/spec"
	"github.com/snug-sandbox/snug/userns"
)

// execVerb is a box of which only the command's own options are offered: what
// the sandbox is was decided when it was started.
type execVerb struct {
	box
	sandbox string
}

func execNode() *kong.Node {
	v := &execVerb{}
	n := node("exec", "Run another command in a running sandbox", `
The command enters all namespaces of the sandbox and its control group, with the
environment that the profile gives (of the variables that it keeps, those of the
caller), its limits, its capabilities and its filters. It ends with the sandbox;
what it started and left behind ends with it. Exit codes are those of run.

  snug exec build -- ps ax
  snug exec build                     a shell
  snug exec -w /srv -e LEVEL=3 build -- make check
`, v)
	flags := group(nil, "Environment", v.environmentOptions()...)
	flags = group(flags, "Identity", only(v.identityOptions(), "uid", "gid")...)
	flags = group(flags, "Process and terminal", only(v.processOptions(), "workdir", "tty", "linger", "quiet")...)
	n.Flags = append(flags, helpOption())
	n.Positional = []*kong.Positional{nameArgument(&v.sandbox), arguments("[--] [CMD [ARG...]]",
		"The command and its arguments. Options end at its first word. Default: a shell.", false, restMapper{&v.command})}
	return n
}

// only returns the options of a list that have one of the names.
func only(flags []*kong.Flag, names ...string) []*kong.Flag {
	return slices.DeleteFunc(flags, func(f *kong.Flag) bool { return f == nil || !slices.Contains(names, f.Name) })
}

func (v *execVerb) do(std streams) error {
	result, err := v.run(std)
	if result == nil {
		return err
	}
	if err != nil {
		problem.Print(std.err, err)
	}
	if !v.quiet {
		for _, note := range result.Notes {
			fmt.Fprintf(std.err, "snug: note: %s\n", problem.Printable(note))
		}
		tellDenials(std.err, result.Denials)
	}
	return &endedError{result.Code()}
}

// run runs the command. The result is nil when it never came to the sandbox.
func (v *execVerb) run(std streams) (*snug.Result, error) {
	l, err := findLive(v.sandbox)
	if err != nil {
		return nil, err
	}
	if l.group().Frozen() {
		return nil, &problem.Problem{What: l.Name, Why: "it is paused, and so would the command be", Fix: "snug resume " + l.Name}
	}
	s := l.instance.Spec
	s.Command.Linger = false // that is about the other command
	if err := v.apply(&changing{Spec: &s, home: s.Identity.Home, added: map[int]string{}}); err != nil {
		return nil, err
	}
	if err := mapped(l.instance.Spec, s); err != nil {
		return nil, err
	}
	s.Command.Args = v.command
	l.instance.Spec = s
	cmd := l.instance.Enter()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = std.in, std.out, std.err
	cmd.Delegate = func() error { return moveToScope(scopeName(s), "") }
	return snug.Main(cmd)
}

// mapped reports an id that the sandbox has not: but for a range, it has one.
func mapped(was, is spec.Spec) error {
	if was.Identity.Map == userns.MapRange {
		return nil // the kernel knows
	}
	caller := host.Facts{UID: os.Geteuid(), GID: os.Getegid()}
	uid, gid := was.Identity.IDs(caller)
	newUID, newGID := is.Identity.IDs(caller)
	for _, id := range []struct {
		option    string
		has, want int
	}{{"--uid", uid, newUID}, {"--gid", gid, newGID}} {
		if id.has != id.want {
			return &problem.Problem{What: fmt.Sprintf("%s %d", id.option, id.want), Why: fmt.Sprintf("of all ids, the sandbox has only %d", id.has),
				Fix: "start it with --map range"}
		}
	}
	return nil
}
