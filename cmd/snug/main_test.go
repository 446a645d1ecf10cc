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
)

func TestMain(m *testing.M) {
	dir := buildHelpers()
	kerneltest.Drop()
	if dir != "" {
		defer os.RemoveAll(dir)
	}
	testscript.Main(m, map[string]func(){"snug": main})
}

// buildHelpers builds the helper programs that the scripts need, before the
// tests become an ordinary user's, who may not read the caller's caches. It
// returns the directory to remove.
func buildHelpers() string {
	if len(os.Args) == 0 || !strings.HasSuffix(os.Args[0], ".test") || os.Getenv("SNUG_LIBEXEC") != "" {
		return ""
	}
	dir, err := os.MkdirTemp("", "snug-libexec-")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err == nil {
		build := exec.Command("go", "build", "-buildvcs=false", "-o", dir, "../snug-image", "../snug-net", "../snug-desktop", ".")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		build.Stderr = os.Stderr
		err = build.Run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "the helper programs cannot be built:", err)
		os.Exit(2)
	}
	os.Setenv("SNUG_LIBEXEC", dir)
	return dir
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
