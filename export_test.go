package snug

import (
	"github.com/snug-sandbox/snug/internal/host"
	"github.com/snug-sandbox/snug/internal/plan"
)

// CompileAs compiles c for this machine after change has had its way with the
// facts. StartChanged runs the result.
func (c *Cmd) CompileAs(change func(*host.Facts)) (*plan.Plan, error) {
	f, err := c.Spec.Facts()
	if err != nil {
		return nil, err
	}
	change(&f)
	return Compile(c.Spec, f, Streams{Extra: c.extra(), Terminals: c.terminals()})
}

// StartChanged is Start with a plan of the test's own.
func (c *Cmd) StartChanged(p *plan.Plan) error {
	c.plan = p
	return c.carryOut()
}
