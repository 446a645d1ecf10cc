package actions

import (
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/snug-sandbox/snug/internal/problem"
)

// collect takes from a step that has ended what was declared, and notes the rest.
func (r *runner) collect() error {
	report := &r.report
	report.Profile, report.Network = r.Profile, r.Network
	report.limits(r.Memory+r.CPUs+r.PIDs != "")
	if err := r.connections(); err != nil {
		return err
	}
	if err := r.files(); err != nil {
		return err
	}
	if r.Workspace == "overlay" {
		if err := r.changes(); err != nil {
			return err
		}
	}
	if s := report.Sandbox; s != nil {
		report.Overhead = time.Since(r.began) - s.Wall
	}
	report.judge(r.FailOn)
	return nil
}

// files hands on what a step wrote to $GITHUB_OUTPUT, $GITHUB_ENV and
// $GITHUB_PATH, as far as it was declared.
func (r *runner) files() error {
	r.report.Outputs = map[string]string{}
	var outputs, env strings.Builder
	for _, p := range r.pairs("output") {
		if !slices.Contains(r.Outputs.Outputs, p.name) {
			r.report.warn("the output %q was not declared, and is left out", p.name)
			continue
		}
		r.report.Outputs[p.name] = p.value
	}
	for _, name := range r.Outputs.Outputs {
		if v, ok := r.report.Outputs[name]; ok {
			outputs.WriteString(formatPair(pair{name, v}))
		}
	}
	for _, p := range r.pairs("env") {
		if !slices.Contains(r.Outputs.Env, p.name) {
			r.report.violate("environment", p.name, "the step would have set this variable for later steps")
			continue
		}
		env.WriteString(formatPair(p))
	}
	if state := r.text("state"); strings.TrimSpace(state) != "" {
		r.report.warn("what the step wrote to $GITHUB_STATE is left out")
	}
	if err := appendFile(r.job.output, outputs.String()); err != nil {
		return err
	}
	if err := appendFile(r.job.env, env.String()); err != nil {
		return err
	}
	return appendFile(r.job.path, r.paths())
}

// paths are the directories that the step may put into later steps' PATH.
func (r *runner) paths() string {
	var declared []string
	for _, dir := range r.Outputs.Path {
		declared = append(declared, r.below(dir))
	}
	var kept strings.Builder
	for _, dir := range lines(r.text("path")) {
		if !slices.Contains(declared, r.below(dir)) {
			r.report.violate("path", dir, "the step would have put this directory into later steps' PATH")
			continue
		}
		kept.WriteString(r.below(dir) + "\n")
	}
	return kept.String()
}

func (r *runner) below(dir string) string {
	if filepath.IsAbs(dir) {
		return filepath.Clean(dir)
	}
	return filepath.Join(r.job.workspace, dir)
}

// text is what the step left in one of its files.
func (r *runner) text(name string) string {
	text, cut, err := readHanded(r.step.layout.path(name))
	if err != nil || cut {
		r.report.violate("output", name, "the step wrote more than 1 MiB to this file")
		return ""
	}
	return text
}

func (r *runner) pairs(name string) []pair {
	list, err := parsePairs(r.text(name))
	if err != nil {
		r.report.warn("%s: %v", strings.ToUpper("github_"+name), err)
	}
	return list
}

// changes reads what the step wrote to its workspace, and brings back what the
// patterns name.
func (r *runner) changes() error {
	upper := r.step.layout.path("upper")
	list, err := readChanges(upper, r.job.workspace)
	if r.step.bare {
		upper = r.step.layout.path("tree")
		list, err = r.step.copyChanges()
	}
	if err != nil {
		return &problem.Problem{What: "the step's changes of the workspace", Why: bareError(err).Error(), Err: err}
	}
	r.report.Changes = list
	for _, c := range list {
		if inHooks(c.Path) {
			r.report.violate("workspace", c.Path, "a later step's git would have run this; it was not kept")
		}
	}
	for _, p := range r.Persist {
		if !slices.ContainsFunc(list, func(c Change) bool { return matches(p, c.Path) }) {
			r.report.warn("persist: %s: the step changed nothing of that name", p)
		}
	}
	done, refused, err := persist(upper, r.job.workspace, list, r.Persist)
	r.report.Persisted = done
	for _, v := range refused {
		r.report.violate(v.Kind, v.What, v.Why)
	}
	if err != nil {
		return &problem.Problem{What: "persist", Why: err.Error(), Err: err}
	}
	return nil
}

// inHooks reports whether a path is one that git runs by itself.
func inHooks(path string) bool {
	parts := strings.Split(path, "/")
	i := slices.IndexFunc(parts, isGit)
	return i >= 0 && i < len(parts)-2 && slices.Contains(parts[i+1:len(parts)-1], "hooks")
}

// connections takes what the network of the sandbox was used for.
func (r *runner) connections() error {
	r.report.Egress = []Connection{}
	for _, c := range readEgress(r.report.Sandbox) {
		r.report.Egress = append(r.report.Egress, c)
		if !c.Allowed && r.Egress == "block" {
			r.report.violate("network", c.name(), "the connection was refused")
		}
	}
	return nil
}
