package snug_test

import (
	"slices"
	"testing"

	"github.com/snug-sandbox/snug"
	"github.com/snug-sandbox/snug/internal/child"
	"github.com/snug-sandbox/snug/internal/host"
	"github.com/snug-sandbox/snug/internal/plan"
	"github.com/snug-sandbox/snug/internal/program"
)

// The first steps are run before it is known what descriptors the command gets, and
// the caller may never hear of them.
func TestTheFirstStepsNeedNobody(t *testing.T) {
	f := fakeHost(func(*host.Facts) {})
	began := func(name string, s snug.Spec) bool {
		var steps []program.Step
		io := snug.Streams{Begin: func(p *program.Program, _ uint64) { steps = slices.Clone(p.Steps) }}
		if _, err := snug.Compile(s, f, io); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		kept := map[uint64]bool{uint64(child.RegControl): true, uint64(child.RegSupervisor): true}
		for _, step := range steps {
			for _, a := range step.Args {
				if a.Kind == program.Content && !kept[a.Value] {
					t.Errorf("%s: %s has what register %d holds", name, step.Label, a.Value)
				}
			}
			if kept[uint64(step.Out)] = true; step.Fork || step.Move || step.Call.Nr == plan.Recvfrom.Nr {
				t.Errorf("%s: %s", name, step.Label)
			}
		}
		return steps != nil
	}
	some := false
	for name, s := range goldenSpecs(t, f) {
		some = began(name, s) || some
	}
	if !some {
		t.Error("none has first steps")
	}
	s, fd := goldenSpecs(t, f)["default"], 9
	s.Command.PID1, s.Identity.Block = true, &fd
	if began("ids that the caller maps", s) {
		t.Error("it would be waited for the caller")
	}
}
