package main

import (
	"github.com/snug-sandbox/snug/internal/child"
	"github.com/snug-sandbox/snug/internal/host"
)

// ownProgram finds a helper program, to be run at once: who talks with one needs
// all of Go's runtime.
func ownProgram(name string) (string, error) {
	child.Whole()
	return host.OwnProgram(name)
}
