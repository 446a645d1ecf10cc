package snug

import (
	"errors"
	"slices"
	"time"

	"github.com/snug-sandbox/snug/internal/cgroupfs"
	"github.com/snug-sandbox/snug/internal/host"
	"github.com/snug-sandbox/snug/internal/plan"
	"github.com/snug-sandbox/snug/internal/problem"
)

// Usage is what the control group of a run counted.
type Usage = cgroupfs.Usage

// makeCgroup makes the control group of a plan; nil is none.
func (c *Cmd) makeCgroup(p plan.Cgroup) (*cgroupfs.Group, error) {
	if p.Dir == "" {
		return nil, nil
	}
	group, err := cgroupfs.Make(p.Dir, p.Values, p.Count...)
	if err != nil {
		return nil, limitProblem(err)
	}
	return group, nil
}

func limitProblem(err error) error {
	p := &problem.Problem{What: "limits", Why: err.Error(), Err: err,
		Fix: "have the controllers delegated: systemd-run --user --scope -p Delegate=yes snug …\nor leave the limit out"}
	if errors.Is(err, cgroupfs.ErrNotDelegated) {
		p.Fix = "have root write /etc/systemd/system/user@.service.d/delegate.conf with\n" +
			"[Service]\nDelegate=cpu cpuset io memory pids\nthen: systemctl daemon-reload, and log in again"
	}
	return p
}

// delegated fills in a subtree that c.Delegate makes, where the caller has none
// and limits ask for one.
func (c *Cmd) delegated(f host.Facts) (host.Facts, error) {
	missing := func(controller string) bool { return !slices.Contains(f.CgroupControllers, controller) }
	needed := c.Spec.Limits.Controllers()
	if c.Delegate == nil || len(needed) == 0 || !f.CgroupManaged && !slices.ContainsFunc(needed, missing) {
		return f, nil
	}
	if err := c.Delegate(); err != nil {
		if f.CgroupDir == "" {
			f.CgroupWhy += "; and " + err.Error()
		}
		return f, nil
	}
	return c.Spec.Facts()
}

// finishCgroup reads what the run's group counted, and removes it.
func (c *Cmd) finishCgroup(group *cgroupfs.Group) *Usage {
	usage := group.Usage()
	group.Remove()
	return usage
}

// thaw lets a sandbox that was paused go on, because something is about to be
// said to it that it must hear.
func (c *Cmd) thaw() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.result == nil {
		c.cgroup.Thaw()
	}
}

// killFrozen kills a sandbox that is paused while it is to end: the process that
// would do it stands still, too.
func (c *Cmd) killFrozen() {
	for {
		if c.cgroup.Frozen() {
			c.cgroup.Kill()
		}
		if !c.sleep(50 * time.Millisecond) {
			return
		}
	}
}
