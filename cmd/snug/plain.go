package main

import "strings"

// plainRun understands the plainest command lines, which most are: snug run [-p NAME]
// [--image REF] [--] CMD. It is nil for all others, and for what may be a mistake: kong
// takes as long to make its model, and to read it, as all the rest until the first step of
// a sandbox.
func plainRun(args []string) *runVerb {
	if args[0] != "run" {
		return nil
	}
	v := &runVerb{}
	v.args = args
	for words := args[1:]; ; {
		if len(words) == 0 {
			return v
		}
		word := words[0]
		if word == "--" {
			v.command = words[1:]
			return v
		}
		if !strings.HasPrefix(word, "-") {
			v.command = words
			return v
		}
		words = words[1:]
		name, value, joined := strings.Cut(word, "=")
		if !joined && len(words) > 0 {
			value, words = words[0], words[1:]
		}
		if value == "" || value[0] == '-' {
			return nil
		}
		switch {
		case name == "--profile" || name == "-p" && !joined:
			v.profiles = append(v.profiles, value)
		case name == "--image":
			v.changes = append(v.changes, change{option: "image", value: value, make: useImage})
		default:
			return nil
		}
	}
}
