// Bwrap is bubblewrap's command line on Snug's engine, for the programs that
// call it. It is what "snug bwrap" does, in a smaller program, which starts
// sooner.
package main

import (
	"os"

	"github.com/snug-sandbox/snug/bwrap"
)

func main() { os.Exit(bwrap.Main(os.Args[1:])) }
