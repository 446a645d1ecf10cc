package main

import (
	"strings"

	"github.com/alecthomas/kong"
)

// partWords is how many words kong reads at a time. It copies all that are left
// at every option, so that the time for a line as a whole grows with the square
// of its length: 2,000 --ro-bind would take longer to read than to mount.
const partWords = 256

// parts cuts a long command line between options. What follows the last option
// that is understood here stays together: kong decides what it means.
func parts(verb *kong.Node, args []string) [][]string {
	if len(args) <= partWords || len(verb.Children) > 0 || args[0] != verb.Name {
		return [][]string{args}
	}
	var all [][]string
	part := []string{verb.Name}
	rest := args[1:]
	for {
		n := optionWords(verb, rest)
		if n == 0 {
			return append(all, append(part, rest...))
		}
		if len(part)+n > partWords {
			all = append(all, part)
			part = []string{verb.Name}
		}
		part, rest = append(part, rest[:n]...), rest[n:]
	}
}

// optionWords returns how many words the option at the beginning takes, or 0
// when that is not a long option of the verb with its value.
func optionWords(verb *kong.Node, words []string) int {
	if len(words) == 0 || !strings.HasPrefix(words[0], "--") {
		return 0
	}
	name, _, joined := strings.Cut(words[0][2:], "=")
	for _, f := range verb.Flags {
		if f.Name != name && (f.Tag != negatableTag || "no-"+f.Name != name) {
			continue
		}
		if _, text := f.Mapper.(textMapper); joined || !text {
			return 1
		}
		if len(words) > 1 && !strings.HasPrefix(words[1], "-") {
			return 2
		}
	}
	return 0
}
