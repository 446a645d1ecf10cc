package main

import (
	"os"

	"github.com/alecthomas/kong"

	"github.com/snug-sandbox/snug/bwrap"
)

// bwrapVerb stands for bubblewrap's command line in the help and in completion.
// Its options are read by package bwrap.
type bwrapVerb struct{ words []string }

func bwrapNode() *kong.Node {
	v := &bwrapVerb{}
	n := node("bwrap", "Take bubblewrap's command line", `
Options and their order mean what bwrap(1) says: "snug bwrap --help" lists them.
A program that calls bwrap runs on Snug's engine when the program bwrap that is
built beside snug, or a link of that name to snug itself, takes its place.

  snug bwrap --ro-bind / / --unshare-all --proc /proc --dev /dev -- ls /
`, v)
	n.Flags = []*kong.Flag{helpOption()}
	n.Positional = []*kong.Positional{arguments("OPTION", "Options of bwrap(1), and the command.", false, wordsMapper{&v.words})}
	return n
}

func (v *bwrapVerb) do(streams) error {
	os.Args[0] += " bwrap" // what its help says to call
	return &endedError{bwrap.Main(v.words)}
}
