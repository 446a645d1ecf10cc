package main

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// longLine is a command line of many parts, with every form an option may have.
func longLine(options int, tail ...string) []string {
	args := []string{"run"}
	for i := range options {
		switch value := fmt.Sprintf("V%d=%d", i, i); i % 4 {
		case 0:
			args = append(args, "--env", value)
		case 1:
			args = append(args, "--env="+value)
		case 2:
			args = append(args, "--linger", "--env", value)
		case 3:
			args = append(args, "--no-linger=true", "--env", value)
		}
	}
	return append(args, tail...)
}

func parsedRun(t *testing.T, args []string) (*runVerb, error) {
	t.Helper()
	n := runNode(args)
	_, err := parseWith(n, args)
	return verbOf(n).(*runVerb), err
}

func TestPartsAreTheWholeLine(t *testing.T) {
	args := longLine(2000, "-e", "LAST=1", "prog", "--env", "X=1")
	var joined []string
	all := parts(runNode(args), args)
	for _, part := range all {
		joined = append(joined, part[1:]...)
	}
	if len(all) < 2 || !slices.Equal(joined, args[1:]) {
		t.Errorf("%d parts are not the line", len(all))
	}
}

func TestLongLineIsReadAsAShortOne(t *testing.T) {
	v, err := parsedRun(t, longLine(3000, "--", "prog", "--env", "X=1"))
	if err != nil {
		t.Fatal(err)
	}
	var values []string
	for _, c := range v.changes {
		if c.option == "env" {
			values = append(values, c.value)
		}
	}
	if len(values) != 3000 || values[0] != "V0=0" || values[2999] != "V2999=2999" {
		t.Errorf("%d values", len(values))
	}
	if want := []string{"prog", "--env", "X=1"}; !reflect.DeepEqual(v.command, want) {
		t.Errorf("command %q", v.command)
	}
}

// A mistake far back in the line is told as one at its beginning is.
func TestLongLineWithAMistake(t *testing.T) {
	for _, c := range []struct{ tail, want string }{
		{"--nonsense", "no such option"}, {"--env", "needs a value"}, {"--env --linger", "looks like an option"}, {"--tty", "needs a value"},
	} {
		args := longLine(1000, strings.Fields(c.tail)...)
		if _, err := parse(args); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.tail, err)
		}
	}
}
