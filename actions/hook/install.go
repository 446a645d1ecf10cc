package hook

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/snug-sandbox/snug/internal/problem"
)

// hookVariable is the runner's name for the program; hookRequired makes it refuse
// jobs that would run outside of a container.
const (
	hookVariable = "ACTIONS_RUNNER_CONTAINER_HOOKS"
	hookRequired = "ACTIONS_RUNNER_REQUIRE_JOB_CONTAINER"
)

// Install writes the script that a runner calls, which has to have a name that
// ends in .sh, and the lines of the runner's .env. What stands there otherwise
// stays.
func Install(out io.Writer, snug string, words []string) error {
	require := true
	var dirs []string
	for _, w := range words {
		switch {
		case w == "--no-require-container":
			require = false
		case strings.HasPrefix(w, "-"):
			return &problem.Problem{What: w, Why: "there is no such option", Fix: "snug actions install-hook [--no-require-container] DIR"}
		default:
			dirs = append(dirs, w)
		}
	}
	if len(dirs) != 1 {
		return &problem.Problem{What: "snug actions install-hook", Why: "it wants the directory of one runner", Fix: "snug actions install-hook ~/actions-runner"}
	}
	dir, err := filepath.Abs(dirs[0])
	if err != nil {
		return err
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return &problem.Problem{What: dirs[0], Why: "there is no such directory", Fix: "the runner's own, which config.sh is in"}
	}
	script := filepath.Join(dir, "snug-hook.sh")
	text := "#!/bin/sh\n# The runner calls this for containers, services and container actions of jobs.\nexec " + quote(snug) + " actions hook\n"
	if err := writeFile(script, text, 0o755); err != nil {
		return err
	}
	lines := [][2]string{{hookVariable, script}}
	if require {
		lines = append(lines, [2]string{hookRequired, "true"})
	}
	env := filepath.Join(dir, ".env")
	was, err := os.ReadFile(env)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return &problem.Problem{What: env, Why: bare(err), Err: err}
	}
	if err := writeFile(env, withLines(string(was), lines), 0o644); err != nil {
		return err
	}
	fmt.Fprintf(out, "wrote %s\nwrote %s\n", script, env)
	if require {
		fmt.Fprintln(out, "Jobs without container: are refused now, because they would run outside of one; --no-require-container allows them.")
	}
	fmt.Fprintln(out, "Start the runner again for it to take effect.")
	return nil
}

// withLines sets variables in a text of lines NAME=VALUE.
func withLines(text string, set [][2]string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		name, _, _ := strings.Cut(line, "=")
		replaced := false
		for _, s := range set {
			replaced = replaced || strings.TrimSpace(name) == s[0]
		}
		if !replaced {
			b.WriteString(strings.TrimRight(line, "\n") + "\n")
		}
	}
	for _, s := range set {
		b.WriteString(s[0] + "=" + s[1] + "\n")
	}
	return b.String()
}

// quote writes a word as a shell reads it.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// writeFile replaces a file in one step.
func writeFile(path, text string, mode fs.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".snug-")
	if err == nil {
		_, err = f.WriteString(text)
		if err == nil {
			err = f.Chmod(mode)
		}
		if closed := f.Close(); err == nil {
			err = closed
		}
		if err == nil {
			err = os.Rename(f.Name(), path)
		}
		if err != nil {
			os.Remove(f.Name())
		}
	}
	if err != nil {
		return &problem.Problem{What: path, Why: bare(err), Err: err}
	}
	return nil
}
