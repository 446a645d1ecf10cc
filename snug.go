// Package snug runs commands in sandboxes, as os/exec runs them without one:
//
//	cmd := snug.Command(snug.Spec{}, "make", "test")
//	cmd.Stdout = os.Stdout
//	err := cmd.Run()
//
// A Spec is plain data; its zero value is a sandbox with every namespace new,
// the host's system directories read-only, and no network. It is compiled into
// a plan, a list of system calls, which a process cloned straight into the new
// namespaces carries out. The calling program needs no hook in its main, may
// have any number of threads, and is never executed a second time.
//
// # Limits
//
// Linux 5.12 and newer, amd64 and arm64. The process that stays in the sandbox
// as its reaper is a copy of the calling process, made by fork(2). In a program
// without C code a large heap is left out of that copy; in one that was built
// with cgo it is not, and a caller with gigabytes in use starts sandboxes more
// slowly.
package snug

import (
	"github.com/snug-sandbox/snug/internal/host"
	"github.com/snug-sandbox/snug/internal/plan"
	"github.com/snug-sandbox/snug/spec"
)

// Spec is everything that a sandbox is. Its Plan method gives the steps that
// would run it.
type Spec = spec.Spec

// Streams says what a run is given beside its Spec.
type Streams = spec.Streams

// Compile turns s into the plan that runs it on the machine that f describes.
// It looks at nothing else.
func Compile(s Spec, f host.Facts, io Streams) (*plan.Plan, error) {
	return spec.Compile(s, f, io)
}
