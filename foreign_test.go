package snug_test

import (
	"strings"
	"syscall"
	"testing"

	"github.com/snug-sandbox/snug"
	"github.com/snug-sandbox/snug/internal/host"
	"github.com/snug-sandbox/snug/mounts"
)

// An overlay over a tree of somebody else makes nothing in directories whose owner the
// sandbox has no id for; newer kernels say EOVERFLOW where it is the group's.
func TestWhatCannotBeMadeInATreeOfSomebodyElse(t *testing.T) {
	f := fakeHost(func(*host.Facts) {})
	s := goldenSpecs(t, f)["default"]
	s.Rootfs = mounts.Rootfs{Path: "/tree", Overlay: mounts.OverlayDiscard}
	p, err := snug.Compile(s, f, snug.Streams{})
	if err != nil {
		t.Fatal(err)
	}
	made := 0
	for i, step := range p.Program.Steps {
		if step.Label != "write /etc/passwd" || step.Call.Name != "mknodat" {
			continue
		}
		made++
		for _, errno := range []syscall.Errno{syscall.EACCES, syscall.EOVERFLOW} {
			err := snug.FailedStep(s, p, i, errno)
			if text := err.Error(); !strings.Contains(text, "write /etc/passwd: ") || !strings.Contains(text, "belongs to a user or a group that the sandbox has no id for") {
				t.Errorf("%v: %s", errno, text)
			}
		}
	}
	if made == 0 {
		t.Error("it is not made")
	}
}
