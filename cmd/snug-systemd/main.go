// Snug-systemd speaks D-Bus for snug, so that snug does not have to link what
// that needs: every start would pay for it. It is not for people.
//
//	snug-systemd scope PID DESCRIPTION [UNIT]
//
// moves the process PID into a transient scope of the user's systemd, or of the
// system's when root calls, named UNIT where that is given. The exit code is 0, or 1 with a sentence on standard
// error.
//
//	snug-systemd delegated PID
//
// says with 0 that the unit of PID was left to it, and with 1 that it was not.
package main

import (
	"fmt"
	"os"
	"strconv"

	"github.com/snug-sandbox/snug/internal/systemd"
)

func main() {
	if err := do(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func do(args []string) error {
	scope, asks := (len(args) == 3 || len(args) == 4) && args[0] == "scope", len(args) == 2 && args[0] == "delegated"
	if !scope && !asks {
		return fmt.Errorf("usage: snug-systemd scope PID DESCRIPTION [UNIT], or delegated PID")
	}
	pid, err := strconv.Atoi(args[1])
	if err != nil || pid <= 0 {
		return fmt.Errorf("%q is not a process", args[1])
	}
	if scope {
		unit := fmt.Sprintf("snug-%d.scope", pid)
		if len(args) == 4 {
			unit = args[3]
		}
		return systemd.Scope(pid, args[2], unit)
	}
	yes, err := systemd.Delegated(pid)
	if err == nil && !yes {
		err = fmt.Errorf("the unit of %d was not delegated", pid)
	}
	return err
}
