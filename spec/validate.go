package spec

import (
	"errors"

	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/namespaces"
	"github.com/snug-sandbox/snug/network"
	"github.com/snug-sandbox/snug/userns"
)

// Validate reports everything about s that makes no sense on any machine, all
// of it at once.
func (s Spec) Validate() error {
	var list problem.List
	for _, err := range [...]error{
		s.Command.Validate(), s.Env.Validate(), s.Identity.Validate(), s.table().Validate(), s.Namespaces.Validate(), s.Network.Validate(),
		s.Limits.Config.Validate(), s.Limits.Limits.Validate(), s.Security.Privileges.Validate(), s.Security.Seccomp.Validate(), s.Security.Config.Validate(),
		s.Desktop.Validate(), s.Terminal.Validate(),
	} {
		list = appendProblems(list, err)
	}
	return appendProblems(list, s.contradictions().Err()).Err()
}

func appendProblems(list problem.List, err error) problem.List {
	var more problem.List
	var one *problem.Problem
	switch {
	case err == nil:
	case errors.As(err, &more):
		list = append(list, more...)
	case errors.As(err, &one):
		list = append(list, one)
	default:
		list = append(list, &problem.Problem{Why: err.Error(), Err: err})
	}
	return list
}

// contradictions finds tables that do not go together.
func (s Spec) contradictions() problem.List {
	var list problem.List
	bad := func(what, why, fix string) {
		list = append(list, &problem.Problem{What: what, Why: why, Fix: fix})
	}
	if s.Namespaces.None {
		return s.bareContradictions()
	}
	if s.Namespaces.Net == namespaces.New && s.Network.Mode == network.Host {
		bad("network.mode", "\"host\" is the caller's network, but namespaces.net is \"new\"", "leave one of them out")
	}
	if s.Namespaces.Net == namespaces.Share && s.Network.Mode == network.Private {
		bad("network.mode", "\"private\" is a network of its own, but namespaces.net is \"share\"", "leave one of them out")
	}
	if s.Namespaces.User == namespaces.Share && s.Identity.Map != "" {
		bad("identity.map", "ids are mapped in a new user namespace only", "leave out namespaces.user = \"share\"")
	}
	fromImage := s.Rootfs.Image != "" && s.Identity.Map == ""
	if s.Identity.Groups != nil && s.Identity.Map != userns.MapRange && !fromImage {
		bad("identity.groups", "further groups take a range of ids", `identity.map = "range"`)
	}
	if s.Namespaces.PID == namespaces.Share && s.Command.PID1 {
		bad("command.pid1", "in a shared pid namespace somebody else is process 1", "leave out namespaces.pid = \"share\"")
	}
	return list
}
