package snug_test

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/snug-sandbox/snug"
	"github.com/snug-sandbox/snug/internal/child"
	"github.com/snug-sandbox/snug/internal/host"
	"github.com/snug-sandbox/snug/internal/plan"
	"github.com/snug-sandbox/snug/internal/program"
	"github.com/snug-sandbox/snug/mounts"
)

// The first steps are run before it is known what descriptors the command gets, and
// the caller may never hear of them.
func TestTheFirstStepsNeedNobody(t *testing.T) {
	f := fakeHost(func(*host.Facts) {})
	began := func(name string, s snug.Spec) bool {
		var steps []program.Step
		var data []byte
		io := snug.Streams{Begin: func(p *program.Program, _ uint64) {
			if !sameSteps(p.Steps, steps) || !bytes.HasPrefix(p.Data, data) {
				t.Errorf("%s: what has begun was changed", name)
			}
			steps, data = slices.Clone(p.Steps), bytes.Clone(p.Data)
		}}
		whole, err := snug.Compile(s, f, io)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !sameSteps(whole.Program.Steps, steps) || !bytes.HasPrefix(whole.Program.Data, data) {
			t.Errorf("%s: what has begun was changed in the end", name)
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

// sameSteps reports whether all begins with first.
func sameSteps(all, first []program.Step) bool {
	return len(all) >= len(first) && (len(first) == 0 || reflect.DeepEqual(all[:len(first)], first))
}

// The plan may still turn out to be wrong: what is made outside of the sandbox waits
// until all of it is there.
func TestWhatLastsDoesNotBegin(t *testing.T) {
	f := fakeHost(func(f *host.Facts) { f.Kernel = host.Version{Major: 6, Minor: 18} })
	last := func(name string, change func(*snug.Spec)) (labels string) {
		s := goldenSpecs(t, f)["default"]
		change(&s)
		io := snug.Streams{Begin: func(p *program.Program, _ uint64) {
			labels = ""
			for _, step := range p.Steps {
				labels += step.Label + "\n"
			}
		}}
		if _, err := snug.Compile(s, f, io); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return labels
	}
	layers := mounts.Rootfs{Image: "some", Layers: []string{"/layer"}}
	for name, c := range map[string]struct {
		change func(*snug.Spec)
		want   string // the label of a step
		begins bool
	}{
		"mounts":   {func(*snug.Spec) {}, "make it the root", true},
		"an image": {func(s *snug.Spec) { s.Rootfs = layers; s.Rootfs.Overlay = mounts.OverlayDiscard }, "make it the root", true},
		"what an image keeps": {func(s *snug.Spec) {
			s.Rootfs = layers
			s.Rootfs.Overlay = mounts.OverlayKeep
			s.Rootfs.Upper, s.Rootfs.Work = "/upper", "/work"
		}, "attach the new root", false},
		"a writable root": {func(s *snug.Spec) { s.Rootfs = mounts.Rootfs{Path: "/tree", Writable: true} }, "attach the new root", false},
		"an overlay": {func(s *snug.Spec) {
			s.Mounts = append(s.Mounts, mounts.Mount{Type: mounts.Overlay, Target: "/zz", Lower: []string{"/low"}, Upper: "/upper"})
		}, "mount an overlay at /zz", false},
		"bwrap --bind": {func(s *snug.Spec) {
			s.OrderedMounts, s.Rootfs = true, mounts.Rootfs{Base: mounts.BaseEmpty}
			s.Mounts = []mounts.Mount{{Type: mounts.Bind, Source: "/srv", Target: "/srv", Writable: true}}
		}, "bind /srv writable", false},
		"bwrap --file": {func(s *snug.Spec) {
			s.OrderedMounts, s.Rootfs = true, mounts.Rootfs{Base: mounts.BaseEmpty}
			s.Mounts = []mounts.Mount{{Type: mounts.Bind, Source: "/srv", Target: "/srv"}, {Type: mounts.Proc, Target: "/proc"}, {Type: mounts.Write, Target: "/srv/pipe", Content: "x"}}
		}, "write /srv/pipe", false},
		"bwrap --chmod": {func(s *snug.Spec) {
			s.OrderedMounts, s.Rootfs = true, mounts.Rootfs{Base: mounts.BaseEmpty}
			s.Mounts = []mounts.Mount{{Type: mounts.Dev, Target: "/dev"}, {Type: mounts.Chmod, Target: "/dev/null"}}
		}, "change the permissions of /dev/null", false},
	} {
		if got := last(name, c.change); strings.Contains(got, c.want) != c.begins {
			t.Errorf("%s: begins with\n%s", name, got)
		}
	}
}
