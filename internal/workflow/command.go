// Package workflow is about the lines that a runner of GitHub Actions takes for
// commands: "::name key=value::data" at the beginning of a line, and
// "##[name key=value]data" anywhere in it (actions/runner, ActionCommand.cs).
// It writes them, and keeps others from doing so.
package workflow

import (
	"fmt"
	"strings"
)

// Command is a workflow command that Snug itself prints.
type Command struct {
	Name       string
	Properties [][2]string // in this order; those without a value are left out
	Data       string
}

var (
	dataEscape     = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	propertyEscape = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

// String returns the command as one line, whatever its parts hold.
func (c Command) String() string {
	var b strings.Builder
	b.WriteString("::" + c.Name)
	separator := " "
	for _, p := range c.Properties {
		if p[1] == "" {
			continue
		}
		fmt.Fprintf(&b, "%s%s=%s", separator, p[0], propertyEscape.Replace(p[1]))
		separator = ","
	}
	b.WriteString("::" + dataEscape.Replace(c.Data))
	return b.String()
}
