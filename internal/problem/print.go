package problem

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// Print writes err to w in the one shape that Snug's errors have. Every
// problem that err holds is written; a plain error has no "try" line. Control
// characters are shown escaped, so that a hostile file name cannot drive the
// terminal.
func Print(w io.Writer, err error) {
	var list List
	if errors.As(err, &list) {
		for _, p := range list {
			printOne(w, p, p.Fix)
		}
		return
	}
	fix := ""
	var p *Problem
	if errors.As(err, &p) {
		fix = p.Fix
	}
	printOne(w, err, fix)
}

func printOne(w io.Writer, err error, fix string) {
	fmt.Fprintf(w, "snug: %s\n", Printable(err.Error()))
	if fix == "" {
		return
	}
	for i, line := range strings.Split(fix, "\n") {
		lead := "  try: "
		if i > 0 {
			lead = "       "
		}
		fmt.Fprintf(w, "%s%s\n", lead, Printable(line))
	}
}

// Printable returns s with control characters (C0, DEL, C1) and bytes that are
// not UTF-8 written as \xNN, so that it is safe to show on a terminal.
func Printable(s string) string {
	clean := true
	for _, r := range s {
		if isControl(r) {
			clean = false
			break
		}
	}
	if clean {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == '\n' || r == '\t':
			b.WriteRune(r)
		case r == '\uFFFD' || r < 0x20 || r == 0x7f:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r >= 0x80 && r < 0xa0:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func isControl(r rune) bool {
	return r < 0x20 && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 || r == '\uFFFD'
}
