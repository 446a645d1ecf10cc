package profiles

import (
	"os"
	"path/filepath"
	"testing"
)

// seeds are all profiles of this repository, right and wrong ones.
func seeds(t testing.TB) []string {
	t.Helper()
	texts := []string{everything, fortyLines, starter, New("x"),
		"\"\\b\\t\\n\\f\\r\\e\\\\\\x41\\u00e9\\U0001F600\" = 1\n'\\b' = 2\n\"\" = 3\n",
		"a = [[[]], [{}, {b = [{c = 1}]}]]\n[[d]]\n[[d.e]]\nf.g = {h = \"\"\"\"quoted\"\"\"\", i = ''''''}\n[[d.e]]\n[d.j]\n"}
	for _, c := range mistakeCases {
		texts = append(texts, c.text)
	}
	for _, pattern := range []string{"builtin/*.toml", "../examples/*.toml"} {
		names, err := filepath.Glob(pattern)
		if err != nil || len(names) < 4 {
			t.Fatalf("%s: %d files, %v", pattern, len(names), err)
		}
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			texts = append(texts, string(text))
		}
	}
	return texts
}
