//go:build !(snug_light && linux && (amd64 || arm64) && !cgo && !race && go1.26 && !go1.27)

// Package postponed has packages initialized late, in programs with a light start.
package postponed

// Never has nothing postponed: nothing is.
func Never() {}

// Grammar initializes kong: nothing is left to do.
func Grammar() {}

// TOML initializes the parser of TOML: nothing is left to do.
func TOML() {}
