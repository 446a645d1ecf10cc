// Package doctor is the check-up: it tells what this host allows a sandbox,
// what does not work without it, and the exact command that mends it.
//
//	report := doctor.Run(context.Background())
//	report.Print(os.Stdout, false)
//
// It looks first (look.go), then judges (the other files), so that every
// judgement can be tried for hosts that are not at hand. Nothing is changed on
// the host, and no network is used.
package doctor

import (
	"context"

	"github.com/snug-sandbox/snug/internal/host"
)

// State is what a check found.
type State string

// The values of State.
const (
	OK      State = "ok"      // it is there
	Limited State = "limited" // it is there, but not all of it works
	Missing State = "missing" // it is not there; some profiles do not work
	Broken  State = "broken"  // it is refused; the default profile does not work
)

// Check is one line of the table.
type Check struct {
	Name   string `json:"name"`
	State  State  `json:"state"`
	Found  string `json:"found"`            // what was seen, or why it is refused
	Breaks string `json:"breaks,omitempty"` // what does not work without it
	Mend   string `json:"mend,omitempty"`   // the commands that mend it, one a line
}

// Report is the outcome of a check-up.
type Report struct {
	// OK says whether `snug run` works here: the smallest sandbox ran.
	OK bool `json:"ok"`

	Kernel    string      `json:"kernel"`              // "6.8"
	Distro    host.Distro `json:"distribution"`        // as os-release(5) has it
	User      string      `json:"user"`                // login name of the caller
	UID       int         `json:"uid"`                 // and its number
	Container string      `json:"container,omitempty"` // "docker", "podman", ...

	Checks []Check `json:"checks"`
}

// Run looks at this host, runs the smallest sandboxes on it, and judges. The
// context bounds these runs.
func Run(ctx context.Context) Report { return judge(look(ctx, runSandbox)) }

// judge makes a report of what was seen; it looks at nothing itself.
func judge(s seen) Report {
	r := Report{
		OK: s.works(), Kernel: s.Kernel.String(), Distro: s.Distro,
		User: s.User, UID: s.UID, Container: s.Container,
	}
	for _, check := range []func(seen) []Check{
		kernel, namespaces, filesystems, identity, confinement, resources, networks, programs, smallest,
	} {
		r.Checks = append(r.Checks, check(s)...)
	}
	return r
}

// one is a line as a list, for the functions above.
func one(c Check) []Check { return []Check{c} }
