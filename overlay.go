package snug

import (
	"errors"
	"path"
	"slices"
	"strings"
	"syscall"

	"github.com/snug-sandbox/snug/internal/host"

	"github.com/snug-sandbox/snug/internal/child"
	"github.com/snug-sandbox/snug/mounts"
)

// ErrOverlay is the cause of an error about a root that overlayfs was to be laid
// over, where the kernel refuses that and fuse-overlayfs cannot be had either.
var ErrOverlay = errors.New("the kernel refuses overlayfs")

// refusals of overlayfs: not for this user, not there, not on these file systems.
var refusals = []syscall.Errno{syscall.EPERM, syscall.EACCES, syscall.ENODEV, syscall.ENOSYS, syscall.EOPNOTSUPP, syscall.EINVAL}

// overlayRefused reports whether it was overlayfs for the root that failed.
func (c *Cmd) overlayRefused(o child.Outcome) bool {
	return o.Failed >= 0 && slices.Contains(refusals, o.Errno) &&
		strings.HasPrefix(c.plan.Program.Steps[o.Failed].Label, mounts.OverlayLabel)
}

// fallBack makes the plan one with fuse-overlayfs, where overlayfs was refused for
// the root and rootfs.driver leaves the choice. It reports whether to try again.
func (c *Cmd) fallBack(o child.Outcome) bool {
	if c.enter != nil || c.Spec.Rootfs.Driver != mounts.DriverAuto || path.Clean(c.Spec.Rootfs.Path) == "/" || !c.overlayRefused(o) {
		return false
	}
	before, plan := c.Spec, c.plan
	c.Spec.Rootfs.Driver = mounts.DriverFuse
	facts, err := c.Spec.Facts()
	if err == nil && host.ProbeFuse() == nil {
		if facts, err = c.delegated(facts); err == nil {
			err = c.compile(facts)
		}
	} else {
		err = ErrOverlay
	}
	if err == nil {
		err = c.image.KeptByFuse()
	}
	if err != nil {
		c.Spec, c.plan = before, plan
		return false
	}
	c.plan.Notes = append(c.plan.Notes, "the kernel refuses overlayfs here ("+o.Errno.Error()+"): fuse-overlayfs stands in for it")
	return true
}
