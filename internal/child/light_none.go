//go:build !(snug_light && linux && (amd64 || arm64) && !cgo && !race && go1.26 && !go1.27)

package child

//go:nosplit
//go:norace
//go:noinline
func lighten() {}

const light = false

// Whole brings up what is missing of Go's runtime: nothing.
func Whole() {}
