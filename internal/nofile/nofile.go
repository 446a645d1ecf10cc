// Package nofile knows the limit of open files that this process was started
// with. Go raises the soft one to the hard one when package syscall is
// initialised. Packages are initialised in the order of their import paths as far
// as their imports allow; this one imports nothing, and so comes before.
package nofile

// AtStart is the soft and the hard limit (RLIMIT_NOFILE, getrlimit(2)).
var AtStart = read()

// Least is how many are needed to begin with: with fewer Go's runtime may end the
// program with a trace, and what there is to see of others is not found.
const Least = 16

// TooFew reports whether there are fewer.
func TooFew() bool { return AtStart[1] > 0 && AtStart[1] < Least }

func read() (limit [2]uint64) {
	prlimit(&limit)
	return limit
}

// prlimit is prlimit64(2) for this process and RLIMIT_NOFILE, in assembly.
//
//go:noescape
func prlimit(to *[2]uint64)
