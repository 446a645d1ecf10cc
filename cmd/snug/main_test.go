package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/snug-sandbox/snug/internal/kerneltest"
	_ "github.com/snug-sandbox/snug/internal/postponed/never"
)

func TestMain(m *testing.M) {
	if order := os.Getenv(clientEnv); order != "" {
		if err := beClient(order); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	// This binary also plays snug, which builds nothing.
	if len(os.Args) > 0 && strings.HasSuffix(os.Args[0], ".test") {
		kerneltest.Programs("SNUG_LIBEXEC", "../snug-image", "../snug-net", "../snug-desktop", ".")
	}
	kerneltest.Drop()
	testscript.Main(kerneltest.Tests{M: m}, map[string]func(){"snug": main})
}

// TestScripts runs testdata/VERB_BEHAVIOUR.txtar.
func TestScripts(t *testing.T) {
	registry := imageRegistry(t)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		Condition:           kerneltest.Condition,
		RequireUniqueNames:  true,
		RequireExplicitExec: true,
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"code": exitCode},
		Setup: func(env *testscript.Env) error {
			kerneltest.InTime(env.T())
			env.Setenv("COLUMNS", "80")
			env.Setenv("LC_ALL", "C")
			env.Setenv("SNUG_LIBEXEC", os.Getenv("SNUG_LIBEXEC"))
			env.Setenv("REGISTRY", registry)
			return nil
		},
	})
}

// exitCode is the script command "code N PROGRAM [ARG...]": the program has to
// exit with N, and with nothing else.
func exitCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N PROGRAM [ARG...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	err = ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}
