package actions

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// tell writes the outputs, the summary and the annotations.
func (r *runner) tell() error {
	path, err := r.writeReport()
	if err != nil {
		return err
	}
	if err := appendFile(r.job.output, r.results(path)); err != nil {
		return err
	}
	if r.Summary {
		if err := appendFile(r.job.summary, r.summary(r.text("summary"))); err != nil {
			return err
		}
	}
	r.annotate()
	if r.report.Failed && r.report.ExitCode == 0 {
		fmt.Fprintf(r.Out, "snug: failed for %s (fail-on: %s)\n", plural(len(r.report.Violations), "violation"), r.FailOn)
	}
	return nil
}

// resultNames are the outputs of the action itself.
var resultNames = []string{"exit-code", "violations", "report", "changed-files", "egress", "outputs"}

// results are the outputs of the action itself. A step cannot have set them: no
// output of these names can be declared.
func (r *runner) results(report string) string {
	changed := []string{}
	for _, c := range r.report.Changes {
		changed = append(changed, c.Path)
	}
	text := ""
	for i, value := range []string{
		strconv.Itoa(r.report.ExitCode), strconv.Itoa(len(r.report.Violations)), report, asJSON(changed), asJSON(r.report.Egress), asJSON(r.report.Outputs),
	} {
		text += formatPair(pair{resultNames[i], value})
	}
	return text
}

// asJSON is v on one line. What is handed over is made of strings and numbers.
func asJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return "null"
	}
	return string(text)
}
