package actions

import (
	"fmt"
	"os"
	"strings"

	"github.com/snug-sandbox/snug/internal/problem"
)

// ShellInputs reads the words after "snug actions shell": the inputs of the
// action as options, and the script's path, which the runner puts in place of
// {0}. Steps have no inputs of their own, and those of an action around them are
// not meant.
func ShellInputs(args []string) (Inputs, error) {
	given := map[string]string{}
	script := ""
	for len(args) > 0 {
		word := args[0]
		args = args[1:]
		name, isOption := strings.CutPrefix(word, "--")
		if !isOption || script != "" {
			if script != "" {
				return Inputs{}, &problem.Problem{What: "snug actions shell", Why: fmt.Sprintf("%q stands after the script", word), Fix: "shell: snug actions shell [--INPUT VALUE...] {0}"}
			}
			script = word
			continue
		}
		name, value, ok := strings.Cut(name, "=")
		if !contains(inputNames, name) || name == "run" {
			return Inputs{}, &problem.Problem{What: "--" + name, Why: "the action has no such input", Fix: "one of --" + strings.Join(inputNames[1:], ", --")}
		}
		if !ok {
			if len(args) == 0 {
				return Inputs{}, &problem.Problem{What: "--" + name, Why: "it needs a value"}
			}
			value, args = args[0], args[1:]
		}
		if given[name] != "" {
			value = given[name] + "\n" + value // of a list, one more
		}
		given[name] = value
	}
	if script == "" {
		return Inputs{}, &problem.Problem{What: "snug actions shell", Why: "the script is missing", Fix: "shell: snug actions shell {0}"}
	}
	text, err := os.ReadFile(script)
	if err != nil {
		return Inputs{}, &problem.Problem{What: "the script " + script, Why: bareError(err).Error(), Err: err}
	}
	given["run"] = string(text)
	if given["working-directory"] == "" {
		given["working-directory"], _ = os.Getwd()
	}
	return parseInputs(func(name string) string { return given[name] })
}
