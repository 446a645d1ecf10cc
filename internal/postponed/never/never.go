// Package never has nothing postponed in a program that imports it: tests, which link
// more than the program that they test, and what that uses too.
package never

import "github.com/snug-sandbox/snug/internal/postponed"

// This package imports one that imports nothing, so that it comes right after that.
func init() { postponed.Never() }
