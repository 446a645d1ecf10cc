package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// colours reports whether to write in colours to f: on a terminal that can
// show them, unless the user wants none (https://no-color.org).
func colours(f *os.File) bool {
	term := os.Getenv("TERM")
	return os.Getenv("NO_COLOR") == "" && term != "" && term != "dumb" && isTerminal(f)
}

func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}
