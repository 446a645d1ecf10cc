package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/alecthomas/kong"
)

// version is the release, set when it is built with
// -ldflags "-X main.version=1.2.3". Otherwise the module's version is shown.
var version string

type versionVerb struct{}

func versionNode() *kong.Node {
	n := node("version", "Show the version", "", versionVerb{})
	n.Flags = []*kong.Flag{helpOption()}
	return n
}

func (versionVerb) do(std streams) error {
	_, err := fmt.Fprintf(std.out, "snug %s (%s, %s/%s)\n", versionText(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}

// versionText returns the release, the module's version when Snug was built
// with go install, or "devel".
func versionText() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "devel"
}
