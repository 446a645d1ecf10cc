package actions

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/snug-sandbox/snug/internal/workflow"
)

// What the runner keeps of a step (actions/runner, ExecutionContext.cs).
const (
	maxAnnotations = 10   // of each type
	maxMessage     = 4096 // characters of one
)

// place is a line of a file in the workspace.
type place struct {
	file string
	line int
}

// annotate prints what the step tried and what is to be known, each at the line
// that it is about. More than the runner keeps become one that counts them.
func (r *runner) annotate() {
	if !r.Annotate {
		return
	}
	kind := "error"
	if r.FailOn != "violation" {
		kind = "warning"
	}
	var messages []workflow.Command
	for _, v := range r.report.Violations {
		messages = append(messages, r.command(kind, "Snug: "+v.Kind, fmt.Sprintf("%s: %s", v.What, v.Why), r.placeOf(v)))
	}
	r.print(messages)
	messages = nil
	for _, w := range r.report.Warnings {
		messages = append(messages, r.command("notice", "Snug", w, place{}))
	}
	for _, h := range r.report.Hidden {
		messages = append(messages, r.command("notice", "Snug", "the step did not see "+h, place{}))
	}
	r.print(messages)
}

func (r *runner) print(list []workflow.Command) {
	for i, c := range list {
		if i == maxAnnotations-1 && len(list) > maxAnnotations {
			c = r.command(c.Name, "Snug", fmt.Sprintf("and %d more; the report has all", len(list)-i), place{})
			fmt.Fprintln(r.Out, c)
			return
		}
		fmt.Fprintln(r.Out, c)
	}
}

// annotation is a command about the whole step.
func (r *runner) annotation(kind, title, text string) workflow.Command {
	return r.command(kind, title, text, mistakePlace(text, r.job.workspace))
}

func (r *runner) command(kind, title, text string, at place) workflow.Command {
	c := workflow.Command{Name: kind, Data: shorten(printable(text), maxMessage)}
	if at.file != "" {
		c.Properties = append(c.Properties, [2]string{"file", at.file}, [2]string{"line", strconv.Itoa(at.line)})
	}
	c.Properties = append(c.Properties, [2]string{"title", title})
	return c
}

// shorten cuts text to a number of characters.
func shorten(s string, most int) string {
	runes := []rune(s)
	if len(runes) <= most {
		return s
	}
	return string(runes[:most-1]) + "…"
}

// mistake is how Snug names a place in a profile.
var mistake = regexp.MustCompile(`(\S+\.toml):(\d+):\d+`)

// mistakePlace finds the place of a mistake in a profile of the workspace.
func mistakePlace(text, workspace string) place {
	m := mistake.FindStringSubmatch(text)
	if m == nil {
		return place{}
	}
	file := m[1]
	if rel, err := filepath.Rel(workspace, file); filepath.IsAbs(file) && err == nil {
		file = rel
	}
	line, err := strconv.Atoi(m[2])
	if err != nil || !filepath.IsLocal(file) {
		return place{}
	}
	return place{file, line}
}

// placeOf is the line that a violation is to be mended at: the input of the step
// in its workflow.
func (r *runner) placeOf(v Violation) place {
	input := map[string]string{
		"network": "allowed-hosts", "workspace": "persist", "environment": "outputs", "path": "outputs", "output": "outputs", "limit": v.What,
	}[v.Kind]
	text, err := os.ReadFile(filepath.Join(r.job.workspace, r.job.workflow))
	if r.job.workflow == "" || err != nil {
		return place{}
	}
	return findStep(r.job.workflow, strings.Split(string(text), "\n"), strings.TrimSpace(firstLine(r.Run)), input)
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}

var (
	usesLine = regexp.MustCompile(`^\s*(-\s+)?uses:.*(actions/run\b|snug)`)
	itemLine = regexp.MustCompile(`^(\s*)-\s`)
)

// findStep finds the line of an input, or of "uses:", in the step of a workflow
// that runs a script. Of several steps it is the one that the script's first
// line is in.
func findStep(file string, all []string, script, input string) place {
	best := place{}
	for i, line := range all {
		if !usesLine.MatchString(line) {
			continue
		}
		first, last := stepBounds(all, i)
		found := place{file, i + 1}
		mine := false
		for n := first; n < last; n++ {
			text := strings.TrimSpace(all[n])
			if strings.HasPrefix(text, input+":") {
				found.line = n + 1
			}
			mine = mine || script != "" && strings.Contains(text, script)
		}
		if mine {
			return found
		}
		if best.file == "" {
			best = found
		}
	}
	return best
}

// stepBounds are the lines of the list's item that line i is in.
func stepBounds(all []string, i int) (first, last int) {
	first = i
	for first > 0 && !itemLine.MatchString(all[first]) {
		first--
	}
	indent := -1
	if m := itemLine.FindStringSubmatch(all[first]); m != nil {
		indent = len(m[1])
	}
	for last = first + 1; last < len(all); last++ {
		text := all[last]
		if strings.TrimSpace(text) != "" && len(text)-len(strings.TrimLeft(text, " ")) <= indent {
			break
		}
	}
	return first, last
}
