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
	text := ""
	for i, value := range []string{
		strconv.Itoa(r.report.ExitCode), strconv.Itoa(len(r.report.Violations)), report, asJSON(r.changedPaths()), asJSON(r.report.Egress), asJSON(r.report.Outputs),
	} {
		text += formatPair(pair{resultNames[i], value})
	}
	return text
}

// maxOutput is how much of the changed paths becomes an output: GitHub takes 1 MiB
// of all outputs of a job.
const maxOutput = 1 << 19

// changedPaths are the paths that the step changed, as many as an output holds.
func (r *runner) changedPaths() []string {
	list, room := []string{}, maxOutput
	for i, c := range r.report.Changes {
		if room -= len(asJSON(c.Path)) + 1; room < 0 {
			r.report.warn("the output changed-files has the first %d of %d paths; the report has all", i, len(r.report.Changes))
			break
		}
		list = append(list, c.Path)
	}
	return list
}

// asJSON is v on one line. What is handed over is made of strings and numbers.
func asJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return "null"
	}
	return string(text)
}
