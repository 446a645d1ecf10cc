package main

import (
	"fmt"
	"strings"

	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/network"
	"github.com/snug-sandbox/snug/spec"
)

// updateNetwork changes the bandwidth of the sandbox's network, where an option
// asks for it, and reports whether there are other limits to change.
func (v *updateVerb) updateNetwork(l live, std streams) (more bool, err error) {
	var s spec.Spec
	var change network.Change
	for _, c := range v.changes {
		if c.option != "bandwidth" {
			more = true
			continue
		}
		if err := c.make(&changing{Spec: &s}, c.value); err != nil {
			return false, optionProblem(c.option, err)
		}
		named := func(key string) bool { return c.value == "none" || strings.Contains(","+c.value, ","+key+"=") }
		change.Up, change.Down, change.Latency = change.Up || named("up"), change.Down || named("down"), change.Latency || named("latency")
	}
	if !change.Up && !change.Down && !change.Latency {
		return more, nil
	}
	change.Bandwidth = s.Network.Bandwidth
	answer, err := l.instance.ChangeNetwork(change)
	if err != nil {
		return false, &problem.Problem{What: l.Name, Why: "its bandwidth cannot be changed: " + err.Error(), Err: err, Fix: "only a sandbox that was started with --net private has one"}
	}
	fmt.Fprintf(std.out, "bandwidth: %s -> %s\n", orUnlimited(bandwidthText(answer.Before)), orUnlimited(bandwidthText(answer.After)))
	return more, nil
}

func orUnlimited(text string) string {
	if text == "" {
		return "no limit"
	}
	return text
}
