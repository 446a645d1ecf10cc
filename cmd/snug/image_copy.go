package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/snug-sandbox/snug"
	"github.com/snug-sandbox/snug/internal/host"
	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/mounts"
	"github.com/snug-sandbox/snug/spec"
)

// start runs the command. Where overlayfs and fuse-overlayfs are both refused, an
// image is copied instead.
func (v *runVerb) start(s *sandbox, cmd *snug.Cmd, std streams) (*snug.Result, error) {
	if s.Spec.Rootfs.Driver != mounts.DriverCopy || s.Spec.Rootfs.Image == "" {
		result, err := snug.Main(cmd)
		if !errors.Is(err, snug.ErrOverlay) || s.Spec.Rootfs.Driver != mounts.DriverAuto || s.Spec.Rootfs.Image == "" || s.Spec.Rootfs.Upper != "" {
			return result, err
		}
		if !v.quiet {
			fmt.Fprintln(std.err, "snug: note: the kernel refuses overlayfs here, and fuse-overlayfs cannot be had: a copy of the image stands in for it")
		}
	}
	if err := v.settled(std); err != nil {
		return nil, err
	}
	s.Spec.Rootfs.Driver = mounts.DriverCopy
	drop, err := v.copyImage(s, std)
	if err != nil {
		return nil, err
	}
	defer drop()
	again := &snug.Cmd{Spec: s.Spec, Stdin: cmd.Stdin, Stdout: cmd.Stdout, Stderr: cmd.Stderr, Files: cmd.Files, Delegate: cmd.Delegate, Planned: cmd.Planned}
	if cmd.Started != nil {
		again.Started = func(i snug.Instance) {
			cmd.Spec = again.Spec // what was looked up is in the record, too
			cmd.Started(i)
		}
	}
	return snug.Main(again)
}

// copyImage copies the image of a sandbox, for what is kept under a name or for
// this run alone. drop removes the latter.
func (v *runVerb) copyImage(s *sandbox, std streams) (drop func(), err error) {
	store, err := openStore()
	if err != nil {
		return nil, err
	}
	r := &s.Spec.Rootfs
	image, err := store.Use(r.Image)
	if err != nil {
		return nil, err
	}
	defer image.Close()
	ids := spec.ChooseIDs(s.Spec.Identity.Map, image)
	std.in, std.out = nil, std.err
	helper := imageVerb{word: "copy", args: []string{r.Image}, quiet: v.quiet}
	if r.Name != "" {
		helper.options = []string{"--keep=" + r.Name}
		return func() {}, failed(helper.inSandbox(std, ids, nil), "image "+r.Image, "could not be copied")
	}
	a, err := store.Begin()
	if err != nil {
		return nil, err
	}
	r.Copy = filepath.Join(a.Dir(), "tree")
	drop = func() {
		gone := imageVerb{word: "drop", args: []string{r.Copy}}
		if err := gone.inSandbox(std, ids, nil); err != nil {
			problem.Print(std.err, &problem.Problem{What: "the copy of the image", Why: "could not be removed; snug image prune tries again", Err: err})
		}
		a.Close()
	}
	if err := os.Mkdir(r.Copy, 0o755); err != nil {
		a.Close()
		return nil, err
	}
	helper.options = []string{"--into=" + r.Copy}
	if err := failed(helper.inSandbox(std, ids, nil), "image "+r.Image, "could not be copied"); err != nil {
		drop()
		return nil, err
	}
	return drop, nil
}

// overlayNotes says what would stand in for the overlayfs of a root, where this
// kernel refuses it: one is tried.
func overlayNotes(r mounts.Rootfs) []string {
	if r.Driver != mounts.DriverAuto || r.Overlay == mounts.OverlayNone || !r.HasTree() {
		return nil
	}
	probe := snug.Command(spec.Spec{Mounts: []mounts.Mount{{Type: mounts.Overlay, Target: "/tmp", Lower: []string{"/etc"}, Writable: true}}}, "true")
	var failed *snug.StepError
	if err := probe.Run(); !errors.As(err, &failed) || !strings.HasPrefix(failed.Label, overlayMount) {
		return nil
	}
	text := "this kernel refuses overlayfs (" + failed.Errno.Error() + "): "
	switch {
	case host.FindHelper("fuse-overlayfs") != "" && host.ProbeFuse() == nil:
		return []string{text + "fuse-overlayfs will stand in for it"}
	case r.Image != "":
		return []string{text + "a copy of the image will stand in for it"}
	}
	return []string{text + "install fuse-overlayfs"}
}

// overlayMount begins the labels of what mounts an overlay below the root.
const overlayMount = "mount an overlay at "
