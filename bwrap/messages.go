package bwrap

import (
	"errors"
	"fmt"
	"strconv"
	"syscall"
)

// Levels of a message, those of syslog(3).
const (
	Fatal   = 3
	Warning = 4
)

// Format is text as bubblewrap prints it; withLevel is --level-prefix.
func Format(level int, withLevel bool, text string) string {
	text = "bwrap: " + text
	if withLevel {
		text = "<" + strconv.Itoa(level) + ">" + text
	}
	return text
}

func messagef(format string, args ...any) error { return message(fmt.Sprintf(format, args...)) }

// errnoOf is the kernel's part of an error.
func errnoOf(err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return err
}
