package spec

import (
	"errors"
	"strings"
	"testing"

	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/mounts"
	"github.com/snug-sandbox/snug/namespaces"
	"github.com/snug-sandbox/snug/network"
	"github.com/snug-sandbox/snug/userns"
)

func TestContradictions(t *testing.T) {
	for _, c := range []struct {
		change func(*Spec)
		says   string
	}{
		{func(*Spec) {}, ""},
		{func(s *Spec) { s.Network.Mode = network.Host }, ""},
		{func(s *Spec) { s.Network.Mode, s.Namespaces.Net = network.Host, namespaces.New }, "network.mode"},
		{func(s *Spec) { s.Namespaces.User, s.Identity.Map = namespaces.Share, userns.MapRoot }, "identity.map"},
		{func(s *Spec) { s.Identity.Groups = []int{} }, "identity.groups"},
		{func(s *Spec) { s.Identity.Groups, s.Identity.Map = []int{}, userns.MapRange }, ""},
		{func(s *Spec) { s.Identity.Groups, s.Rootfs.Image = []int{5}, "a:1" }, ""},
		{func(s *Spec) { s.Namespaces.PID, s.Command.PID1 = namespaces.Share, true }, "command.pid1"},
	} {
		var s Spec
		c.change(&s)
		err := s.Validate()
		if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%+v: %v, want %q", s, err, c.says)
		}
	}
}

func TestAllMistakesAtOnce(t *testing.T) {
	s := Spec{Mounts: []mounts.Mount{{Type: "x", Target: "/x"}, {Source: "y"}}}
	s.Identity.Map, s.Terminal.TTY, s.Network.Mode = "x", "x", "x"
	var list problem.List
	if err := s.Validate(); !errors.As(err, &list) || len(list) != 5 {
		t.Errorf("%v", err)
	}
}
