package main

import (
	"context"

	"github.com/alecthomas/kong"

	"github.com/snug-sandbox/snug/doctor"
)

type doctorVerb struct{ json bool }

func doctorNode() *kong.Node {
	v := &doctorVerb{}
	n := node("doctor", "Check what this machine allows, and say how to mend it", `
The table shows what sandboxes need, whether it is there, what does not work
without it, and the command that mends it on this distribution. At the end the
smallest sandbox is really run. The exit code is 1 when "snug run" cannot work.

  snug doctor
  snug doctor --json
`, v)
	n.Flags = []*kong.Flag{mark("json", "As JSON.", &v.json), helpOption()}
	return n
}

func (v *doctorVerb) do(std streams) error {
	report := doctor.Run(context.Background())
	if v.json {
		if err := writeJSON(std.out, report); err != nil {
			return err
		}
	} else if err := report.Print(std.out, colours(std.out)); err != nil {
		return err
	}
	if !report.OK {
		return errFound
	}
	return nil
}
