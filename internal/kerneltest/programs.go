package kerneltest

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// built is the directory that Programs made, which goes when the tests have run.
var built string

// Programs returns the directory that an environment variable names. Without one
// it builds programs of these packages into a new directory, for which the
// variable then stands: call it before Main and Drop, because the ordinary user
// may not read the caller's caches.
func Programs(variable string, packages ...string) string {
	if dir := os.Getenv(variable); dir != "" {
		return dir
	}
	dir, err := os.MkdirTemp("", "snug-programs-")
	if err == nil {
		built = dir
		err = os.Chmod(dir, 0o755)
	}
	if err == nil {
		build := exec.Command("go", append([]string{"build", "-buildvcs=false", "-o", dir}, packages...)...)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		build.Stderr = os.Stderr
		err = build.Run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "the programs cannot be built:", err)
		exit(2)
	}
	os.Setenv(variable, dir)
	return dir
}

// Tests are those of a package; what Programs made is gone after them.
type Tests struct{ *testing.M }

// Run runs the tests and returns their status.
func (t Tests) Run() int {
	defer removePrograms()
	return t.M.Run()
}

func removePrograms() {
	if built != "" {
		os.RemoveAll(built)
	}
}

func exit(status int) {
	removePrograms()
	os.Exit(status)
}
