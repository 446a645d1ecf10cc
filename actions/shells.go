package actions

import (
	"path"
	"strings"

	"github.com/snug-sandbox/snug/internal/problem"
)

// shells are the lines that the runner runs a script with, and the ends that the
// scripts' names have (actions/runner, ScriptHandlerHelpers.cs).
var shells = map[string][2]string{
	"bash":   {"bash --noprofile --norc -e -o pipefail {0}", ".sh"},
	"sh":     {"sh -e {0}", ".sh"},
	"python": {"python3 {0}", ".py"},
	"pwsh":   {"pwsh -command . '{0}'", ".ps1"},
}

// shellWords returns the words of a shell's line with the script's path in place
// of {0}, and the script's name.
func shellWords(shell, dir string) (words []string, name string, err error) {
	line, name := shell, "script"
	if known, ok := shells[shell]; ok {
		line, name = known[0], name+known[1]
	}
	if !strings.Contains(line, "{0}") {
		return nil, "", &problem.Problem{What: "input shell", Why: "\"" + shell + "\" is not bash, sh, python or pwsh, and holds no {0} for the script", Fix: "shell: perl {0}"}
	}
	script := path.Join(dir, name)
	if shell == "pwsh" {
		// PowerShell takes all of this as one word, and goes on after errors if
		// it is not told otherwise.
		return []string{"pwsh", "-command", ". '" + script + "'"}, name, nil
	}
	for _, w := range strings.Fields(line) {
		words = append(words, strings.ReplaceAll(w, "{0}", script))
	}
	return words, name, nil
}

// scriptText is the script as the runner would write it.
func scriptText(shell, run string) string {
	if shell == "pwsh" {
		return "$ErrorActionPreference = 'stop'\n" + run + "\nif ((Test-Path -LiteralPath variable:\\LASTEXITCODE)) { exit $LASTEXITCODE }\n"
	}
	return run + "\n"
}
