package actions

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/snug-sandbox/snug"
)

// Violation is something that a step tried and was kept from, or a limit that
// it ran into.
type Violation struct {
	Kind string `json:"kind"` // "workspace", "environment", "path", "network", "limit", "output"
	What string `json:"what"` // the path, name or host
	Why  string `json:"why"`
}

// Connection is a destination that a step reached, or was refused.
type Connection struct {
	Host    string `json:"host"` // a name, or an address
	Address string `json:"address,omitempty"`
	Port    int    `json:"port"`
	Program string `json:"program,omitempty"`
	Allowed bool   `json:"allowed"`
	Count   int    `json:"count"`
}

// name is "host:port".
func (c Connection) name() string {
	host := c.Host
	if host == "" {
		host = c.Address
	}
	if c.Port == 0 {
		return host
	}
	return fmt.Sprintf("%s:%d", host, c.Port)
}

// Report is the truth about one step, which is written as JSON.
type Report struct {
	Profile    string            `json:"profile"`
	Network    string            `json:"network"`
	ExitCode   int               `json:"exit_code"` // as a shell has it
	Failed     bool              `json:"failed"`    // what fail-on says
	Bare       bool              `json:"without_namespaces"`
	Violations []Violation       `json:"violations"`
	Warnings   []string          `json:"warnings"`
	Outputs    map[string]string `json:"outputs"` // those that were declared
	Changes    []Change          `json:"changes"` // of the workspace
	Persisted  []string          `json:"persisted"`
	Egress     []Connection      `json:"egress"`
	Commands   int               `json:"commands_defused"` // lines of output that would have been workflow commands
	Hidden     []string          `json:"hidden"`           // credentials that the step did not see
	Memory     []Sample          `json:"memory"`           // in use over time, of steps that go on for long enough
	Overhead   time.Duration     `json:"overhead_ns"`      // beside the sandbox's own time
	Sandbox    *sandboxReport    `json:"sandbox"`          // what snug says of the run
}

// sandboxReport is the report of "snug run".
type sandboxReport struct {
	snug.Result
	Error string `json:"error,omitempty"`
	Fix   string `json:"try,omitempty"`
	// Network is what a private network was used for.
	Network json.RawMessage `json:"network,omitempty"`
}

// readReport reads what "snug run --report" wrote. nil: it came to none.
func readReport(path string) *sandboxReport {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	r := &sandboxReport{}
	if json.Unmarshal(text, r) != nil {
		return nil
	}
	return r
}

// violate adds a violation once.
func (r *Report) violate(kind, what, why string) {
	v := Violation{kind, what, why}
	for _, was := range r.Violations {
		if was == v {
			return
		}
	}
	r.Violations = append(r.Violations, v)
}

func (r *Report) warn(format string, args ...any) {
	r.Warnings = append(r.Warnings, fmt.Sprintf(format, args...))
}

// judge decides whether the step failed.
func (r *Report) judge(failOn string) {
	switch failOn {
	case "exit":
		r.Failed = r.ExitCode != 0
	case "violation":
		r.Failed = r.ExitCode != 0 || len(r.Violations) > 0
	}
}

// limits turns limits that were reached into violations. What was done instead
// of a limit is told where the limit was asked for.
func (r *Report) limits(asked bool) {
	s := r.Sandbox
	if s == nil {
		return
	}
	for _, key := range s.LimitsReached {
		name := strings.TrimPrefix(key, "limits.")
		r.violate("limit", name, "the step reached its limit of "+name)
	}
	if asked || r.Bare {
		r.Warnings = append(r.Warnings, s.Notes...)
	}
}

// code is what this program ends with.
func (r *Report) code() int {
	switch {
	case !r.Failed:
		return 0
	case r.ExitCode != 0:
		return r.ExitCode
	}
	return 1
}
