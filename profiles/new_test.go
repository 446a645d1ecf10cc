package profiles

import (
	"strings"
	"testing"
)

func TestANewProfilePassesCheckWhateverItsNameIs(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"web", "", "a b", "x\"y", "line\nbreak", "${HOME}", "back\\slash", "\xff\x1b", "]", "é", strings.Repeat("n", 500)} {
		w.write("p.toml", New(name))
		if err := Check(w.in, "p.toml"); err != nil {
			t.Errorf("%q: %v", name, err)
		}
		sameAgain(t, w, w.load("p.toml"))
	}
}

// The lines that are commented out are the ones that people switch on.
func TestEveryLineOfANewProfileWorksWhenItIsSwitchedOn(t *testing.T) {
	w := newWorld(t)
	var text strings.Builder
	for _, line := range strings.Split(New("web"), "\n") {
		if rest, ok := strings.CutPrefix(line, "#"); ok && !strings.HasPrefix(rest, " ") {
			line = rest
		}
		text.WriteString(line + "\n")
	}
	s := w.loadText(text.String()).Spec
	if s.Network.Mode != "host" || s.Limits.Nofile == nil || s.Command.Args == nil || !strings.Contains(targets(s), "/data") {
		t.Errorf("got %+v", s)
	}
}
