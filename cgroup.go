package snug

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/snug-sandbox/snug/cgroups"
	"github.com/snug-sandbox/snug/internal/cgroupfs"
	"github.com/snug-sandbox/snug/internal/host"
	"github.com/snug-sandbox/snug/internal/plan"
	"github.com/snug-sandbox/snug/internal/problem"
)

// Usage is what the control group of a run counted.
type Usage = cgroupfs.Usage

// Pressure is a part of Usage: time in which processes were held up.
type Pressure = cgroupfs.Pressure

// makeCgroup makes the control group of a plan; nil is none. With the best
// effort, and to count only, what cannot be had is done without.
func (c *Cmd) makeCgroup(p *plan.Cgroup) (*cgroupfs.Group, error) {
	if p.Dir == "" {
		return nil, nil
	}
	for {
		group, err := cgroupfs.Make(p.Dir, p.Values, p.Count)
		bad := new(cgroupfs.SettingError)
		switch {
		case err == nil:
			return group, nil
		case errors.As(err, &bad) && c.Spec.Limits.Enforce == cgroups.BestEffort:
			p.Values = slices.DeleteFunc(p.Values, func(s plan.Setting) bool { return s == bad.Setting || s.For == bad.For })
			c.plan.Held[bad.For] = "nothing"
			c.note("%s is held by nothing: %v", bad.For, err)
		case len(p.Values) == 0 && p.CPUTime == 0 && !c.Spec.Limits.Account:
			c.note("what the sandbox uses is not counted as a whole: %v", err)
			return nil, nil
		default:
			return nil, limitProblem(err)
		}
	}
}

func (c *Cmd) note(format string, args ...any) {
	c.plan.Notes = append(c.plan.Notes, fmt.Sprintf(format, args...))
}

func limitProblem(err error) error {
	p := &problem.Problem{What: "limits", Why: err.Error(), Err: err,
		Fix: "have the controllers delegated: systemd-run --user --scope -p Delegate=yes snug …\nor leave the limit out"}
	if bad := new(cgroupfs.SettingError); errors.As(err, &bad) {
		p.What, p.Fix = bad.For, "choose another value; or say enforce = \"best-effort\" (--enforce best-effort), which does without; or leave it out"
	}
	if errors.Is(err, cgroupfs.ErrNotDelegated) {
		p.Fix = cgroups.Dropin
	}
	return p
}

// delegated fills in a subtree that c.Delegate makes, where the caller has none
// and something asks for one.
func (c *Cmd) delegated(f host.Facts) (host.Facts, error) {
	limits := c.Spec.Limits
	if c.Delegate == nil || limits.Empty() && limits.CPUTime == 0 || os.Getenv("SNUG_CGROUP") != "" || strings.HasPrefix(f.CgroupWhy, "cgroup v1") {
		return f, nil
	}
	missing := func(controller string) bool { return !slices.Contains(f.CgroupControllers, controller) }
	if f.CgroupDir != "" && !f.CgroupManaged && !slices.ContainsFunc(limits.Controllers(), missing) {
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

// meter ends the command when all its processes together have used the CPU time
// that they may. It looks again as soon as that can be so.
func (c *Cmd) meter(limit time.Duration) {
	const often = 10 * time.Millisecond
	cpus := time.Duration(runtime.NumCPU())
	for left := limit; left > 0; left = limit - c.cgroup.CPU() {
		if !c.sleep(max(left/cpus, often)) {
			return
		}
	}
	c.endAt(CauseCPUTime)
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
