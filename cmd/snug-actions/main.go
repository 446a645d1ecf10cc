// Snug-actions is GitHub Actions' side of snug: a sandbox for a step of a job.
// "snug actions" calls it; it is apart, so that no other start of snug pays for
// what it links. See "snug actions --help".
//
// The exit code is the step's, 1 for a violation alone, and 125 when Snug
// failed.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/actions"
	"github.com/snug-sandbox/snug/actions/hook"
	"github.com/snug-sandbox/snug/internal/problem"
)

func main() {
	unix.Umask(0o022)
	if len(os.Args) < 2 || verbs[os.Args[1]] == nil {
		fail(&problem.Problem{What: "snug-actions", Why: "this program is for snug to call", Fix: "snug actions --help"})
	}
	os.Exit(verbs[os.Args[1]](os.Args[2:]))
}

// verbs are the words that may come first. The last row is of processes that the
// hook starts.
var verbs = map[string]func(args []string) int{
	"run": run, "shell": shell, "hook": runHook, "install-hook": install,
	"hold": hold, "publish": hook.Publish, "pause": func([]string) int { return hook.Pause() }, "forward": func([]string) int { return hook.Forward() },
	"agent": func([]string) int { return hook.Agent() },
}

func runHook([]string) int {
	self, err := os.Executable()
	if err != nil {
		fail(err)
	}
	h := hook.Hook{Getenv: os.Getenv, In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Snug: snug(), Self: self}
	return h.Run()
}

func install(args []string) int {
	if err := hook.Install(os.Stdout, snug(), args); err != nil {
		fail(err)
	}
	return 0
}

func hold([]string) int {
	return hook.Hold(os.Stdin, os.NewFile(3, "ready"))
}

func run(args []string) int {
	if len(args) > 0 {
		fail(&problem.Problem{What: fmt.Sprintf("%q", args[0]), Why: "snug actions run takes its inputs from the environment", Fix: "INPUT_RUN='make test' snug actions run"})
	}
	in, err := actions.FromEnvironment(os.Environ())
	return actions.Main(in, err, process())
}

func shell(args []string) int {
	in, err := actions.ShellInputs(args)
	return actions.Main(in, err, process())
}

func process() actions.Process {
	return actions.Process{Environ: os.Environ(), Out: os.Stdout, Snug: snug()}
}

// snug is the program that makes sandboxes: the one that called this, or the one
// beside it.
func snug() string {
	if path := os.Getenv("SNUG_SELF"); path != "" {
		return path
	}
	self, err := os.Executable()
	if err != nil {
		fail(err)
	}
	dir := filepath.Dir(self)
	for _, path := range []string{filepath.Join(dir, "snug"), filepath.Join(dir, "..", "..", "bin", "snug")} {
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path
		}
	}
	fail(&problem.Problem{What: self, Why: "the program snug is not beside it", Fix: "make install, or go install ./cmd/..."})
	return ""
}

func fail(err error) {
	problem.Print(os.Stderr, err)
	os.Exit(125)
}
