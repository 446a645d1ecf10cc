//go:build !(snug_light && linux && (amd64 || arm64) && !cgo && !race && go1.26 && !go1.27)

package child

import "os"

//go:nosplit
//go:norace
//go:noinline
func lighten() {}

const light = false

// Whole brings up what is missing of Go's runtime: nothing.
func Whole() {}

// Later calls f at once.
func Later(list []os.Signal, f func()) { f() }
