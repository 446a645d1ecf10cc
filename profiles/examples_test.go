package profiles

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func examples(t *testing.T) []string {
	t.Helper()
	names, err := filepath.Glob("../examples/*.toml")
	if err != nil || len(names) < 8 {
		t.Fatalf("%d examples, %v", len(names), err)
	}
	return names
}

func TestEveryExamplePassesCheckOnAnyMachine(t *testing.T) {
	w := newWorld(t)
	for _, name := range examples(t) {
		full, err := filepath.Abs(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := Check(w.in, full); err != nil {
			t.Errorf("%v", err)
			continue
		}
		p := w.load(full)
		sameAgain(t, w, p)
		if p.Spec.Description == "" {
			t.Errorf("%s has no description", name)
		}
		if err := Check(Default(), full); err != nil {
			t.Errorf("with this process's inputs: %v", err)
		}
	}
}

// Each table and each mount of an example is a decision, and says why.
func TestEveryDecisionOfAnExampleHasAComment(t *testing.T) {
	header := regexp.MustCompile(`^\[`)
	for _, name := range examples(t) {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		paragraphs := strings.Split(string(text), "\n\n")
		for i, p := range paragraphs {
			if strings.Contains(p, "#") || !header.MatchString(p) {
				continue
			}
			// Several mounts in a row may share the comment of the first.
			above := paragraphs[max(i-1, 0)]
			if !strings.Contains(above, "#") && !(strings.HasPrefix(p, "[[mounts]]") && strings.HasPrefix(above, "[[mounts]]")) {
				t.Errorf("%s: no comment near\n%s", name, p)
			}
		}
		if !strings.Contains(string(text), "snug run -p examples/"+filepath.Base(name)) {
			t.Errorf("%s does not say how it is run", name)
		}
	}
}
