//go:build cgo

package child

// withoutHeap just calls clone in a program that may hold C code: see heap.go.
func withoutHeap(clone func() int64) int64 { return clone() }

// withC says that there is a C library.
const withC = true
