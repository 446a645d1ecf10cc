package bwrap

import "strconv"

// Levels of a message, those of syslog(3).
const (
	Fatal   = 3
	Warning = 4
)

// Format is text as bubblewrap prints it; withLevel is --level-prefix.
func Format(level int, withLevel bool, text string) string {
	text = "bwrap: " + text
	if withLevel {
		text = "<" + strconv.Itoa(level) + ">" + text
	}
	return text
}
