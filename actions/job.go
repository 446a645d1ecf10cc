package actions

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/snug-sandbox/snug/internal/problem"
)

// job is what the runner says of the job, by the environment.
type job struct {
	environ   []string
	workspace string // $GITHUB_WORKSPACE, without symbolic links
	named     string // the same as the runner names it, where that is another path
	temp      string // $RUNNER_TEMP
	tools     string // $RUNNER_TOOL_CACHE
	home      string

	output, env, path, summary string // files of the runner
	workflow                   string // the workflow's file in the workspace, if it is there
}

func newJob(environ []string) (job, error) {
	get := func(name string) string { return lookup(environ, name) }
	j := job{
		environ: environ, workspace: get("GITHUB_WORKSPACE"), temp: get("RUNNER_TEMP"), tools: get("RUNNER_TOOL_CACHE"), home: get("HOME"),
		output: get("GITHUB_OUTPUT"), env: get("GITHUB_ENV"), path: get("GITHUB_PATH"), summary: get("GITHUB_STEP_SUMMARY"),
	}
	if j.workspace == "" {
		j.workspace, _ = os.Getwd()
	}
	real, err := filepath.EvalSymlinks(j.workspace)
	if err == nil {
		real, err = filepath.Abs(real)
	}
	if err != nil {
		return j, &problem.Problem{What: "GITHUB_WORKSPACE " + j.workspace, Why: bareError(err).Error(), Err: err, Fix: "check the repository out first: uses: actions/checkout@v5"}
	}
	if real == "/" || real == j.home {
		return j, &problem.Problem{What: "GITHUB_WORKSPACE " + real, Why: "this is not a workspace: everything would be shown to the step"}
	}
	if named := filepath.Clean(j.workspace); named != real && filepath.IsAbs(named) {
		j.named = named
	}
	j.workspace = real
	if j.temp == "" || within(realPath(j.temp), j.workspace) {
		j.temp = os.TempDir()
	}
	j.workflow = workflowFile(get("GITHUB_WORKFLOW_REF"), j.workspace)
	return j, nil
}

func realPath(p string) string {
	if real, err := filepath.EvalSymlinks(p); err == nil {
		return real
	}
	return filepath.Clean(p)
}

// workflowFile finds the file in "owner/repository/.github/workflows/x.yml@ref".
func workflowFile(ref, workspace string) string {
	name, _, _ := strings.Cut(ref, "@")
	i := strings.Index(name, ".github/")
	if i < 0 || !filepath.IsLocal(name[i:]) {
		return ""
	}
	if _, err := os.Stat(filepath.Join(workspace, name[i:])); err != nil {
		return ""
	}
	return name[i:]
}

// searchPath is the job's PATH without directories that are not shown inside. more
// are shown beside those that always are.
func (j job) searchPath(more ...string) string {
	var list []string
	shown := append(more, "/usr", "/bin", "/sbin", "/opt", "/snap", j.workspace)
	if j.tools != "" {
		shown = append(shown, j.tools)
	}
	for _, dir := range append(filepath.SplitList(lookup(j.environ, "PATH")), "/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin") {
		for _, top := range shown {
			if within(dir, top) && !contains(list, dir) {
				list = append(list, dir)
			}
		}
	}
	return strings.Join(list, ":")
}

func contains(list []string, s string) bool {
	for _, e := range list {
		if e == s {
			return true
		}
	}
	return false
}
