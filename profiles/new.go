package profiles

import (
	_ "embed" // for the starter profile
	"strings"
)

//go:embed starter.toml
var starter string

// New returns the text of a commented profile to start from. It passes Check,
// whatever the name is.
func New(name string) string {
	if name == "" {
		name = "new"
	}
	name = strings.ToValidUTF8(name, "\uFFFD")
	text := strings.ReplaceAll(starter, "@NAME@", commentText(name))
	return strings.ReplaceAll(text, "@DESCRIPTION@", tomlString("What "+strings.ReplaceAll(name, "${", "$${")+" is for"))
}
