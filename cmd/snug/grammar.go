package main

import (
	"reflect"
	"strings"

	"github.com/alecthomas/kong"
)

// The grammar is kong's own model, written down directly. kong can also read it
// from struct tags, but reading 40 tags costs twenty times what a whole parse of
// the command line costs (BenchmarkGrammar), and every start of snug would pay
// it. Parsing, help, completion and the manual page all use this one model.

// verb is what a word of the command line does once its options are known.
type verb interface {
	do(std streams) error
}

// sink stands where kong expects a variable: options hand their values to
// functions instead, in the order of the command line.
var sink string

// noTag is what every node and value of the model shares: no struct tag says
// anything about them.
var noTag = &kong.Tag{}

// node returns the model of a verb, or of a word below one.
func node(name, help, detail string, v verb) *kong.Node {
	n := &kong.Node{
		Type: kong.CommandNode, Name: name, Help: help, Detail: detail, Tag: noTag,
		Target: reflect.ValueOf(&sink).Elem(),
	}
	if v != nil {
		n.Target = reflect.ValueOf(&v).Elem()
	}
	return n
}

// verbOf returns what n does, or nil when it only groups other words.
func verbOf(n *kong.Node) verb {
	v, _ := n.Target.Interface().(verb)
	return v
}

// value returns the model of one value on the command line.
func value(name, help string, m kong.Mapper) *kong.Value {
	target := reflect.ValueOf(&sink).Elem()
	return &kong.Value{Name: name, Help: help, OrigHelp: help, Mapper: m, Tag: noTag, Target: target, DefaultValue: target}
}

// flag returns the model of an option. Its name may end in a slash and a
// letter, which is then its short name: "env/e".
func flag(name, help string, m kong.Mapper) *kong.Flag {
	name, letter, _ := strings.Cut(name, "/")
	f := &kong.Flag{Value: value(name, help, m)}
	if letter != "" {
		f.Short = rune(letter[0])
	}
	f.Flag = f
	return f
}

// option returns the model of "--name PLACEHOLDER". A placeholder that lists
// words between bars, such as "yes|no", says which values there are.
func option(name, placeholder, help string, set func(string) error) *kong.Flag {
	f := flag(name, help, textMapper{set})
	f.PlaceHolder = placeholder
	return f
}

// toggle returns the model of "--name" and "--no-name".
func toggle(name, help string, set func(bool)) *kong.Flag {
	f := flag(name, help, boolMapper{set})
	f.Tag = negatableTag
	return f
}

// negatableTag makes kong accept --no-NAME beside --NAME.
var negatableTag = &kong.Tag{Negatable: "_"}

// mark returns the model of "--name", which has no opposite.
func mark(name, help string, to *bool) *kong.Flag {
	return flag(name, help, boolMapper{func(v bool) { *to = v }})
}

// group adds flags under one heading of the help to a list. Those that are nil
// do not occur on the command line.
func group(list []*kong.Flag, title string, flags ...*kong.Flag) []*kong.Flag {
	var g *kong.Group
	for _, f := range flags {
		if f == nil {
			continue
		}
		if g == nil {
			g = &kong.Group{Key: title, Title: title}
		}
		f.Group = g
		list = append(list, f)
	}
	return list
}

// argument returns the model of one word that is not an option.
func argument(name, help string, required bool, set func(string) error) *kong.Positional {
	v := value(name, help, textMapper{set})
	v.Required = required
	return v
}

// arguments returns the model of all words that are left.
func arguments(name, help string, required bool, m kong.Mapper) *kong.Positional {
	v := value(name, help, m)
	v.Required = required
	v.Target = reflect.ValueOf(&noWords).Elem() // a slice: kong then knows that it takes several
	return v
}

var noWords []string

// textMapper hands one value to a function.
type textMapper struct{ set func(string) error }

func (m textMapper) Decode(ctx *kong.DecodeContext, _ reflect.Value) error {
	token := ctx.Scan.Peek()
	if !token.IsValue() {
		return missingValue(ctx.Value, token)
	}
	ctx.Scan.Pop()
	return m.set(token.String())
}

// boolMapper hands true to a function, or what follows an equals sign.
type boolMapper struct{ set func(bool) }

func (m boolMapper) IsBool() bool { return true }

func (m boolMapper) Decode(ctx *kong.DecodeContext, _ reflect.Value) error {
	if ctx.Scan.Peek().Type != kong.FlagValueToken {
		m.set(true)
		return nil
	}
	switch v := ctx.Scan.Pop().Value; v {
	case true, "true", "yes", "1":
		m.set(true)
	case false, "false", "no", "0":
		m.set(false)
	default:
		return badValue("%q is not yes or no", v)
	}
	return nil
}

// wordsMapper takes the words up to the next option.
type wordsMapper struct{ to *[]string }

func (m wordsMapper) Decode(ctx *kong.DecodeContext, _ reflect.Value) error {
	for ctx.Scan.Peek().IsValue() {
		*m.to = append(*m.to, ctx.Scan.Pop().String())
	}
	return nil
}

// restMapper takes everything that is left as it is, words that look like
// options too: they belong to the command in the sandbox.
type restMapper struct{ to *[]string }

func (m restMapper) Decode(ctx *kong.DecodeContext, _ reflect.Value) error {
	for !ctx.Scan.Peek().IsEOL() {
		*m.to = append(*m.to, ctx.Scan.Pop().Value.(string))
	}
	return nil
}

// choices returns the words of a placeholder such as "yes|no", or nil when it
// does not list any.
func choices(placeholder string) []string {
	if !strings.Contains(placeholder, "|") {
		return nil
	}
	return strings.Split(placeholder, "|")
}
