// Snug runs a command in a sandbox that a TOML profile describes, with no root,
// no daemon and no setuid helper. "snug help" lists its verbs; each verb is one
// file of this folder.
//
// # Exit codes
//
// "snug run" exits with the command's own code, or 128+N when signal N ended
// it; 124 when its time limit did; 127 when there is no such command inside,
// 126 when it cannot be executed; 125 when Snug itself failed: a wrong option,
// a mistake in a profile, a step of the set-up that the kernel refused. "snug
// doctor" and "snug profile check" exit with 1 when they found something
// wrong. Everything else exits with 0 or 125.
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/snug-sandbox/snug/bwrap"
	"github.com/snug-sandbox/snug/internal/nofile"
	"github.com/snug-sandbox/snug/internal/problem"
)

// Exit codes that are Snug's own choice.
const (
	codeFound  = 1   // a check found something wrong
	codeFailed = 125 // Snug itself failed
)

// streams are what a verb reads from and writes to. They are files because
// the command in a sandbox gets them as they are.
type streams struct {
	in, out, err *os.File
}

func main() {
	if calledBwrap(os.Args) {
		os.Exit(bwrap.Main(os.Args[1:]))
	}
	os.Exit(run(os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr}))
}

// calledBwrap reports whether this program was called by bubblewrap's name, and
// is to behave like it. In a sandbox that hides its file a program calls itself
// as /proc/self/exe; then options of bubblewrap tell, no verb begins like one.
func calledBwrap(args []string) bool {
	switch {
	case len(args) == 0:
		return false
	case filepath.Base(args[0]) == "bwrap":
		return true
	}
	return args[0] == "/proc/self/exe" && len(args) > 1 && bwrap.IsOption(args[1])
}

// run is the whole program. Its switch is the only place that decides about
// exit codes.
func run(args []string, std streams) int {
	if nofile.TooFew() {
		problem.Print(std.err, &problem.Problem{What: "limit of open files", Why: fmt.Sprintf("%d are too few to work with, %d the least", nofile.AtStart[1], nofile.Least),
			Fix: "ulimit -n 1024, in a shell that may have so many"})
		return codeFailed
	}
	err := dispatch(args, std)
	var ended *endedError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &ended):
		return ended.code
	case errors.Is(err, errFound):
		return codeFound
	case errors.Is(err, errUsage):
		return codeFailed
	}
	problem.Print(std.err, err)
	return codeFailed
}

// dispatch finds the verb and does it.
func dispatch(args []string, std streams) error {
	if len(args) == 0 {
		return errors.Join(writeOverview(std.err), errUsage)
	}
	switch args[0] {
	case "-h", "--help":
		return writeOverview(std.out)
	case "-V", "--version":
		return versionVerb{}.do(std)
	}
	if args[0] == "bwrap" {
		return (&bwrapVerb{args[1:]}).do(std)
	}
	if v := actionsWords(args); v != nil {
		return v.do(std)
	}
	if v := plainRun(args); v != nil {
		return v.do(std)
	}
	cmd, err := parse(args)
	if err != nil {
		return err
	}
	if cmd.help {
		return writeHelp(std.out, cmd.node)
	}
	return verbOf(cmd.node).do(std)
}

// endedError says that the command in a sandbox ran and how it ended.
type endedError struct{ code int }

func (e *endedError) Error() string { return "the command ended" }

// Errors that have been told to the user already.
var (
	errFound = errors.New("a check found something wrong")
	errUsage = errors.New("no verb given")
)
