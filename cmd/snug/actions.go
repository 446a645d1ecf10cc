package main

import (
	"os"
	"slices"

	"github.com/alecthomas/kong"
	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/internal/problem"
)

func actionsNode() *kong.Node {
	n := node("actions", "Sandbox steps and containers of GitHub Actions", actionsDetail, nil)
	n.Flags = []*kong.Flag{helpOption()}
	n.Children = []*kong.Node{
		actionsWord("run", "Run the step that the action's inputs describe", `
Inputs come from the environment, INPUT_NAME, as actions/run/action.yml lists
them. What the step prints goes to standard output, so that the runner takes no
line of it for a command.

  INPUT_RUN='make test' snug actions run
`),
		actionsWord("shell", "Run the script of a step", `
It stands in a workflow as the shell of a step, or of all steps. Each input of
the action is an option.

  shell: snug actions shell {0}
  shell: snug actions shell --workspace rw --network host {0}
`),
		actionsWord("hook", "Answer a runner's container hooks", `
The command comes on standard input, as a self-hosted runner writes it to the
program that ACTIONS_RUNNER_CONTAINER_HOOKS names. Containers, services and
container actions of jobs are then sandboxes of images in Snug's store.
`),
		actionsWord("install-hook", "Have a self-hosted runner use the hook", `
DIR is the runner's directory. A script for it is written there, and the lines of
its .env; a runner that is not yet started takes both.

  snug actions install-hook ~/actions-runner
`),
	}
	for _, c := range n.Children {
		c.Parent = n
	}
	return n
}

const actionsDetail = `
A step runs with the workspace and what its inputs name, and with nothing of the
job's trust: no tokens, no credentials of the checkout, no sockets. Outputs,
variables, changed files and words come back as far as they were declared.

  uses: OWNER/snug/actions/run@v1      in a workflow
  shell: snug actions shell {0}        any step of one
  snug actions install-hook DIR        containers of jobs, without Docker
`

// actionsVerb is a word below "actions". The helper program does the work.
type actionsVerb struct {
	word  string
	words []string
}

func actionsWord(name, help, detail string) *kong.Node {
	v := &actionsVerb{word: name}
	n := node(name, help, detail, v)
	n.Flags = []*kong.Flag{helpOption()}
	n.Positional = []*kong.Positional{arguments("WORD", "Words of this verb.", false, restMapper{&v.words})}
	return n
}

// actionsWords is the verb of a command line that begins with one of the helper's:
// its options are not known here. nil: it does not, or it asks for help.
func actionsWords(args []string) *actionsVerb {
	if len(args) < 2 || args[0] != "actions" {
		return nil
	}
	switch args[1] {
	case "run", "shell", "hook", "install-hook":
	default:
		return nil
	}
	if slices.Contains(args, "--help") || slices.Contains(args, "-h") {
		return nil
	}
	return &actionsVerb{args[1], args[2:]}
}

// do becomes the helper: signals are then its own.
func (v *actionsVerb) do(streams) error {
	helper, err := ownProgram("snug-actions")
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	env := append(os.Environ(), "SNUG_SELF="+self)
	err = unix.Exec(helper, append([]string{helper, v.word}, v.words...), env)
	return &problem.Problem{What: helper, Why: err.Error(), Err: err}
}
