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

// screen is the size of a terminal; 80 columns and 24 lines where it does not say.
func screen(f *os.File) (columns, lines int) {
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil || size.Col == 0 || size.Row == 0 {
		return 80, 24
	}
	return int(size.Col), int(size.Row)
}
