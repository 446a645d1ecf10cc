package seccomp

import "github.com/snug-sandbox/snug/internal/plan"

// Plan appends the step that loads the filter for the command. It belongs right
// before execve, and no_new_privs has to be set (seccomp(2)).
func (c Config) Plan(x Context, p *plan.Builder) error {
	filter, err := Compile(c, x)
	if err != nil || filter == nil {
		return err
	}
	const label = "load the system call filter"
	if c.LogDenials {
		p.LoggedFilter(label, filter)
		p.Notes = append(p.Notes, "refused system calls are in the kernel's log: journalctl -k --grep type=1326, dmesg, or ausearch -m SECCOMP")
	} else {
		p.Filter(label, filter)
	}
	return nil
}
