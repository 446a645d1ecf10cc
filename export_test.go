package snug

import (
	"context"
	"errors"
	"syscall"

	"github.com/snug-sandbox/snug/internal/child"
	"github.com/snug-sandbox/snug/internal/host"
	"github.com/snug-sandbox/snug/internal/plan"
	"github.com/snug-sandbox/snug/spec"
)

// CompileAs compiles c for this machine after change has had its way with the
// facts. StartChanged runs the result.
func (c *Cmd) CompileAs(change func(*host.Facts)) (*plan.Plan, error) {
	f, err := c.Spec.Facts()
	if err != nil {
		return nil, err
	}
	change(&f)
	if c.enter != nil {
		return spec.CompileEnter(c.Spec, f, Streams{Terminals: c.terminals()}, c.enter.mappings())
	}
	return Compile(c.Spec, f, Streams{Extra: c.extra(), Terminals: c.terminals()})
}

// StartChanged is Start with a plan of the test's own.
func (c *Cmd) StartChanged(p *plan.Plan) error {
	c.plan = p
	return c.carryOut()
}

func (e *entrance) mappings() []child.Mapping {
	if e.program == nil {
		return nil
	}
	return e.program.Mappings
}

// EnterChanged is StartChanged for a command that enters a sandbox.
func (c *Cmd) EnterChanged(p *plan.Plan) error {
	if err := c.enterInstance(); err != nil {
		return c.abandon(err)
	}
	return c.StartChanged(p)
}

// SetContext makes c end with ctx.
func (c *Cmd) SetContext(ctx context.Context) { c.ctx = ctx }

// FailedStep is the error of a plan whose step fails with an errno.
func FailedStep(s Spec, p *plan.Plan, step int, errno syscall.Errno) error {
	c := Command(s, "true")
	c.plan = p
	return c.setupFailed(child.Outcome{Failed: step, Errno: errno}, "")
}

// WithoutMemoryAttributes has a test see a kernel whose tmpfs takes no attributes
// of users. The function that it returns ends that.
func WithoutMemoryAttributes() func() {
	was := memoryHasAttributes
	memoryHasAttributes = func() error { return errors.New("as before Linux 6.6") }
	return func() { memoryHasAttributes = was }
}

// WhileBuilt has f called with the process that stays before its command is
// executed.
func (c *Cmd) WhileBuilt(f func(stays int)) { c.onClone = func() { f(c.stays()) } }
