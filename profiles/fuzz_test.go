package profiles

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"

	"github.com/snug-sandbox/snug/internal/problem"
)

// fuzzWorld is one machine for all runs of a fuzz target.
func fuzzWorld(t testing.TB) *world {
	w := newWorld(t)
	w.env = map[string]string{"A": "a", "SHELL": "/bin/sh"}
	w.have["/here"] = true
	return w
}

// Most of the time goes into making an input smaller that found something new:
// go test -fuzz FuzzLoad -fuzzminimizetime 20x ./profiles

// FuzzLoad holds that reading never panics, that every mistake has a place, a
// reason and its parts, and that what Show writes is the same profile.
func FuzzLoad(f *testing.F) {
	for _, text := range seeds(f) {
		f.Add(text)
	}
	f.Add("lower = [\"pper\u5451") // the parser points into the last character
	var schema object
	if err := json.Unmarshal(Schema(), &schema); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		w := fuzzWorld(t)
		w.write("f.toml", text)
		p, err := Load(w.in, "f.toml")
		if err != nil {
			checkMistakes(t, text, err)
			return
		}
		sameAgain(t, w, p)
		if tree := (any)(nil); toml.Unmarshal([]byte(text), &tree) == nil && !valid(schema, jsonTree(tree)) {
			t.Errorf("Load takes what the schema refuses: %q", text)
		}
	})
}

func checkMistakes(t *testing.T, text string, err error) {
	var list problem.List
	if !errors.As(err, &list) || len(list) == 0 {
		t.Fatalf("the error is %#v", err)
	}
	lines := strings.Split(text, "\n")
	for _, p := range list {
		var m *Mistake
		if !errors.As(p, &m) {
			t.Fatalf("no Mistake in %v", p)
		}
		if p.What == "" || p.Why == "" || m.Got == "" || m.File == "" {
			t.Errorf("%+v of %+v", p, m)
		}
		if m.File == "f.toml" && (m.Line < 1 || m.Line > len(lines) || m.Column < 1 || m.Column > len([]rune(lines[m.Line-1]))+1) {
			t.Errorf("%s is outside of %q", p.What, text)
		}
	}
}

// FuzzScan holds that the scanner ends on any text, and sees the keys that the
// parser sees in TOML.
func FuzzScan(f *testing.F) {
	for _, text := range seeds(f) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		scanned := scannedKeys(text)
		if _, bad := badUTF8(text); bad || strings.HasPrefix(text, "\ufeff") {
			return // a profile is refused, or the mark cut off, before it is parsed
		}
		keys, ok := keysOf(t, text)
		if ok && !slices.Equal(keys, scanned) {
			t.Errorf("in %q the parser saw\n%q, the scanner\n%q", text, keys, scanned)
		}
	})
}

// FuzzExpand holds that replacing variables never panics, and that a text that
// Show escaped comes back as it was.
func FuzzExpand(f *testing.F) {
	for _, s := range []string{"${HOME}", "$${HOME}", "$$${", "${env:A:-${env:B:-c}}", "${", "}", "$", "a$${b}${UID}", "${env:A:-$${}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		w := fuzzWorld(t)
		d := &decoder{loader: &loader{in: &w.in}, file: &file{name: "f", dir: "/d"}}
		at := &keyPath{key: "k"}
		d.expand(at, s, true)
		if got, ok := d.expand(at, strings.ReplaceAll(s, "${", "$${"), false); !ok || got != s {
			t.Errorf("%q came back as %q", s, got)
		}
	})
}

// literals are values of all types, right for some keys and wrong for most.
var literals = []string{
	`""`, `"x"`, `"/x"`, `"~/x"`, `"${HOME}/y"`, `"${env:A:-b}"`, `"${env:NONE}"`, `"$${x}"`, `"a\u0000"`, `"!x"`, `"x*"`, `"CAP_KILL"`, `"ALL"`,
	`"none"`, `"host"`, `"new"`, `"share"`, `"self"`, `"bind"`, `"keep"`, `"discard"`, `"yes"`, `"slave"`, `"512MiB"`, `"1.5GB"`, `"infinity"`,
	`"90s"`, `"-1m"`, `"0755"`, `"/proc/keys"`, `"/"`, `"/run"`, `"../up"`, `"default"`, `0`, `1`, `3`, `-1`, `7`, `4294967295`, `0.5`, `-0.0`, `inf`, `nan`,
	`true`, `false`, `[]`, `["x"]`, `["/a", "b"]`, `["x", "x"]`, `["CAP_KILL", "!CAP_KILL"]`, `[3, 4]`, `["!3"]`, `[1, "x"]`, `{}`, `{ A = "b" }`,
	`{ "a.b" = "${HOME}", "" = "x" }`, `{ A = 1 }`, `{ exists = "/here" }`, `{ env = "NONE" }`, `{ covers_none = ["/x"], not_env = "A" }`, `1979-05-27`,
}

// assemble makes a profile of the choices in plan.
func assemble(plan []byte) string {
	next := func(n int) int {
		if len(plan) == 0 {
			return 0
		}
		c := int(plan[0])
		plan = plan[1:]
		return c % n
	}
	var b strings.Builder
	for used := map[int]bool{}; len(plan) > 2; {
		var keys []string
		if i := next(len(tables) + 4); i < len(tables) && !used[i] {
			used[i] = true
			keys = tables[i].keyList()
			b.WriteString("[" + tables[i].name + "]\n")
		} else {
			keys = mountKeyList()
			b.WriteString("[[mounts]]\n")
			if i := next(len(typeWords) + 1); i > 0 {
				b.WriteString("type = \"" + typeWords[i-1] + "\"\n")
			}
		}
		seen := map[string]bool{"type": true}
		for range 1 + next(4) {
			if key := keys[next(len(keys))]; !seen[key] {
				seen[key] = true
				b.WriteString(key + " = " + literals[next(len(literals))] + "\n")
			}
		}
	}
	return b.String()
}

// FuzzAssembled is FuzzLoad with profiles that are TOML, so that more of them
// get further.
func FuzzAssembled(f *testing.F) {
	for i := range byte(64) {
		plan := make([]byte, 24)
		for j := range plan {
			plan[j] = i*31 + byte(j)*17 + byte(j)*i
		}
		f.Add(plan)
	}
	var schema object
	if err := json.Unmarshal(Schema(), &schema); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, plan []byte) {
		text := assemble(plan)
		w := fuzzWorld(t)
		w.write("f.toml", text)
		p, err := Load(w.in, "f.toml")
		if err != nil {
			checkMistakes(t, text, err)
			return
		}
		sameAgain(t, w, p)
		if !valid(schema, treeOf(t, text)) && !strings.Contains(text, "= inf") && !strings.Contains(text, "= nan") {
			t.Errorf("Load takes what the schema refuses:\n%s", text)
		}
	})
}
