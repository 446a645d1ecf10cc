package seccomp

import "github.com/snug-sandbox/snug/internal/plan"

const label = "load the system call filter"

// Plan appends the step that loads the filter for the command. It belongs right
// before execve, and no_new_privs has to be set (seccomp(2)).
func (c Config) Plan(x Context, p *plan.Builder) error {
	filter, err := Compile(c, x)
	if err != nil || filter == nil {
		return err
	}
	if c.LogDenials {
		return c.planListener(x, filter, p)
	}
	p.Filter(label, filter)
	return nil
}
