package ladder

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// What SECURITY.md claims to be tested is.
func TestThePageOnSecurityNamesTestsThatThereAre(t *testing.T) {
	files := readTree(t)
	var tests strings.Builder
	for _, f := range files {
		if strings.HasSuffix(f.path, "_test.go") {
			tests.Write(f.text)
		}
	}
	page := files[slices.IndexFunc(files, func(f file) bool { return f.path == "SECURITY.md" })]
	names := regexp.MustCompile("`(Test[A-Za-z0-9]+)`").FindAllStringSubmatch(string(page.text), -1)
	if len(names) < 20 {
		t.Errorf("only %d tests are named", len(names))
	}
	for _, m := range names {
		if !strings.Contains(tests.String(), "func "+m[1]+"(") {
			t.Errorf("SECURITY.md names %s, which there is not", m[1])
		}
	}
}
