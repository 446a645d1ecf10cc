package main

import (
	"fmt"
	"io"

	"github.com/snug-sandbox/snug"
)

// callWords are calls as people say them.
var callWords = [...]struct{ call, word string }{
	{"openat", "open"}, {"openat2", "open"}, {"creat", "open"}, {"execve", "run"}, {"execveat", "run"}, {"mkdirat", "mkdir"}, {"unlinkat", "unlink"},
	{"renameat", "rename"}, {"renameat2", "rename"}, {"symlinkat", "symlink"}, {"linkat", "link"},
}

// mostTold is how many refusals a person is told.
const mostTold = 40

// tellDenials lists what was refused, one a line.
func tellDenials(w io.Writer, list []snug.Denial) {
	for i, d := range list {
		if i == mostTold {
			fmt.Fprintf(w, "snug: refused: %d more; --report FILE has all of them\n", len(list)-i)
			return
		}
		what := d.Call
		for _, c := range callWords {
			if c.call == d.Call && d.Path != "" {
				what = c.word
			}
		}
		what += d.Args
		if d.Path != "" {
			what += " " + d.Path
		}
		why := d.Why
		if d.Errno != "" {
			why = d.Errno + " by the " + d.Why
		}
		times := ""
		if d.Count > 1 {
			times = fmt.Sprintf(", %d times", d.Count)
		}
		fmt.Fprintf(w, "snug: refused: %s\n", oneLine(fmt.Sprintf("%s: %s (%s%s)", what, why, d.Program, times)))
	}
}
