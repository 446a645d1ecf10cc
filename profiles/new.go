package profiles

import (
	_ "embed" // for the starter profile
	"strings"

	"github.com/snug-sandbox/snug/internal/units"
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
	return strings.ReplaceAll(text, "@DESCRIPTION@", units.TOML("What "+strings.ReplaceAll(name, "${", "$${")+" is for"))
}
