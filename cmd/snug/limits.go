package main

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"github.com/snug-sandbox/snug/spec"
)

// scopeName describes a run in the list of the user's systemd.
func scopeName(s spec.Spec) string {
	text := "snug"
	if s.Name != "" {
		text += " " + s.Name
	}
	if len(s.Command.Args) > 0 {
		text += ": " + strings.Join(s.Command.Args, " ")
	}
	return strings.ToValidUTF8(text, "?")
}

// moveToScope has the user's systemd move this process into a scope that it may
// divide, of the given name or one that is made up. A helper program does the
// talking.
func moveToScope(description, unit string) error {
	helper, err := ownProgram("snug-systemd")
	if err != nil {
		return err
	}
	args := []string{"scope", strconv.Itoa(os.Getpid()), description}
	if unit != "" {
		args = append(args, unit)
	}
	out, err := exec.Command(helper, args...).CombinedOutput()
	if text := strings.TrimSpace(string(out)); err != nil && text != "" {
		return errors.New(text)
	}
	return err
}

// leftToUs reports whether systemd left the unit that this process is in to it.
// Without an answer it did not.
func leftToUs() bool {
	helper, err := ownProgram("snug-systemd")
	return err == nil && exec.Command(helper, "delegated", strconv.Itoa(os.Getpid())).Run() == nil
}
