package main

import (
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/snug-sandbox/snug/internal/problem"
)

// lines are command lines of run that hold every kind of thing.
var lines = []string{
	"run",
	"run ls -la",
	"run -- ls -la",
	"run -- -- x",
	"run ls -- -p x",
	"run -p build -- make -j4 --help",
	"run -pbuild make",
	"run --profile=build --profile more make",
	"run --env A=B --env C=--x -e D=E=F true",
	"run --linger --no-pid1 --inherit-env=false true",
	"run -q --report f --memory 5M --no-linger -p a -- -q",
	"run --uid=-1 -",
	"explain --plan --json --net host -p x -- a b",
}

// boxOf parses one of lines.
func boxOf(t *testing.T, parse func([]string) (*kong.Node, error), line string) box {
	t.Helper()
	n, err := parse(strings.Fields(line))
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	switch v := verbOf(n).(type) {
	case *runVerb:
		return v.box
	case *explainVerb:
		return v.box
	}
	t.Fatalf("%s: neither run nor explain", line)
	return box{}
}

func ours(args []string) (*kong.Node, error) {
	cmd, err := parse(args)
	return cmd.node, err
}

// theirs parses with a kong.Kong that kong.New made and with all that its
// Parse does.
func theirs(args []string) (*kong.Node, error) {
	k, err := kong.New(&struct{}{}, kong.PostBuild(func(k *kong.Kong) error {
		for _, v := range verbs() {
			n := v.build(nil)
			n.Parent = k.Model.Node
			k.Model.Children = append(k.Model.Children, n)
		}
		return nil
	}), kong.NoDefaultHelp())
	if err != nil {
		return nil, err
	}
	ctx, err := k.Parse(args)
	if err != nil {
		return nil, err
	}
	return ctx.Selected(), nil
}

// The short way through kong that parse takes must come to what the whole of
// kong comes to.
func TestParseAsKongDoes(t *testing.T) {
	for _, line := range lines {
		a, b := boxOf(t, ours, line), boxOf(t, theirs, line)
		if !slices.Equal(a.profiles, b.profiles) || !slices.Equal(a.command, b.command) || a.report != b.report || a.quiet != b.quiet {
			t.Errorf("%s: %+v\nwant %+v", line, a, b)
		}
		if text(a.changes) != text(b.changes) {
			t.Errorf("%s: changes %s\nwant %s", line, text(a.changes), text(b.changes))
		}
	}
}

func text(changes []change) string {
	var b strings.Builder
	for _, c := range changes {
		fmt.Fprintf(&b, "%s=%q ", c.option, c.value)
	}
	return b.String()
}

func TestParseWords(t *testing.T) {
	for line, want := range map[string]box{
		"run":                             {},
		"run ls -la":                      {command: []string{"ls", "-la"}},
		"run -- ls -la":                   {command: []string{"ls", "-la"}},
		"run -- -- x":                     {command: []string{"--", "x"}},
		"run ls -- -p x":                  {command: []string{"ls", "--", "-p", "x"}},
		"run -- -q":                       {command: []string{"-q"}},
		"run -p a -pb --profile=c -q -- ": {profiles: []string{"a", "b", "c"}, quiet: true},
		"run -":                           {command: []string{"-"}},
		"run --report=r x --report=s":     {report: "r", command: []string{"x", "--report=s"}},
	} {
		got := boxOf(t, ours, line)
		if !slices.Equal(got.profiles, want.profiles) || !slices.Equal(got.command, want.command) || got.report != want.report || got.quiet != want.quiet {
			t.Errorf("%s: %+v, want %+v", line, got, want)
		}
	}
}

func TestArgumentsKeepTheirBytes(t *testing.T) {
	odd := []string{"", " ", "a\nb", "\xff\xfe", "$HOME", "ä", "--", "-"}
	cmd, err := parse(append([]string{"run", "--"}, odd...))
	if err != nil {
		t.Fatal(err)
	}
	if got := verbOf(cmd.node).(*runVerb).command; !slices.Equal(got, odd) {
		t.Errorf("got %q", got)
	}
}

// Every verb can be called by its name, has help, and shows no option twice.
func TestVerbsAreComplete(t *testing.T) {
	for _, e := range entries(fullModel()) {
		if e.node.Help == "" || strings.HasSuffix(e.node.Help, ".") {
			t.Errorf("%s: help %q", e.path, e.node.Help)
		}
		cmd, err := parse(append(strings.Fields(e.path), "--help"))
		if err != nil || !cmd.help || cmd.node.Name != e.node.Name {
			t.Errorf("%s --help: %+v, %v", e.path, cmd, err)
		}
		seen := map[string]bool{}
		for _, f := range e.node.Flags {
			for _, name := range spellings(f) {
				if seen[name] {
					t.Errorf("%s: %s twice", e.path, name)
				}
				seen[name] = true
			}
			if f.Help == "" || !f.IsBool() && f.PlaceHolder == "" {
				t.Errorf("%s: --%s has no help or no placeholder", e.path, f.Name)
			}
		}
	}
}

func TestMistakesHaveARemedy(t *testing.T) {
	for _, line := range []string{
		"rum", "-x", "run -x", "run --memroy 5", "run --memory", "run --memory --cpus", "run --linger=maybe",
		"profile", "profile shw", "profile show", "version x", "completion", "doctor --x=y", "run --=x", "run --env",
	} {
		_, err := parse(strings.Fields(line))
		var p *problem.Problem
		if !asProblem(err, &p) {
			t.Errorf("%s: %v", line, err)
			continue
		}
		if p.What == "" || p.Why == "" || p.Fix == "" && !strings.Contains(line, "maybe") {
			t.Errorf("%s: %+v", line, p)
		}
	}
}

func asProblem(err error, p **problem.Problem) bool {
	found, ok := err.(*problem.Problem)
	*p = found
	return ok
}

// tagged is the grammar of run as kong reads it from struct tags.
func tagged() any {
	n := runNode(nil)
	var fields []reflect.StructField
	for i, f := range n.Flags {
		tag := fmt.Sprintf(`name:%q help:%q placeholder:%q group:"x" sep:"none"`, f.Name, strings.ReplaceAll(f.Help, "$", ""), f.PlaceHolder)
		if f.Short != 0 {
			tag += fmt.Sprintf(" short:%q", string(f.Short))
		}
		typ := reflect.TypeFor[[]string]()
		if f.IsBool() {
			typ = reflect.TypeFor[bool]()
		}
		fields = append(fields, reflect.StructField{Name: fmt.Sprintf("F%d", i), Type: typ, Tag: reflect.StructTag(tag)})
	}
	fields = append(fields, reflect.StructField{Name: "Cmd", Type: reflect.TypeFor[[]string](), Tag: `arg:"" optional:"" passthrough:"partial"`})
	verb := reflect.StructOf(fields)
	app := reflect.StructOf([]reflect.StructField{{Name: "Run", Type: verb, Tag: `cmd:""`}})
	return reflect.New(app).Interface()
}

var benchmarkLine = strings.Fields("run --profile build --ro-bind /srv --env A=B --memory 512MiB -- make -j4")

// BenchmarkGrammar shows what reading a command line costs, in the way that
// snug goes and in those that it does not.
func BenchmarkGrammar(b *testing.B) {
	b.Run("model", func(b *testing.B) {
		for b.Loop() {
			if _, err := ours(benchmarkLine); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("all-verbs", func(b *testing.B) {
		for b.Loop() {
			if _, err := theirs(benchmarkLine); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("struct-tags", func(b *testing.B) {
		grammar := tagged()
		for b.Loop() {
			k, err := kong.New(grammar, kong.NoDefaultHelp(), kong.Exit(func(int) { os.Exit(2) }))
			if err != nil {
				b.Fatal(err)
			}
			if _, err := k.Parse(benchmarkLine); err != nil {
				b.Fatal(err)
			}
		}
	})
}
