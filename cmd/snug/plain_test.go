package main

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

// sameAsKong reports what plainRun and kong make of a command line, where plainRun makes
// anything of it.
func sameAsKong(t *testing.T, args []string) (plain bool) {
	t.Helper()
	v := plainRun(args)
	if v == nil {
		return false
	}
	cmd, err := parse(args)
	if err != nil || cmd.help {
		t.Fatalf("%q is plain, and kong says: %v, help %v", args, err, cmd.help)
	}
	other := verbOf(cmd.node).(*runVerb)
	if !slices.Equal(v.command, other.command) || !slices.Equal(v.profiles, other.profiles) || !slices.Equal(v.given(), other.given()) {
		t.Fatalf("%q: command %q, kong %q; profiles %q, kong %q; options %q, kong %q",
			args, v.command, other.command, v.profiles, other.profiles, v.given(), other.given())
	}
	for _, r := range []*runVerb{v, other} {
		r.command, r.profiles, r.changes = nil, nil, nil
	}
	if !reflect.DeepEqual(v, other) {
		t.Fatalf("%q: %+v, kong %+v", args, v, other)
	}
	return true
}

func TestPlainLinesAreReadAsByKong(t *testing.T) {
	for line, plain := range map[string]bool{
		"run":                                   true,
		"run ls":                                true,
		"run ls -la":                            true,
		"run -- ls -la -- -x":                   true,
		"run ls -- -x":                          true,
		"run --":                                true,
		"run -- --":                             true,
		"run -- --image x":                      true,
		"run --image debian:12 -- cat --help":   true,
		"run --image=debian:12 cat":             true,
		"run -p build --profile x -p=y make":    false,
		"run -p build --profile x make -j4":     true,
		"run --profile=a=b make":                true,
		"run --image a --image b -- true":       true,
		"run --image":                           false,
		"run --image --":                        false,
		"run --image= true":                     false,
		"run --image -x true":                   false,
		"run -pbuild make":                      false,
		"run -q ls":                             false,
		"run - ls":                              false,
		"run --help":                            false,
		"run --image x --help":                  false,
		"run --imag x -- ls":                    false,
		"explain ls":                            false,
		"runs ls":                               false,
		"run --image x --name y -- ls":          false,
		"run --no-image x":                      false,
		"run --image http://x/y@sha256:1 a b c": true,
	} {
		if got := sameAsKong(t, strings.Fields(line)); got != plain {
			t.Errorf("%q: plain %v", line, got)
		}
	}
	for _, args := range [][]string{{"run", ""}, {"run", "--image", "", "ls"}, {"run", "--", ""}, {"run", "--profile", "a b", "x y"}} {
		sameAsKong(t, args)
	}
}

func FuzzPlainRun(f *testing.F) {
	for _, line := range []string{"ls", "--image x -- ls", "-p a --image=b ls -- --image", "--profile=a -- -p", "--image\n--\n--help"} {
		f.Add(strings.ReplaceAll(line, " ", "\n"))
	}
	f.Fuzz(func(t *testing.T, words string) {
		sameAsKong(t, append([]string{"run"}, strings.Split(words, "\n")...))
	})
}
