package main

import (
	"cmp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/mounts"
	"github.com/snug-sandbox/snug/profiles"
	"github.com/snug-sandbox/snug/spec"
)

// box is the sandbox that a command line describes, for run and explain alike:
// profiles, and changes to what they say.
type box struct {
	args []string // the command line, or nil for the whole grammar

	profiles []string
	changes  []change
	command  []string
	report   string
	reports  bool // --report was given
	quiet    bool
	own      bool   // the profile itself says what to run
	program  string // what runs, where that is not the command's first word
}

// change is one option as it was given. Changes are made in the order of the
// command line, so that the later of two wins, as it does within a profile.
type change struct {
	option, value string
	off           bool // it is --no-OPTION
	make          func(c *changing, value string) error
}

// changing is a Spec while options change it.
type changing struct {
	*spec.Spec
	home    string         // of the caller, for "~"
	added   map[int]string // which option added Mounts[i]
	layered bool           // --overlay was given
}

// describe fills n with the options and arguments that describe a sandbox.
func (b *box) describe(n *kong.Node, more ...*kong.Flag) {
	n.Positional = []*kong.Positional{arguments("[--] [CMD [ARG...]]",
		"The command and its arguments. Options end at its first word. Default: the profile's command, or a shell.",
		false, restMapper{&b.command})}
	n.Flags = append(append(b.options(), slices.DeleteFunc(more, func(f *kong.Flag) bool { return f == nil })...), helpOption())
}

// occurs reports whether the command line may hold an option. Making the model
// of all 40 for the few that are used takes longer than the parse; kong still
// decides what a word means. An option is named as flag takes it.
func (b *box) occurs(name string) bool {
	if b.args == nil {
		return true
	}
	name, letter, _ := strings.Cut(name, "/")
	for _, arg := range b.args {
		long, isLong := strings.CutPrefix(arg, "--")
		switch {
		case isLong && strings.HasPrefix(strings.TrimPrefix(long, "no-"), name):
			return true
		case !isLong && letter != "" && strings.HasPrefix(arg, "-"):
			return true
		}
	}
	return false
}

// given lists the options that change what the profiles say, as they are written.
func (b *box) given() (list []string) {
	for _, c := range b.changes {
		no := ""
		if c.off {
			no = "no-"
		}
		list = append(list, strings.TrimSpace("--"+no+c.option+" "+c.value))
	}
	return list
}

// load returns what the profiles say, with the options' changes made.
func (b *box) load() (*sandbox, error) {
	in := profiles.Default()
	in.Root = b.root()
	// With no name at all, a checkout's own ./.snug/default.toml does not count:
	// who did not ask for a profile did not look at one.
	p, err := profiles.Load(in, b.profiles...)
	if err != nil {
		return nil, err
	}
	s := &sandbox{p, b, map[int]string{}}
	if err := b.apply(&changing{Spec: &p.Spec, home: in.Home, added: s.added}); err != nil {
		return nil, err
	}
	b.own = len(p.Spec.Command.Args) > 0
	if len(b.command) > 0 {
		p.Spec.Command.Args, p.Spec.Command.Argv0 = b.command, ""
	}
	return s, nil
}

// root is what the options make the root, as a profile's conditions name it; ""
// where that is left to the profiles.
func (b *box) root() string {
	for _, change := range slices.Backward(b.changes) {
		switch change.option {
		case "rootfs":
			return "path"
		case "image":
			return "image"
		}
	}
	return ""
}

// apply makes all changes, and returns everything that is wrong with them.
func (b *box) apply(c *changing) error {
	var wrong problem.List
	for _, change := range b.changes {
		before := len(c.Mounts)
		if err := change.make(c, change.value); err != nil {
			wrong = append(wrong, optionProblem(change.option, err))
		}
		if len(c.Mounts) > before {
			c.added[before] = "--" + change.option
		}
	}
	if c.layered && c.Rootfs.Image != "" && c.Rootfs.Overlay == mounts.OverlayNone {
		wrong = append(wrong, &problem.Problem{What: "--overlay none", Why: "the layers of an image are shared, and nothing is mounted in them or written to them",
			Fix: "--overlay readonly, or discard, which is the default of an image"})
	}
	return wrong.Err()
}

func optionProblem(option string, err error) *problem.Problem {
	p := &problem.Problem{What: "--" + option, Why: err.Error(), Err: err}
	if bad, ok := err.(*valueError); ok {
		p.Fix = bad.fix
	}
	return p
}

// plain returns an option that does not change the Spec. Like all of box's, it
// is nil when it does not occur.
func (b *box) plain(name, placeholder, help string, set func(string)) *kong.Flag {
	if !b.occurs(name) {
		return nil
	}
	return option(name, placeholder, help, func(v string) error { set(v); return nil })
}

// option returns an option that changes the Spec.
func (b *box) option(name, placeholder, help string, make func(*changing, string) error) *kong.Flag {
	if !b.occurs(name) {
		return nil
	}
	long, _, _ := strings.Cut(name, "/")
	return option(name, placeholder, help, func(v string) error {
		b.changes = append(b.changes, change{option: long, value: v, make: make})
		return nil
	})
}

// choice returns an option that takes one of the words of its placeholder.
func (b *box) choice(name, placeholder, help string, set func(*changing, string)) *kong.Flag {
	return b.option(name, placeholder, help, func(c *changing, v string) error {
		if err := oneOf(name, v, choices(placeholder)); err != nil {
			return err
		}
		set(c, v)
		return nil
	})
}

// oneOf is wordOf for an option, with what to write instead.
func oneOf(name, value string, words []string) error {
	bad, ok := wordOf(value, words...).(*valueError)
	if !ok {
		return nil
	}
	bad.fix = "--" + name + " " + cmp.Or(nearest(value, words), words[0])
	return bad
}

// wordOf is the error of a value that is none of the words.
func wordOf(value string, words ...string) error {
	if slices.Contains(words, value) {
		return nil
	}
	return badValue("%q is not one of %s", value, strings.Join(words, ", "))
}

// toggle returns an option that switches something of the Spec on or off.
func (b *box) toggle(name, help string, field func(*changing) *bool) *kong.Flag {
	if !b.occurs(name) {
		return nil
	}
	long, _, _ := strings.Cut(name, "/")
	return toggle(name, help, func(on bool) {
		b.changes = append(b.changes, change{option: long, off: !on, make: func(c *changing, _ string) error {
			*field(c) = on
			return nil
		}})
	})
}
