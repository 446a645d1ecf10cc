package doctor

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/snug-sandbox/snug/internal/problem"
)

// Print writes the report as a table: a line for each check, and under those
// that are not well what breaks and the commands that mend it. color marks the
// states with the terminal's colours. Text that comes from the host is shown
// with control characters escaped.
func (r Report) Print(w io.Writer, color bool) error {
	t := table{color: color}
	for _, c := range r.Checks {
		t.width = max(t.width, len(c.Name))
	}
	t.line("Linux %s, %s, user %s (%d)\n", r.Kernel, r.system(), r.User, r.UID)
	for _, c := range r.Checks {
		t.check(c)
	}
	t.line("\n%s", r.verdict())
	_, err := w.Write(t.out.Bytes())
	return err
}

func (r Report) system() string {
	name := r.Distro.Name
	if name == "" {
		name = r.Distro.ID
	}
	if name == "" {
		name = "an unknown distribution"
	}
	if r.Container != "" {
		name += " in " + r.Container
	}
	return name
}

func (r Report) verdict() string {
	if !r.OK {
		return "snug run does not work here: mend the first line that is broken."
	}
	for _, c := range r.Checks {
		if c.State == Limited || c.State == Broken {
			return "snug run works here, with the limits above."
		}
	}
	return "snug run works here."
}

type table struct {
	out   bytes.Buffer
	width int // of the names
	color bool
}

func (t *table) line(format string, args ...any) {
	t.out.WriteString(problem.Printable(fmt.Sprintf(format, args...)))
	t.out.WriteByte('\n')
}

func (t *table) check(c Check) {
	// The state apart from the rest: escape sequences are what Printable takes
	// the teeth out of.
	t.out.WriteString(t.state(c.State))
	t.line("%-*s  %s", t.width, c.Name, c.Found)
	t.under("breaks", c.Breaks)
	t.under("mend", c.Mend)
}

func (t *table) state(s State) string {
	word := fmt.Sprintf("%-9s", s)
	if !t.color {
		return word
	}
	code := map[State]string{OK: "32", Limited: "33", Missing: "33", Broken: "31"}[s]
	return "\x1b[" + code + "m" + word + "\x1b[0m"
}

// under writes lines below the column of what was found.
func (t *table) under(title, text string) {
	if text == "" {
		return
	}
	lead := title + ":"
	for _, line := range strings.Split(text, "\n") {
		t.line("%-*s%-8s%s", 9+t.width+2, "", lead, line)
		lead = ""
	}
}
