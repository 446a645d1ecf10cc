package ladder

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// banned are words that promise later work or speak of the plan of work
// instead of the program. The pieces keep this file clean of them.
var banned = regexp.MustCompile(`(?i)\b(` + strings.Join([]string{
	"to" + "do", "fix" + "me", "pha" + "ses?", "iss" + "ues?",
}, "|") + `)\b`)

func TestNoBannedWords(t *testing.T) {
	for _, f := range readTree(t) {
		if f.path == "LICENSE" {
			continue // not our words
		}
		for _, wrong := range bannedWords(f) {
			t.Error(wrong)
		}
	}
}

func bannedWords(f file) (wrong []string) {
	for i, line := range strings.Split(string(f.text), "\n") {
		if word := banned.FindString(line); word != "" {
			wrong = append(wrong, fmt.Sprintf("%s:%d: the word %q", f.path, i+1, word))
		}
	}
	return wrong
}

func TestBannedWordsAreFound(t *testing.T) {
	text := "fine\n// TO" + "DO: more\nan iss" + "ue\ntissue, emphases\n"
	expect(t, bannedWords(file{path: "x", text: []byte(text)}), "x:2:", "x:3:")
}
